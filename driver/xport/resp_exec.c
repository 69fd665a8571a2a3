// SPDX-License-Identifier: GPL-2.0
/*
 * One request packet, checked, is carried out: SEND, WRITE, atomic. A copy that
 * meets a fault leaves everything as it is but pkt_done, the bytes that are
 * placed, and is called again.
 */
#include "xport/resp.h"

enum {
	USER_WC_WITH_INV = 1 << 3, /* IBV_WC_WITH_INV: not the kernel's bit */
};

void sodp_resp_accept(struct sodp_qp *qp, const struct sodp_pkt *pkt, u32 n)
{
	u32 flags = sodp_opcode(pkt->opcode)->flags;
	struct sodp_resp *resp = &qp->resp;

	resp->psn = sodp_psn_add(resp->psn, n);
	resp->held = false;
	resp->pkt_done = 0;
	resp->probes = 0;
	resp->rnr_backoff = 0;
	resp->rnr_sent = false;
	resp->msg_class = flags & (SODP_IS_SEND | SODP_IS_WRITE);
	resp->in_message = !(flags & SODP_IS_LAST);
	if (flags & SODP_IS_LAST)
		resp->msn = (resp->msn + 1) & SODP_PSN_MASK;
	if (pkt->ack_req && resp->msg_class && sodp_qp_is_rc(qp))
		sodp_resp_ack_later(resp, sodp_psn_sub(resp->psn, 1));
}

/*
 * A receive WQE for the packet. IBTA 9.7.4.1.3: none is class B, one that
 * makes no sense class A.
 */
static enum sodp_verdict need_wqe(struct sodp_qp *qp,
				  const struct sodp_pkt *pkt)
{
	switch (sodp_recv_take(qp)) {
	case SODP_TAKE_OK:
		return SODP_NEXT;
	case SODP_TAKE_EMPTY:
		return sodp_resp_rnr(qp);
	case SODP_TAKE_BAD:
	default:
		return sodp_resp_fail(qp, pkt->psn, SODP_NAK_REM_OP,
				      IB_WC_LOC_QP_OP_ERR);
	}
}

static enum sodp_verdict tell_receiver(struct sodp_qp *qp,
				       const struct sodp_pkt *pkt, u8 opcode,
				       u32 byte_len)
{
	struct ib_uverbs_wc wc = {
		.status = IB_WC_SUCCESS,
		.opcode = opcode,
		.byte_len = byte_len,
	};

	if (sodp_opcode(pkt->opcode)->flags & SODP_HAS_IMM) {
		wc.wc_flags = IB_WC_WITH_IMM;
		wc.ex.imm_data = pkt->imm;
	}
	if (sodp_opcode(pkt->opcode)->flags & SODP_HAS_IETH) {
		wc.wc_flags = qp->user ? USER_WC_WITH_INV :
					 IB_WC_WITH_INVALIDATE;
		wc.ex.invalidate_rkey = pkt->inv_rkey;
	}
	return sodp_recv_complete(qp, &wc, pkt->solicited) ? SODP_NEXT :
							     SODP_STOP;
}

static enum sodp_mem_result place(struct sodp_qp *qp, const struct sk_buff *skb,
				  const struct sodp_pkt *pkt,
				  struct sodp_miss *miss)
{
	struct sodp_resp *resp = &qp->resp;
	enum sodp_mem_result result;
	u32 done = 0;

	result = sodp_sgl_copy(&resp->side, qp->recv_domain, resp->wqe->sge,
			       resp->wqe->num_sge,
			       (u64)resp->received + resp->pkt_done,
			       skb->data + pkt->hdr_len + resp->pkt_done,
			       pkt->payload_len - resp->pkt_done, SODP_SCATTER,
			       &done, miss);
	resp->pkt_done += done;
	return result;
}

