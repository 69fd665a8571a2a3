// SPDX-License-Identifier: GPL-2.0
/*
 * From the shared ring into private memory. A slot is copied once; what does
 * not pass here never moves a byte: it ends in an error when its turn comes.
 */
#include "xport/req.h"

#define WQE_DATA offsetof(struct rxe_send_wqe, dma.sge)

static bool known_opcode(const struct sodp_qp *qp, u32 opcode)
{
	switch (opcode) {
	case IB_WR_SEND:
	case IB_WR_SEND_WITH_IMM:
		return true;
	case IB_WR_RDMA_WRITE:
	case IB_WR_RDMA_WRITE_WITH_IMM:
		return !sodp_qp_is_ud(qp);
	case IB_WR_RDMA_READ:
	case IB_WR_ATOMIC_CMP_AND_SWP:
	case IB_WR_ATOMIC_FETCH_AND_ADD:
	case IB_WR_SEND_WITH_INV:
		return sodp_qp_is_rc(qp);
	case IB_WR_LOCAL_INV:
		return !sodp_qp_is_ud(qp);
	case IB_WR_BIND_MW: /* kernel users have no windows */
		return !sodp_qp_is_ud(qp) && qp->user;
	case IB_WR_REG_MR:
		return sodp_qp_is_rc(qp) && !qp->user;
	default:
		return false;
	}
}

static enum ib_wc_status load_inline(const struct sodp_qp *qp, const void *slot,
				     u32 length, struct sodp_send_wqe *wqe)
{
	if (sodp_wqe_needs_response(wqe))
		return IB_WC_LOC_QP_OP_ERR;
	if (length > qp->max_inline)
		return IB_WC_LOC_LEN_ERR;
	memcpy(wqe->inline_data, slot + WQE_DATA, length);
	wqe->length = length;
	return IB_WC_SUCCESS;
}

static enum ib_wc_status load_sgl(const struct sodp_qp *qp, const void *slot,
				  u32 num_sge, u32 length,
				  struct sodp_send_wqe *wqe)
{
	u64 sum = 0;
	u32 i;

	BUILD_BUG_ON(sizeof(struct sodp_sge) != sizeof(struct rxe_sge));
	BUILD_BUG_ON(offsetof(struct sodp_sge, lkey) !=
		     offsetof(struct rxe_sge, lkey));

	if (num_sge > qp->max_send_sge)
		return IB_WC_LOC_QP_OP_ERR;
	memcpy(wqe->sge, slot + WQE_DATA, num_sge * sizeof(wqe->sge[0]));
	barrier(); /* one copy: the compiler must not go back to the slot */
	for (i = 0; i < num_sge; i++)
		sum += wqe->sge[i].length;
	if (sum > SODP_MAX_MSG || sum != length)
		return IB_WC_LOC_LEN_ERR;
	wqe->num_sge = num_sge;
	wqe->length = sum;
	return IB_WC_SUCCESS;
}

/* The depth for READs and atomics may be 0: they would wait for ever. */
static enum ib_wc_status check_response(const struct sodp_qp *qp,
					const struct sodp_send_wqe *wqe)
{
	if (!qp->attr.max_rd_atomic)
		return IB_WC_LOC_QP_OP_ERR;
	if (!sodp_wqe_is_atomic(wqe))
		return IB_WC_SUCCESS;
	if (wqe->length != sizeof(u64))
		return IB_WC_LOC_LEN_ERR;
	if (wqe->remote_addr % sizeof(u64))
		return IB_WC_LOC_QP_OP_ERR;
	return IB_WC_SUCCESS;
}

/*
 * The rights of a region that mean nothing for a window are taken, as Soft-RoCE
 * does: programs hand on what they registered with.
 */
