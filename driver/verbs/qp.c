// SPDX-License-Identifier: GPL-2.0
/* Queue pairs as ib_core and the provider see them; the work is in xport/. */
#include "dev.h"
#include "verbs/verbs.h"
#include "xport/xport.h"

static int create(struct sodp_qp *qp, struct ib_qp_init_attr *init,
		  struct ib_udata *udata)
{
	struct sodp_uctx *uctx =
		rdma_udata_to_drv_context(udata, struct sodp_uctx, ibuc);
	struct rxe_create_qp_resp resp = {};
	int err;

	err = sodp_qp_create(qp, init, uctx ? &uctx->ibuc : NULL, &resp.sq_mi,
			     &resp.rq_mi);
	if (err || !udata)
		return err;
	err = ib_copy_to_udata(udata, &resp, sizeof(resp));
	if (err)
		sodp_qp_destroy(qp);
	return err;
}

int sodp_create_qp(struct ib_qp *ibqp, struct ib_qp_init_attr *init,
		   struct ib_udata *udata)
{
	struct sodp_dev *dev = to_sodp_dev(ibqp->device);
	int err;

	if (udata &&
	    (udata->inlen || udata->outlen < sizeof(struct rxe_create_qp_resp)))
		return -EINVAL;
	if (!atomic_add_unless(&dev->num_qp, 1, SODP_MAX_QP))
		return -ENOMEM;
	err = create(to_sodp_qp(ibqp), init, udata);
	if (err)
		atomic_dec(&dev->num_qp);
	return err;
}

int sodp_modify_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		   struct ib_udata *udata)
{
	if (mask & ~IB_QP_ATTR_STANDARD_BITS)
		return -EOPNOTSUPP;
	if (udata && udata->inlen)
		return -EINVAL;
	return sodp_qp_modify(to_sodp_qp(ibqp), attr, mask);
}

int sodp_query_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		  struct ib_qp_init_attr *init)
{
	sodp_qp_query(to_sodp_qp(ibqp), attr, init);
	return 0;
}

int sodp_destroy_qp(struct ib_qp *ibqp, struct ib_udata *udata)
{
	sodp_qp_destroy(to_sodp_qp(ibqp));
	atomic_dec(&to_sodp_dev(ibqp->device)->num_qp);
	return 0;
}

/* ib_core has checked: a queue pair for datagrams, the address of a group. */
int sodp_attach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid)
{
	return sodp_mcast_attach(to_sodp_dev(ibqp->device), sodp_gid_addr(gid),
				 ibqp->qp_num);
}

int sodp_detach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid)
{
	return sodp_mcast_detach(to_sodp_dev(ibqp->device), sodp_gid_addr(gid),
				 ibqp->qp_num);
}

/* The provider has put work into the ring and says so. */
static int doorbell(struct sodp_qp *qp)
{
	switch (sodp_qp_state(qp)) {
	case IB_QPS_RESET:
	case IB_QPS_INIT:
	case IB_QPS_RTR:
		return -EINVAL;
	default: /* in the error state: to be flushed */
		sodp_side_run(&qp->req.side);
		return 0;
	}
}

int sodp_post_send(struct ib_qp *ibqp, const struct ib_send_wr *wr,
		   const struct ib_send_wr **bad)
{
	struct sodp_qp *qp = to_sodp_qp(ibqp);

	if (!qp->user)
		return sodp_kernel_post_send(ibqp, wr, bad);
	if (!wr)
		return doorbell(qp);
	*bad = wr;
	return -EOPNOTSUPP; /* user space has its ring */
}

int sodp_post_recv(struct ib_qp *ibqp, const struct ib_recv_wr *wr,
		   const struct ib_recv_wr **bad)
{
	if (!to_sodp_qp(ibqp)->user)
		return sodp_kernel_post_recv(ibqp, wr, bad);
	*bad = wr;
	return -EOPNOTSUPP; /* user space has its ring */
}
