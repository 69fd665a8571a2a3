// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A program that puts anything into its rings, anywhere. */
#include "hostile.h"

/* --- the program: its rings ---------------------------------------- */

static void fill_sges(struct rxe_dma_info *dma, u32 most, u32 right)
{
	u32 n = pick(8) < 6 ? 1 + pick(2) : some_length(2);
	u32 i, total = 0;

	for (i = 0; i < min(n, most); i++) {
		size_t r = rarely(4) ? pick(RC_REGIONS) : 0;

		dma->sge[i].addr = some_va(r);
		dma->sge[i].length = some_length(right);
		dma->sge[i].lkey = some_key(r);
		total += dma->sge[i].length;
	}
	dma->num_sge = n;
	dma->length = dma->resid = rarely(16) ? some_length(total) : total;
}

/* Binds a window, or ends one. Now and then all of it is right. */
static void fill_window(struct rxe_send_wr *wr)
{
	size_t r = rarely(4) ? pick(RC_REGIONS) : 0;

	wr->opcode = IB_WR_BIND_MW;
	if (pick(4) == 3) {
		wr->opcode = IB_WR_LOCAL_INV;
		wr->ex.invalidate_rkey = some_window();
		return;
	}
	wr->wr.mw.addr = some_va(r);
	wr->wr.mw.length = some_length(64 + pick(2) * 4096);
	wr->wr.mw.mr_lkey = some_key(r);
	wr->wr.mw.mw_rkey = some_window();
	wr->wr.mw.rkey = wr->wr.mw.mw_rkey + pick(3);
	wr->wr.mw.access = rarely(8) ? fuzz_u32(&rc_bytes) : pick(64);
}

void rc_post_some_send(void)
{
	struct rxe_send_wqe *w = rc_send_slot(&victim);
	size_t r = pick(RC_REGIONS);

	memset(w, 0, sizeof(*w));
	w->wr.wr_id = victim.sq_posted;
	w->wr.opcode = rarely(16) ? fuzz_u32(&rc_bytes) : pick(10);
	w->wr.send_flags = rarely(4) ? pick(32) : IB_SEND_SIGNALED;
	fill_sges(&w->dma, victim.qp->max_send_sge,
		  rarely(2) ? pick(3 * 4096) : 8);
	if (sodp_qp_is_ud(victim.qp)) {
		w->wr.opcode = rarely(8) ? w->wr.opcode : IB_WR_SEND + pick(2);
		w->wr.wr.ud.ah_num = rarely(8) ? fuzz_u32(&rc_bytes) : RC_AH;
		w->wr.wr.ud.remote_qpn = RC_PEER_QPN;
		w->wr.wr.ud.remote_qkey = rarely(4) ? fuzz_u32(&rc_bytes) :
						      RC_QKEY;
	} else if (w->wr.opcode == IB_WR_LOCAL_INV ||
		   w->wr.opcode == IB_WR_BIND_MW) {
		fill_window(&w->wr);
	} else if (w->wr.opcode == IB_WR_SEND_WITH_INV) {
		w->wr.ex.invalidate_rkey = some_window();
	} else if (w->wr.opcode == IB_WR_ATOMIC_CMP_AND_SWP ||
		   w->wr.opcode == IB_WR_ATOMIC_FETCH_AND_ADD) {
		w->wr.wr.atomic.remote_addr = some_va(r);
		w->wr.wr.atomic.rkey = some_key(r);
	} else {
		w->wr.wr.rdma.remote_addr = some_va(r);
		w->wr.wr.rdma.rkey = some_key(r);
	}
	rc_post_send(&victim);
	if (!rarely(4))
		rc_doorbell(&victim);
}

void rc_post_some_recv(void)
{
	struct rxe_recv_wqe *w = rc_recv_slot(&victim);

	memset(w, 0, sizeof(*w));
	w->wr_id = victim.rq_posted;
	fill_sges(&w->dma, victim.qp->max_recv_sge, 4096);
	rc_post_recv(&victim);
}

/* Anywhere in a shared mapping, its header included. */
void rc_scribble(void)
{
	struct sodp_ring *rings[] = { &victim.qp->req.ring,
				      &victim.qp->resp.ring, &victim.cq.ring };
	struct sodp_ring *ring = rings[pick(3)];
	u32 *words = (u32 *)ring->buf;
	u32 n = 1 + pick(8), at = pick((u32)(ring->buf_size / 4));

	if (!pick(4)) /* indices, size and mask */
		at = (u32[]){ 0, 1, 32, 64 }[pick(4)];
	for (; n && at < ring->buf_size / 4; n--, at++)
		words[at] = pick(2) ? fuzz_u32(&rc_bytes) : pick(64);
	if (pick(2))
		rc_doorbell(&victim);
}
