// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * One rule of the fence each: the narrow race in which breaking it shows.
 * docs/testing.md says which broken rule each was seen to catch.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "link.h"
#include "pages.h"

/* --- a range is recorded before anybody looks for regions --------- */

#define HOLE_PAGES 8
#define HOLES	   64 /* in turn: a region is not quite gone at once */

static void punch(struct helper *h)
{
	nap(&h->rng, 300);
	fallocate(h->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		  h->at - h->own, h->len);
}

static void region_in_hook(struct link *l, struct helper *h, uint64_t word)
{
	struct run *r = l->run;
	uint64_t *at, got;
	struct ibv_mr *mr;
	unsigned int i;
	int err;

	for (i = 0; i < HOLE_PAGES; i++)
		store((uint64_t *)(h->at + i * PAGE), word);
	at = (uint64_t *)(h->at + below(&l->rng, HOLE_PAGES) * PAGE) + 1;
	helper_tell(h);
	nap(&l->rng, 1000);
	mr = rd_reg(&r->dev, h->at, h->len, RD_ALL | IBV_ACCESS_ON_DEMAND);
	err = rd_prefetch(&r->dev, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			  IBV_ADVISE_MR_FLAG_FLUSH, (uintptr_t)h->at, h->len,
			  mr->lkey);
	if (err)
		fail(r, "prefetch: %s", strerror(err));
	helper_wait(h);
	/* The page that is there now, whichever it is, is the device's too. */
	store(at, ~word);
	got = link_get(l, at, mr->rkey);
	if (!failed(r) && got != ~word)
		fail(r, "%#llx was stored, the device reads %#llx",
		     (unsigned long long)~word, (unsigned long long)got);
	note_events(r, 1);
	ibv_dereg_mr(mr);
}

