// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Transparent huge pages: put together from small ones, and broken up. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guestsys.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define HUGE	   (2UL << 20)
#define HUGE_PAGES (HUGE / PAGE)
#define THP	   "/sys/kernel/mm/transparent_hugepage/"
#define SPLIT	   "/sys/kernel/debug/split_huge_pages"

static const char *thp_missing(void)
{
	return access(THP "enabled", F_OK) ?
		       "a kernel without transparent huge pages" :
		       NULL;
}

const char *collapse_missing(void)
{
	const char *left = thp_missing();
	void *p;
	int ret;

	if (left)
		return left;
	p = map_anon(HUGE);
	madvise(p, HUGE, MADV_HUGEPAGE);
	*(volatile uint8_t *)p = 0;
	ret = madvise(p, HUGE, MADV_COLLAPSE);
	left = ret && errno == EINVAL ? "a kernel without MADV_COLLAPSE (6.1)" :
					NULL;
	munmap(p, HUGE);
	return left;
}

/* The huge page around. */
static uint8_t *huge_at(const struct range *g)
{
	return (uint8_t *)((uintptr_t)g->at & ~(HUGE - 1));
}

struct field *field_huge(struct run *r, unsigned int huge_pages)
{
	size_t bytes = huge_pages * HUGE;
	void *p = mmap(place(bytes), bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		       0);
	struct field *f;

	if (p == MAP_FAILED || madvise(p, bytes, MADV_HUGEPAGE))
		die("huge pages: %s", strerror(errno));
	f = field_over(r, "huge", p, huge_pages * HUGE_PAGES);
	field_register(f, 0);
	return f;
}

/* --- events ------------------------------------------------------- */

bool huge_collapse(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return !madvise(huge_at(g), HUGE, MADV_COLLAPSE);
}

bool huge_split(struct field *f, const struct range *g, struct rng *rng)
{
	uint8_t *at = huge_at(g);

	(void)f;
	(void)rng;
	return sys_set(SPLIT, "%d,%p,%p", getpid(), at, at + HUGE);
}

/* ENOMEM: another event has a hole there now; the rest of it is done. */
static bool drop(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return !madvise(g->at, g->len, MADV_DONTNEED) || errno == ENOMEM;
}

/* A part of it with other rights, for a moment. */
static bool protect_part(struct field *f, const struct range *g,
			 struct rng *rng)
{
	int prot = one_in(rng, 2) ? PROT_NONE : PROT_READ;

	if (mprotect(g->at, g->len, prot))
		fail(f->run, "mprotect: %s", strerror(errno));
	if (mprotect(g->at, g->len, PROT_READ | PROT_WRITE))
		fail(f->run, "mprotect back: %s", strerror(errno));
	return true;
}

/* A hole in it, for a moment; what is there afterwards is new. */
static bool unmap_part(struct field *f, const struct range *g, struct rng *rng)
{
	if (munmap(g->at, g->len))
		fail(f->run, "munmap: %s", strerror(errno));
	if (one_in(rng, 4))
		usleep(below(rng, 2000));
	if (mmap(g->at, g->len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		 0) != g->at ||
	    madvise(g->at, g->len, MADV_HUGEPAGE))
		fail(f->run, "mmap: %s", strerror(errno));
	return true;
}

/* --- scenarios ---------------------------------------------------- */

static void run_huge(struct run *r, const struct event *events,
		     const char *const *counts)
{
	struct engine e = {
		.run = r,
		.field = { field_huge(r, 2), field_pinned(r, 32) },
		.events = events,
	};

	engine_run_counting(&e, counts);
}

static void collapse_run(struct run *r)
{
	static const char *const counts[] = { "thp_collapse_alloc",
					      "thp_split_page", NULL };
	static const struct event events[] = {
		{ .name = "MADV_COLLAPSE", .fn = huge_collapse, .weight = 3 },
		{ .name = "split", .fn = huge_split },
		{ .name = "MADV_DONTNEED",
		  .fn = drop,
		  .flags = EV_EMPTIES,
		  .max = 1,
		  .weight = 2 },
		{}
	};

	run_huge(r, events, counts);
}

SCENARIO(thp_collapse) = {
	.name = "thp-collapse",
	.rows = "22",
	.what = "no byte and no atomic is lost while 2 MB are put together",
	.missing = collapse_missing,
	.run = collapse_run,
	.hooks = CLEAR,
};

static void khugepaged_run(struct run *r)
{
	static const char *const counts[] = { "thp_collapse_alloc",
					      "thp_split_page", NULL };
	static const struct event events[] = { { .name = "split",
						 .fn = huge_split },
					       { .name = "MADV_DONTNEED",
						 .fn = drop,
						 .flags = EV_EMPTIES,
						 .max = 1 },
					       {} };
	struct engine e = {
		.run = r,
		.field = { field_huge(r, 2), field_pinned(r, 32) },
		.events = events,
		/* It needs the time to put together what was broken up. */
		.pause_us = 200000,
	};

	sys_set_for_now(THP "khugepaged/pages_to_scan", "100000");
	sys_set_for_now(THP "khugepaged/alloc_sleep_millisecs", "10");
	/* The last one wakes it up. */
	sys_set_for_now(THP "khugepaged/scan_sleep_millisecs", "10");
	engine_run_counting(&e, counts);
	sys_restore();
}

SCENARIO(khugepaged) = {
	.name = "khugepaged",
	.rows = "22",
	.what = "the same when the kernel does it of its own accord",
	.missing = thp_missing,
	.run = khugepaged_run,
	.hooks = CLEAR,
};

/* What is broken up has to be whole first. */
static void split_run(struct run *r)
{
	static const char *const counts[] = { "thp_split_pmd", NULL };
	static const struct event events[] = {
		{ .name = "MADV_COLLAPSE", .fn = huge_collapse, .weight = 2 },
		{ .name = "mprotect of a part",
		  .fn = protect_part,
		  .flags = EV_TAKES | EV_ALONE },
		{ .name = "munmap of a part",
		  .fn = unmap_part,
		  .flags = EV_TAKES | EV_EMPTIES | EV_ALONE },
		{ .name = "MADV_DONTNEED", .fn = drop, .flags = EV_EMPTIES },
		{}
	};
	struct engine e = {
		.run = r,
		.field = { field_huge(r, 2), field_pinned(r, 32) },
		.events = events,
		.event_threads = 2,
	};

	engine_run_counting(&e, counts);
}

SCENARIO(thp_split) = {
	.name = "thp-split",
	.rows = "23",
	.what = "messages over the border of a part that goes: all or an error",
	.missing = collapse_missing,
	.run = split_run,
	.hooks = CLEAR | UNMAP | PROT_VMA,
};
