// SPDX-License-Identifier: GPL-2.0
/*
 * Completion queues. User space polls its ring without our knowing; kernel
 * users poll by kernel.c, from any context, so the lock is taken with
 * interrupts off.
 */
#include "dev.h"
#include "verbs/verbs.h"
#include "xport/xport.h"

static struct workqueue_struct *cq_wq;

int sodp_cq_init(void)
{
	/* Storage above us may wait for a completion to free memory. */
	cq_wq = alloc_workqueue("softodp_cq",
				WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM, 0);
	return cq_wq ? 0 : -ENOMEM;
}

void sodp_cq_exit(void)
{
	destroy_workqueue(cq_wq);
}

/*
 * Handlers run from here, never from sodp_cq_put(): a kernel user's may post,
 * and so come back to the queue pair that is completing.
 */
static void notify(struct work_struct *work)
{
	struct sodp_cq *cq = container_of(work, struct sodp_cq, notify_work);
	unsigned long irq;
	unsigned int due;

	spin_lock_irqsave(&cq->lock, irq);
	due = cq->due;
	cq->due = 0;
	spin_unlock_irqrestore(&cq->lock, irq);

	while (due--)
		cq->ibcq.comp_handler(&cq->ibcq, cq->ibcq.cq_context);
}

static void report_error(struct work_struct *work)
{
	struct sodp_cq *cq = container_of(work, struct sodp_cq, error_work);
	struct ib_event event = {
		.device = cq->ibcq.device,
		.element.cq = &cq->ibcq,
		.event = IB_EVENT_CQ_ERR,
	};

	if (cq->ibcq.event_handler)
		cq->ibcq.event_handler(&event, cq->ibcq.cq_context);
	sodp_qp_error_all_of_cq(cq);
}

static void notify_if_armed(struct sodp_cq *cq, bool solicited)
{
	lockdep_assert_held(&cq->lock);
	if (!(cq->notify & IB_CQ_NEXT_COMP) &&
	    !(cq->notify & IB_CQ_SOLICITED && solicited))
		return;
	cq->notify = 0;
	if (!cq->ibcq.comp_handler)
		return;
	cq->due++;
	queue_work(cq_wq, &cq->notify_work);
}

static bool put(struct sodp_cq *cq, struct ib_qp *qp,
		const struct ib_uverbs_wc *wc)
{
	struct sodp_cqe cqe = { .wc = *wc, .qp = qp };

	/* A pointer of the kernel is not for user space. */
	return sodp_ring_put(&cq->ring, &cqe,
			     cq->user ? sizeof(cqe.wc) : sizeof(cqe));
}

bool sodp_cq_put(struct sodp_cq *cq, struct ib_qp *qp,
		 const struct ib_uverbs_wc *wc, bool solicited)
{
	struct sodp_dev *dev = to_sodp_dev(cq->ibcq.device);
	unsigned long irq;
	bool ok;

	spin_lock_irqsave(&cq->lock, irq);
	ok = !cq->overflow && put(cq, qp, wc);
	if (ok) {
		notify_if_armed(cq, solicited || wc->status != IB_WC_SUCCESS);
	} else if (!cq->overflow) {
		cq->overflow = true;
		sodp_count(dev->counters, SODP_CNT_CQ_OVERFLOWS);
		queue_work(cq_wq, &cq->error_work);
	}
	spin_unlock_irqrestore(&cq->lock, irq);
	return ok;
}

static int create(struct sodp_cq *cq, const struct ib_cq_init_attr *attr,
		  struct ib_udata *udata)
{
	struct sodp_uctx *uctx =
		rdma_udata_to_drv_context(udata, struct sodp_uctx, ibuc);
	struct rxe_create_cq_resp resp = {};
	int err;

	spin_lock_init(&cq->lock);
	INIT_WORK(&cq->notify_work, notify);
	INIT_WORK(&cq->error_work, report_error);
	cq->user = udata;
	err = sodp_ring_create(&cq->ring, SODP_RING_PRODUCER, attr->cqe,
			       udata ? sizeof(struct ib_uverbs_wc) :
				       sizeof(struct sodp_cqe),
			       uctx ? &uctx->ibuc : NULL, &resp.mi);
	if (err)
		return err;
	cq->ibcq.cqe = sodp_ring_capacity(&cq->ring);
	if (!udata)
		return 0;
	err = ib_copy_to_udata(udata, &resp, sizeof(resp));
	if (err)
		sodp_ring_destroy(&cq->ring);
	return err;
}

int sodp_create_cq(struct ib_cq *ibcq, const struct ib_cq_init_attr *attr,
		   SODP_CREATE_CQ_ARG)
{
	struct sodp_dev *dev = to_sodp_dev(ibcq->device);
	struct ib_udata *udata = SODP_CREATE_CQ_UDATA;
	int err;

	if (attr->flags)
		return -EOPNOTSUPP;
	if (attr->cqe < 1 || attr->cqe > SODP_MAX_CQE)
		return -EINVAL;
	if (udata &&
	    (udata->inlen || udata->outlen < sizeof(struct rxe_create_cq_resp)))
		return -EINVAL;
	if (!atomic_add_unless(&dev->num_cq, 1, SODP_MAX_CQ))
		return -ENOMEM;
	err = create(to_sodp_cq(ibcq), attr, udata);
	if (err)
		atomic_dec(&dev->num_cq);
	return err;
}

/* No queue pair uses it any more (ib_core counts), so nothing is put. */
int sodp_destroy_cq(struct ib_cq *ibcq, struct ib_udata *udata)
{
	struct sodp_cq *cq = to_sodp_cq(ibcq);

	cancel_work_sync(&cq->error_work);
	cancel_work_sync(&cq->notify_work);
	sodp_ring_destroy(&cq->ring);
	atomic_dec(&to_sodp_dev(ibcq->device)->num_cq);
	return 0;
}

int sodp_req_notify_cq(struct ib_cq *ibcq, enum ib_cq_notify_flags flags)
{
	struct sodp_cq *cq = to_sodp_cq(ibcq);
	unsigned long irq;
	int missed = 0;

	spin_lock_irqsave(&cq->lock, irq);
	cq->notify |= flags & IB_CQ_SOLICITED_MASK;
	if (flags & IB_CQ_REPORT_MISSED_EVENTS && sodp_ring_queued(&cq->ring))
		missed = 1;
	spin_unlock_irqrestore(&cq->lock, irq);
	return missed;
}
