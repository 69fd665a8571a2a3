// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Files that are written back, frozen, cloned while they are mapped. */

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guestsys.h"

#define PAGES 128

static struct file file;

/* --- written back ------------------------------------------------- */

static bool sync_file(struct field *f, const struct range *g, struct rng *rng)
{
	(void)g;
	if (one_in(rng, 2) ? fsync(file.fd) : fdatasync(file.fd))
		fail(f->run, "fsync: %s", strerror(errno));
	return true;
}

static bool sync_range(struct field *f, const struct range *g, struct rng *rng)
{
	if (one_in(rng, 2) ?
		    msync(g->at, g->len, MS_SYNC) :
		    sync_file_range(file.fd, g->first * PAGE, g->len,
				    SYNC_FILE_RANGE_WAIT_BEFORE |
					    SYNC_FILE_RANGE_WRITE |
					    SYNC_FILE_RANGE_WAIT_AFTER))
		fail(f->run, "msync: %s", strerror(errno));
	return true;
}

/* A clean page goes; if it only seemed clean, what is read is the old one. */
static bool forget(struct field *f, const struct range *g, struct rng *rng)
{
	(void)rng;
	if (msync(g->at, g->len, MS_SYNC))
		fail(f->run, "msync: %s", strerror(errno));
	return !madvise(g->at, g->len, MADV_PAGEOUT);
}

static bool drop_caches(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)g;
	return sys_set("/proc/sys/vm/drop_caches", "%u",
		       1 + (unsigned int)below(rng, 3));
}

static uint64_t mtime(void)
{
	struct stat st;

	fstat(file.fd, &st);
	return st.st_mtim.tv_sec * 1000000000ULL + st.st_mtim.tv_nsec;
}

/* Quiet: the next WRITE to a page that was written back is noticed. */
static void check_mtime(struct engine *e)
{
	struct field *f = e->field[0];
	uint64_t before;
	unsigned int i;

	for (i = 0; i < 8 && !failed(e->run); i++) {
		fsync(file.fd);
		before = mtime();
		sleep_ms(20);
		if (!traffic_write(e->traffic[0], f, i * BLOCK, 1))
			fail(e->run, "a WRITE after fsync is refused");
		else if (mtime() <= before)
			fail(e->run, "a WRITE after fsync leaves mtime as is");
	}
}

/* Past the page cache: what the disk has is what memory has. */
static void check_disk(struct engine *e)
{
	size_t bytes = PAGES * PAGE;
	uint8_t *disk = map_anon(bytes);
	ssize_t bad;
	int fd;

	if (fsync(file.fd))
		fail(e->run, "fsync: %s", strerror(errno));
	sys_set("/proc/sys/vm/drop_caches", "1");
	fd = open(file.path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0 || pread(fd, disk, bytes, 0) != (ssize_t)bytes)
		die("O_DIRECT: %s", strerror(errno));
	close(fd);
	bad = first_difference(disk, page_at(e->field[0], 0), bytes);
	if (bad >= 0)
		fail(e->run, "byte %zd of page %zu never came to the disk",
		     bad % PAGE, bad / PAGE);
	munmap(disk, bytes);
}

static void written_back(struct run *r, const char *type)
{
	static const struct event events[] = {
		{ .name = "fsync", .fn = sync_file, .flags = EV_WHOLE },
		{ .name = "msync", .fn = sync_range },
		{ .name = "msync, MADV_PAGEOUT", .fn = forget, .weight = 2 },
		{ .name = "drop_caches",
		  .fn = drop_caches,
		  .flags = EV_NO_PAGES },
		{}
	};
	/* What is dirty is dirty by the device. */
	struct engine e = { .events = events, .ops = OPS_ALL & ~OP(STORE) };

	if (!fs_engine(&e, r, type, PAGES, &file))
		return;
	engine_start(&e);
	while (engine_goes_on(&e))
		;
	engine_stop(&e);
	if (!failed(r))
		check_mtime(&e);
	engine_check(&e);
	check_disk(&e);
	engine_free(&e);
}

static void written_back_ext4(struct run *r)
{
	written_back(r, "ext4");
}

static void written_back_xfs(struct run *r)
{
	written_back(r, "xfs");
}

#define WRITTEN_BACK                                                         \
	.slack_s = 60, .rows = "31",                                         \
	.what = "each WRITE after a writeback is written back, mtime moves", \
	.hooks = PROT_PAGE

SCENARIO(written_back_ext4) = { .name = "writeback-ext4",
				.run = written_back_ext4,
				WRITTEN_BACK };
