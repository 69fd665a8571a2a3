// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Pages that are taken away to be used for something else, and come back.
 * The CPU stores nothing in these: whether a page is worth keeping is for the
 * device alone to tell.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "group.h"
#include "guestsys.h"
#include "wire.h"

#define NO_STORES (OPS_ALL & ~OP(STORE))

static const char *const swapped[] = { "pswpout", "pswpin", NULL };
/* What comes back may still be in memory. */
static const char *const written[] = { "pswpout", NULL };

static bool page_out(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return !madvise(g->at, g->len, MADV_PAGEOUT);
}

/* What was only read back is clean, and its copy in swap is still good. */
static bool out_and_back(struct field *f, const struct range *g,
			 struct rng *rng)
{
	unsigned int i;

	if (!page_out(f, g, rng))
		return false;
	for (i = 0; i < g->n; i++)
		(void)*(const volatile uint8_t *)(g->at + i * PAGE);
	return true;
}

static const struct event out_events[] = {
	{ .name = "MADV_PAGEOUT", .fn = page_out, .max = 32 },
	{ .name = "MADV_PAGEOUT, loads", .fn = out_and_back, .max = 32 },
	{}
};

static void swap_disk_run(struct run *r)
{
	struct engine e = {
		.run = r,
		.field = { field_anon(r, 256), field_pinned(r, 32) },
		.events = out_events,
		.ops = NO_STORES,
	};

	engine_run_counting(&e, swapped);
}

SCENARIO(swap_disk) = {
	.name = "swap-disk",
	.rows = "8,9",
	.what = "no WRITE is lost when pages go to a disk, also from swap cache",
	.missing = swap_missing,
	.run = swap_disk_run,
	.hooks = CLEAR,
};

static void netem_swap_run(struct run *r)
{
	wire_run(r, swap_disk_run);
}

static const char *netem_swap_missing(void)
{
	return swap_missing() ?: wire_missing();
}

SCENARIO(netem_swap) = {
	.name = "netem-swap",
	.what = "swap-disk over a bad wire: no WRITE is lost, none comes twice",
	.missing = netem_swap_missing,
	.run = netem_swap_run,
	.hooks = CLEAR,
	.slack_s = 60,
};

/* --- zram --------------------------------------------------------- */

static struct zram zram;
static const char *swap_path; /* of what comes and goes */

static void swap_zram_with(struct run *r, const struct event *events)
{
	struct engine e = {
		.run = r,
		.field = { field_anon(r, 256), field_pinned(r, 32) },
		.events = events,
		.ops = NO_STORES,
	};

	if (!zram_open(&zram, 64)) {
		skip(r, "there is no zram");
		return;
	}
	engine_count(&e, swapped, NULL);
	tap_note("%s: %llu KB of zram at most", r->sc->name,
		 (unsigned long long)zram_peak(&zram) >> 10);
	if (!zram_peak(&zram))
		fail(r, "nothing came to zram");
	engine_check(&e);
	engine_free(&e);
	zram_close(&zram);
}

static void swap_zram_run(struct run *r)
{
	swap_zram_with(r, out_events);
}

SCENARIO(swap_zram) = {
	.name = "swap-zram",
	.rows = "9",
	.what = "no WRITE is lost when pages are compressed",
	.run = swap_zram_run,
	.hooks = CLEAR,
};

/* All that is in there is wanted back, now. */
static bool swap_off(struct field *f, const struct range *g, struct rng *rng)
{
	(void)g;
	if (swapoff(swap_path))
		fail(f->run, "swapoff: %s", strerror(errno));
	if (one_in(rng, 4))
		sleep_ms(below(rng, 10));
	if (!swap_first(swap_path))
		fail(f->run, "swapon: %s", strerror(errno));
	return true;
}

static void swapoff_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "MADV_PAGEOUT", .fn = page_out, .max = 64 },
		{ .name = "MADV_PAGEOUT, loads", .fn = out_and_back },
		{ .name = "swapoff", .fn = swap_off, .flags = EV_NO_PAGES },
		{}
	};

	swap_path = zram.path;
	swap_zram_with(r, events);
}

SCENARIO(swapoff) = {
	.name = "swapoff",
	.rows = "9",
	.what = "pages keep their bytes when their swap goes away, in a loop",
	.run = swapoff_run,
	.hooks = CLEAR,
};

/* --- a file -------------------------------------------------------- */

static uint64_t in_file; /* KB that were seen in it at once, at most */

/* The file's line of /proc/swaps: name, type, size, used. */
static bool came_to_file(void)
{
	unsigned long long used;
	char line[200];
	FILE *f = fopen("/proc/swaps", "re");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, swap_path, strlen(swap_path)) &&
		    sscanf(line, "%*s %*s %*u %llu", &used) == 1 &&
		    used > in_file)
			in_file = used;
	if (f)
		fclose(f);
	return in_file;
}

