// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Completion queues that change their size, send queues that are drained.
 *
 *   queues DEVICE
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/case.h"
#include "common/verbs.h"

enum {
	LEN = 1 << 20,
	PATIENCE_MS = 10000,
	QUIET_MS = 100,
};

static struct rd_dev dev;
static struct rd_qp a, b;
static uint8_t *source, *sink;
static struct ibv_mr *source_mr, *sink_mr;

static void setup(unsigned int cqe)
{
	struct rd_qp_opts opts = {
		.sq = 255, .rq = 255, .cqe = cqe, .timeout = 18
	};

	rd_pair(&a, &dev, &b, &dev, &opts);
}

static void teardown(void)
{
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
	rd_drop_events(&dev);
}

static int write_bytes(uint64_t id, uint32_t len)
{
	struct rd_op op = {
		.opcode = IBV_WR_RDMA_WRITE,
		.id = id,
		.addr = (uintptr_t)source,
		.len = len,
		.lkey = source_mr->lkey,
		.raddr = (uintptr_t)sink,
		.rkey = sink_mr->rkey,
	};

	return rd_post(&a, &op);
}

/* Completions @from to @to come in order, and then nothing. */
static void expect(uint64_t from, uint64_t to)
{
	struct ibv_wc wc = {};

	for (; from < to; from++) {
		int status = rd_wait(a.scq, &wc, PATIENCE_MS);

		check(!status && wc.wr_id == from, "%lu: %s, %lu", from,
		      rd_status(status), wc.wr_id);
	}
	check(rd_wait(a.scq, &wc, 0) < 0, "nothing more");
}

static void run_resize(void)
{
	uint64_t id = 0;

	setup(7);
	while (id < 7)
		if (write_bytes(id++, 8))
			die("post_send");
	sleep_ms(QUIET_MS);
	check(ibv_resize_cq(a.scq, 3), "seven into three");
	check(ibv_resize_cq(a.scq, 0), "none");
	check(ibv_resize_cq(a.scq, 1 << 20), "too many");
	check(!ibv_resize_cq(a.scq, 200) && a.scq->cqe >= 200, "%d",
	      a.scq->cqe);
	while (id < 200)
		if (write_bytes(id++, 8))
			die("post_send");
	expect(0, 200);
	check(!ibv_resize_cq(a.scq, 7) && a.scq->cqe == 7, "%d", a.scq->cqe);
	check(!write_bytes(200, 8), "post");
	expect(200, 201);
	teardown();
}

static void run_resize_traffic(void)
{
	uint64_t id = 0, done = 0;
	unsigned int i;

	setup(63);
	for (i = 0; i < 100; i++) {
		struct ibv_wc wc;
		unsigned int n;

		for (n = 0; n < 16; n++)
			if (write_bytes(id++, 100))
				die("post_send");
		check(!ibv_resize_cq(a.scq, i % 2 ? 63 : 200), "resize");
		/* Some are left: they move with the queue. */
		while (done + 16 < id) {
			int status = rd_wait(a.scq, &wc, PATIENCE_MS);

			check(!status && wc.wr_id == done, "%lu: %s, %lu", done,
			      rd_status(status), wc.wr_id);
			done++;
		}
	}
	expect(done, id);
	teardown();
}

static int drain(bool notify)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_SQD,
				    .en_sqd_async_notify = notify };

	return ibv_modify_qp(a.qp, &attr,
			     IBV_QP_STATE | IBV_QP_EN_SQD_ASYNC_NOTIFY);
}

static bool draining(void)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	if (ibv_query_qp(a.qp, &attr, IBV_QP_STATE, &init))
		die("query_qp");
	return attr.sq_draining;
}

static int go_on(void)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_RTS };

	return ibv_modify_qp(a.qp, &attr, IBV_QP_STATE);
}

