// SPDX-License-Identifier: GPL-2.0
/*
 * A request that meets a fault. It is held at the head of the queue for a
 * little, others queue behind it. Most faults are over by then. When not, the
 * peer is told to come later (RNR NAK), the queue is dropped, which that NAK
 * announces, and the fault goes on; whether it is over is asked when the
 * request comes again.
 *
 * So a slow fault costs the peer none of its retries, and us no queue.
 *
 * A UC peer hears nothing: its request is held until the fault ends, and what
 * finds the queue full behind it is lost, as on a wire.
 */
#include "obs/trace.h"
#include "xport/resp.h"

void sodp_resp_arm(struct sodp_qp *qp, unsigned int ms)
{
	mod_timer(&qp->resp.hold_timer, jiffies + msecs_to_jiffies(ms) + 1);
}

enum sodp_verdict sodp_resp_park(struct sodp_qp *qp, struct sodp_miss *miss)
{
	struct sodp_resp *resp = &qp->resp;

	/* A request that was answered RNR may still have a fault running. */
	sodp_park_abandon(&resp->park);
	sodp_count(qp->dev->counters, SODP_CNT_RESP_PARKS);
	trace_park(qp->qpn, true, sodp_region_key(miss->region), miss->iova,
		   miss->length, miss->write);
	sodp_park_start(&resp->park, &resp->side, miss);
	sodp_resp_arm(qp, READ_ONCE(qp->dev->fault_hold_ms));
	return SODP_HOLD;
}

enum sodp_verdict sodp_resp_hold(struct sodp_qp *qp, struct sodp_miss *miss)
{
	struct sodp_resp *resp = &qp->resp;

	if (!resp->held) {
		resp->held = true;
		resp->held_since = jiffies;
	}
	resp->read_waits = false;
	return sodp_resp_park(qp, miss);
}

void sodp_resp_unhold(struct sodp_qp *qp)
{
	struct sodp_resp *resp = &qp->resp;

	sodp_park_abandon(&resp->park);
	resp->failed = SODP_MEM_OK;
	resp->held = false;
	resp->pkt_done = 0;
	resp->probes = 0;
	resp->read.valid = false;
	resp->read_waits = false;
}

/* Takes what @absorb wants out of the queue. */
static void absorb(struct sodp_qp *qp,
		   bool (*wanted)(struct sodp_qp *qp, struct sk_buff *skb))
{
	struct sk_buff_head *rx = &qp->resp.rx;
	struct sk_buff_head out;
	struct sk_buff *skb, *next;
	unsigned long irq;

	__skb_queue_head_init(&out);
	spin_lock_irqsave(&rx->lock, irq);
	skb_queue_walk_safe (rx, skb, next) {
		if (!wanted(qp, skb))
			continue;
		__skb_unlink(skb, rx);
		__skb_queue_tail(&out, skb);
	}
	spin_unlock_irqrestore(&rx->lock, irq);
	sodp_count_n(qp->dev->counters, SODP_CNT_DUPLICATES,
		     skb_queue_len(&out));
	__skb_queue_purge(&out);
}

/* The peer sends the request that we hold once more. */
static bool repeats_held(struct sodp_qp *qp, struct sk_buff *skb)
{
	lockdep_assert_held(&qp->resp.rx.lock);

	return skb != skb_peek(&qp->resp.rx) &&
	       sodp_psn_diff(sodp_rx_pkt(skb)->psn, qp->resp.psn) <= 0;
}

/*
 * The peer lost a response of the READ that is being answered, or its patience,
 * and asks again, from some PSN on. Answer that instead: what we would send of
 * the first one is of no use to it, and what it does not drop it asks for again.
 */
static bool repeats_read(struct sodp_qp *qp, struct sk_buff *skb)
{
	const struct sodp_pkt *pkt = sodp_rx_pkt(skb);
	struct sodp_resp *resp = &qp->resp;

	lockdep_assert_held(&resp->rx.lock);

	if (pkt->opcode != SODP_RC_READ_REQUEST ||
	    sodp_psn_diff(pkt->psn, resp->read.first_psn) < 0 ||
	    sodp_psn_diff(pkt->psn, resp->read.last_psn) > 0 ||
	    !sodp_slot_find(qp, pkt))
		return false;
	sodp_resp_reread(qp, pkt);
	return true;
}

/* The fault has ended: for whom? */
static bool ended(struct sodp_qp *qp, enum sodp_mem_result result)
{
	struct sodp_resp *resp = &qp->resp;

	resp->rnr_backoff = 0; /* the next one may be a quick one */
	if (!resp->read_waits) {
		resp->failed = result;
		return true;
	}
	resp->read_waits = false;
	if (result == SODP_MEM_OK)
		return true;
	return sodp_resp_read_denied(qp) == SODP_NEXT;
}

bool sodp_resp_resume(struct sodp_qp *qp)
{
	struct sodp_resp *resp = &qp->resp;
	enum sodp_mem_result result;
	unsigned long until;

	if (resp->read.valid && !skb_queue_empty_lockless(&resp->rx))
		absorb(qp, repeats_read);
	if (!sodp_parked(&resp->park))
		return true;
	if (sodp_park_finish(&resp->park, &result)) {
		trace_resume(qp->qpn, true, result);
		return ended(qp, result);
	}
	if (resp->read_waits)
		return false;
	if (!resp->held)
		return true; /* answered RNR: the queue is free */

	until = resp->held_since +
		msecs_to_jiffies(READ_ONCE(qp->dev->fault_hold_ms));
	if (!sodp_qp_is_rc(qp))
		return false; /* nobody can be told to come later */
	if (time_before(jiffies, until)) {
		absorb(qp, repeats_held);
		return false;
	}
	sodp_resp_rnr_fault(qp);
	sodp_count_n(qp->dev->counters, SODP_CNT_RNR_DROPS,
		     sodp_resp_purge(qp));
	return true;
}
