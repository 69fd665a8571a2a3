// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel users: what the provider does in a program. Work requests go into the
 * same rings in the same form, so that there is one engine; completions come
 * out of the same rings. Posted from any context, run from a work item.
 */
#include "dev.h"
#include "verbs/verbs.h"
#include "xport/xport.h"

static void put_remote(const struct ib_send_wr *wr, bool ud,
		       struct rxe_send_wr *to)
{
	if (ud) {
		to->wr.ud.ah_num = to_sodp_ah(ud_wr(wr)->ah)->dest->number;
		to->wr.ud.remote_qpn = ud_wr(wr)->remote_qpn;
		to->wr.ud.remote_qkey = ud_wr(wr)->remote_qkey;
		return;
	}
	switch (wr->opcode) {
	case IB_WR_RDMA_WRITE:
	case IB_WR_RDMA_WRITE_WITH_IMM:
	case IB_WR_RDMA_READ:
		to->wr.rdma.remote_addr = rdma_wr(wr)->remote_addr;
		to->wr.rdma.rkey = rdma_wr(wr)->rkey;
		break;
	case IB_WR_REG_MR:
		/* Rights in our own terms: nobody but wqe.c reads them. */
		to->wr.mw.rkey = reg_wr(wr)->key;
		to->wr.mw.access = sodp_mr_rights(reg_wr(wr)->access);
		to->wr.mw.addr = reg_wr(wr)->mr->iova;
		to->wr.mw.length = reg_wr(wr)->mr->length;
		break;
	case IB_WR_ATOMIC_CMP_AND_SWP:
	case IB_WR_ATOMIC_FETCH_AND_ADD:
		to->wr.atomic.remote_addr = atomic_wr(wr)->remote_addr;
		to->wr.atomic.compare_add = atomic_wr(wr)->compare_add;
		to->wr.atomic.swap = atomic_wr(wr)->swap;
		to->wr.atomic.rkey = atomic_wr(wr)->rkey;
		break;
	default:
		break;
	}
}

static void put_sge(const struct ib_sge *from, int n, struct rxe_dma_info *to)
{
	int i;

	to->num_sge = n;
	for (i = 0; i < n; i++) {
		to->sge[i].addr = from[i].addr;
		to->sge[i].length = from[i].length;
		to->sge[i].lkey = from[i].lkey;
	}
}

static void put_inline(const struct ib_sge *from, int n,
		       struct rxe_dma_info *to)
{
	u8 *at = to->inline_data;

	for (; n--; from++) {
		memcpy(at, (void *)(uintptr_t)from->addr, from->length);
		at += from->length;
	}
}

static int put_data(const struct sodp_qp *qp, const struct ib_send_wr *wr,
		    struct rxe_dma_info *to)
{
	u64 sum = 0;
	int i;

	if (wr->num_sge < 0)
		return -EINVAL;
	for (i = 0; i < wr->num_sge; i++)
		sum += wr->sg_list[i].length;
	if (sum > SODP_MAX_MSG)
		return -EINVAL;
	to->length = sum;
	if (!(wr->send_flags & IB_SEND_INLINE)) {
		if (wr->num_sge > (int)qp->max_send_sge)
			return -EINVAL;
		put_sge(wr->sg_list, wr->num_sge, to);
		return 0;
	}
	if (sum > qp->max_inline)
		return -EINVAL;
	put_inline(wr->sg_list, wr->num_sge, to);
	return 0;
}

static int post_one_send(struct sodp_qp *qp, const struct ib_send_wr *wr)
{
	struct rxe_send_wqe *wqe = sodp_ring_post_slot(&qp->req.ring);
	int err;

	lockdep_assert_held(&qp->sq_lock);
	if (!wqe)
		return -ENOMEM;
	memset(wqe, 0, sizeof(*wqe));
	wqe->wr.wr_id = wr->wr_id;
	wqe->wr.opcode = wr->opcode;
	wqe->wr.send_flags = wr->send_flags;
	wqe->wr.ex.imm_data = wr->ex.imm_data; /* or the key to invalidate */
	put_remote(wr, sodp_qp_is_ud(qp), &wqe->wr);
	err = put_data(qp, wr, &wqe->dma);
	if (!err)
		sodp_ring_post(&qp->req.ring);
	return err;
}

