// SPDX-License-Identifier: GPL-2.0
/*
 * The completer: ACKs and responses move una, WQEs complete in the order of
 * the ring. IBTA 9.7.5, 9.9.2.
 *
 * An ACK is cumulative, but READs and atomics are answered only by their own
 * responses: an ACK or a response for something later means that theirs was
 * lost.
 */
#include "xport/req.h"

/* --- completions --- */

static enum ib_wc_opcode wc_opcode(const struct sodp_send_wqe *wqe)
{
	switch (wqe->opcode) {
	case IB_WR_RDMA_WRITE:
	case IB_WR_RDMA_WRITE_WITH_IMM:
		return IB_WC_RDMA_WRITE;
	case IB_WR_RDMA_READ:
		return IB_WC_RDMA_READ;
	case IB_WR_ATOMIC_CMP_AND_SWP:
		return IB_WC_COMP_SWAP;
	case IB_WR_ATOMIC_FETCH_AND_ADD:
		return IB_WC_FETCH_ADD;
	case IB_WR_LOCAL_INV:
		return IB_WC_LOCAL_INV;
	case IB_WR_BIND_MW:
		return IB_WC_BIND_MW;
	case IB_WR_REG_MR:
		return IB_WC_REG_MR;
	default:
		return IB_WC_SEND;
	}
}

bool sodp_complete_send(struct sodp_qp *qp, const struct sodp_send_wqe *wqe,
			enum ib_wc_status status, u32 byte_len)
{
	struct ib_uverbs_wc wc = {
		.wr_id = wqe->wr_id,
		.status = status,
		.opcode = wc_opcode(wqe),
		.byte_len = byte_len,
		.qp_num = qp->qpn,
		.src_qp = qp->dest_qpn,
		.port_num = 1,
	};

	if (sodp_cq_put(qp->scq, &qp->ibqp, &wc, status != IB_WC_SUCCESS))
		return true;
	sodp_qp_error(qp);
	return false;
}

/* The oldest WQE is done with. */
static bool retire_one(struct sodp_qp *qp, const struct sodp_send_wqe *wqe)
{
	enum ib_wc_status status = wqe->status;
	u32 byte_len = sodp_wqe_needs_response(wqe) ? wqe->length : 0;
	bool put = true;

	/* First the slot, then the news: the poster reuses it. */
	sodp_ring_release(&qp->req.ring, 1);
	if (status != IB_WC_SUCCESS || qp->sq_sig_all ||
	    (wqe->send_flags & IB_SEND_SIGNALED))
		put = sodp_complete_send(qp, wqe, status, byte_len);
	if (status != IB_WC_SUCCESS)
		sodp_qp_error(qp);
	return put && status == IB_WC_SUCCESS;
}

bool sodp_comp_retire(struct sodp_qp *qp)
{
	struct sodp_req *req = &qp->req;

	if (sodp_qp_state(qp) == IB_QPS_ERR)
		return false;
	while (req->ring.index != req->fetch) {
		struct sodp_send_wqe *wqe = sodp_req_wqe(req, req->ring.index);
		bool acked = wqe->has_psn &&
			     sodp_psn_diff(req->una, wqe->last_psn) > 0;

		/* In SQD one that was not begun waits, whatever it is. */
		if (!acked &&
		    (!wqe->status ||
		     (sodp_qp_state(qp) == IB_QPS_SQD && !wqe->has_psn)))
			break;
		if (!retire_one(qp, wqe))
			return false;
	}
	return true;
}

/* --- what an answer acknowledges --- */

static void stray(struct sodp_qp *qp)
{
	sodp_count(qp->dev->counters, SODP_CNT_DROP_STRAY_ACK);
}

static void fail(struct sodp_qp *qp, u32 psn, enum ib_wc_status status)
{
	struct sodp_send_wqe *wqe = sodp_req_find(&qp->req, psn);

	if (wqe)
		wqe->status = status;
}

static void progress(struct sodp_qp *qp, u32 una)
{
	struct sodp_req *req = &qp->req;

	req->una = una;
	if (req->window < SODP_SEND_WINDOW)
		req->window++;
	if (sodp_psn_diff(una, req->asked) > 0)
		req->asked = una;
	sodp_retry_progress(qp);
	/* Answered after all, while it was to be sent again. */
	if (sodp_req_parked(req) && sodp_psn_diff(una, req->park_psn) > 0)
		sodp_park_abandon(&req->park);
	if (sodp_psn_diff(una, req->psn) > 0)
		sodp_req_rewind(qp);
}

