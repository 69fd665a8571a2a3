// SPDX-License-Identifier: GPL-2.0
/*
 * Is a request of the expected PSN one that may come now? IBTA 9.7.4.1: opcode
 * sequence, lengths, the rights of the QP. What fails here is of class C, an
 * invalid request. Keys and addresses are checked where they are used.
 */
#include "xport/resp.h"

static u32 op_class(u32 flags)
{
	return flags &
	       (SODP_IS_SEND | SODP_IS_WRITE | SODP_IS_READ | SODP_IS_ATOMIC);
}

/* 9.7.4.1.2: FIRST MIDDLE* LAST of one kind, with nothing in between. */
static bool sequence_ok(const struct sodp_resp *resp, u32 flags)
{
	if (!resp->in_message)
		return flags & SODP_IS_FIRST;
	return !(flags & SODP_IS_FIRST) && op_class(flags) == resp->msg_class;
}

/* 9.7.4.1.4: every packet but the last is full; a last one is not empty. */
static bool payload_ok(const struct sodp_qp *qp, const struct sodp_pkt *pkt,
		       u32 flags)
{
	if (!(flags & (SODP_IS_SEND | SODP_IS_WRITE)))
		return pkt->payload_len == 0;
	if (!(flags & SODP_IS_LAST))
		return pkt->payload_len == qp->mtu;
	if (!(flags & SODP_IS_FIRST) && !pkt->payload_len)
		return false;
	return pkt->payload_len <= qp->mtu;
}

/* The lengths that the RETH promised are those that come. */
static bool write_length_ok(const struct sodp_qp *qp,
			    const struct sodp_pkt *pkt, u32 flags)
{
	u32 resid = flags & SODP_IS_FIRST ? pkt->dma_len : qp->resp.resid;

	if (resid > SODP_MAX_MSG)
		return false;
	if (flags & SODP_IS_LAST)
		return pkt->payload_len == resid;
	return pkt->payload_len < resid;
}

/*
 * READs and atomics that wait in the queue are all unanswered, so the peer may
 * have no more of them there than it was told. What it sent twice counts once.
 */
static bool outstanding_ok(struct sodp_resp *resp, const struct sodp_pkt *pkt)
{
	struct sk_buff *skb;
	unsigned long irq;
	u32 last = pkt->psn;
	u32 n = 1;
	bool ok;

	if (!resp->num_slots)
		return false;
	if (skb_queue_len_lockless(&resp->rx) <= resp->num_slots)
		return true;

	spin_lock_irqsave(&resp->rx.lock, irq);
	skb_queue_walk (&resp->rx, skb) {
		const struct sodp_pkt *next = sodp_rx_pkt(skb);

		if (!(sodp_opcode(next->opcode)->flags &
		      (SODP_IS_READ | SODP_IS_ATOMIC)))
			continue;
		if (sodp_psn_diff(next->psn, last) <= 0)
			continue;
		last = next->psn;
		n++;
	}
	ok = n <= resp->num_slots;
	spin_unlock_irqrestore(&resp->rx.lock, irq);
	return ok;
}

static bool class_ok(struct sodp_qp *qp, const struct sodp_pkt *pkt, u32 flags)
{
	int rights = qp->attr.qp_access_flags;

	switch (op_class(flags)) {
	case SODP_IS_SEND:
		return true;
	case SODP_IS_WRITE:
		return (rights & IB_ACCESS_REMOTE_WRITE) &&
		       write_length_ok(qp, pkt, flags);
	case SODP_IS_READ:
		return (rights & IB_ACCESS_REMOTE_READ) &&
		       pkt->dma_len <= SODP_MAX_MSG &&
		       outstanding_ok(&qp->resp, pkt);
	case SODP_IS_ATOMIC:
		return (rights & IB_ACCESS_REMOTE_ATOMIC) && !(pkt->va & 7) &&
		       outstanding_ok(&qp->resp, pkt);
	default:
		return false;
	}
}

bool sodp_resp_check(struct sodp_qp *qp, const struct sodp_pkt *pkt)
{
	u32 flags = sodp_opcode(pkt->opcode)->flags;

	return sequence_ok(&qp->resp, flags) && payload_ok(qp, pkt, flags) &&
	       class_ok(qp, pkt, flags);
}
