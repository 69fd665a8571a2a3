// SPDX-License-Identifier: GPL-2.0
/*
 * The receive queue. A WQE is copied out of the ring once; its slot goes back
 * to user space when it completes.
 */
#include "xport/resp.h"

/* All that is read of a slot, in one go. */
struct recv_image {
	struct rxe_recv_wqe hdr;
	struct rxe_sge sge[SODP_MAX_SGE];
};

/*
 * User space may scribble over the slot meanwhile: what is copied is what
 * counts, and the compiler must not read the slot again for a field of it.
 */
static void copy_slot(const struct sodp_qp *qp, struct recv_image *image)
{
	const struct sodp_ring *ring = &qp->resp.ring;

	memcpy(image, sodp_ring_slot(ring, ring->index),
	       sizeof(image->hdr) + qp->max_recv_sge * sizeof(image->sge[0]));
	barrier();
}

enum sodp_take sodp_recv_take(struct sodp_qp *qp)
{
	struct sodp_resp *resp = &qp->resp;
	struct sodp_recv_wqe *wqe = resp->wqe;
	struct recv_image image;
	u32 i;

	if (resp->have_wqe)
		return SODP_TAKE_OK;
	if (!sodp_ring_avail(&resp->ring, resp->ring.index))
		return SODP_TAKE_EMPTY;

	copy_slot(qp, &image);
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

bool sodp_recv_flush(struct sodp_qp *qp, struct sodp_budget *budget)
{
	while (sodp_recv_take(qp) != SODP_TAKE_EMPTY) {
		if (budget->packets-- <= 0)
			return true;
		if (!sodp_recv_complete_error(qp, IB_WC_WR_FLUSH_ERR))
			return false;
	}
	return false;
}