enum sodp_verdict sodp_resp_send(struct sodp_qp *qp, const struct sk_buff *skb)
{
	const struct sodp_pkt *pkt = sodp_rx_pkt((struct sk_buff *)skb);
	u32 flags = sodp_opcode(pkt->opcode)->flags;
	struct sodp_resp *resp = &qp->resp;
	enum sodp_verdict verdict;
	struct sodp_miss miss;

	verdict = need_wqe(qp, pkt);
	if (verdict != SODP_NEXT)
		return verdict;
	if (flags & SODP_IS_FIRST)
		resp->received = 0;
	/* class C: longer than the buffers, or than any message may be */
	if (resp->received + (u64)pkt->payload_len >
	    min_t(u64, resp->wqe->length, SODP_MAX_MSG))
		return sodp_resp_fail(qp, pkt->psn, SODP_NAK_INVALID_REQ,
				      IB_WC_LOC_LEN_ERR);

	switch (place(qp, skb, pkt, &miss)) {
	case SODP_MEM_OK:
		break;
	case SODP_MEM_FAULT:
		return sodp_resp_hold(qp, &miss);
	default: /* class A: the buffer is ours */
		return sodp_resp_fail(qp, pkt->psn, SODP_NAK_REM_OP,
				      IB_WC_LOC_PROT_ERR);
	}
	/* Before the receiver is told, who may trust that the key is gone. */
	if (flags & SODP_HAS_IETH) {
		sodp_side_forget_region(&resp->side);
		if (sodp_key_invalidate(qp->dev->mem, qp->domain, &qp->windows,
					pkt->inv_rkey))
			return sodp_resp_denied(qp, pkt->psn);
	}
	resp->received += pkt->payload_len;
	sodp_resp_accept(qp, pkt, 1);
	if (flags & SODP_IS_LAST)
		return tell_receiver(qp, pkt, IB_WC_RECV, resp->received);
	return SODP_NEXT;
}

enum sodp_mem_result sodp_resp_reach(struct sodp_qp *qp, u32 rkey, u32 need,
				     u64 va, u64 len,
				     struct sodp_remote *remote)
{
	const struct sodp_access access = {
		.key = rkey,
		.domain = qp->domain,
		.need = need,
		.user = &qp->windows,
		.iova = va,
		.length = len,
	};

	return sodp_remote_get(qp->dev->mem, &access, &qp->resp.side.region,
			       remote);
}

/* All that is left of the message must be the peer's to write. */
static enum sodp_mem_result write_bytes(struct sodp_qp *qp,
					const struct sk_buff *skb,
					const struct sodp_pkt *pkt,
					struct sodp_miss *miss)
{
	struct sodp_resp *resp = &qp->resp;
	enum sodp_mem_result result;
	struct sodp_remote remote;
	size_t done = 0;

	if (!resp->resid)
		return SODP_MEM_OK; /* an empty one needs no key */
	result = sodp_resp_reach(qp, resp->rkey, SODP_MEM_REMOTE_WRITE,
				 resp->va, resp->resid, &remote);
	if (result != SODP_MEM_OK)
		return result;
	result = sodp_mem_copy_in(remote.region, remote.iova + resp->pkt_done,
				  skb->data + pkt->hdr_len + resp->pkt_done,
				  pkt->payload_len - resp->pkt_done, &done);
	resp->pkt_done += done;
	if (result != SODP_MEM_FAULT) {
		sodp_remote_end(&remote);
		return result;
	}
	miss->region = sodp_remote_keep_region(&remote);
	miss->iova = remote.iova + resp->pkt_done;
	miss->length = resp->resid - resp->pkt_done;
	miss->write = true;
	return result;
}

enum sodp_verdict sodp_resp_write(struct sodp_qp *qp, const struct sk_buff *skb)
{
	const struct sodp_pkt *pkt = sodp_rx_pkt((struct sk_buff *)skb);
	u32 flags = sodp_opcode(pkt->opcode)->flags;
	struct sodp_resp *resp = &qp->resp;
	enum sodp_verdict verdict;
	struct sodp_miss miss;