static enum ib_wc_status load_bind(const struct rxe_send_wr *wr,
				   struct sodp_send_wqe *wqe)
{
	const u32 rights = SODP_MEM_REMOTE_READ | SODP_MEM_REMOTE_WRITE |
			   SODP_MEM_REMOTE_ATOMIC;
	u32 access = wr->wr.mw.access;

	if (access & ~(u32)IB_ACCESS_SUPPORTED)
		return IB_WC_MW_BIND_ERR;
	wqe->bind = (struct sodp_window_bind){
		.key = wr->wr.mw.mw_rkey,
		.new_key = wr->wr.mw.rkey,
		.region_key = wr->wr.mw.mr_lkey,
		.iova = wr->wr.mw.addr,
		.length = wr->wr.mw.length,
		.rights = sodp_mr_rights((int)access) & rights,
		.zero_based = access & IB_ZERO_BASED,
	};
	return IB_WC_SUCCESS;
}

static void load_remote(const struct sodp_qp *qp, const struct rxe_send_wr *wr,
			struct sodp_send_wqe *wqe)
{
	if (sodp_qp_is_ud(qp)) {
		/* Of the address only its number: ah.c. */
		wqe->ah_number = wr->wr.ud.ah_num;
		wqe->remote_qpn = wr->wr.ud.remote_qpn & SODP_QPN_MASK;
		wqe->remote_qkey = wr->wr.ud.remote_qkey;
	} else if (wqe->opcode == IB_WR_REG_MR) {
		/* A kernel user's: verbs/kernel.c wrote it. */
		wqe->reg = (struct sodp_fast_attr){
			.key = wr->wr.mw.rkey,
			.rights = wr->wr.mw.access,
			.iova = wr->wr.mw.addr,
			.length = wr->wr.mw.length,
		};
	} else if (sodp_wqe_is_atomic(wqe)) {
		wqe->remote_addr = wr->wr.atomic.remote_addr;
		wqe->rkey = wr->wr.atomic.rkey;
		wqe->compare_add = wr->wr.atomic.compare_add;
		wqe->swap = wr->wr.atomic.swap;
	} else {
		wqe->remote_addr = wr->wr.rdma.remote_addr;
		wqe->rkey = wr->wr.rdma.rkey;
	}
}

void sodp_wqe_load(const struct sodp_qp *qp, const void *slot,
		   struct sodp_send_wqe *wqe)
{
	struct rxe_send_wqe raw;
	enum ib_wc_status status;

	memcpy(&raw, slot, WQE_DATA);
	barrier(); /* one copy: the compiler must not go back to the slot */

	memset(wqe, 0, sizeof(*wqe));
	wqe->wr_id = raw.wr.wr_id;
	wqe->opcode = raw.wr.opcode;
	wqe->send_flags = raw.wr.send_flags;
	wqe->imm = raw.wr.ex.imm_data;
	wqe->inv_rkey = raw.wr.ex.invalidate_rkey;
	load_remote(qp, &raw.wr, wqe);

	if (!known_opcode(qp, wqe->opcode))
		status = IB_WC_LOC_QP_OP_ERR;
	else if (wqe->opcode == IB_WR_BIND_MW)
		status = load_bind(&raw.wr, wqe);
	else if (sodp_wqe_is_local(wqe))
		status = IB_WC_SUCCESS; /* no data */
	else if (wqe->send_flags & IB_SEND_INLINE)
		status = load_inline(qp, slot, raw.dma.length, wqe);
	else
		status = load_sgl(qp, slot, raw.dma.num_sge, raw.dma.length,
				  wqe);
	if (status == IB_WC_SUCCESS && sodp_wqe_needs_response(wqe))
		status = check_response(qp, wqe);
	if (status == IB_WC_SUCCESS && sodp_qp_is_ud(qp) &&
	    wqe->length > qp->mtu)
		status = IB_WC_LOC_LEN_ERR;

	wqe->status = status;
	if (status != IB_WC_SUCCESS)
		sodp_count(qp->dev->counters, SODP_CNT_RING_REJECTS);
}