SCENARIO(written_back_xfs) = { .name = "writeback-xfs",
			       .run = written_back_xfs,
			       WRITTEN_BACK };

/* --- frozen ------------------------------------------------------- */

/* Faults for writing have to wait until it thaws. */
static bool freeze(struct field *f, const struct range *g, struct rng *rng)
{
	int dir = open(fs_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)g;
	if (dir < 0 || ioctl(dir, FIFREEZE, 0))
		fail(f->run, "freeze: %s", strerror(errno));
	usleep(below(rng, 100000));
	if (ioctl(dir, FITHAW, 0))
		fail(f->run, "thaw: %s", strerror(errno));
	close(dir);
	return true;
}

static void frozen(struct run *r, const char *type)
{
	static const struct event events[] = {
		{ .name = "freeze", .fn = freeze, .flags = EV_NO_PAGES },
		{ .name = "drop_caches",
		  .fn = drop_caches,
		  .flags = EV_NO_PAGES },
		{}
	};
	struct engine e = { .events = events, .pause_us = 50000 };

	if (fs_engine(&e, r, type, PAGES, &file))
		engine_run(&e);
}

static void frozen_ext4(struct run *r)
{
	frozen(r, "ext4");
}

static void frozen_xfs(struct run *r)
{
	frozen(r, "xfs");
}

#define FROZEN                                                                \
	.slack_s = 60, .rows = "32",                                          \
	.what = "a WRITE waits while the file system is frozen, and goes on", \
	.hooks = PROT_PAGE

SCENARIO(frozen_ext4) = { .name = "freeze-ext4", .run = frozen_ext4, FROZEN };
SCENARIO(frozen_xfs) = { .name = "freeze-xfs", .run = frozen_xfs, FROZEN };

/* --- cloned ------------------------------------------------------- */

static struct {
	struct file copy, origin;
	uint8_t seen[PAGES * PAGE], now[PAGES * PAGE];
	bool taken;
} clone_of;

/* Its blocks are shared; whoever writes afterwards gets blocks of its own. */
static bool take_clone(struct field *f, const struct range *g, struct rng *rng)
{
	ssize_t len = PAGES * PAGE, bad;

	(void)g;
	(void)rng;
	if (clone_of.taken) {
		if (pread(clone_of.copy.fd, clone_of.now, len, 0) != len)
			fail(f->run, "the clone: %s", strerror(errno));
		bad = first_difference(clone_of.seen, clone_of.now, len);
		if (bad >= 0)
			fail(f->run, "byte %zd of the clone has changed", bad);
	}
	if (ioctl(clone_of.copy.fd, FICLONE, file.fd))
		fail(f->run, "FICLONE: %s", strerror(errno));
	clone_of.taken = true;
	if (pread(clone_of.copy.fd, clone_of.seen, len, 0) != len)
		fail(f->run, "the clone: %s", strerror(errno));
	/* The next one reads from the disk. */
	posix_fadvise(clone_of.copy.fd, 0, 0, POSIX_FADV_DONTNEED);
	return true;
}

/* The other way round: blocks of another file take the place of these. */
static bool put_origin(struct field *f, const struct range *g, struct rng *rng)
{
	struct file_clone_range c = { .src_fd = clone_of.origin.fd,
				      .src_offset = g->first * PAGE,
				      .src_length = g->len,
				      .dest_offset = g->first * PAGE };

	(void)f;
	(void)rng;
	return !ioctl(file.fd, FICLONERANGE, &c);
}

static void cloned_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "clone to another file",
		  .fn = take_clone,
		  .flags = EV_NO_PAGES | EV_ALONE },
		{ .name = "clone from another file",
		  .fn = put_origin,
		  .flags = EV_EMPTIES | EV_ALONE },
		{}
	};
	struct engine e = { .events = events };
	static uint8_t origin[PAGES * PAGE];
	unsigned int i;

	if (!fs_engine(&e, r, "xfs", PAGES, &file))
		return;
	for (i = 0; i < PAGES; i++)
		stamp(origin + i * PAGE, i + 7000, 1);
	clone_of.copy = fs_file("copy", 0);
	clone_of.origin = fs_file("origin", 0);
	if (pwrite(clone_of.origin.fd, origin, sizeof(origin), 0) !=
	    (ssize_t)sizeof(origin))
		die("origin: %s", strerror(errno));
	e.field[0]->origin = origin;
	engine_run(&e);
}

SCENARIO(cloned) = {
	.name = "reflink-xfs",
	.rows = "32",
	.what = "a clone keeps its bytes when the peer writes to the other file",
	.run = cloned_run,
	.slack_s = 60,
	.hooks = CLEAR | PROT_PAGE,
};
