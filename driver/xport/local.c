// SPDX-License-Identifier: GPL-2.0
/*
 * Work requests that no packet is sent for: fast registration, binding a window,
 * local invalidate. They have their place in the order of the send queue.
 *
 * To go-back-N such a request has no PSNs: its first is that of the next packet
 * and its last the one before. So it is complete when all before it is
 * acknowledged, and nobody finds it by a PSN.
 */
#include "xport/req.h"

/*
 * What was sent may have to be sent again, out of the memory that the key is
 * for; and a READ may still be writing there.
 */
static bool may_invalidate(const struct sodp_req *req)
{
	return req->una == req->psn && req->una == req->psn_max;
}

static int carry_out(struct sodp_qp *qp, const struct sodp_send_wqe *wqe)
{
	struct sodp_mem *mem = qp->dev->mem;

	switch (wqe->opcode) {
	case IB_WR_LOCAL_INV:
		return sodp_key_invalidate(mem, qp->domain, &qp->windows,
					   wqe->inv_rkey);
	case IB_WR_BIND_MW:
		return sodp_window_bind(mem, qp->domain, &qp->windows,
					&wqe->bind);
	default:
		return sodp_fast_register(mem, qp->domain, &wqe->reg);
	}
}

bool sodp_req_local(struct sodp_qp *qp, struct sodp_send_wqe *wqe)
{
	struct sodp_req *req = &qp->req;
	int err = 0;

	if (!wqe->has_psn) { /* else we went back over it */
		if (wqe->opcode == IB_WR_LOCAL_INV && !may_invalidate(req))
			return false; /* the ACK brings us here again */
		sodp_side_forget_region(&req->side);
		err = carry_out(qp, wqe);
	}
	if (err == -EBUSY) {
		sodp_side_kick_later(&req->side, 1);
		return false;
	}
	if (err) {
		wqe->status = wqe->opcode == IB_WR_BIND_MW ?
				      IB_WC_MW_BIND_ERR :
				      IB_WC_LOC_QP_OP_ERR;
		return false;
	}
	if (!wqe->has_psn) {
		wqe->first_psn = req->psn;
		wqe->last_psn = sodp_psn_sub(req->psn, 1);
		wqe->has_psn = true;
	}
	req->send = sodp_req_next(req, req->send);
	return true;
}
