// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Shared receive queues: who takes what, the limit and its event, a new size
 * under traffic, the end of one of the queue pairs. Receives are on demand.
 *
 *   srq DEVICE [N]
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/case.h"
#include "common/verbs.h"

enum {
	PAIRS = 3,
	SLOTS = 64,
	ROOM = 2 * 4096,
	PATIENCE_MS = 10000,
	QUIET_MS = 100,
};

static struct rd_dev dev;
static struct ibv_pd *srq_pd; /* not that of the queue pairs */
static struct ibv_srq *srq;
static struct ibv_cq *rcq; /* of all receivers */
static struct rd_qp from[PAIRS], to[PAIRS];
static uint8_t *source, *sink;
static struct ibv_mr *source_mr, *sink_mr;
static unsigned int rounds = 300;

static uint8_t *slot(uint8_t *base, uint64_t i)
{
	return base + (i % SLOTS) * ROOM;
}

static int post(uint64_t i, uint32_t len)
{
	struct ibv_sge sge = { (uintptr_t)slot(sink, i), len, sink_mr->lkey };
	struct ibv_recv_wr *bad, wr = {
		.wr_id = i,
		.sg_list = &sge,
		.num_sge = 1,
	};

	return ibv_post_srq_recv(srq, &wr, &bad);
}

static void post_many(uint64_t first, unsigned int n)
{
	while (n--)
		if (post(first++, ROOM))
			die("post_srq_recv");
}

static void make_srq(unsigned int n)
{
	struct ibv_srq_init_attr init = { .attr = { .max_wr = n,
						    .max_sge = 2 } };

	srq = ibv_create_srq(srq_pd, &init);
	if (!srq)
		die("create_srq: %s", strerror(errno));
	check(init.attr.max_wr >= n && init.attr.max_sge >= 2,
	      "%u receives of %u", init.attr.max_wr, init.attr.max_sge);
}

static void setup(unsigned int n)
{
	struct rd_qp_opts opts = { .timeout = 18 };
	unsigned int i;

	rcq = ibv_create_cq(dev.ctx, 512, NULL, NULL, 0);
	make_srq(n);
	for (i = 0; i < PAIRS; i++) {
		struct rd_qp_opts receiver = opts;
		struct rd_addr a, b;

		receiver.srq = srq;
		receiver.rcq = rcq;
		receiver.scq = ibv_create_cq(dev.ctx, 16, NULL, NULL, 0);
		rd_qp_create(&from[i], &dev, &opts);
		rd_qp_create(&to[i], &dev, &receiver);
		a = rd_qp_addr(&from[i]);
		b = rd_qp_addr(&to[i]);
		rd_connect(&from[i], &b);
		rd_connect(&to[i], &a);
	}
}

static void teardown(void)
{
	unsigned int i;

	for (i = 0; i < PAIRS; i++) {
		struct ibv_cq *scq = to[i].scq;

		rd_qp_destroy(&from[i]);
		rd_qp_destroy(&to[i]);
		ibv_destroy_cq(scq);
	}
	if (ibv_destroy_srq(srq))
		die("destroy_srq: %s", strerror(errno));
	ibv_destroy_cq(rcq);
	rd_drop_events(&dev);
}

static int send_from(unsigned int pair, uint64_t i, uint32_t len)
{
	struct rd_op op = {
		.opcode = IBV_WR_SEND_WITH_IMM,
		.imm = i,
		.addr = (uintptr_t)slot(source, i),
		.len = len,
		.lkey = source_mr->lkey,
	};

	return rd_do(&from[pair], &op, PATIENCE_MS);
}

/* Message @i of pair @pair ends in the receive @i. */
static void exchange(unsigned int pair, uint64_t i)
{
	uint32_t len = mix64(i) % (ROOM + 1);
	struct ibv_wc wc = {};
	int status;

	if (i % 3 == 0 && madvise(slot(sink, i), ROOM, MADV_DONTNEED))
		die("madvise");
	fill(slot(source, i), len, i);
	status = send_from(pair, i, len);
	check(!status, "message %lu: %s", i, rd_status(status));
	status = rd_wait(rcq, &wc, PATIENCE_MS);
	check(!status && wc.wr_id == i && wc.byte_len == len &&
		      wc.qp_num == to[pair].qp->qp_num && wc.imm_data == i,
	      "receive %lu: %s, wr_id %lu, %u bytes", i, rd_status(status),
	      wc.wr_id, wc.byte_len);
	check(first_difference(slot(source, i), slot(sink, i), len) < 0,
	      "the bytes of %lu", i);
}