/*
 * The peer has got everything before @upto. False: a response to a READ or
 * atomic before it is missing.
 */
static bool advance(struct sodp_qp *qp, u32 upto)
{
	struct sodp_req *req = &qp->req;
	u32 i = req->ring.index;
	u32 una = req->una;

	for (; i != req->fetch && sodp_psn_diff(upto, una) > 0;
	     i = sodp_req_next(req, i)) {
		struct sodp_send_wqe *wqe = sodp_req_wqe(req, i);
		u32 end = sodp_psn_add(wqe->last_psn, 1);

		if (!wqe->has_psn)
			break;
		if (sodp_psn_diff(end, una) <= 0)
			continue; /* complete, to be retired */
		if (sodp_wqe_needs_response(wqe))
			break;
		una = sodp_psn_diff(upto, end) < 0 ? upto : end;
	}
	if (una != req->una)
		progress(qp, una);
	return una == upto;
}

/* As above, and what is missing is asked for again. */
static bool acked(struct sodp_qp *qp, u32 upto)
{
	if (advance(qp, upto))
		return true;
	sodp_retry_gap(qp);
	return false;
}

/* The response to @psn == una was good; @end: the last of its request. */
static void answered(struct sodp_qp *qp, u32 psn, bool end)
{
	struct sodp_req *req = &qp->req;

	/* An answer to what was asked before we went back is not counted. */
	if (end && sodp_psn_diff(req->psn, psn) > 0 && req->rd_atomic)
		req->rd_atomic--;
	progress(qp, sodp_psn_add(psn, 1));
}

/* --- ACK, NAK --- */

static void handle_nak(struct sodp_qp *qp, const struct sodp_pkt *pkt)
{
	enum ib_wc_status status;

	switch (SODP_AETH_VALUE(pkt->syndrome)) {
	case SODP_NAK_SEQ:
		sodp_count(qp->dev->counters, SODP_CNT_RX_SEQ_NAK);
		if (acked(qp, pkt->psn))
			sodp_retry_nak(qp);
		return;
	case SODP_NAK_INVALID_REQ:
		status = IB_WC_REM_INV_REQ_ERR;
		break;
	case SODP_NAK_REM_ACCESS:
		status = IB_WC_REM_ACCESS_ERR;
		break;
	case SODP_NAK_REM_OP:
		status = IB_WC_REM_OP_ERR;
		break;
	default:
		stray(qp);
		return;
	}
	sodp_count(qp->dev->counters, SODP_CNT_RX_REM_NAK);
	if (acked(qp, pkt->psn))
		fail(qp, pkt->psn, status);
}

static void handle_ack(struct sodp_qp *qp, const struct sodp_pkt *pkt)
{
	switch (SODP_AETH_KIND(pkt->syndrome)) {
	case SODP_AETH_ACK:
		acked(qp, sodp_psn_add(pkt->psn, 1));
		break;
	case SODP_AETH_RNR:
		sodp_count(qp->dev->counters, SODP_CNT_RX_RNR);
		/* If a response is missing, it is asked for after the pause. */
		advance(qp, pkt->psn);
		sodp_retry_rnr(qp, SODP_AETH_VALUE(pkt->syndrome));
		break;
	case SODP_AETH_NAK:
		handle_nak(qp, pkt);
		break;
	default: /* reserved */
		stray(qp);
	}
}

/* --- responses that carry data --- */

/* True: in the sink. The response is for una. */
static bool scatter(struct sodp_qp *qp, struct sodp_send_wqe *wqe, u32 off,
		    void *data, u32 len)
{
	struct sodp_req *req = &qp->req;
	enum sodp_mem_result result;
	struct sodp_miss miss;
	u32 done;

	/* Its memory is being brought in; it will be asked for again. */
	if (sodp_req_parked(req) && req->reread)
		return false;

	result = sodp_sgl_copy(&req->side, qp->domain, wqe->sge, wqe->num_sge,
			       off, data, len, SODP_SCATTER, &done, &miss);
	if (result == SODP_MEM_OK)
		return true;
	if (result != SODP_MEM_FAULT) {
		wqe->status = IB_WC_LOC_PROT_ERR;
		return false;
	}
	/* The rest of the answer is dropped, and that is no loss to count. */
	sodp_park_abandon(&req->park);
	sodp_req_rewind(qp);
	req->gone_back = true;
	req->reread = true;
	sodp_req_park(qp, req->una, &miss);
	return false;
}