static void run_drain_idle(void)
{
	setup(255);
	check(!drain(true), "to SQD");
	check(rd_event(&dev, IBV_EVENT_SQ_DRAINED, PATIENCE_MS), "the event");
	check(rd_state(&a) == IBV_QPS_SQD && !draining(), "drained");
	/* What is posted now waits, even if it is wrong. */
	check(!write_bytes(1, 8), "post");
	check(rd_wait(a.scq, NULL, QUIET_MS) < 0, "it waits");
	check(!go_on(), "to RTS");
	expect(1, 2);
	check(!drain(false), "again");
	check(!rd_event(&dev, IBV_EVENT_SQ_DRAINED, QUIET_MS), "no event");
	check(!draining() && !go_on(), "and on");
	check(!write_bytes(2, 8), "post");
	expect(2, 3);
	teardown();
}

/* Long messages are under way; what was begun is finished, in order. */
static void run_drain_busy(void)
{
	unsigned int n = 0, i;
	struct ibv_wc wc;

	setup(255);
	fill(source, LEN, 7);
	memset(sink, 0, LEN);
	for (i = 0; i < 200; i++)
		if (write_bytes(i, LEN / 4))
			die("post_send");
	check(!drain(true), "to SQD");
	check(rd_event(&dev, IBV_EVENT_SQ_DRAINED, PATIENCE_MS), "the event");
	check(!draining(), "drained");
	while (rd_wait(a.scq, &wc, QUIET_MS) == IBV_WC_SUCCESS)
		check(wc.wr_id == n++, "completion %lu", wc.wr_id);
	check(n < 200, "%u were begun", n);
	tap_note("%u of 200 were begun", n);
	check(!go_on(), "to RTS");
	expect(n, 200);
	check(first_difference(source, sink, LEN / 4) < 0, "the bytes");
	teardown();
}

/* A message that waits for a receive is under way. */
static void run_drain_waits(void)
{
	struct rd_op op = { .opcode = IBV_WR_SEND };

	setup(255);
	check(!rd_post(&a, &op) && !rd_post(&a, &op), "post");
	check(!drain(true), "to SQD");
	check(!rd_event(&dev, IBV_EVENT_SQ_DRAINED, QUIET_MS), "not yet");
	check(draining(), "draining");
	check(go_on() == EBUSY, "no way back before that");
	check(!rd_post_recv(&b, NULL, 0, 1) && !rd_post_recv(&b, NULL, 0, 2),
	      "receives");
	check(rd_event(&dev, IBV_EVENT_SQ_DRAINED, PATIENCE_MS), "the event");
	check(!rd_wait(a.scq, NULL, PATIENCE_MS), "its completion");
	check(!go_on(), "to RTS");
	check(!rd_wait(a.scq, NULL, PATIENCE_MS), "that of the other");
	/* And an end that does not wait. */
	check(!rd_post(&a, &op) && !drain(true), "once more");
	check(!rd_to_state(&a, IBV_QPS_ERR), "to ERR");
	check(rd_wait(a.scq, NULL, PATIENCE_MS) == IBV_WC_WR_FLUSH_ERR,
	      "flushed");
	teardown();
}

static const struct test tests[] = {
	{ "cq-resize", run_resize, "what waits stays, in order" },
	{ "cq-resize-traffic", run_resize_traffic, "while more comes" },
	{ "drain-idle", run_drain_idle, "IBV_EVENT_SQ_DRAINED at once" },
	{ "drain-busy", run_drain_busy, "what was begun is finished" },
	{ "drain-waits", run_drain_waits, "for a peer that is not ready" },
};

int main(int argc, char **argv)
{
	int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;
	unsigned int i;

	if (argc < 2)
		die("usage: queues DEVICE");
	rd_open(&dev, argv[1]);
	access |= dev.odp ? IBV_ACCESS_ON_DEMAND : 0;
	source = mmap(NULL, 2UL * LEN, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (source == MAP_FAILED)
		die("mmap");
	sink = source + LEN;
	source_mr = rd_reg(&dev, source, LEN, access);
	sink_mr = rd_reg(&dev, sink, LEN, access);
	for (i = 0; i < ARRAY_SIZE(tests); i++)
		case_run(&tests[i]);
	ibv_dereg_mr(source_mr);
	ibv_dereg_mr(sink_mr);
	rd_close(&dev);
	return tap_done();
}
