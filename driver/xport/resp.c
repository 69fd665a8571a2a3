// SPDX-License-Identifier: GPL-2.0
/*
 * The responder: what the peer asks of us. One pass takes request packets from
 * the queue in order, each through the steps of IBTA 9.7.4: is its PSN the
 * expected one (else repeat or refuse it), may it come now, carry it out, and
 * at the end of the pass acknowledge all of them at once.
 */
#include "xport/resp.h"

enum {
	ANSWER_TIME = HZ / 50 + 1, /* jiffies */
	FLUSH_MS_FIRST = 10, /* polls of the ring of a QP in error ... */
	FLUSH_MS_LAST = 100, /* ... for posting to it rings no doorbell */
};

unsigned int sodp_resp_purge(struct sodp_qp *qp)
{
	struct sk_buff *skb;
	unsigned int n = 0;

	while ((skb = skb_dequeue(&qp->resp.rx))) {
		kfree_skb(skb);
		n++;
	}
	return n;
}

/* Class B: something is missing, or we asked for a pause. */
static enum sodp_verdict out_of_sequence(struct sodp_qp *qp)
{
	if (qp->resp.rnr_sent) {
		sodp_count(qp->dev->counters, SODP_CNT_RNR_DROPS);
		return SODP_NEXT;
	}
	sodp_count(qp->dev->counters, SODP_CNT_OUT_OF_SEQ);
	sodp_resp_nak_seq(qp);
	return SODP_NEXT;
}

/* The fault that the request waited for ended in an error. */
static enum sodp_verdict fault_failed(struct sodp_qp *qp,
				      const struct sodp_pkt *pkt)
{
	qp->resp.failed = SODP_MEM_OK;
	if (sodp_opcode(pkt->opcode)->flags & SODP_IS_SEND)
		return sodp_resp_fail(qp, pkt->psn, SODP_NAK_REM_OP,
				      IB_WC_LOC_PROT_ERR);
	return sodp_resp_denied(qp, pkt->psn);
}

static void see_peer(struct sodp_qp *qp)
{
	struct sodp_resp *resp = &qp->resp;

	resp->nak_sent = false;
	if (resp->established)
		return;
	resp->established = true;
	if (sodp_qp_state(qp) == IB_QPS_RTR)
		sodp_qp_event(qp, IB_EVENT_COMM_EST);
}

static enum sodp_verdict execute(struct sodp_qp *qp, const struct sk_buff *skb)
{
	const struct sodp_pkt *pkt = sodp_rx_pkt((struct sk_buff *)skb);
	u32 flags = sodp_opcode(pkt->opcode)->flags;

	if (flags & SODP_IS_SEND)
		return sodp_resp_send(qp, skb);
	if (flags & SODP_IS_WRITE)
		return sodp_resp_write(qp, skb);
	if (flags & SODP_IS_READ)
		return sodp_resp_read(qp, pkt);
	return sodp_resp_atomic(qp, pkt);
}

/*
 * UC, IBTA 9.8.2: after a gap the next message that begins is taken; what is
 * left of one that was begun is skipped. What is older than expected was there
 * already, or was overtaken: to take it would be twice, or out of order.
 */
static enum sodp_verdict uc_request(struct sodp_qp *qp,
				    const struct sk_buff *skb)
{
	const struct sodp_pkt *pkt = sodp_rx_pkt((struct sk_buff *)skb);
	bool first = sodp_opcode(pkt->opcode)->flags & SODP_IS_FIRST;
	struct sodp_resp *resp = &qp->resp;
	s32 diff = sodp_psn_diff(pkt->psn, resp->psn);

	if (diff < 0) {
		sodp_count(qp->dev->counters, SODP_CNT_DUPLICATES);
		return SODP_NEXT;
	}
	if (diff > 0)
		sodp_count(qp->dev->counters, SODP_CNT_OUT_OF_SEQ);
	if (resp->in_message && (diff > 0 || first))
		sodp_resp_drop_message(qp, sodp_psn_sub(pkt->psn, 1));
	resp->psn = pkt->psn;
	if (!first && !resp->in_message) {
		resp->psn = sodp_psn_add(pkt->psn, 1);
		return SODP_NEXT;
	}
	see_peer(qp);
	if (!sodp_resp_check(qp, pkt))
		return sodp_resp_drop_message(qp, pkt->psn);
	if (resp->failed != SODP_MEM_OK)
		return fault_failed(qp, pkt);
	return execute(qp, skb);
}

static enum sodp_verdict request(struct sodp_qp *qp, const struct sk_buff *skb)
{
	const struct sodp_pkt *pkt = sodp_rx_pkt((struct sk_buff *)skb);
	struct sodp_resp *resp = &qp->resp;
	s32 diff = sodp_psn_diff(pkt->psn, resp->psn);

	if (sodp_qp_is_ud(qp))
		return sodp_resp_datagram(qp, skb);
	if (!sodp_qp_is_rc(qp))
		return uc_request(qp, skb);
	if (diff > 0)
		return out_of_sequence(qp);
	if (diff < 0)
		return sodp_resp_duplicate(qp, pkt);
	see_peer(qp);
	if (!sodp_resp_check(qp, pkt))
		return sodp_resp_invalid(qp, pkt->psn);
	if (sodp_park_waiting(&resp->park))
		return sodp_resp_rnr_fault(qp); /* once more, and longer */
	if (resp->failed != SODP_MEM_OK)
		return fault_failed(qp, pkt);
	return execute(qp, skb);
}

static enum sodp_verdict next_request(struct sodp_qp *qp, struct sk_buff *skb,
				      struct sodp_budget *budget)
{
	enum sodp_verdict verdict;

