// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Anonymous memory that is given up and comes back. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe.h"

static bool dontneed(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return !madvise(g->at, g->len, MADV_DONTNEED);
}

static void dontneed_run(struct run *r)
{
	static const struct event events[] = { { .name = "MADV_DONTNEED",
						 .fn = dontneed,
						 .flags = EV_EMPTIES },
					       {} };

	run_events(r, field_anon(r, 128), events);
}

SCENARIO(dontneed) = {
	.name = "dontneed",
	.rows = "5",
	.what = "zeros or what was written, never an old page",
	.run = dontneed_run,
	.hooks = CLEAR,
};

/* --- row 6: drop, prefetch and write at once ---------------------- */

static bool prefetch_all(struct field *f, const struct range *g,
			 struct rng *rng)
{
	unsigned int flags = one_in(rng, 2) ? IBV_ADVISE_MR_FLAG_FLUSH : 0;
	int err = rd_prefetch(&f->run->dev, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			      flags, (uintptr_t)g->at, g->len,
			      f->view[0].mr->lkey);

	if (err)
		fail(f->run, "prefetch of %u pages: %s", g->n, strerror(err));
	else
		note_ops(f->run, OP_PREFETCH, 1);
	return false; /* not what this is about */
}

static void dontneed_prefetch_run(struct run *r)
{
	static const struct event events[] = { { .name = "MADV_DONTNEED",
						 .fn = dontneed,
						 .flags = EV_EMPTIES,
						 .max = 512,
						 .weight = 3 },
					       { .name = "prefetch",
						 .fn = prefetch_all,
						 .flags = EV_NO_PAGES,
						 .max = 1024,
						 .weight = 2 },
					       {} };
	struct engine e = {
		.run = r,
		.field = { field_anon(r, 1024), field_pinned(r, 32) },
		.events = events,
		.event_threads = 2,
		.pause_us = 1000,
		.ops = OP(WRITE) | OP(PREFETCH) | OP(READ) | OP(READ_INTO),
	};

	engine_run(&e);
}

SCENARIO(dontneed_prefetch) = {
	.name = "dontneed-prefetch",
	.rows = "6",
	.what = "no page is touched after it was given up",
	.run = dontneed_prefetch_run,
	.hooks = CLEAR,
};

/* --- fault between invalidate and populate ------------------------ */

/*
 * Few pages, many who fault them in, and several who drop them all the time:
 * most lookups meet a fence that began after them or has just ended.
 */
static void fault_populate_run(struct run *r)
{
	static const struct event events[] = { { .name = "MADV_DONTNEED",
						 .fn = dontneed,
						 .flags = EV_EMPTIES,
						 .max = 4 },
					       {} };
	struct engine e = {
		.run = r,
		.field = { field_anon(r, 16), field_pinned(r, 16) },
		.events = events,
		.threads = 6,
		.event_threads = 3,
		.pause_us = 600,
	};

	field_split(e.field[0], 512);
	engine_run(&e);
}

SCENARIO(fault_populate) = {
	.name = "fault-populate",
	.what = "a fault never installs what an invalidation took away",
	.run = fault_populate_run,
	.hooks = CLEAR,
};

/* --- row 7: MADV_FREE --------------------------------------------- */

#define FREE_THREADS 3
#define FREE_PAGES   32

struct freer {
	struct run *run;
	struct probe probe;
	struct rng rng;
	uint8_t *at;
	const struct ibv_mr *mr;
	uint64_t end_ms;
	unsigned int dropped, left; /* pages: gone for good; gone to swap */
	bool kept[FREE_PAGES];
};

/* The peer writes a whole page or a part of it: in each case it is dirty. */
static void write_page(struct freer *w, unsigned int i, uint32_t version)
{
	size_t len = one_in(&w->rng, 2) ? PAGE : 1 + below(&w->rng, PAGE);
	int status;

	stamp(w->probe.buf, i, version);
	status = probe_write(&w->probe, w->mr, w->at + i * PAGE, len);
	if (status)
		fail(w->run, "WRITE: %s", rd_status(status));
	memcpy(w->probe.patch + i * PAGE, w->probe.buf, len);
}

static void check_page(struct freer *w, unsigned int i, const uint8_t *got,
		       const char *who)
{
	if (!memcmp(got, w->probe.patch + i * PAGE, PAGE))
		return;
	if (!w->kept[i] && all_zero(got, PAGE)) {
		w->dropped++;
		return;
	}
	fail(w->run, "%s: a page that was written after MADV_FREE is %s", who,
	     all_zero(got, PAGE) ? "lost" : "wrong");
}

/* The patch of the probe is not registered: it is the model here. */
static void free_round(struct freer *w, uint32_t version)
{
	const size_t len = FREE_PAGES * PAGE;
	unsigned int i;

	for (i = 0; i < FREE_PAGES; i++) {
		stamp(w->probe.buf + i * PAGE, i, version);
		w->kept[i] = one_in(&w->rng, 2);
	}
	memcpy(w->probe.patch, w->probe.buf, len);
	if (probe_write(&w->probe, w->mr, w->at, len))
		fail(w->run, "WRITE before MADV_FREE");
	if (madvise(w->at, len, MADV_FREE))
		fail(w->run, "MADV_FREE: %s", strerror(errno));
	for (i = 0; i < FREE_PAGES; i++)
		if (w->kept[i])
			write_page(w, i, version + 1);
	drain_batches(w->at);
	madvise(w->at, len, MADV_PAGEOUT);
	w->left += pages_swapped(w->at, FREE_PAGES);
	if (one_in(&w->rng, 2)) {
		for (i = 0; i < FREE_PAGES; i++)
			check_page(w, i, w->at + i * PAGE, "CPU");
		return;
	}
	if (probe_read(&w->probe, w->mr, w->at, len))
		fail(w->run, "READ after MADV_PAGEOUT");
	for (i = 0; i < FREE_PAGES; i++)
		check_page(w, i, w->probe.buf + i * PAGE, "READ");
}

