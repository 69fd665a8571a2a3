// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Bounds, exact to the byte, of regions of any size, place and address; and
 * what advise_mr says to requests that make no sense.
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "probe.h"

#define ROOM (48 * PAGE) /* of a region; less than a probe's buffer */

struct bounds {
	struct run *run;
	struct probe p;
	uint8_t *map; /* ROOM and a page on either side */
	struct ibv_mr *mr;
	uint64_t iova;
	size_t off, len; /* of the region, in the map */
	uint64_t seed;
};

/* An access of @len bytes, @at bytes from the region's beginning. */
static int try_access(struct bounds *b, int64_t at, size_t len, bool write)
{
	const void *there = (void *)(uintptr_t)(b->iova + at);

	return (write ? probe_write : probe_read)(&b->p, b->mr, there, len);
}

static void inside(struct bounds *b, size_t at, size_t len)
{
	struct run *r = b->run;
	uint8_t *mine = b->map + b->off + at;
	ssize_t bad;
	int status;

	fill(b->p.buf, len, ++b->seed);
	status = try_access(b, at, len, true);
	bad = status ? -1 : first_difference(mine, b->p.buf, len);
	if (status || bad >= 0)
		fail(r, "WRITE of %zu at %zu of %zu: %s, byte %zd", len, at,
		     b->len, rd_status(status), bad);
	memset(b->p.buf, 0xcc, len);
	status = try_access(b, at, len, false);
	bad = status ? -1 : first_difference(mine, b->p.buf, len);
	if (status || bad >= 0)
		fail(r, "READ of %zu at %zu of %zu: %s, byte %zd", len, at,
		     b->len, rd_status(status), bad);
}

static void outside(struct bounds *b, int64_t at, size_t len)
{
	int status;

	for (int write = 0; write < 2; write++) {
		status = try_access(b, at, len, write);
		if (status != IBV_WC_REM_ACCESS_ERR)
			fail(b->run,
			     "%s of %zu at %lld of %zu, which is out "
			     "of bounds: %s",
			     write ? "WRITE" : "READ", len, (long long)at,
			     b->len, rd_status(status));
	}
}

static void advise(struct bounds *b, int64_t at, size_t len, int want)
{
	int err = rd_prefetch(&b->run->dev, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			      IBV_ADVISE_MR_FLAG_FLUSH, b->iova + at, len,
			      b->mr->lkey);

	note_ops(b->run, OP_PREFETCH, 1);
	if (err != want)
		fail(b->run, "prefetch of %zu at %lld of %zu: errno %d, not %d",
		     len, (long long)at, b->len, err, want);
}

static bool new_region(struct bounds *b, struct rng *g)
{
	/* Far from any address of ours, or next to the end of all. */
	static const uint64_t places[] = { 0x1000, 1ULL << 32, 1ULL << 62,
					   0ULL - 4 * ROOM };
	unsigned int skew;

	skew = below(g, one_in(g, 2) ? 2 : PAGE);
	b->off = PAGE + skew;
	b->len = 1 + below(g, one_in(g, 4) ? 16 : ROOM - skew);
	b->iova = (uintptr_t)b->map + b->off;
	if (one_in(g, 2))
		b->iova = places[below(g, ARRAY_SIZE(places))] + b->off;
	b->mr = (ibv_reg_mr_iova)(b->run->dev.pd, b->map + b->off, b->len,
				  b->iova, RD_ALL | IBV_ACCESS_ON_DEMAND);
	if (!b->mr)
		fail(b->run, "region of %zu at iova %#llx: %s", b->len,
		     (unsigned long long)b->iova, strerror(errno));
	return b->mr;
}

static void try_region(struct bounds *b, struct rng *g)
{
	size_t at = below(g, b->len), n = 1 + below(g, b->len - at);
	size_t over = 1 + below(g, one_in(g, 2) ? 1 : PAGE);

	memset(b->map, 0, ROOM + 2 * PAGE);
	madvise(b->map, ROOM + 2 * PAGE, MADV_DONTNEED);
	inside(b, at, n);
	inside(b, b->len - 1, 1);
	inside(b, 0, b->len);
	memset(b->map + b->off, 0, b->len);
	outside(b, b->len, over);
	outside(b, b->len - n, n + over);
	outside(b, -(int64_t)over, over);
	outside(b, -(int64_t)over, over + n);
	advise(b, at, n, 0);
	advise(b, b->len - n, n + over, EFAULT);
	advise(b, -(int64_t)over, over + n, EFAULT);
	if (!all_zero(b->map, ROOM + 2 * PAGE))
		fail(b->run, "bytes beside a region of %zu at %zu changed",
		     b->len, b->off);
	note_events(b->run, 1);
}