static void range_first_run(struct run *r)
{
	struct helper h = { .fn = punch, .len = HOLE_PAGES * PAGE };
	uint64_t end = now_ms() + r->ms;
	struct ibv_mr *keeps_notifier;
	struct link l = {};
	unsigned int n;

	link_open(&l, r);
	keeps_notifier = rd_reg(&r->dev, map_anon(PAGE), PAGE,
				RD_ALL | IBV_ACCESS_ON_DEMAND);
	h.rng.x = ~r->seed;
	h.fd = memfd_create("hole", 0);
	if (h.fd < 0 || ftruncate(h.fd, HOLES * h.len))
		die("memfd: %s", strerror(errno));
	h.own = mmap(place(HOLES * h.len), HOLES * h.len,
		     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
		     h.fd, 0);
	if (h.own == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	helper_start(&h);
	hooks_begin(r);
	for (n = 0; once_more(r, end, n); n++) {
		h.at = h.own + n % HOLES * h.len;
		region_in_hook(&l, &h, n + 1);
	}
	hooks_sample(r);
	helper_stop(&h);
	ibv_dereg_mr(keeps_notifier);
	link_close(&l);
	close(h.fd);
}

SCENARIO(range_first) = {
	.name = "rule-range-first",
	.rows = "43",
	.what = "a region that comes between the hooks gets no old page",
	.run = range_first_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* --- a page is replaced while two use it -------------------------- */

/* In the place of the zero page comes one of its own. */
static void break_cow(struct helper *h)
{
	nap(&h->rng, 1500);
	store((uint64_t *)h->at, 1);
}

/* A word stored is what the device reads at once, and the other way. */
static void meet_in_page(struct link *l, struct helper *h, uint32_t rkey,
			 uint64_t word)
{
	uint64_t *at = (uint64_t *)h->at + 1, got;

	madvise(h->at, h->len, MADV_DONTNEED);
	if (load(at) || link_get(l, at, rkey))
		fail(l->run, "a new page is not zero");
	helper_tell(h);
	nap(&l->rng, 3000);
	store(at, word);
	got = link_get(l, at, rkey);
	if (!failed(l->run) && got != word)
		fail(l->run, "%#llx was stored, the device reads %#llx",
		     (unsigned long long)word, (unsigned long long)got);
	link_put(l, at, rkey, ~word);
	got = load(at);
	if (!failed(l->run) && got != ~word)
		fail(l->run, "the device wrote %#llx, a load gives %#llx",
		     (unsigned long long)~word, (unsigned long long)got);
	helper_wait(h);
	note_events(l->run, 1);
}

static void third_thread_run(struct run *r)
{
	struct helper h = { .fn = break_cow, .len = PAGE };
	uint64_t end = now_ms() + r->ms;
	struct link l = {};
	struct ibv_mr *mr;
	unsigned int n;

	link_open(&l, r);
	h.at = map_anon(PAGE);
	h.rng.x = ~r->seed;
	mr = rd_reg(&r->dev, h.at, PAGE, RD_ALL | IBV_ACCESS_ON_DEMAND);
	helper_start(&h);
	hooks_begin(r);
	for (n = 0; once_more(r, end, n); n++)
		meet_in_page(&l, &h, mr->rkey, n + 1);
	hooks_sample(r);
	helper_stop(&h);
	ibv_dereg_mr(mr);
	link_close(&l);
}

SCENARIO(third_thread_cow) = {
	.name = "rule-third-thread",
	.rows = "27",
	.what = "a CPU thread and the device meet in the page that is there",
	.run = third_thread_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* --- every hook waits for a transfer ------------------------------ */

#define TAKEN_PAGES 4
#define TAKEN	    0x7a11e27a11e27a11ULL

/* Gives the pages up, and takes those that are free now, likely the same. */
static void drop_and_take(struct helper *h)
{
	unsigned int i;

	nap(&h->rng, 1000);
	madvise(h->at, h->len, MADV_DONTNEED);
	for (i = 0; i < h->len / 8; i++)
		((uint64_t *)h->own)[i] = TAKEN;
}

static void check_taken(struct run *r, const struct helper *h)
{
	const uint64_t *own = (const uint64_t *)h->own;
	unsigned int i;

	for (i = 0; i < h->len / 8 && own[i] == TAKEN; i++)
		;
	if (i < h->len / 8)
		fail(r, "%#llx was written to a page that was given up",
		     (unsigned long long)own[i]);
}

/* Two drop the pages of a WRITE that is on its way. */
static void drop_under_write(struct link *l, struct helper h[2], uint32_t rkey)
{
	struct run *r = l->run;
	unsigned int i;

	memset(h[0].at, 1, h[0].len);
	for (i = 0; i < 2; i++)
		madvise(h[i].own, h[i].len, MADV_DONTNEED);
	if (link_write(l, h[0].at, rkey, h[0].len))
		fail(r, "WRITE failed");
	for (i = 0; i < 2; i++)
		helper_tell(&h[i]);
	nap(&l->rng, 1000);
	/* Most of it is done in here, before it returns. */
	if (link_write(l, h[0].at, rkey, h[0].len))
		fail(r, "WRITE failed");
	for (i = 0; i < 2; i++)
		helper_wait(&h[i]);
	for (i = 0; i < 2; i++)
		check_taken(r, &h[i]);
	note_events(r, 2);
}

static void two_hooks_run(struct run *r)
{
	struct helper h[2] = {};
	uint64_t end = now_ms() + r->ms;
	size_t len = TAKEN_PAGES * PAGE;
	uint8_t *at = map_anon(len);
	struct link l = {};
	struct ibv_mr *mr;
	unsigned int i, n;

	link_open(&l, r);
	memset(l.buf, 0x57, len);
	mr = rd_reg(&r->dev, at, len, RD_ALL | IBV_ACCESS_ON_DEMAND);
	for (i = 0; i < 2; i++) {
		h[i] = (struct helper){
			.fn = drop_and_take,
			.at = at,
			.len = len,
			.own = map_anon(len),
			.rng = { r->seed + 1 + i },
		};
		helper_start(&h[i]);
	}
	hooks_begin(r);
	for (n = 0; once_more(r, end, n); n++)
		drop_under_write(&l, h, mr->rkey);
	hooks_sample(r);
	for (i = 0; i < 2; i++)
		helper_stop(&h[i]);
	ibv_dereg_mr(mr);
	link_close(&l);
}

SCENARIO(two_hooks) = {
	.name = "rule-two-hooks",
	.rows = "6",
	.what = "each hook waits for the transfer, not only the first",
	.run = two_hooks_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* --- a table that comes and goes ---------------------------------- */

static bool dontneed(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return !madvise(g->at, g->len, MADV_DONTNEED);
}

/* Its only leaf goes each time. */
static void leaf_run(struct run *r)
{
	static const struct event drop_all[] = { { .name = "MADV_DONTNEED",
						   .fn = dontneed,
						   .flags = EV_ZEROES |
							    EV_WHOLE },
						 {} };
	struct engine e = {
		.run = r,
		.field = { field_anon(r, 8) },
		.events = drop_all,
		.pause_us = 1500,
	};

	engine_run(&e);
}

SCENARIO(leaf) = {
	.name = "rule-leaf",
	.what = "a table's leaf outlives those who look into it",
	.run = leaf_run,
	.hooks = CLEAR,
};

/* --- dirty at the install, not before ----------------------------- */

#define FREE_PAGES 16

static const char *no_swap(void)
{
	return swap_is_on() ? NULL : "there is no swap";
}

static void free_pages(struct helper *h)
{
	nap(&h->rng, 1500);
	madvise(h->at, h->len, MADV_FREE);
}

static void put_all(struct link *l, const uint8_t *at, uint32_t rkey,
		    uint32_t version)
{
	unsigned int i;
	int status;

	for (i = 0; i < FREE_PAGES; i++)
		stamp(l->buf + i * PAGE, i, version);
	status = link_write(l, at, rkey, FREE_PAGES * PAGE);
	if (status)
		fail(l->run, "WRITE: %s", rd_status(status));
}

/* MADV_FREE while a WRITE is faulting; a WRITE after both must be kept. */
static void free_in_fault(struct link *l, struct helper *h, uint32_t rkey,
			  uint32_t version)
{
	struct run *r = l->run;
	unsigned int lost;

	memset(h->at, 1, h->len);
	drain_batches(h->at); /* MADV_FREE cannot see them there */
	helper_tell(h);
	nap(&l->rng, 1500);
	put_all(l, h->at, rkey, version);
	helper_wait(h);
	put_all(l, h->at, rkey, version + 1);
	page_out(h->at, FREE_PAGES);
	lost = stamps_wrong(h->at, FREE_PAGES, version + 1);
	if (!failed(r) && lost)
		fail(r, "%u of %u pages lost what the device wrote", lost,
		     FREE_PAGES);
	note_events(r, 1);
	/* The next fault begins with no entry. */
	madvise(h->at, h->len, MADV_DONTNEED);
}

static void dirty_run(struct run *r)
{
	struct helper h = { .fn = free_pages, .len = FREE_PAGES * PAGE };
	uint64_t end = now_ms() + r->ms;
	struct link l = {};
	struct ibv_mr *mr;
	unsigned int n;

	link_open(&l, r);
	h.at = map_anon(h.len);
	h.rng.x = ~r->seed;
	mr = rd_reg(&r->dev, h.at, h.len, RD_ALL | IBV_ACCESS_ON_DEMAND);
	helper_start(&h);
	hooks_begin(r);
	for (n = 0; once_more(r, end, n); n++)
		free_in_fault(&l, &h, mr->rkey, 2 * n + 1);
	hooks_sample(r);
	helper_stop(&h);
	ibv_dereg_mr(mr);
	link_close(&l);
}

SCENARIO(dirty) = {
	.name = "rule-dirty",
	.rows = "7",
	.what = "what is written after MADV_FREE is not lost",
	.missing = no_swap,
	.run = dirty_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* --- each entry from its own PTE ---------------------------------- */

#define HUGE_SIZE (2UL << 20)

static bool is_huge(const uint8_t *at)
{
	unsigned long start, end, kb = 0;
	char line[256];
	FILE *f = fopen("/proc/self/smaps", "r");
	bool here = false;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start == (uintptr_t)at;
		else if (here)
			sscanf(line, "AnonHugePages: %lu", &kb);
	}
	if (f)
		fclose(f);
	return kb >= HUGE_SIZE >> 10;
}

/* One page of a huge one goes; a WRITE over it and the one before it. */
static void write_beside_hole(struct link *l, uint8_t *at, uint32_t rkey,
			      uint32_t version)
{
	struct run *r = l->run;
	unsigned int page = 1 + below(&l->rng, HUGE_SIZE / PAGE - 1);
	uint8_t *hole = at + page * PAGE;
	unsigned int wrong;
	int status;

	madvise(at, HUGE_SIZE, MADV_DONTNEED);
	memset(at, 1, HUGE_SIZE);
	if (!is_huge(at))
		return; /* none to be had this time */
	madvise(hole, PAGE, MADV_DONTNEED);
	stamp(l->buf, 0, version);
	stamp(l->buf + PAGE, 1, version);
	status = link_write(l, hole - PAGE, rkey, 2 * PAGE);
	wrong = stamps_wrong(hole - PAGE, 2, version);
	if (status || wrong)
		fail(r, "WRITE: %s, %u of 2 pages are wrong", rd_status(status),
		     wrong);
	note_events(r, 1);
}

static void huge_run(struct run *r)
{
	uint64_t end = now_ms() + r->ms;
	struct link l = {};
	struct ibv_mr *mr;
	unsigned int n;
	uint8_t *at;

	link_open(&l, r);
	at = map_anon(HUGE_SIZE);
	if (madvise(at, HUGE_SIZE, MADV_HUGEPAGE)) {
		skip(r, "MADV_HUGEPAGE: %s", strerror(errno));
		return;
	}
	mr = rd_reg(&r->dev, at, HUGE_SIZE, RD_ALL | IBV_ACCESS_ON_DEMAND);
	hooks_begin(r);
	for (n = 0; once_more(r, end, n); n++)
		write_beside_hole(&l, at, mr->rkey, n + 1);
	hooks_sample(r);
	if (!atomic_load(&r->events))
		skip(r, "no huge page to be had");
	ibv_dereg_mr(mr);
	link_close(&l);
}

SCENARIO(huge) = {
	.name = "rule-huge",
	.rows = "23",
	.what = "a page says nothing about the next one of its huge page",
	.run = huge_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* --- a key ends with its region ----------------------------------- */

static void key_run(struct run *r)
{
	uint64_t end = now_ms() + r->ms;
	uint64_t *at = map_anon(PAGE);
	struct link l = {};
	struct ibv_mr *mr;
	uint32_t rkey;
	unsigned int n;
	int status;

	link_open(&l, r);
	hooks_begin(r);
	for (n = 0; once_more(r, end, n); n++) {
		mr = rd_reg(&r->dev, at, PAGE, RD_ALL | IBV_ACCESS_ON_DEMAND);
		rkey = mr->rkey;
		link_put(&l, at, rkey, n + 1);
		ibv_dereg_mr(mr);
		memset(l.buf, 0xff, 8);
		status = link_write(&l, at, rkey, 8);
		if (status != IBV_WC_REM_ACCESS_ERR || load(at) != n + 1)
			fail(r,
			     "WRITE with the key of a region that is gone: "
			     "%s; %#llx is there",
			     rd_status(status), (unsigned long long)load(at));
		note_events(r, 1);
	}
	hooks_sample(r);
	link_close(&l);
}

SCENARIO(key) = {
	.name = "rule-key",
	.rows = "42",
	.what = "a key is refused as soon as its region is deregistered",
	.run = key_run,
	.flags = SC_OWN_TRAFFIC | SC_CLEARS_NOTHING,
};
