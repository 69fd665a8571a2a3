// SPDX-License-Identifier: GPL-2.0
/*
 * Shared receive queues. The queue pairs that use one take WQEs from its ring
 * in the order of their messages; a slot goes back to user space as soon as it
 * was copied out.
 */
#include "dev.h"
#include "verbs/verbs.h"

static size_t wqe_size(u32 sge)
{
	return sizeof(struct rxe_recv_wqe) + sge * sizeof(struct rxe_sge);
}

static void limit_reached(struct sodp_srq *srq)
{
	struct ib_event event = {
		.device = srq->ibsrq.device,
		.element.srq = &srq->ibsrq,
		.event = IB_EVENT_SRQ_LIMIT_REACHED,
	};

	if (srq->ibsrq.event_handler)
		srq->ibsrq.event_handler(&event, srq->ibsrq.srq_context);
}

/* True: there are fewer than asked for. It is said once. */
static bool below_limit(struct sodp_srq *srq)
{
	lockdep_assert_held(&srq->lock);
	if (!srq->limit ||
	    sodp_ring_avail(&srq->ring, srq->ring.index) >= srq->limit)
		return false;
	srq->limit = 0;
	return true;
}

bool sodp_srq_take(struct sodp_srq *srq, struct sodp_recv_image *image)
{
	bool low = false, taken;

	spin_lock_bh(&srq->lock);
	taken = sodp_ring_avail(&srq->ring, srq->ring.index);
	if (taken) {
		memcpy(image, sodp_ring_slot(&srq->ring, srq->ring.index),
		       wqe_size(srq->max_sge));
		sodp_ring_release(&srq->ring, 1);
		low = below_limit(srq);
	}
	spin_unlock_bh(&srq->lock);
	/* A queue pair takes, and while there is one the SRQ stays. */
	if (low)
		limit_reached(srq);
	return taken;
}

static int create(struct sodp_srq *srq, struct ib_srq_attr *attr,
		  struct ib_udata *udata)
{
	struct sodp_uctx *uctx =
		rdma_udata_to_drv_context(udata, struct sodp_uctx, ibuc);
	struct rxe_create_srq_resp resp = {};
	int err;

	spin_lock_init(&srq->lock);
	mutex_init(&srq->mutex);
	srq->domain = to_sodp_pd(srq->ibsrq.pd)->domain;
	srq->max_sge = attr->max_sge;
	err = sodp_ring_create(&srq->ring, SODP_RING_CONSUMER, attr->max_wr,
			       wqe_size(attr->max_sge), &uctx->ibuc, &resp.mi);
	if (err)
		return err;
	err = ib_copy_to_udata(udata, &resp, sizeof(resp));
	if (err) {
		sodp_ring_destroy(&srq->ring);
		return err;
	}
	/* The limit means nothing here: ibv_create_srq(3). */
	attr->max_wr = sodp_ring_capacity(&srq->ring);
	return 0;
}

int sodp_create_srq(struct ib_srq *ibsrq, struct ib_srq_init_attr *init,
		    struct ib_udata *udata)
{
	struct sodp_dev *dev = to_sodp_dev(ibsrq->device);
	int err;

	if (init->srq_type != IB_SRQT_BASIC || !udata)
		return -EOPNOTSUPP;
	if (udata->inlen || udata->outlen < sizeof(struct rxe_create_srq_resp))
		return -EINVAL;
	if (!init->attr.max_wr || init->attr.max_wr > SODP_MAX_SRQ_WR ||
	    init->attr.max_sge > SODP_MAX_SGE)
		return -EINVAL;
	if (!atomic_add_unless(&dev->num_srq, 1, SODP_MAX_SRQ))
		return -ENOMEM;
	err = create(to_sodp_srq(ibsrq), &init->attr, udata);
	if (err)
		atomic_dec(&dev->num_srq);
	return err;
}

int sodp_destroy_srq(struct ib_srq *ibsrq, struct ib_udata *udata)
{
	struct sodp_srq *srq = to_sodp_srq(ibsrq);

	sodp_ring_destroy(&srq->ring);
	mutex_destroy(&srq->mutex);
	atomic_dec(&to_sodp_dev(ibsrq->device)->num_srq);
	return 0;
}

/*
 * What is queued moves to the new ring. The provider keeps posters out until
 * it has mapped that; queue pairs may go on to take from the old one.
 */