	if (flags & SODP_IS_FIRST) {
		resp->va = pkt->va;
		resp->rkey = pkt->rkey;
		resp->length = pkt->dma_len;
		resp->resid = pkt->dma_len;
	}
	/* Before the bytes: an RNR NAK must not have them placed twice. */
	if (flags & SODP_HAS_IMM) {
		verdict = need_wqe(qp, pkt);
		if (verdict != SODP_NEXT)
			return verdict;
	}
	switch (write_bytes(qp, skb, pkt, &miss)) {
	case SODP_MEM_OK:
		break;
	case SODP_MEM_FAULT:
		return sodp_resp_hold(qp, &miss);
	default:
		return sodp_resp_denied(qp, pkt->psn);
	}
	resp->va += pkt->payload_len;
	resp->resid -= pkt->payload_len;
	sodp_resp_accept(qp, pkt, 1);
	if (flags & SODP_HAS_IMM)
		return tell_receiver(qp, pkt, IB_WC_RECV_RDMA_WITH_IMM,
				     resp->length);
	return SODP_NEXT;
}

void sodp_resp_atomic_reply(struct sodp_qp *qp, u32 psn, u64 orig)
{
	struct sodp_pkt pkt = {
		.opcode = SODP_RC_ATOMIC_ACK,
		.syndrome = SODP_AETH_ACK | SODP_AETH_UNLIMITED_CREDIT,
		.psn = psn,
		.msn = qp->resp.msn,
		.orig = orig,
	};
	struct sk_buff *skb;

	skb = sodp_pkt_alloc(qp, &pkt, 0, NULL);
	if (!skb)
		return;
	sodp_pkt_send(qp, skb);
	qp->resp.answered = jiffies;
}

static enum sodp_mem_result do_atomic(struct sodp_qp *qp,
				      const struct sodp_pkt *pkt, u64 *orig,
				      struct sodp_miss *miss)
{
	enum sodp_mem_atomic_op op = pkt->opcode == SODP_RC_CMP_SWAP ?
					     SODP_MEM_CMP_SWAP :
					     SODP_MEM_FETCH_ADD;
	enum sodp_mem_result result;
	struct sodp_remote remote;

	result = sodp_resp_reach(qp, pkt->rkey, SODP_MEM_REMOTE_ATOMIC, pkt->va,
				 sizeof(u64), &remote);
	if (result != SODP_MEM_OK)
		return result;
	result = sodp_mem_atomic(remote.region, remote.iova, op, pkt->compare,
				 pkt->swap_add, orig);
	if (result != SODP_MEM_FAULT) {
		sodp_remote_end(&remote);
		return result;
	}
	miss->region = sodp_remote_keep_region(&remote);
	miss->iova = remote.iova;
	miss->length = sizeof(u64);
	miss->write = true;
	return result;
}

/* Carried out once; what it gave is kept for a peer that did not hear it. */
enum sodp_verdict sodp_resp_atomic(struct sodp_qp *qp,
				   const struct sodp_pkt *pkt)
{
	struct sodp_resp_slot *slot;
	struct sodp_miss miss;
	u64 orig;

	switch (do_atomic(qp, pkt, &orig, &miss)) {
	case SODP_MEM_OK:
		break;
	case SODP_MEM_FAULT:
		return sodp_resp_hold(qp, &miss);
	default:
		return sodp_resp_denied(qp, pkt->psn);
	}
	sodp_resp_ack_flush(qp);
	sodp_resp_accept(qp, pkt, 1);
	slot = sodp_slot_new(&qp->resp);
	slot->opcode = pkt->opcode;
	slot->first_psn = pkt->psn;
	slot->last_psn = pkt->psn;
	slot->va = pkt->va;
	slot->rkey = pkt->rkey;
	slot->orig = orig;
	sodp_resp_atomic_reply(qp, pkt->psn, orig);
	return SODP_NEXT;
}