	budget->packets--;
	budget->bytes -= sodp_rx_pkt(skb)->payload_len;
	verdict = request(qp, skb);
	if (verdict == SODP_HOLD)
		return verdict;
	skb_unlink(skb, &qp->resp.rx);
	sodp_pkt_done(skb);
	if (verdict == SODP_DROP_ALL) {
		sodp_count_n(qp->dev->counters, SODP_CNT_RNR_DROPS,
			     1 + sodp_resp_purge(qp));
		verdict = SODP_NEXT;
	}
	return verdict;
}

/* In the error state: receives complete as flushed, packets are dropped. */
static enum sodp_step flush(struct sodp_qp *qp)
{
	struct sodp_budget budget = { .packets = SODP_PASS_PACKETS };
	struct sodp_resp *resp = &qp->resp;

	sodp_resp_unhold(qp);
	resp->ack_due = false;
	sodp_count_n(qp->dev->counters, SODP_CNT_DROP_STATE,
		     sodp_resp_purge(qp));
	if (sodp_recv_flush(qp, &budget))
		return SODP_STEP_MORE;
	if (qp->srq || READ_ONCE(qp->rcq->overflow))
		return SODP_STEP_IDLE; /* nothing to come, or nobody to tell */
	if (budget.packets < SODP_PASS_PACKETS)
		resp->flush_ms = 0;
	resp->flush_ms = clamp_t(unsigned int, 2 * resp->flush_ms,
				 FLUSH_MS_FIRST, FLUSH_MS_LAST);
	sodp_resp_arm(qp, resp->flush_ms);
	return SODP_STEP_IDLE;
}

static enum sodp_step run(struct sodp_qp *qp)
{
	struct sodp_budget budget = {
		.packets = SODP_PASS_PACKETS,
		.bytes = SODP_PASS_BYTES,
	};
	enum sodp_verdict verdict = SODP_NEXT;
	struct sodp_resp *resp = &qp->resp;
	struct sk_buff *skb;

	if (!sodp_resp_resume(qp))
		return SODP_STEP_IDLE;
	while (verdict == SODP_NEXT) {
		if (budget.packets <= 0 || budget.bytes <= 0)
			break;
		if (resp->read.valid) {
			verdict = sodp_resp_read_slice(qp, &budget);
			continue;
		}
		skb = skb_peek(&resp->rx);
		if (!skb)
			break;
		verdict = next_request(qp, skb, &budget);
	}
	if (verdict == SODP_STOP)
		return SODP_STEP_IDLE; /* sodp_qp_error() kicked us */
	sodp_resp_ack_flush(qp);
	if (verdict == SODP_HOLD)
		return SODP_STEP_IDLE;
	return resp->read.valid || !skb_queue_empty_lockless(&resp->rx) ?
		       SODP_STEP_MORE :
		       SODP_STEP_IDLE;
}

/*
 * May a READ or atomic response still be in this CPU's backlog? What we send
 * from another CPU would overtake it, and the peer would ask for it again.
 */
static bool answer_in_flight(const struct sodp_resp *resp)
{
	return resp->read.valid ||
	       time_before(jiffies, resp->answered + ANSWER_TIME);
}

enum sodp_step sodp_resp_pass(struct sodp_side *side)
{
	struct sodp_qp *qp = container_of(side, struct sodp_qp, resp.side);
	enum sodp_step step;

	side->in_flight = false;
	switch (sodp_qp_state(qp)) {
	case IB_QPS_RTR:
	case IB_QPS_RTS:
	case IB_QPS_SQD:
	case IB_QPS_SQE:
		step = run(qp);
		side->in_flight = answer_in_flight(&qp->resp);
		return step;
	case IB_QPS_ERR:
		return flush(qp);
	default:
		sodp_count_n(qp->dev->counters, SODP_CNT_DROP_STATE,
			     sodp_resp_purge(qp));
		return SODP_STEP_IDLE;
	}
}

static void hold_timer_fired(struct timer_list *t)
{
	struct sodp_qp *qp = container_of(t, struct sodp_qp, resp.hold_timer);

	sodp_side_kick(&qp->resp.side);
}

int sodp_resp_init(struct sodp_qp *qp)
{
	struct sodp_resp *resp = &qp->resp;

	skb_queue_head_init(&resp->rx);
	timer_setup(&resp->hold_timer, hold_timer_fired, 0);
	sodp_side_init(&resp->side, qp, sodp_resp_pass);
	resp->wqe = kzalloc(sizeof(*resp->wqe), GFP_KERNEL_ACCOUNT);
	return resp->wqe ? 0 : -ENOMEM;
}

/* As after creation, but for the slots. */
void sodp_resp_reset(struct sodp_qp *qp)
{
	struct sodp_resp *resp = &qp->resp;

	lockdep_assert_held(&qp->mutex);

	timer_delete_sync(&resp->hold_timer);
	sodp_resp_unhold(qp);
	sodp_resp_purge(qp);
	sodp_ring_reset(&resp->ring);
	resp->psn = 0;
	resp->msn = 0;
	resp->ack_due = false;
	resp->nak_sent = false;
	resp->rnr_sent = false;
	resp->rnr_backoff = 0;
	resp->established = false;
	resp->in_message = false;
	resp->received = 0;
	resp->have_wqe = false;
	resp->flush_ms = 0;
	resp->last_told = false;
}

void sodp_resp_destroy(struct sodp_qp *qp)
{
	struct sodp_resp *resp = &qp->resp;

	timer_shutdown_sync(&resp->hold_timer);
	sodp_resp_unhold(qp);
	sodp_side_destroy(&resp->side);
	sodp_resp_purge(qp);
	kfree(resp->slots);
	kfree(resp->wqe);
}