static int move_to(struct sodp_srq *srq, struct sodp_ring *ring)
{
	u32 first, n, taken;

	spin_lock_bh(&srq->lock);
	first = srq->ring.index;
	n = sodp_ring_avail(&srq->ring, first);
	spin_unlock_bh(&srq->lock);
	if (n > sodp_ring_capacity(ring))
		return -EINVAL;
	sodp_ring_copy(ring, 0, &srq->ring, first, n);

	spin_lock_bh(&srq->lock);
	taken = (srq->ring.index - first) & srq->ring.mask;
	/* A poster that was not kept out may have had more taken than that. */
	sodp_ring_adopt(ring, min(taken, n), n);
	swap(srq->ring, *ring);
	spin_unlock_bh(&srq->lock);
	return 0;
}

/* The ABI has no room for it in the response: it goes where the command says. */
static int resize(struct sodp_srq *srq, u32 entries, u64 mminfo_addr,
		  struct ib_ucontext *uctx)
{
	struct sodp_ring ring;
	struct mminfo mi = {};
	int err;

	lockdep_assert_held(&srq->mutex);
	err = sodp_ring_create(&ring, SODP_RING_CONSUMER, entries,
			       wqe_size(srq->max_sge), uctx, &mi);
	if (err)
		return err;
	if (copy_to_user(u64_to_user_ptr(mminfo_addr), &mi, sizeof(mi)))
		err = -EFAULT;
	else
		err = move_to(srq, &ring);
	/* The new one if that failed, else the one that it was before. */
	sodp_ring_destroy(&ring);
	return err;
}

static int set_limit(struct sodp_srq *srq, u32 limit)
{
	bool low;

	spin_lock_bh(&srq->lock);
	srq->limit = limit;
	low = below_limit(srq);
	spin_unlock_bh(&srq->lock);
	if (low)
		limit_reached(srq);
	return 0;
}

static int check_modify(const struct sodp_srq *srq,
			const struct ib_srq_attr *attr, int mask)
{
	u32 capacity = sodp_ring_capacity(&srq->ring);

	lockdep_assert_held(&srq->mutex);
	if (mask & ~(IB_SRQ_MAX_WR | IB_SRQ_LIMIT))
		return -EINVAL;
	if (mask & IB_SRQ_MAX_WR) {
		if (!attr->max_wr || attr->max_wr > SODP_MAX_SRQ_WR)
			return -EINVAL;
		capacity = attr->max_wr;
		if (!(mask & IB_SRQ_LIMIT) && srq->limit > capacity)
			return -EINVAL;
	}
	return mask & IB_SRQ_LIMIT && attr->srq_limit > capacity ? -EINVAL : 0;
}

int sodp_modify_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr,
		    enum ib_srq_attr_mask mask, struct ib_udata *udata)
{
	struct sodp_srq *srq = to_sodp_srq(ibsrq);
	struct rxe_modify_srq_cmd cmd = {};
	struct sodp_uctx *uctx;
	int err;

	if (!udata || udata->inlen < sizeof(cmd))
		return -EINVAL;
	err = ib_copy_from_udata(&cmd, udata, sizeof(cmd));
	if (err)
		return err;
	uctx = rdma_udata_to_drv_context(udata, struct sodp_uctx, ibuc);
	mutex_lock(&srq->mutex);
	err = check_modify(srq, attr, mask);
	if (!err && mask & IB_SRQ_MAX_WR)
		err = resize(srq, attr->max_wr, cmd.mmap_info_addr,
			     &uctx->ibuc);
	if (!err && mask & IB_SRQ_LIMIT)
		err = set_limit(srq, attr->srq_limit);
	mutex_unlock(&srq->mutex);
	return err;
}

int sodp_query_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr)
{
	struct sodp_srq *srq = to_sodp_srq(ibsrq);

	spin_lock_bh(&srq->lock);
	attr->max_wr = sodp_ring_capacity(&srq->ring);
	attr->max_sge = srq->max_sge;
	attr->srq_limit = srq->limit;
	spin_unlock_bh(&srq->lock);
	return 0;
}

int sodp_post_srq_recv(struct ib_srq *ibsrq, const struct ib_recv_wr *wr,
		       const struct ib_recv_wr **bad)
{
	*bad = wr;
	return -EOPNOTSUPP; /* room for kernel users; user space has its ring */
}
