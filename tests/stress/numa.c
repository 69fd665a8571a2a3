// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Pages that get other frames: the bytes are the same, the place is not. */

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guestsys.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

#define PAGES	  256
#define BALANCING "/sys/kernel/debug/sched/numa_balancing/"
#define COMPACT	  "/sys/devices/system/node/node0/compact"
#define BLOCKS	  "/sys/devices/system/memory/"

static const char *const migrated[] = { "pgmigrate_success", NULL };

/* --- which frames ------------------------------------------------- */

#define HUGE (2UL << 20)
#define MOST 512
static uint64_t frames_before[MOST];

static void frames_remember(const struct field *f)
{
	pagemap_open();
	pagemap_read(page_at(f, 0), frames_before, f->pages);
}

/* Present then and now, and not in the same place. */
static unsigned int frames_moved(const struct field *f)
{
	static uint64_t now[MOST];
	unsigned int i, n = 0;

	pagemap_read(page_at(f, 0), now, f->pages);
	for (i = 0; i < f->pages; i++)
		n += now[i] & frames_before[i] & PM_PRESENT &&
		     (now[i] ^ frames_before[i]) & PM_FRAME;
	return n;
}

/* Pages of the field that were seen to move during events. */
static _Atomic unsigned int moved;

/* Where the events do not look themselves. */
static const struct field *watched;

static bool any_moved(void)
{
	return atomic_load(&moved) || (watched && frames_moved(watched));
}

static void run_moving(struct run *r, struct field *f,
		       const struct event *events, const char *const *counts,
		       unsigned int pause_us)
{
	struct engine e = {
		.run = r,
		.field = { f, field_pinned(r, 32) },
		.events = events,
		.pause_us = pause_us,
		/* Some take seconds; what they did is asked, too. */
		.min_events = 1,
	};

	memset(page_at(f, 0), 0, f->pages * PAGE);
	frames_remember(f);
	engine_count(&e, counts, any_moved);
	moved += frames_moved(f);
	tap_note("%s: %u pages seen elsewhere", r->sc->name, moved);
	if (!failed(r) && !moved)
		fail(r, "no page of the region has moved");
	engine_check(&e);
	engine_free(&e);
}

/* --- compaction --------------------------------------------------- */

static const char *compaction_missing(void)
{
	if (access(COMPACT, W_OK))
		return "a kernel without compaction of a node";
	return collapse_missing();
}

#define IN_HUGE 128 /* pages of the field, in a huge page */

static struct {
	uint8_t *at;
	size_t len;
} holes;

/* Wanted in huge pages, and all from one node: that one is compacted. */
static uint8_t *map_huge(size_t bytes)
{
	void *p = mmap(place(bytes), bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		       0);
	unsigned long node = 1;

	if (p == MAP_FAILED || madvise(p, bytes, MADV_HUGEPAGE))
		die("huge pages: %s", strerror(errno));
	if (syscall(__NR_mbind, p, bytes, MPOL_BIND, &node, 64UL, 0))
		die("mbind: %s", strerror(errno));
	return p;
}

/*
 * Compaction moves pages up into holes in memory that is partly used. So here
 * are holes, and the field's pages somewhere else: in a new huge page each
 * time, which is then broken up, so that they can be moved one by one.
 */
static bool make_holes(struct field *f, const struct range *g, struct rng *rng)
{
	struct range part = *g;
	size_t at;

	if (madvise(holes.at, holes.len, MADV_DONTNEED))
		fail(f->run, "MADV_DONTNEED: %s", strerror(errno));
	for (at = 0; at < holes.len; at += HUGE) {
		part.at = holes.at + at;
		*(volatile uint8_t *)part.at = 1;
		huge_split(f, &part, rng);
	}
	if (!huge_collapse(f, g, rng) || !huge_split(f, g, rng))
		return false;
	for (at = 0; at < holes.len; at += 8 * PAGE)
		madvise(holes.at + at, 7 * PAGE, MADV_DONTNEED);
	/* Nobody's, but put together and broken up with the field. */
	madvise(page_at(f, 0) + IN_HUGE * PAGE, HUGE - IN_HUGE * PAGE,
		MADV_DONTNEED);
	return true;
}

static bool compact(struct field *f, const struct range *g, struct rng *rng)
{
	if (!make_holes(f, g, rng))
		return false;
	frames_remember(f);
	if (!sys_set(COMPACT, "1"))
		fail(f->run, COMPACT ": %s", strerror(errno));
	moved += frames_moved(f);
	return true;
}

