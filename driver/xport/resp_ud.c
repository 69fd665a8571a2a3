// SPDX-License-Identifier: GPL-2.0
/*
 * Datagrams: each is a message of its own, from whoever knows the Q_Key. The
 * first 40 bytes of the receive are a GRH, or stand for one. IBTA 9.8.3,
 * annex A17.4.5.2.
 */
#include "xport/resp.h"

/* From the receive's byte pkt_done on. */
static enum sodp_mem_result place(struct sodp_qp *qp, void *from, u32 n,
				  struct sodp_miss *miss)
{
	struct sodp_resp *resp = &qp->resp;
	enum sodp_mem_result result;
	u32 done = 0;

	result = sodp_sgl_copy(&resp->side, qp->recv_domain, resp->wqe->sge,
			       resp->wqe->num_sge, resp->pkt_done, from, n,
			       SODP_SCATTER, &done, miss);
	resp->pkt_done += done;
	return result;
}

static enum sodp_mem_result
place_all(struct sodp_qp *qp, const struct sk_buff *skb, struct sodp_miss *miss)
{
	const struct sodp_pkt *pkt = sodp_rx_pkt((struct sk_buff *)skb);
	struct sodp_resp *resp = &qp->resp;
	enum sodp_mem_result result = SODP_MEM_OK;
	u8 grh[SODP_GRH_LEN];
	u32 off;

	if (resp->pkt_done < SODP_GRH_LEN) {
		sodp_rx_grh(skb, grh);
		result = place(qp, grh + resp->pkt_done,
			       SODP_GRH_LEN - resp->pkt_done, miss);
	}
	if (result != SODP_MEM_OK)
		return result;
	off = resp->pkt_done - SODP_GRH_LEN;
	return place(qp, skb->data + pkt->hdr_len + off, pkt->payload_len - off,
		     miss);
}

/* The receive queue's own: its memory, or a WQE that makes no sense. */
static enum sodp_verdict fail(struct sodp_qp *qp, enum ib_wc_status status)
{
	qp->resp.failed = SODP_MEM_OK;
	sodp_recv_complete_error(qp, status);
	sodp_qp_error(qp);
	return SODP_STOP;
}

static enum sodp_verdict drop(struct sodp_qp *qp, enum sodp_counter why)
{
	qp->resp.held = false;
	qp->resp.pkt_done = 0;
	sodp_count(qp->dev->counters, why);
	return SODP_NEXT;
}

static enum sodp_verdict received(struct sodp_qp *qp,
				  const struct sodp_pkt *pkt)
{
	struct ib_uverbs_wc wc = {
		.status = IB_WC_SUCCESS,
		.opcode = IB_WC_RECV,
		.byte_len = SODP_GRH_LEN + pkt->payload_len,
		.src_qp = pkt->src_qpn,
		.wc_flags = IB_WC_GRH,
	};

	qp->resp.held = false;
	qp->resp.pkt_done = 0;
	if (sodp_opcode(pkt->opcode)->flags & SODP_HAS_IMM) {
		wc.wc_flags |= IB_WC_WITH_IMM;
		wc.ex.imm_data = pkt->imm;
	}
	return sodp_recv_complete(qp, &wc, pkt->solicited) ? SODP_NEXT :
							     SODP_STOP;
}

enum sodp_verdict sodp_resp_datagram(struct sodp_qp *qp,
				     const struct sk_buff *skb)
{
	const struct sodp_pkt *pkt = sodp_rx_pkt((struct sk_buff *)skb);
	struct sodp_miss miss;

	if (pkt->qkey != qp->attr.qkey && !SODP_MUTANT(NO_QKEY))
		return drop(qp, SODP_CNT_DROP_QKEY);
	if (qp->resp.failed != SODP_MEM_OK)
		return fail(qp, IB_WC_LOC_PROT_ERR);
	switch (sodp_recv_take(qp)) {
	case SODP_TAKE_OK:
		break;
	case SODP_TAKE_EMPTY:
		return drop(qp, SODP_CNT_DROP_MESSAGE);
	case SODP_TAKE_BAD:
	default:
		return fail(qp, IB_WC_LOC_QP_OP_ERR);
	}
	if (qp->resp.wqe->length < SODP_GRH_LEN + (u64)pkt->payload_len)
		return drop(qp, SODP_CNT_DROP_MESSAGE);
	switch (place_all(qp, skb, &miss)) {
	case SODP_MEM_OK:
		return received(qp, pkt);
	case SODP_MEM_FAULT:
		return sodp_resp_hold(qp, &miss);
	default:
		return fail(qp, IB_WC_LOC_PROT_ERR);
	}
}
