// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* States, what a query tells, limits, and what is flushed. */

#include <errno.h>
#include <string.h>

#include "rcqp/rcqp.h"

static struct ibv_qp_attr query(struct rd_qp *q, struct ibv_qp_init_attr *init)
{
	struct ibv_qp_init_attr mine;
	struct ibv_qp_attr attr;

	memset(&attr, 0, sizeof(attr));
	if (ibv_query_qp(q->qp, &attr, 0xfffff, init ?: &mine))
		check(false, "query_qp: %s", strerror(errno));
	return attr;
}

static void states(void)
{
	const struct rd_qp_opts opts = {
		.mtu = 2048,
		.psn = 0x123456,
		.timeout = 17,
		.retry = 3,
		.rnr_retry = 5,
		.rnr_timer = 9,
		.rd_atomic = 4,
	};
	struct rd_addr peer = { .gid = dev.gid, .qpn = 77, .psn = 0xabcdef };
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr a;
	struct rd_qp q;

	rd_qp_create(&q, &dev, &opts);
	a = query(&q, &init);
	check(a.qp_state == IBV_QPS_RESET, "new QP in state %d", a.qp_state);
	check(init.cap.max_send_wr >= 64 && init.cap.max_recv_wr >= 64 &&
		      init.cap.max_send_sge >= 4 && init.cap.max_recv_sge >= 4,
	      "capacities");
	check(!rd_to_init(&q), "to INIT");
	a = query(&q, NULL);
	check(a.qp_state == IBV_QPS_INIT && a.port_num == 1 &&
		      (a.qp_access_flags | IBV_ACCESS_LOCAL_WRITE) == RD_ALL,
	      "INIT: state %d, port %d, access %#x", a.qp_state, a.port_num,
	      a.qp_access_flags);
	check(!rd_to_rtr(&q, &peer), "to RTR");
	a = query(&q, NULL);
	check(a.qp_state == IBV_QPS_RTR && a.path_mtu == IBV_MTU_2048 &&
		      a.dest_qp_num == 77 && a.rq_psn == 0xabcdef &&
		      a.max_dest_rd_atomic >= 4 && a.min_rnr_timer == 9,
	      "RTR: state %d, mtu %d, dest %u, psn %x, %u, %u", a.qp_state,
	      a.path_mtu, a.dest_qp_num, a.rq_psn, a.max_dest_rd_atomic,
	      a.min_rnr_timer);
	check(!memcmp(&a.ah_attr.grh.dgid, &dev.gid, 16) &&
		      a.ah_attr.grh.sgid_index == dev.gid_index &&
		      a.ah_attr.grh.hop_limit == 64,
	      "RTR: address");
	check(!rd_to_rts(&q), "to RTS");
	a = query(&q, NULL);
	check(a.qp_state == IBV_QPS_RTS && a.sq_psn == 0x123456 &&
		      a.timeout == 17 && a.retry_cnt == 3 && a.rnr_retry == 5 &&
		      a.max_rd_atomic == 4,
	      "RTS: state %d, psn %x, timeout %u, %u, %u, %u", a.qp_state,
	      a.sq_psn, a.timeout, a.retry_cnt, a.rnr_retry, a.max_rd_atomic);
	check(!rd_to_state(&q, IBV_QPS_ERR), "to ERR");
	check(rd_state(&q) == IBV_QPS_ERR, "ERR: state %d", rd_state(&q));
	check(!rd_to_state(&q, IBV_QPS_RESET), "to RESET");
	check(rd_state(&q) == IBV_QPS_RESET, "RESET: state %d", rd_state(&q));
	rd_connect(&q, &peer);
	rd_qp_destroy(&q);
}

static void wrong_steps(void)
{
	struct rd_addr peer = { .gid = dev.gid, .qpn = 77 };
	struct rd_op op = op_of(IBV_WR_RDMA_WRITE, 8);
	struct rd_qp q;

	rd_qp_create(&q, &dev, NULL);
	check(rd_to_rts(&q), "RESET to RTS");
	check(rd_to_rtr(&q, &peer), "RESET to RTR");
	check(rd_post(&q, &op), "post_send in RESET");
	rd_to_init(&q);
	check(rd_to_rts(&q), "INIT to RTS");
	check(rd_post(&q, &op), "post_send in INIT");
	check(!rd_to_init(&q), "INIT to INIT");
	q.opts.rd_atomic = 255;
	check(rd_to_rtr(&q, &peer), "max_dest_rd_atomic 255");
	q.opts.rd_atomic = 4;
	check(!rd_to_rtr(&q, &peer), "to RTR");
	check(rd_to_rtr(&q, &peer), "RTR to RTR");
	q.opts.rd_atomic = 255;
	check(rd_to_rts(&q), "max_rd_atomic 255");
	q.opts.rd_atomic = 4;
	check(rd_state(&q) == IBV_QPS_RTR, "a refused step changed the state");
	check(!rd_to_rts(&q), "to RTS");
	rd_to_state(&q, IBV_QPS_ERR);
	check(rd_to_rts(&q), "ERR to RTS");
	check(rd_state(&q) == IBV_QPS_ERR, "state %d", rd_state(&q));
	rd_qp_destroy(&q);
}

static void busy_objects(void)
{
	struct rd_qp q;

	rd_qp_create(&q, &dev, NULL);
	check(ibv_destroy_cq(q.scq) == EBUSY, "a CQ in use was destroyed");
	check(ibv_dealloc_pd(dev.pd) == EBUSY, "a PD in use was freed");
	rd_qp_destroy(&q);
}