static unsigned int limit_now(void)
{
	struct ibv_srq_attr attr;

	if (ibv_query_srq(srq, &attr))
		die("query_srq");
	return attr.srq_limit;
}

static int modify(unsigned int mask, unsigned int max_wr, unsigned int limit)
{
	struct ibv_srq_attr attr = { .max_wr = max_wr, .srq_limit = limit };

	errno = 0;
	return ibv_modify_srq(srq, &attr, mask);
}

static void run_order(void)
{
	unsigned int i;

	setup(8);
	post_many(0, 8);
	for (i = 0; i < rounds; i++) {
		exchange(mix64(i) % PAIRS, i);
		post_many(i + 8, 1);
	}
	teardown();
}

static void run_empty(void)
{
	uint64_t before = counter(dev.name, "sent_rnr_err");
	struct rd_op op = { .opcode = IBV_WR_SEND };

	setup(4);
	check(!rd_post(&from[0], &op), "post");
	check(rd_wait(from[0].scq, NULL, QUIET_MS) < 0, "it waits");
	check(counter(dev.name, "sent_rnr_err") > before, "RNR NAK");
	post_many(0, 1);
	check(!rd_wait(from[0].scq, NULL, PATIENCE_MS) &&
		      !rd_wait(rcq, NULL, PATIENCE_MS),
	      "and goes on");
	teardown();
}

static void run_limit(void)
{
	setup(16);
	post_many(0, 6);
	check(!modify(IBV_SRQ_LIMIT, 0, 5) && limit_now() == 5, "armed");
	exchange(0, 0);
	check(!rd_event(&dev, IBV_EVENT_SRQ_LIMIT_REACHED, QUIET_MS),
	      "five are not fewer than five");
	exchange(1, 1);
	check(rd_event(&dev, IBV_EVENT_SRQ_LIMIT_REACHED, PATIENCE_MS),
	      "four are");
	check(!limit_now(), "no longer armed");
	exchange(2, 2);
	check(!rd_event(&dev, IBV_EVENT_SRQ_LIMIT_REACHED, QUIET_MS), "once");
	check(!modify(IBV_SRQ_LIMIT, 0, 4) &&
		      rd_event(&dev, IBV_EVENT_SRQ_LIMIT_REACHED, PATIENCE_MS),
	      "at once where there are fewer");
	check(modify(IBV_SRQ_LIMIT, 0, 10000), "more than there is room for");
	teardown();
}

static void run_resize(void)
{
	struct ibv_srq_attr attr;
	unsigned int i;

	setup(15);
	post_many(0, 10);
	exchange(0, 0);
	exchange(1, 1);
	check(modify(IBV_SRQ_MAX_WR, 3, 0), "eight receives into three");
	check(modify(IBV_SRQ_MAX_WR, 0, 0), "none");
	check(modify(IBV_SRQ_MAX_WR, 1 << 20, 0), "too many");
	exchange(2, 2);
	check(!modify(IBV_SRQ_MAX_WR, 50, 0), "grows: %s", strerror(errno));
	check(!ibv_query_srq(srq, &attr) && attr.max_wr >= 50, "%u",
	      attr.max_wr);
	post_many(10, 40);
	for (i = 3; i < 45; i++)
		exchange(i % PAIRS, i);
	check(!modify(IBV_SRQ_MAX_WR | IBV_SRQ_LIMIT, 7, 5), "shrinks");
	check(!modify(IBV_SRQ_LIMIT, 0, 0), "disarmed");
	for (i = 45; i < 50; i++)
		exchange(i % PAIRS, i);
	check(post(50, ROOM) == 0, "a receive");
	exchange(0, 50);
	teardown();
}

/* Receives that come and go while the ring is changed. */
static void run_resize_traffic(void)
{
	unsigned int posted = 4, done = 0, i;

	setup(15);
	post_many(0, posted);
	for (i = 0; i < rounds / 4; i++) {
		struct rd_op op = { .opcode = IBV_WR_SEND };
		struct ibv_wc wc;
		unsigned int n;

		for (n = 0; n < PAIRS; n++)
			if (rd_post(&from[n], &op))
				die("post_send");
		check(!modify(IBV_SRQ_MAX_WR, i % 2 ? 15 : 60, 0), "resize");
		for (n = 0; n < PAIRS; n++) {
			int status = rd_wait(rcq, &wc, PATIENCE_MS);

			check(!status && wc.wr_id - done < PAIRS &&
				      wc.wr_id + PAIRS > done,
			      "receive %u: %s, wr_id %lu", done,
			      rd_status(status), wc.wr_id);
			done++;
			post_many(posted++, 1);
		}
		for (n = 0; n < PAIRS; n++)
			check(!rd_wait(from[n].scq, NULL, PATIENCE_MS), "send");
	}
	teardown();
}