static void compact_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "compaction", .fn = compact, .flags = EV_ALONE }, {}
	};
	struct field *f = field_over(r, "huge", map_huge(HUGE), IN_HUGE);

	holes.len = 4 * HUGE;
	holes.at = map_huge(holes.len);
	field_register(f, 0);
	run_moving(r, f, events, migrated, 0);
}

SCENARIO(compaction) = {
	.name = "compaction",
	.rows = "24",
	.what = "pages move under the device; it holds none of them in place",
	.missing = compaction_missing,
	.run = compact_run,
	.slack_s = 60,
	.hooks = CLEAR,
};

/* --- nodes -------------------------------------------------------- */

static const char *nodes_missing(void)
{
	return access("/sys/devices/system/node/node1", F_OK) ?
		       "one NUMA node only (numa=fake=2 makes two)" :
		       NULL;
}

static void run_watched(struct run *r, struct field *f,
			const struct event *events, const char *const *counts)
{
	watched = f;
	run_moving(r, f, events, counts, 0);
}

#define LONG_RUN 10000 /* ms */

static bool move_some(struct field *f, const struct range *g, struct rng *rng)
{
	void *at[64];
	int node[64], status[64];
	unsigned int i;

	(void)f;
	for (i = 0; i < g->n; i++) {
		at[i] = g->at + i * PAGE;
		node[i] = below(rng, 2);
	}
	return syscall(__NR_move_pages, 0, (unsigned long)g->n, at, node,
		       status, MPOL_MF_MOVE) >= 0;
}

/* All of the process from one node to the other. */
static bool move_all(struct field *f, const struct range *g, struct rng *rng)
{
	unsigned long from = 1 + below(rng, 2), to = 3 - from;

	(void)g;
	if (syscall(__NR_migrate_pages, 0, 64UL, &from, &to) < 0)
		fail(f->run, "migrate_pages: %s", strerror(errno));
	return true;
}

static bool bind_part(struct field *f, const struct range *g, struct rng *rng)
{
	unsigned long node = 1 + below(rng, 2), none = 0;

	if (syscall(__NR_mbind, g->at, g->len, MPOL_BIND, &node, 64UL,
		    MPOL_MF_MOVE))
		fail(f->run, "mbind: %s", strerror(errno));
	return !syscall(__NR_mbind, g->at, g->len, MPOL_DEFAULT, &none, 0UL, 0);
}

static void nodes_run(struct run *r)
{
	static const struct event all[] = {
		{ .name = "migrate_pages",
		  .fn = move_all,
		  .flags = EV_WHOLE | EV_ALONE },
		{ .name = "move_pages",
		  .fn = move_some,
		  .max = 64,
		  .weight = 60 },
		{ .name = "mbind", .fn = bind_part, .weight = 30 },
		{}
	};
	/*
	 * Moving the whole process takes up to half a minute, emulated, in
	 * which pages are away for seconds: for long runs, with patience.
	 */
	const bool long_run = r->ms >= LONG_RUN;
	const struct event *events = long_run ? all : all + 1;

	if (long_run)
		r->limit_ms *= 5;
	run_watched(r, field_anon(r, 128), events, migrated);
}

SCENARIO(nodes) = {
	.name = "numa-move",
	.rows = "24",
	.what = "pages go from node to node: none is lost, none is held",
	.missing = nodes_missing,
	.run = nodes_run,
	/* Each page costs an interrupt of all CPUs; emulated ones are slow. */
	.slack_s = 120,
	.hooks = CLEAR,
};

static const char *hinting_missing(void)
{
	if (access(BALANCING "scan_period_min_ms", F_OK))
		return "a kernel without NUMA balancing";
	return nodes_missing();
}

static void hinting_run(struct run *r)
{
	static const char *const counts[] = { "numa_pte_updates",
					      "numa_hint_faults", NULL };
	static const struct event events[] = {
		{ .name = "move_pages", .fn = move_some, .max = 64 }, {}
	};

	sys_set_for_now("/proc/sys/kernel/numa_balancing", "1");
	sys_set_for_now(BALANCING "scan_delay_ms", "1");
	sys_set_for_now(BALANCING "scan_period_min_ms", "1");
	sys_set_for_now(BALANCING "scan_period_max_ms", "20");
	run_watched(r, field_anon(r, PAGES), events, counts);
	sys_restore();
}