static void create_limits(void)
{
	struct ibv_qp_init_attr init = { .qp_type = IBV_QPT_RC };
	struct ibv_cq *cq = ibv_create_cq(dev.ctx, 16, NULL, NULL, 0);
	const struct ibv_device_attr *d = &dev.attr.orig_attr;

	check(!ibv_create_cq(dev.ctx, d->max_cqe + 1, NULL, NULL, 0),
	      "a CQ of max_cqe + 1");
	init.send_cq = init.recv_cq = cq;
	init.cap.max_send_wr = d->max_qp_wr + 1;
	init.cap.max_recv_wr = init.cap.max_send_sge = 1;
	init.cap.max_recv_sge = 1;
	check(!ibv_create_qp(dev.pd, &init), "max_send_wr too large");
	init.cap.max_send_wr = 1;
	init.cap.max_recv_wr = d->max_qp_wr + 1;
	check(!ibv_create_qp(dev.pd, &init), "max_recv_wr too large");
	init.cap.max_recv_wr = 1;
	init.cap.max_send_sge = d->max_sge + 1;
	check(!ibv_create_qp(dev.pd, &init), "max_send_sge too large");
	init.cap.max_send_sge = 1;
	init.cap.max_inline_data = 1 << 20;
	check(!ibv_create_qp(dev.pd, &init), "max_inline_data too large");
	ibv_destroy_cq(cq);
}

/* Everything posted comes back flushed, in order, on both queues. */
static void flush(void)
{
	struct rd_op op = op_of(IBV_WR_SEND, 100);
	struct ibv_sge sge = { (uintptr_t)bufs.far, 100, bufs.far_mr->lkey };
	struct rd_qp a, b;
	struct ibv_wc wc;
	unsigned int i;
	int status;

	rd_pair(&a, &dev, &b, &dev, NULL);
	for (i = 0; i < 10; i++)
		rd_post_recv(&a, &sge, 1, 100 + i);
	/* No receives at b: these wait. */
	for (op.id = 0; op.id < 8; op.id++)
		check(!rd_post(&a, &op), "post_send");
	check(!rd_to_state(&a, IBV_QPS_ERR), "to ERR");
	for (i = 0; i < 8; i++) {
		status = rd_wait(a.scq, &wc, WAIT_MS);
		check(status == IBV_WC_WR_FLUSH_ERR && wc.wr_id == i,
		      "send %u: %s, id %llu", i, rd_status(status),
		      (unsigned long long)wc.wr_id);
	}
	for (i = 0; i < 10; i++) {
		status = rd_wait(a.rcq, &wc, WAIT_MS);
		check(status == IBV_WC_WR_FLUSH_ERR && wc.wr_id == 100 + i,
		      "receive %u: %s, id %llu", i, rd_status(status),
		      (unsigned long long)wc.wr_id);
	}
	/* What is posted now is flushed at once. */
	op.id = 55;
	status = rd_do(&a, &op, WAIT_MS);
	check(status == IBV_WC_WR_FLUSH_ERR, "send in ERR: %s",
	      rd_status(status));
	check(rd_wait(a.scq, &wc, 50) < 0 && rd_wait(a.rcq, &wc, 50) < 0,
	      "a completion too many: id %llu", (unsigned long long)wc.wr_id);
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
}

/* RESET forgets what was posted, and the QP is as good as new. */
static void reset(void)
{
	struct ibv_sge sge = { (uintptr_t)bufs.far, 100, bufs.far_mr->lkey };
	struct rd_op op = op_of(IBV_WR_SEND, 100);
	struct rd_addr to_a, to_b;
	struct rd_qp a, b;
	struct ibv_wc wc;
	int i, status;

	rd_pair(&a, &dev, &b, &dev, NULL);
	to_a = rd_qp_addr(&a);
	to_b = rd_qp_addr(&b);
	for (i = 0; i < 5; i++) {
		rd_post_recv(&a, &sge, 1, 7);
		op.id = 8;
		rd_post(&a, &op);
		check(!rd_to_state(&a, IBV_QPS_RESET), "a to RESET");
		check(!rd_to_state(&b, IBV_QPS_RESET), "b to RESET");
		while (rd_wait(a.scq, &wc, 0) >= 0 ||
		       rd_wait(a.rcq, &wc, 0) >= 0)
			;
		rd_connect(&a, &to_b);
		rd_connect(&b, &to_a);
		rd_post_recv(&b, &sge, 1, 9);
		op.id = 10;
		status = rd_post(&a, &op) ?: rd_wait(a.scq, &wc, WAIT_MS);
		check(!status && wc.wr_id == 10, "SEND after RESET: %s, id %d",
		      rd_status(status), (int)wc.wr_id);
		status = rd_wait(b.rcq, &wc, WAIT_MS);
		check(!status && wc.wr_id == 9, "receive after RESET: %s",
		      rd_status(status));
	}
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
}

const struct test state_tests[] = {
	{ .name = "states", .run = states },
	{ .name = "wrong-steps", .run = wrong_steps },
	{ .name = "busy-objects", .run = busy_objects },
	{ .name = "create-limits", .run = create_limits },
	{ .name = "flush", .run = flush },
	{ .name = "reset", .run = reset },
	{}
};