static void run_last(void)
{
	setup(8);
	post_many(0, 4);
	exchange(0, 0);
	check(!rd_to_state(&to[0], IBV_QPS_ERR), "to ERR");
	check(rd_event(&dev, IBV_EVENT_QP_LAST_WQE_REACHED, PATIENCE_MS),
	      "the event");
	check(!rd_event(&dev, IBV_EVENT_QP_LAST_WQE_REACHED, QUIET_MS), "once");
	check(rd_wait(rcq, NULL, 0) < 0, "nothing of the others is flushed");
	exchange(1, 1);
	/* A message that is too long takes its receive with it. */
	check(!modify(IBV_SRQ_LIMIT, 0, 0), "no limit");
	fill(slot(source, 2), ROOM, 2);
	exchange(2, 2);
	check(!post(4, 100), "a short one");
	exchange(1, 3);
	check(send_from(2, 4, 101) == IBV_WC_REM_INV_REQ_ERR, "too long");
	check(rd_event(&dev, IBV_EVENT_QP_LAST_WQE_REACHED, PATIENCE_MS),
	      "the event of its queue pair");
	check(rd_wait(rcq, NULL, PATIENCE_MS) == IBV_WC_LOC_LEN_ERR,
	      "the receive that it took");
	post_many(5, 1);
	exchange(1, 5);
	teardown();
}

static void run_refused(void)
{
	struct ibv_srq_init_attr init = { .attr = { .max_wr = 0,
						    .max_sge = 1 } };

	check(!ibv_create_srq(dev.pd, &init), "no receives");
	init.attr.max_wr = dev.attr.orig_attr.max_srq_wr + 1;
	check(!ibv_create_srq(dev.pd, &init), "too many");
	init.attr.max_wr = 1;
	init.attr.max_sge = dev.attr.orig_attr.max_srq_sge + 1;
	check(!ibv_create_srq(dev.pd, &init), "too many elements");
	setup(4);
	check(ibv_destroy_srq(srq) == EBUSY, "in use");
	/* The elements are of the SRQ's domain; the sender's are not. */
	{
		struct ibv_sge sge = { (uintptr_t)sink, 100, source_mr->lkey };
		struct ibv_recv_wr *bad, wr = { .sg_list = &sge, .num_sge = 1 };

		check(!ibv_post_srq_recv(srq, &wr, &bad), "post");
	}
	check(send_from(0, 1, 100) == IBV_WC_REM_OP_ERR, "a foreign key");
	check(rd_wait(rcq, NULL, PATIENCE_MS) == IBV_WC_LOC_PROT_ERR,
	      "is the receiver's fault");
	teardown();
}

static const struct test tests[] = {
	{ "order", run_order, "three queue pairs, one queue" },
	{ "empty", run_empty, "a sender waits for a receive" },
	{ "limit", run_limit, "IBV_EVENT_SRQ_LIMIT_REACHED" },
	{ "resize", run_resize, "what is queued stays, in order" },
	{ "resize-traffic", run_resize_traffic, "while others take" },
	{ "last", run_last, "IBV_EVENT_QP_LAST_WQE_REACHED" },
	{ "refused", run_refused, "what is wrong" },
};

int main(int argc, char **argv)
{
	int access = IBV_ACCESS_LOCAL_WRITE;
	unsigned int i;

	if (argc < 2)
		die("usage: srq DEVICE [N]");
	if (argc > 2)
		rounds = atoi(argv[2]);
	rd_open(&dev, argv[1]);
	srq_pd = ibv_alloc_pd(dev.ctx);
	access |= dev.odp ? IBV_ACCESS_ON_DEMAND : 0;
	source = mmap(NULL, 2UL * SLOTS * ROOM, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (source == MAP_FAILED || !srq_pd)
		die("setup");
	sink = source + SLOTS * ROOM;
	source_mr = rd_reg(&dev, source, SLOTS * ROOM, access);
	sink_mr = (ibv_reg_mr)(srq_pd, sink, SLOTS * ROOM, access);
	if (!sink_mr)
		die("reg_mr");
	for (i = 0; i < ARRAY_SIZE(tests); i++)
		case_run(&tests[i]);
	ibv_dereg_mr(source_mr);
	ibv_dereg_mr(sink_mr);
	ibv_dealloc_pd(srq_pd);
	rd_close(&dev);
	return tap_done();
}
