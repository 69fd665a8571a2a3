// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What a page costs that the device has not: each figure is the time over that
 * of the same messages when all is warm, for each page, one message at a time.
 *
 *   first   nobody has touched the page
 *   again   the page is there, the device's entry was taken away
 *   far     READs of such pages, each a MiB and a page from the last, so that
 *           nothing can be read ahead
 *
 * touch_cpu is a store to each page that nobody has touched: the same without a
 * device.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

enum {
	MTU = 1024,
	FAR_READS = 64,
};

#define SPAN	 (16 * MIB)
#define FAR_STEP (MIB + PAGE)
#define FAR_SPAN (FAR_READS * FAR_STEP)

struct ground {
	struct lanes lanes;
	uint8_t *source;
	struct ibv_mr *source_mr;
	uint8_t *at;
	size_t len;
	struct ibv_mr *mr;
};

/* A new region over memory that nobody has touched. */
static void ground_new(struct ground *g, size_t len)
{
	g->len = len;
	g->at = fresh(len);
	g->mr = reg_asked(g->at, len);
}

static void ground_free(struct ground *g)
{
	dereg(g->mr);
	munmap(g->at, g->len);
}

/* The pages stay; whoever translates for himself has to ask anew. */
static void take_entries(struct ground *g)
{
	if (mprotect(g->at, g->len, PROT_READ) ||
	    mprotect(g->at, g->len, PROT_READ | PROT_WRITE))
		die("mprotect: %s", strerror(errno));
}

/* Microseconds for each page of a pass over the region. */
static double pass(struct ground *g, enum ibv_wr_opcode opcode, uint32_t len,
		   size_t step)
{
	struct stream s = {
		.lanes = &g->lanes,
		.opcode = opcode,
		.len = len,
		.depth = 1,
		.count = g->len / step,
		.source = g->source,
		.source_mr = g->source_mr,
		.target = g->at,
		.target_mr = g->mr,
		.step = step,
		.span = g->len,
	};

	return stream_run(&s) / 1000 / (len / PAGE);
}

static void by_writes(struct ground *g, uint32_t len, const char *size)
{
	double first, warm, again;

	ground_new(g, SPAN);
	first = pass(g, IBV_WR_RDMA_WRITE, len, len);
	warm = pass(g, IBV_WR_RDMA_WRITE, len, len);
	take_entries(g);
	again = pass(g, IBV_WR_RDMA_WRITE, len, len);
	ground_free(g);
	result(warm, "us/page", "touch_warm_write_%s", size);
	result(first - warm, "us/page", "touch_first_write_%s", size);
	result(again - warm, "us/page", "touch_again_write_%s", size);
}

static void by_reads(struct ground *g, uint32_t len, size_t step,
		     const char *size)
{
	double cold, warm;

	ground_new(g, step == len ? SPAN : FAR_SPAN);
	touch(g->at, g->len);
	cold = pass(g, IBV_WR_RDMA_READ, len, step);
	warm = pass(g, IBV_WR_RDMA_READ, len, step);
	ground_free(g);
	result(cold - warm, "us/page", "touch_again_read_%s", size);
}

/* And that it was of use: WRITEs after it. */
static void by_prefetch(struct ground *g, bool touched)
{
	const char *how = touched ? "touched" : "untouched";
	double after, warm;
	uint64_t start, ns;

	ground_new(g, SPAN);
	if (touched)
		touch(g->at, g->len);
	start = bench_ns();
	prefetch(g->mr, g->at, g->len);
	ns = bench_ns() - start;
	after = pass(g, IBV_WR_RDMA_WRITE, 4 * KIB, 4 * KIB);
	warm = pass(g, IBV_WR_RDMA_WRITE, 4 * KIB, 4 * KIB);
	ground_free(g);
	result(ns / 1e3 / (SPAN / PAGE), "us/page", "prefetch_%s", how);
	result(after - warm, "us/page", "prefetch_%s_then_write_4k", how);
}

static void by_cpu(void)
{
	uint8_t *at = fresh(SPAN);
	uint64_t start = bench_ns();

	touch(at, SPAN);
	result((bench_ns() - start) / 1e3 / (SPAN / PAGE), "us/page",
	       "touch_cpu");
	munmap(at, SPAN);
}

void part_touch(void)
{
	struct ground g;

	by_cpu();
	if (!bench.on_demand)
		return; /* a pinned region has all of its pages */
	lanes_open(&g.lanes, 1, MTU);
	g.source = fresh(MIB);
	touch(g.source, MIB);
	g.source_mr = rd_reg(&bench.asks, g.source, MIB, RD_ALL);
	/* What is made at the first fault, or the first message, is there then.
	 */
	ground_new(&g, SPAN);
	pass(&g, IBV_WR_RDMA_WRITE, MIB, MIB);
	ground_free(&g);

	by_writes(&g, 4 * KIB, "4k");
	by_writes(&g, MIB, "1m");
	by_reads(&g, 4 * KIB, 4 * KIB, "4k");
	by_reads(&g, 4 * KIB, FAR_STEP, "far_4k");
	by_reads(&g, MIB, MIB, "1m");
	by_prefetch(&g, false);
	by_prefetch(&g, true);
	dereg(g.source_mr);
	munmap(g.source, MIB);
	lanes_close(&g.lanes);
}
