// SPDX-License-Identifier: GPL-2.0
/*
 * The receive queue. A WQE is copied out of the ring once; its slot goes back
 * to user space when it completes, or if it was a shared one, at once.
 */
#include "xport/resp.h"

/*
 * User space may scribble over the slot meanwhile: what is copied is what
 * counts, and the compiler must not read the slot again for a field of it.
 */
static bool take_image(struct sodp_qp *qp, struct sodp_recv_image *image)
{
	const struct sodp_ring *ring = &qp->resp.ring;

	if (qp->srq) {
		if (!sodp_srq_take(qp->srq, image))
			return false;
	} else {
		if (!sodp_ring_avail(ring, ring->index))
			return false;
		memcpy(image, sodp_ring_slot(ring, ring->index),
		       sizeof(image->hdr) +
			       qp->max_recv_sge * sizeof(image->sge[0]));
	}
	barrier();
	return true;
}

enum sodp_take sodp_recv_take(struct sodp_qp *qp)
{
	struct sodp_resp *resp = &qp->resp;
	struct sodp_recv_wqe *wqe = resp->wqe;
	struct sodp_recv_image image;
	u32 i;

	if (resp->have_wqe)
		return SODP_TAKE_OK;
	if (!take_image(qp, &image))
		return SODP_TAKE_EMPTY;

	resp->have_wqe = true;
	wqe->wr_id = image.hdr.wr_id;
	wqe->num_sge = image.hdr.dma.num_sge;
	wqe->length = 0;
	if (wqe->num_sge > qp->max_recv_sge) {
		wqe->num_sge = 0;
		sodp_count(qp->dev->counters, SODP_CNT_RING_REJECTS);
		return SODP_TAKE_BAD;
	}
	for (i = 0; i < wqe->num_sge; i++) {
		wqe->sge[i].addr = image.sge[i].addr;
		wqe->sge[i].length = image.sge[i].length;
		wqe->sge[i].lkey = image.sge[i].lkey;
		wqe->length += image.sge[i].length;
	}
	return SODP_TAKE_OK;
}

bool sodp_recv_complete(struct sodp_qp *qp, struct ib_uverbs_wc *wc,
			bool solicited)
{
	struct sodp_resp *resp = &qp->resp;

	wc->wr_id = resp->wqe->wr_id;
	wc->qp_num = qp->qpn;
	if (!sodp_qp_is_ud(qp))
		wc->src_qp = qp->dest_qpn;
	wc->port_num = 1;
	resp->have_wqe = false;
	resp->received = 0;
	if (!qp->srq)
		sodp_ring_release(&resp->ring, 1);
	if (sodp_cq_put(qp->rcq, &qp->ibqp, wc, solicited))
		return true;
	sodp_qp_error(qp); /* class G */
	return false;
}

bool sodp_recv_complete_error(struct sodp_qp *qp, enum ib_wc_status status)
{
	struct ib_uverbs_wc wc = {
		.status = status,
		.opcode = IB_WC_RECV,
	};

	return sodp_recv_complete(qp, &wc, true);
}

/* The others of a shared queue are not ours to flush. */
static bool flush_shared(struct sodp_qp *qp)
{
	if (qp->resp.have_wqe)
		sodp_recv_complete_error(qp, IB_WC_WR_FLUSH_ERR);
	if (!qp->resp.last_told) {
		qp->resp.last_told = true;
		sodp_qp_event(qp, IB_EVENT_QP_LAST_WQE_REACHED);
	}
	return false;
}

bool sodp_recv_flush(struct sodp_qp *qp, struct sodp_budget *budget)
{
	if (qp->srq)
		return flush_shared(qp);
	while (sodp_recv_take(qp) != SODP_TAKE_EMPTY) {
		if (budget->packets-- <= 0)
			return true;
		if (!sodp_recv_complete_error(qp, IB_WC_WR_FLUSH_ERR))
			return false;
	}
	return false;
}