static void bounds_run(struct run *r)
{
	struct bounds b = { .run = r, .map = map_anon(ROOM + 2 * PAGE) };
	uint64_t end = now_ms() + r->ms;
	struct rng g = { r->seed };

	probe_open(&b.p, r, 0);
	hooks_begin(r);
	do {
		if (!new_region(&b, &g))
			return;
		try_region(&b, &g);
		try_region(&b, &g); /* whose pages go first, this time */
		if (ibv_dereg_mr(b.mr))
			fail(r, "dereg_mr: %s", strerror(errno));
	} while (now_ms() < end && !failed(r));
	hooks_sample(r);
	if (!failed(r))
		probe_close(&b.p);
}

SCENARIO(bounds) = {
	.name = "bounds",
	.rows = "48",
	.what = "regions of any size, place and address, exact to the byte",
	.run = bounds_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* --- advise_mr ----------------------------------------------------- */

struct advice {
	struct rd_dev *dev;
	uint8_t *at;
	struct ibv_mr *odp, *odp_read, *pinned;
	uint32_t gone; /* the key of a region that was deregistered */
};

static void judge(struct run *r, const char *what, int err, int want)
{
	note_ops(r, OP_PREFETCH, 1);
	if (err != want)
		fail(r, "%s: errno %d (%s), not %d", what, err, strerror(err),
		     want);
}

/* By the words of ibv_advise_mr(3). */
static void advise_all(struct run *r, struct advice *a, struct rng *g)
{
	const enum ibv_advise_mr_advice read = IBV_ADVISE_MR_ADVICE_PREFETCH;
	const enum ibv_advise_mr_advice write =
		IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE;
	const unsigned int flush = IBV_ADVISE_MR_FLAG_FLUSH;
	uint64_t at = (uintptr_t)a->at + below(g, 8 * PAGE);
	uint32_t len = 1 + below(g, 8 * PAGE);

	judge(r, "a good one",
	      rd_prefetch(a->dev, read, flush, at, len, a->odp->lkey), 0);
	judge(r, "of no byte",
	      rd_prefetch(a->dev, write, flush, at, 0, a->odp->lkey), 0);
	judge(r, "of a pinned region",
	      rd_prefetch(a->dev, read, flush, (uintptr_t)a->pinned->addr, len,
			  a->pinned->lkey),
	      EINVAL);
	judge(r, "with a key of nobody",
	      rd_prefetch(a->dev, read, flush, at, len, rnd(g) | 0xff000000),
	      ENOENT);
	judge(r, "with a key that was",
	      rd_prefetch(a->dev, read, flush, at, len, a->gone), ENOENT);
	judge(r, "past the end",
	      rd_prefetch(a->dev, read, flush, at, 16 * PAGE + 1, a->odp->lkey),
	      EFAULT);
	judge(r, "that wraps",
	      rd_prefetch(a->dev, read, flush, -8ULL, 64, a->odp->lkey),
	      EFAULT);
	judge(r, "to write where only READ is allowed",
	      rd_prefetch(a->dev, write, flush, at, len, a->odp_read->lkey),
	      EPERM);
	judge(r, "to read there",
	      rd_prefetch(a->dev, read, flush, at, len, a->odp_read->lkey), 0);
	judge(r, "of an unknown kind",
	      rd_prefetch(a->dev, 77, flush, at, len, a->odp->lkey),
	      EOPNOTSUPP);
	judge(r, "with an unknown flag",
	      rd_prefetch(a->dev, read, 2, at, len, a->odp->lkey), EINVAL);
	madvise(a->at, 16 * PAGE, MADV_DONTNEED);
	note_events(r, 1);
}

static void advise_run(struct run *r)
{
	struct advice a = { .dev = &r->dev, .at = map_anon(16 * PAGE) };
	uint64_t end = now_ms() + r->ms;
	struct rng g = { r->seed };
	struct ibv_mr *was;

	a.odp = rd_reg(&r->dev, a.at, 16 * PAGE, RD_ALL | IBV_ACCESS_ON_DEMAND);
	a.odp_read = rd_reg(&r->dev, a.at, 16 * PAGE,
			    IBV_ACCESS_REMOTE_READ | IBV_ACCESS_ON_DEMAND);
	a.pinned = rd_reg(&r->dev, map_anon(16 * PAGE), 16 * PAGE, RD_ALL);
	hooks_begin(r);
	do {
		was = rd_reg(&r->dev, a.at, 16 * PAGE,
			     RD_ALL | IBV_ACCESS_ON_DEMAND);
		a.gone = was->lkey;
		if (ibv_dereg_mr(was))
			fail(r, "dereg_mr: %s", strerror(errno));
		advise_all(r, &a, &g);
	} while (now_ms() < end && !failed(r));
	hooks_sample(r);
	if (ibv_dereg_mr(a.odp) || ibv_dereg_mr(a.odp_read) ||
	    ibv_dereg_mr(a.pinned))
		fail(r, "dereg_mr: %s", strerror(errno));
}

SCENARIO(advice) = {
	.name = "advice",
	.rows = "49",
	.what = "prefetches that make no sense: the manual's error for each",
	.run = advise_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};
