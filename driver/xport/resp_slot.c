// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that come twice. A SEND or WRITE is acknowledged again, a READ is
 * executed again, an atomic is answered from what the first time gave. For the
 * last two the peer may have max_dest_rd_atomic outstanding, and so many slots
 * remember them. IBTA 9.7.5.1.1.
 */
#include "xport/resp.h"

struct sodp_resp_slot *sodp_slot_new(struct sodp_resp *resp)
{
	struct sodp_resp_slot *slot = &resp->slots[resp->slot_head];

	resp->slot_head = (resp->slot_head + 1) % resp->num_slots;
	memset(slot, 0, sizeof(*slot));
	slot->valid = true;
	return slot;
}

/* Is what @pkt asks for inside of what @slot was asked for? */
static bool repeats_read(const struct sodp_resp_slot *slot,
			 const struct sodp_pkt *pkt, u32 mtu)
{
	u64 skipped = (u64)sodp_psn_diff(pkt->psn, slot->first_psn) * mtu;

	return pkt->rkey == slot->rkey && skipped <= slot->length &&
	       pkt->va - slot->va == skipped &&
	       pkt->dma_len <= slot->length - skipped;
}

const struct sodp_resp_slot *sodp_slot_find(const struct sodp_qp *qp,
					    const struct sodp_pkt *pkt)
{
	const struct sodp_resp *resp = &qp->resp;
	u32 i;

	/* The newest first: PSNs come round again. */
	for (i = 1; i <= resp->num_slots; i++) {
		const struct sodp_resp_slot *slot =
			&resp->slots[(resp->slot_head + resp->num_slots - i) %
				     resp->num_slots];

		if (!slot->valid || slot->opcode != pkt->opcode ||
		    sodp_psn_diff(pkt->psn, slot->first_psn) < 0 ||
		    sodp_psn_diff(pkt->psn, slot->last_psn) > 0)
			continue;
		if (pkt->opcode == SODP_RC_READ_REQUEST &&
		    !repeats_read(slot, pkt, qp->mtu))
			return NULL;
		return slot;
	}
	return NULL;
}

/*
 * The PSN that acknowledges the duplicate at @psn. The latest one executed,
 * unless the peer may still miss the answer of a READ or an atomic in between:
 * it would take the ACK for a sign that the answer was lost.
 */
static u32 ack_psn(const struct sodp_resp *resp, u32 psn)
{
	u32 ack = sodp_psn_sub(resp->psn, 1);
	u32 i;

	for (i = 0; i < resp->num_slots; i++) {
		const struct sodp_resp_slot *slot = &resp->slots[i];

		if (slot->valid && sodp_psn_diff(slot->first_psn, psn) > 0 &&
		    sodp_psn_diff(slot->first_psn, ack) <= 0)
			ack = sodp_psn_sub(slot->first_psn, 1);
	}
	return ack;
}

enum sodp_verdict sodp_resp_duplicate(struct sodp_qp *qp,
				      const struct sodp_pkt *pkt)
{
	u32 flags = sodp_opcode(pkt->opcode)->flags;
	struct sodp_resp *resp = &qp->resp;
	const struct sodp_resp_slot *slot;

	sodp_count(qp->dev->counters, SODP_CNT_DUPLICATES);
	if (flags & (SODP_IS_SEND | SODP_IS_WRITE)) {
		sodp_resp_ack_later(resp, ack_psn(resp, pkt->psn));
		return SODP_NEXT;
	}
	slot = sodp_slot_find(qp, pkt);
	if (!slot)
		return SODP_NEXT; /* too old, or never asked: silently */
	if (resp->ack_due) {
		/* not beyond this one: see ack_psn() */
		resp->ack_psn = sodp_psn_sub(pkt->psn, 1);
		sodp_resp_ack_flush(qp);
	}
	if (flags & SODP_IS_READ)
		sodp_resp_reread(qp, pkt);
	else
		sodp_resp_atomic_reply(qp, pkt->psn, slot->orig);
	return SODP_NEXT;
}

int sodp_resp_set_slots(struct sodp_qp *qp, u32 n)
{
	struct sodp_resp *resp = &qp->resp;
	struct sodp_resp_slot *slots = NULL;

	lockdep_assert_held(&qp->mutex);

	if (n) {
		slots = kcalloc(n, sizeof(*slots), GFP_KERNEL_ACCOUNT);
		if (!slots)
			return -ENOMEM;
	}
	kfree(resp->slots);
	resp->slots = slots;
	resp->num_slots = n;
	resp->slot_head = 0;
	return 0;
}