/* Of all threads: pages of both kinds must be seen. */
static _Atomic bool freed_dropped, freed_left;

/* For its time, and on a slow machine until both were seen. */
static bool goes_on(const struct freer *w)
{
	uint64_t now = now_ms();

	if (failed(w->run))
		return false;
	return now < w->end_ms || (now < w->end_ms + 10000 * w->run->slow &&
				   !(freed_dropped && freed_left));
}

static void *free_main(void *arg)
{
	struct freer *w = arg;
	uint32_t version = 1;

	while (goes_on(w)) {
		free_round(w, version);
		version += 2;
		if (w->dropped)
			freed_dropped = true;
		if (w->left)
			freed_left = true;
		note_events(w->run, 1);
	}
	return NULL;
}

static void madv_free_run(struct run *r)
{
	static struct freer ws[FREE_THREADS];
	const size_t each = FREE_PAGES * PAGE;
	uint8_t *map = map_anon(FREE_THREADS * each);
	struct ibv_mr *mr = rd_reg(&r->dev, map, FREE_THREADS * each,
				   RD_ALL | IBV_ACCESS_ON_DEMAND);
	pthread_t threads[FREE_THREADS];
	unsigned int i, dropped = 0, left = 0;

	for (i = 0; i < FREE_THREADS; i++) {
		ws[i] = (struct freer){
			.run = r,
			.rng = { r->seed + i },
			.at = map + i * each,
			.mr = mr,
			.end_ms = now_ms() + r->ms,
		};
		probe_open(&ws[i].probe, r, 0);
		ws[i].probe.patch = map_anon(each);
		ws[i].probe.pages = FREE_PAGES;
	}
	hooks_begin(r);
	for (i = 0; i < FREE_THREADS; i++)
		pthread_create(&threads[i], NULL, free_main, &ws[i]);
	for (i = 0; i < FREE_THREADS; i++) {
		pthread_join(threads[i], NULL);
		dropped += ws[i].dropped;
		left += ws[i].left;
	}
	hooks_sample(r);
	tap_note("madv-free: %u pages dropped, %u swapped out", dropped, left);
	if (!failed(r) && (!dropped || !left))
		fail(r, "%u pages were dropped, %u swapped out", dropped, left);
	for (i = 0; i < FREE_THREADS; i++)
		probe_close(&ws[i].probe);
	if (ibv_dereg_mr(mr))
		fail(r, "dereg_mr: %s", strerror(errno));
}

static const char *no_swap(void)
{
	return swap_is_on() ? NULL : "there is no swap";
}

SCENARIO(madv_free) = {
	.name = "madv-free",
	.rows = "7",
	.what = "a page written after MADV_FREE is not dropped",
	.missing = no_swap,
	.run = madv_free_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* --- row 27: the zero page ---------------------------------------- */

#define ZERO_PAGES 64

/* What others read as zero is one page, or one huge page, for all. */
static void others_read_zero(struct run *r, void *arg)
{
	uint8_t *other = arg;

	if (!all_zero(other, ZERO_PAGES * PAGE))
		fail(r, "the zero page was written to");
}

static bool look_at_zeros(struct field *f, const struct range *g,
			  struct rng *rng)
{
	uint8_t *other = f->arg;

	(void)g;
	madvise(other, ZERO_PAGES * PAGE, MADV_DONTNEED);
	if (one_in(rng, 16))
		in_child(f->run, others_read_zero, other);
	else
		others_read_zero(f->run, other);
	return true;
}

/* The CPU reads first: the zero page is there, huge if it may be. */
static bool zero_again(struct field *f, const struct range *g, struct rng *rng)
{
	unsigned int i;

	(void)f;
	(void)rng;
	if (madvise(g->at, g->len, MADV_DONTNEED))
		return false;
	for (i = 0; i < g->n; i += 1 + below(rng, 8))
		(void)*(const volatile uint8_t *)(g->at + i * PAGE);
	return true;
}

static void zero_page_run(struct run *r)
{
	static const struct event events[] = { { .name = "MADV_DONTNEED, read",
						 .fn = zero_again,
						 .flags = EV_EMPTIES,
						 .weight = 2 },
					       { .name = "all of it",
						 .fn = zero_again,
						 .flags = EV_EMPTIES |
							  EV_WHOLE },
					       { .name = "others' zeros",
						 .fn = look_at_zeros,
						 .flags = EV_NO_PAGES },
					       {} };
	uint8_t *huge = map_anon(512 * PAGE);
	struct engine e = {
		.run = r,
		.field = { field_anon(r, 64), field_over(r, "huge", huge, 512),
			   field_pinned(r, 16) },
		.events = events,
		.ops = OP(READ) | OP(WRITE) | OP(ADD) | OP(LOAD) |
		       OP(WRITE_FROM) | OP(PREFETCH),
	};

	madvise(huge, 512 * PAGE, MADV_HUGEPAGE);
	field_register(e.field[1], 0);
	e.field[0]->arg = e.field[1]->arg = map_anon(ZERO_PAGES * PAGE);
	engine_run(&e);
}

SCENARIO(zero_page) = {
	.name = "zero-page",
	.rows = "27",
	.what = "a WRITE replaces the zero page and never changes it",
	.run = zero_page_run,
	.hooks = CLEAR,
};