SCENARIO(hinting) = {
	.name = "numa-hinting",
	.rows = "24",
	.what = "pages made inaccessible to see who uses them, and moved there",
	.missing = hinting_missing,
	.run = hinting_run,
	.hooks = PROT_VMA | CLEAR,
};

/* --- memory that goes --------------------------------------------- */

/* Memory in one zone from which all can be moved away. */
static bool can_go(unsigned long block)
{
	char path[80], zones[80] = "";
	FILE *f;

	snprintf(path, sizeof(path), BLOCKS "memory%lu/valid_zones", block);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(zones, sizeof(zones), f))
		zones[0] = 0;
	fclose(f);
	return !strncmp(zones, "Movable", 7);
}

static const char *offline_missing(void)
{
	unsigned long i, n = 0;

	if (access(BLOCKS "block_size_bytes", F_OK))
		return "a kernel without memory hot-remove";
	for (i = 0; i < 1024; i++)
		n += can_go(i);
	return n < 2 ? "no two blocks of movable memory (kernelcore=)" : NULL;
}

static uint64_t block_bytes(void)
{
	static uint64_t bytes;
	FILE *f;

	if (bytes)
		return bytes;
	f = fopen(BLOCKS "block_size_bytes", "re");
	if (!f || fscanf(f, "%lx", &bytes) != 1)
		die(BLOCKS "block_size_bytes");
	fclose(f);
	return bytes;
}

/* The block of memory in which one of these pages is, or -1. */
static long block_of(const struct range *g)
{
	uint64_t words[16];
	unsigned int i;
	long block;

	pagemap_read(g->at, words, g->n);
	for (i = 0; i < g->n; i++) {
		block = (words[i] & PM_FRAME) * PAGE / block_bytes();
		if (words[i] & PM_PRESENT && can_go(block))
			return block;
	}
	return -1;
}

static int refusal; /* why memory did not go, the last time */

/* 128 MB, some of the range's pages among it, are taken out of use. */
static bool offline(struct field *f, const struct range *g, struct rng *rng)
{
	long block = block_of(g);
	char path[80];

	if (block < 0)
		return false;
	snprintf(path, sizeof(path), BLOCKS "memory%ld/state", block);
	frames_remember(f);
	if (!sys_set(path, "offline")) {
		refusal = errno;
		/* A block may have something in it that never goes. */
		move_some(f, g, rng);
		return false;
	}
	moved += frames_moved(f);
	if (!sys_set(path, "online_movable"))
		fail(f->run, "memory does not come back: %s", strerror(errno));
	return true;
}

static void offline_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "memory offline", .fn = offline, .flags = EV_ALONE },
		{}
	};

	block_bytes();
	run_moving(r, field_anon(r, PAGES), events, migrated, 100000);
	if (refusal)
		tap_note("%s: once refused: %s", r->sc->name,
			 strerror(refusal));
}

SCENARIO(offline) = {
	.name = "memory-offline",
	.rows = "25",
	.what = "128 MB of memory can be unplugged, and the device follows",
	.missing = offline_missing,
	.run = offline_run,
	.slack_s = 60,
	.hooks = CLEAR,
};

static const char *soft_missing(void)
{
	return access("/proc/sys/vm/memory_failure_early_kill", F_OK) ?
		       "a kernel without memory failure handling" :
		       NULL;
}

/* The frame is not used any more, until the next boot. */
static bool soft_offline(struct field *f, const struct range *g,
			 struct rng *rng)
{
	(void)rng;
	(void)*(const volatile uint8_t *)g->at;
	frames_remember(f);
	if (madvise(g->at, PAGE, MADV_SOFT_OFFLINE)) {
		if (errno != EBUSY && errno != EIO && errno != EAGAIN)
			fail(f->run, "MADV_SOFT_OFFLINE: %s", strerror(errno));
		return false;
	}
	moved += frames_moved(f);
	return true;
}

static void soft_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "MADV_SOFT_OFFLINE", .fn = soft_offline, .max = 1 },
		{}
	};

	/* Slowly: a frame is lost each time. */
	run_moving(r, field_anon(r, PAGES), events, migrated, 100000);
}

SCENARIO(soft_offline) = {
	.name = "soft-offline",
	.rows = "25",
	.what = "a frame that may go bad is left, with all its bytes",
	.missing = soft_missing,
	.run = soft_run,
	.hooks = CLEAR,
};
