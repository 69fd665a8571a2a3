// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Files that are cut and get holes while they are mapped. */

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "guestsys.h"

#define PAGES 128

static struct file file;

/* --- cut and holed ------------------------------------------------ */

/* Where a CPU gets SIGBUS, a peer gets an error; then it is a hole. */
static bool truncate_tail(struct field *f, const struct range *g,
			  struct rng *rng)
{
	if (ftruncate(file.fd, g->first * PAGE))
		fail(f->run, "ftruncate: %s", strerror(errno));
	if (one_in(rng, 4))
		usleep(below(rng, 3000));
	if (ftruncate(file.fd, f->pages * PAGE))
		fail(f->run, "ftruncate: %s", strerror(errno));
	return true;
}

static bool allocate(const struct range *g, int mode)
{
	return !fallocate(file.fd, mode | FALLOC_FL_KEEP_SIZE, g->first * PAGE,
			  g->len);
}

static bool punch(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return allocate(g, FALLOC_FL_PUNCH_HOLE);
}

/* Blocks that are there and count as zeros: tmpfs has no such thing. */
static bool zero_range(struct field *f, const struct range *g, struct rng *rng)
{
	return allocate(g, FALLOC_FL_ZERO_RANGE) || punch(f, g, rng);
}

/* Nothing is lost by it. */
static bool fill_holes(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return allocate(g, 0);
}

static void cut(struct run *r, const char *type)
{
	static const struct event events[] = {
		{ .name = "truncate, extend",
		  .fn = truncate_tail,
		  .flags = EV_TAIL | EV_TAKES | EV_EMPTIES | EV_ALONE,
		  .max = 64 },
		{ .name = "punch hole", .fn = punch, .flags = EV_EMPTIES },
		{ .name = "zero range", .fn = zero_range, .flags = EV_EMPTIES },
		{ .name = "fallocate", .fn = fill_holes },
		{}
	};
	struct engine e = { .events = events };

	if (fs_engine(&e, r, type, PAGES, &file))
		engine_run(&e);
}

static void cut_tmpfs(struct run *r)
{
	cut(r, "tmpfs");
}

static void cut_ext4(struct run *r)
{
	cut(r, "ext4");
}

static void cut_xfs(struct run *r)
{
	cut(r, "xfs");
}

#define CUT                                                                    \
	.slack_s = 60, .rows = "30",                                           \
	.what = "an error beyond the end, zeros where a hole was, never more", \
	.hooks = CLEAR

SCENARIO(cut_tmpfs) = { .name = "truncate-tmpfs", .run = cut_tmpfs, CUT };
SCENARIO(cut_ext4) = { .name = "truncate-ext4", .run = cut_ext4, CUT };
SCENARIO(cut_xfs) = { .name = "truncate-xfs", .run = cut_xfs, CUT };

/* --- memory that is a file system --------------------------------- */

static const char *dax_missing(void)
{
	if (access("/dev/pmem0", F_OK))
		command("modprobe -a nd_e820 nd_pmem");
	return access("/dev/pmem0", F_OK) ?
		       "no persistent memory (memmap=128M!1G makes some)" :
		       NULL;
}

static struct file other;

/*
 * What was the field's block becomes another file's: nobody writes there any
 * more but through that file.
 */
static bool reuse(struct field *f, const struct range *g, struct rng *rng)
{
	static uint8_t content[16 * PAGE], found[16 * PAGE];
	ssize_t bad;
	unsigned int i;

	for (i = 0; i < g->n; i++)
		stamp(content + i * PAGE, i + 9000, rnd(rng));
	if (!punch(f, g, rng) ||
	    pwrite(other.fd, content, g->len, 0) != (ssize_t)g->len)
		fail(f->run, "blocks that go to another file: %s",
		     strerror(errno));
	usleep(below(rng, 5000));
	if (pread(other.fd, found, g->len, 0) != (ssize_t)g->len)
		fail(f->run, "another file: %s", strerror(errno));
	bad = first_difference(content, found, g->len);
	if (bad >= 0)
		fail(f->run, "byte %zd of another file was written to", bad);
	return !ftruncate(other.fd, 0);
}

static void check_pinned(struct run *r, void *at)
{
	struct ibv_mr *mr = ibv_reg_mr(r->dev.pd, at, PAGE, RD_ALL);

	if (mr || errno != EOPNOTSUPP)
		fail(r, "a pinned region over fsdax: %s",
		     mr ? "accepted" : strerror(errno));
}

static void dax(struct run *r, const char *type)
{
	static const struct event events[] = {
		{ .name = "truncate, extend",
		  .fn = truncate_tail,
		  .flags = EV_TAIL | EV_TAKES | EV_EMPTIES | EV_ALONE,
		  .max = 64 },
		{ .name = "punch, reuse",
		  .fn = reuse,
		  .flags = EV_EMPTIES | EV_ALONE,
		  .weight = 2 },
		{ .name = "zero range", .fn = zero_range, .flags = EV_EMPTIES },
		{ .name = "fallocate", .fn = fill_holes },
		{}
	};
	struct engine e = { .run = r, .events = events };
	void *p = place(PAGES * PAGE);

	if (!fs_mount_on(r, "/dev/pmem0", type, "dax=always"))
		return;
	file = fs_file("field", PAGES * PAGE);
	other = fs_file("other", 0);
	if (mmap(p, PAGES * PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED_VALIDATE | MAP_SYNC | MAP_FIXED, file.fd, 0) != p)
		die("mmap with MAP_SYNC: %s", strerror(errno));
	check_pinned(r, p);
	e.field[0] = field_over(r, "fsdax", p, PAGES);
	e.field[1] = field_pinned(r, 32);
	field_register(e.field[0], 0);
	engine_run(&e);
}

static void dax_ext4(struct run *r)
{
	dax(r, "ext4");
}

static void dax_xfs(struct run *r)
{
	dax(r, "xfs");
}

#define DAX                                                                  \
	.slack_s = 60, .rows = "33", .missing = dax_missing, .hooks = CLEAR, \
	.what = "persistent memory without pins, given up when it is cut"

SCENARIO(dax_ext4) = { .name = "fsdax-ext4", .run = dax_ext4, DAX };
SCENARIO(dax_xfs) = { .name = "fsdax-xfs", .run = dax_xfs, DAX };