int sodp_kernel_post_send(struct ib_qp *ibqp, const struct ib_send_wr *wr,
			  const struct ib_send_wr **bad)
{
	struct sodp_qp *qp = to_sodp_qp(ibqp);
	enum ib_qp_state state = sodp_qp_state(qp);
	unsigned long irq;
	int err = 0;

	/* In the error state it is taken, to be flushed: ib_drain_qp(). */
	if (state == IB_QPS_RESET || state == IB_QPS_INIT ||
	    state == IB_QPS_RTR) {
		*bad = wr;
		return -EINVAL;
	}
	spin_lock_irqsave(&qp->sq_lock, irq);
	for (; wr && !err; wr = err ? wr : wr->next)
		err = post_one_send(qp, wr);
	spin_unlock_irqrestore(&qp->sq_lock, irq);
	if (err)
		*bad = wr;
	sodp_side_kick(&qp->req.side);
	return err;
}

static int post_one_recv(struct sodp_qp *qp, const struct ib_recv_wr *wr)
{
	struct rxe_recv_wqe *wqe;

	lockdep_assert_held(&qp->rq_lock);
	if (wr->num_sge < 0 || wr->num_sge > (int)qp->max_recv_sge)
		return -EINVAL;
	wqe = sodp_ring_post_slot(&qp->resp.ring);
	if (!wqe)
		return -ENOMEM;
	memset(wqe, 0, sizeof(*wqe));
	wqe->wr_id = wr->wr_id;
	put_sge(wr->sg_list, wr->num_sge, &wqe->dma);
	sodp_ring_post(&qp->resp.ring);
	return 0;
}

int sodp_kernel_post_recv(struct ib_qp *ibqp, const struct ib_recv_wr *wr,
			  const struct ib_recv_wr **bad)
{
	struct sodp_qp *qp = to_sodp_qp(ibqp);
	unsigned long irq;
	int err = 0;

	if (sodp_qp_state(qp) == IB_QPS_RESET) {
		*bad = wr;
		return -EINVAL;
	}
	spin_lock_irqsave(&qp->rq_lock, irq);
	for (; wr && !err; wr = err ? wr : wr->next)
		err = post_one_recv(qp, wr);
	spin_unlock_irqrestore(&qp->rq_lock, irq);
	if (err)
		*bad = wr;
	/* Nobody waits for a receive but the one who drains the queue. */
	if (sodp_qp_state(qp) == IB_QPS_ERR)
		sodp_side_kick(&qp->resp.side);
	return err;
}

static void get_wc(const struct sodp_cqe *cqe, struct ib_wc *wc)
{
	*wc = (struct ib_wc){
		.wr_id = cqe->wc.wr_id,
		.status = cqe->wc.status,
		.opcode = cqe->wc.opcode,
		.vendor_err = cqe->wc.vendor_err,
		.byte_len = cqe->wc.byte_len,
		.qp = cqe->qp,
		.ex.imm_data = cqe->wc.ex.imm_data, /* or the key */
		.src_qp = cqe->wc.src_qp,
		.wc_flags = cqe->wc.wc_flags,
		.pkey_index = cqe->wc.pkey_index,
		.port_num = cqe->wc.port_num,
	};
}

int sodp_poll_cq(struct ib_cq *ibcq, int n, struct ib_wc *wc)
{
	struct sodp_cq *cq = to_sodp_cq(ibcq);
	const struct sodp_cqe *cqe;
	unsigned long irq;
	int i;

	if (cq->user)
		return -EOPNOTSUPP; /* it has the ring */
	spin_lock_irqsave(&cq->lock, irq);
	for (i = 0; i < n; i++) {
		cqe = sodp_ring_oldest(&cq->ring);
		if (!cqe)
			break;
		get_wc(cqe, wc + i);
		sodp_ring_take(&cq->ring);
	}
	spin_unlock_irqrestore(&cq->lock, irq);
	return i;
}