/* Is it the response that the bytes from @off on, up to @end, begin with? */
static bool good_read_response(const struct sodp_qp *qp,
			       const struct sodp_pkt *pkt, u32 off, u32 end)
{
	bool start = off % SODP_READ_CHUNK == 0;

	if ((sodp_opcode(pkt->opcode)->flags & SODP_HAS_AETH) &&
	    SODP_AETH_KIND(pkt->syndrome) != SODP_AETH_ACK)
		return false;
	if (pkt->payload_len != min(end - off, qp->mtu))
		return false;
	/* Asked for again from its middle, an answer starts there anew. */
	switch (pkt->opcode) {
	case SODP_RC_READ_RESP_FIRST:
		return end - off > qp->mtu;
	case SODP_RC_READ_RESP_MIDDLE:
		return end - off > qp->mtu && !start;
	case SODP_RC_READ_RESP_LAST:
		return end - off <= qp->mtu && !start;
	default:
		return end - off <= qp->mtu;
	}
}

static void handle_read(struct sodp_qp *qp, struct sk_buff *skb,
			const struct sodp_pkt *pkt)
{
	struct sodp_send_wqe *wqe = sodp_req_find(&qp->req, pkt->psn);
	u32 off, end;

	if (!wqe || !sodp_wqe_is_read(wqe)) {
		stray(qp);
		return;
	}
	if (!acked(qp, pkt->psn))
		return;
	off = sodp_psn_diff(pkt->psn, wqe->first_psn) * qp->mtu;
	end = sodp_read_end(wqe, off);
	if (!good_read_response(qp, pkt, off, end))
		wqe->status = IB_WC_BAD_RESP_ERR;
	else if (scatter(qp, wqe, off, skb->data + pkt->hdr_len,
			 pkt->payload_len))
		answered(qp, pkt->psn, off + pkt->payload_len == end);
}

static void handle_atomic(struct sodp_qp *qp, const struct sodp_pkt *pkt)
{
	struct sodp_send_wqe *wqe = sodp_req_find(&qp->req, pkt->psn);
	u64 orig = pkt->orig;

	if (!wqe || !sodp_wqe_is_atomic(wqe) ||
	    SODP_AETH_KIND(pkt->syndrome) != SODP_AETH_ACK) {
		stray(qp);
		return;
	}
	/* In the sink it is a number of this machine. */
	if (acked(qp, pkt->psn) && scatter(qp, wqe, 0, &orig, sizeof(orig)))
		answered(qp, pkt->psn, true);
}

static void handle(struct sodp_qp *qp, struct sk_buff *skb)
{
	const struct sodp_pkt *pkt = sodp_rx_pkt(skb);
	struct sodp_req *req = &qp->req;

	/* Answered before, or never asked. */
	if (sodp_psn_diff(pkt->psn, req->una) < 0 ||
	    sodp_psn_diff(pkt->psn, req->psn_max) >= 0) {
		stray(qp);
		return;
	}
	switch (pkt->opcode) {
	case SODP_RC_ACK:
		handle_ack(qp, pkt);
		break;
	case SODP_RC_ATOMIC_ACK:
		handle_atomic(qp, pkt);
		break;
	case SODP_RC_READ_RESP_FIRST:
	case SODP_RC_READ_RESP_MIDDLE:
	case SODP_RC_READ_RESP_LAST:
	case SODP_RC_READ_RESP_ONLY:
		handle_read(qp, skb, pkt);
		break;
	default:
		stray(qp);
	}
}

bool sodp_comp_responses(struct sodp_qp *qp)
{
	int packets = SODP_PASS_PACKETS, bytes = SODP_PASS_BYTES;
	struct sk_buff *skb;

	while (packets-- > 0 && bytes > 0) {
		skb = skb_dequeue(&qp->req.rx);
		if (!skb)
			return false;
		bytes -= sodp_rx_pkt(skb)->payload_len;
		handle(qp, skb);
		sodp_pkt_done(skb);
		if (!sodp_comp_retire(qp))
			return false;
	}
	return true;
}