/* The kernel knows the file's blocks, and goes past the file system. */
static void swap_file_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "MADV_PAGEOUT",
		  .fn = page_out,
		  .max = 64,
		  .weight = 8 },
		{ .name = "MADV_PAGEOUT, loads",
		  .fn = out_and_back,
		  .weight = 8 },
		{ .name = "swapoff", .fn = swap_off, .flags = EV_NO_PAGES },
		{}
	};
	struct engine e = { .run = r, .events = events, .ops = NO_STORES };
	struct file file;

	if (!fs_mount(r, "ext4"))
		return;
	file = fs_file("swap", 0);
	swap_path = file.path;
	if (fchmod(file.fd, 0600) || fallocate(file.fd, 0, 0, 16 << 20) ||
	    !command("mkswap %s", file.path))
		die("a file for swap: %s", strerror(errno));
	if (!swap_first(file.path)) {
		skip(r, "swapon of a file: %s", strerror(errno));
		return;
	}
	e.field[0] = field_anon(r, 256);
	e.field[1] = field_pinned(r, 32);
	engine_count(&e, swapped, came_to_file);
	tap_note("%s: %llu KB in the file at most", r->sc->name,
		 (unsigned long long)in_file);
	if (!failed(r) && !in_file)
		fail(r, "nothing came to the file");
	/* Or the file system stays in use. */
	if (swapoff(file.path))
		fail(r, "swapoff: %s", strerror(errno));
	engine_check(&e);
	engine_free(&e);
	unlink(file.path);
	close(file.fd);
}

SCENARIO(swap_file) = {
	.name = "swap-file",
	.rows = "9,32",
	.what = "no WRITE is lost when pages go to a file, which comes and goes",
	.run = swap_file_run,
	.hooks = CLEAR,
	.slack_s = 60,
};

/* --- a control group with too little memory ----------------------- */

static bool group_reclaim(struct field *f, const struct range *g,
			  struct rng *rng)
{
	(void)f;
	(void)g;
	/* "Less than that" is an error, too, and good enough. */
	return sys_set(GROUP_DIR "/memory.reclaim", "%uK",
		       64 + (unsigned int)below(rng, 1024)) ||
	       errno == EAGAIN;
}

/* Whoever allocates above it has to make room first, and is slowed down. */
static bool group_high(struct field *f, const struct range *g, struct rng *rng)
{
	uint64_t now = sys_get(GROUP_DIR "/memory.current", 0);

	(void)g;
	if (!sys_set(GROUP_DIR "/memory.high", "%llu",
		     (unsigned long long)now / 16 * (12 + below(rng, 4))))
		fail(f->run, "memory.high: %s", strerror(errno));
	sleep_ms(below(rng, 20));
	sys_set(GROUP_DIR "/memory.high", "max");
	return true;
}

static void squeeze_in_group(struct run *r)
{
	static const struct event events[] = { { .name = "memory.reclaim",
						 .fn = group_reclaim,
						 .flags = EV_NO_PAGES },
					       { .name = "memory.high",
						 .fn = group_high,
						 .flags = EV_NO_PAGES },
					       { .name = "MADV_PAGEOUT",
						 .fn = page_out },
					       {} };
	struct engine e = {
		.run = r,
		.field = { field_anon(r, 512), field_pinned(r, 32) },
		.events = events,
		.ops = NO_STORES,
	};

	/*
	 * The kernel holds up who is above memory.high, for up to 2 s each time
	 * that it goes back to user mode; an access does so several times.
	 */
	r->limit_ms += 20000;
	engine_run_counting(&e, swapped);
}

static void squeeze_run(struct run *r)
{
	struct group group = {};

	group_join(&group);
	squeeze_in_group(r);
	sys_set(GROUP_DIR "/memory.high", "max");
	group_leave(&group);
}

SCENARIO(squeeze) = {
	.name = "memcg-squeeze",
	.rows = "9",
	.what = "no byte is lost in a control group with too little memory",
	.missing = group_missing,
	.run = squeeze_run,
	.hooks = CLEAR,
};

/* --- shared memory ------------------------------------------------ */

static int memory_fd;

static bool punch(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return !fallocate(memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  g->first * PAGE, g->len);
}

/*
 * A hole that is read becomes a page that nobody has to keep, until somebody
 * writes to it.
 */
static void memfd_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "MADV_PAGEOUT", .fn = page_out, .weight = 4 },
		{ .name = "punch hole", .fn = punch, .flags = EV_EMPTIES },
		{}
	};
	struct engine e = { .run = r, .events = events, .ops = NO_STORES };

	memory_fd = memfd_create("stress", MFD_CLOEXEC);
	if (memory_fd < 0 || ftruncate(memory_fd, 256 * PAGE))
		die("memfd: %s", strerror(errno));
	e.field[0] = field_file(r, memory_fd, 256);
	e.field[1] = field_pinned(r, 32);
	field_register(e.field[0], 0);
	engine_run_counting(&e, written);
}

SCENARIO(memfd_pageout) = {
	.name = "memfd-pageout",
	.rows = "10",
	.what = "what is written into a hole that was read before is kept",
	.missing = swap_missing,
	.run = memfd_run,
	.hooks = CLEAR,
};
