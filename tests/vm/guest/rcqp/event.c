// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Asynchronous events and completion channels. */

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "rcqp/rcqp.h"

static void post_recvs(struct rd_qp *q, unsigned int n)
{
	struct ibv_sge sge = { (uintptr_t)bufs.far, 64, bufs.far_mr->lkey };

	while (n--)
		check(!rd_post_recv(q, &sge, 1, n), "post_recv");
}

/* A QP in RTR learns from the first packet that its peer is there. */
static void comm_est(void)
{
	struct rd_op op = op_of(IBV_WR_SEND, 10);
	struct rd_addr to_a, to_b;
	struct rd_qp a, b;
	int event;

	rd_qp_create(&a, &dev, NULL);
	rd_qp_create(&b, &dev, NULL);
	to_a = rd_qp_addr(&a);
	to_b = rd_qp_addr(&b);
	rd_connect(&a, &to_b);
	rd_to_init(&b);
	post_recvs(&b, 2);
	rd_to_rtr(&b, &to_a);
	check(!rd_do(&a, &op, WAIT_MS), "SEND to a QP in RTR");
	event = next_event(2000);
	check(event == IBV_EVENT_COMM_EST, "event %d, not COMM_EST", event);
	check(!rd_wait(b.rcq, NULL, WAIT_MS), "receive in RTR");
	check(!rd_to_rts(&b), "to RTS");
	check(!rd_do(&a, &op, WAIT_MS), "SEND to a QP in RTS");
	event = next_event(100);
	check(event < 0, "a second event: %d", event);
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
}

static void access_error(void)
{
	struct rd_op op = op_of(IBV_WR_RDMA_WRITE, 10);
	struct rd_qp a, b;
	int event, status;

	rd_pair(&a, &dev, &b, &dev, NULL);
	post_recvs(&b, 3);
	op.rkey ^= 0xff00;
	status = rd_do(&a, &op, WAIT_MS);
	check(status == IBV_WC_REM_ACCESS_ERR, "WRITE with a wrong key: %s",
	      rd_status(status));
	event = next_event(2000);
	check(event == IBV_EVENT_QP_ACCESS_ERR, "event %d", event);
	check(rd_state(&a) == IBV_QPS_ERR && rd_state(&b) == IBV_QPS_ERR,
	      "states %d and %d", rd_state(&a), rd_state(&b));
	check(rd_wait(b.rcq, NULL, WAIT_MS) == IBV_WC_WR_FLUSH_ERR,
	      "the responder's receives are not flushed");
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
}

static bool notified(struct ibv_comp_channel *channel, unsigned int ms)
{
	struct pollfd p = { .fd = channel->fd, .events = POLLIN };
	struct ibv_cq *cq;
	void *context;

	if (poll(&p, 1, ms) != 1)
		return false;
	if (ibv_get_cq_event(channel, &cq, &context))
		die("get_cq_event: %s", strerror(errno));
	ibv_ack_cq_events(cq, 1);
	return true;
}

/* A SEND whose two completions are taken without looking at events. */
static void one_send(struct rd_qp *a, struct rd_qp *b, unsigned int flags)
{
	struct rd_op op = op_of(IBV_WR_SEND, 10);
	int status;

	post_recvs(b, 1);
	op.flags = flags;
	status = rd_do(a, &op, WAIT_MS) ?: rd_wait(b->rcq, NULL, WAIT_MS);
	check(!status, "SEND: %s", rd_status(status));
}

static void arming(void)
{
	struct ibv_comp_channel *channel = ibv_create_comp_channel(dev.ctx);
	struct ibv_cq *rcq = ibv_create_cq(dev.ctx, 64, NULL, channel, 0);
	struct ibv_cq *scq = ibv_create_cq(dev.ctx, 64, NULL, NULL, 0);
	struct rd_qp_opts opts = { .scq = scq, .rcq = rcq };
	struct rd_op bad = op_of(IBV_WR_RDMA_WRITE, 10);
	struct rd_qp a, b;

	rd_pair(&a, &dev, &b, &dev, &opts);
	one_send(&a, &b, 0);
	check(!notified(channel, 100), "an event of a CQ that was not armed");
	check(!ibv_req_notify_cq(rcq, 0), "req_notify");
	one_send(&a, &b, 0);
	check(notified(channel, 2000), "armed: no event");
	one_send(&a, &b, 0);
	check(!notified(channel, 100), "armed once: a second event");
	check(!ibv_req_notify_cq(rcq, 1), "req_notify, solicited");
	one_send(&a, &b, 0);
	check(!notified(channel, 100), "an event, not solicited");
	one_send(&a, &b, IBV_SEND_SOLICITED);
	check(notified(channel, 2000), "solicited: no event");
	/* Solicited only, then any: the stronger wish counts. */
	ibv_req_notify_cq(rcq, 1);
	ibv_req_notify_cq(rcq, 0);
	one_send(&a, &b, 0);
	check(notified(channel, 2000), "armed twice: no event");
	/* An error always counts as solicited. */
	ibv_req_notify_cq(rcq, 1);
	post_recvs(&b, 1);
	bad.rkey ^= 0xff00;
	check(rd_do(&a, &bad, WAIT_MS) == IBV_WC_REM_ACCESS_ERR, "WRITE");
	check(notified(channel, 2000), "flushed receives: no event");
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
	check(!ibv_destroy_cq(rcq) && !ibv_destroy_cq(scq), "destroy_cq");
	check(!ibv_destroy_comp_channel(channel), "destroy_comp_channel");
}

/* More completions than fit: an event, an error, and nobody else is hurt. */
static void overflow(void)
{
	struct ibv_cq *small = ibv_create_cq(dev.ctx, 3, NULL, NULL, 0);
	struct rd_qp_opts opts = { .scq = small, .rcq = small, .sq = 64 };
	struct rd_op op = op_of(IBV_WR_RDMA_WRITE, 8);
	struct rd_qp a, b, c, d;
	int i, event;

	rd_pair(&c, &dev, &d, &dev, NULL);
	rd_pair(&a, &dev, &b, &dev, &opts);
	for (i = 0; i < small->cqe + 8 && i < 60; i++)
		rd_post(&a, &op);
	do {
		event = next_event(5000);
	} while (event >= 0 && event != IBV_EVENT_CQ_ERR);
	check(event == IBV_EVENT_CQ_ERR, "no CQ_ERR event");
	for (i = 0; i < 100 && rd_state(&a) != IBV_QPS_ERR; i++)
		sleep_ms(20);
	check(rd_state(&a) == IBV_QPS_ERR, "the QP is in state %d",
	      rd_state(&a));
	check(!rd_do(&c, &op, WAIT_MS), "another QP was hurt");
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
	rd_qp_destroy(&c);
	rd_qp_destroy(&d);
	check(!ibv_destroy_cq(small), "destroy_cq");
}

const struct test event_tests[] = { { .name = "comm-est", .run = comm_est },
				    { .name = "access-error",
				      .run = access_error },
				    { .name = "arming", .run = arming },
				    { .name = "cq-overflow", .run = overflow },
				    {} };
