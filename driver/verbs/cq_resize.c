// SPDX-License-Identifier: GPL-2.0
/*
 * A completion queue of another size. The provider keeps pollers out until it
 * has mapped the new ring; completions go on to come.
 */
#include "dev.h"
#include "verbs/verbs.h"

/*
 * What waits is copied without the lock, then what came meanwhile with it. A
 * poller that was not kept out sees some twice, or none: its own affair.
 */
static int move_to(struct sodp_cq *cq, struct sodp_ring *ring)
{
	u32 first, n, before;
	int err = 0;

	lockdep_assert_held(&cq->resize_mutex);
	spin_lock_irq(&cq->lock);
	before = sodp_ring_queued(&cq->ring);
	first = cq->ring.index - before;
	spin_unlock_irq(&cq->lock);
	if (before > sodp_ring_capacity(ring))
		return -EINVAL;
	sodp_ring_copy(ring, 0, &cq->ring, first, before);

	spin_lock_irq(&cq->lock);
	n = (cq->ring.index - first) & cq->ring.mask;
	if (n > sodp_ring_capacity(ring)) {
		err = -EINVAL;
	} else {
		if (n > before)
			sodp_ring_copy(ring, before, &cq->ring, first + before,
				       n - before);
		sodp_ring_adopt(ring, 0, n);
		swap(cq->ring, *ring);
		cq->ibcq.cqe = sodp_ring_capacity(&cq->ring);
	}
	spin_unlock_irq(&cq->lock);
	return err;
}

static int resize(struct sodp_cq *cq, u32 cqe, struct ib_ucontext *uctx,
		  struct ib_udata *udata)
{
	struct rxe_resize_cq_resp resp = {};
	struct sodp_ring ring;
	int err;

	err = sodp_ring_create(&ring, SODP_RING_PRODUCER, cqe,
			       sizeof(struct ib_uverbs_wc), uctx, &resp.mi);
	if (err)
		return err;
	err = ib_copy_to_udata(udata, &resp, sizeof(resp));
	if (!err)
		err = move_to(cq, &ring);
	/* The new one if that failed, else the one that it was before. */
	sodp_ring_destroy(&ring);
	return err;
}

int sodp_resize_cq(struct ib_cq *ibcq, SODP_RESIZE_CQE cqe,
		   struct ib_udata *udata)
{
	struct sodp_cq *cq = to_sodp_cq(ibcq);
	struct sodp_uctx *uctx;
	int err;

	if (!udata)
		return -EOPNOTSUPP;
	if (udata->outlen < sizeof(struct rxe_resize_cq_resp))
		return -EINVAL;
	if (cqe < 1 || cqe > SODP_MAX_CQE)
		return -EINVAL;
	uctx = rdma_udata_to_drv_context(udata, struct sodp_uctx, ibuc);
	mutex_lock(&cq->resize_mutex);
	err = resize(cq, cqe, &uctx->ibuc, udata);
	mutex_unlock(&cq->resize_mutex);
	return err;
}
