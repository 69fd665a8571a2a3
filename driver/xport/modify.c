// SPDX-License-Identifier: GPL-2.0
/*
 * The attributes and states of a queue pair. Everything that was asked for is
 * checked before anything changes; then it changes with both sides stopped.
 */
#include <net/ipv6.h>
#include <rdma/ib_cache.h>

#include "xport/xport.h"

enum {
	MAX_TIMER = 31, /* 5 bits: timeout, min_rnr_timer */
	MAX_RETRIES = 7, /* 3 bits */
	/* What a QP may be allowed; what we do not know means nothing here. */
	QP_ACCESS = IB_ACCESS_SUPPORTED,
};

/* Both ends RoCEv2, and of one kind of address. */
int sodp_check_address(const struct rdma_ah_attr *ah, bool group)
{
	const struct ib_global_route *grh = &ah->grh;

	if (ah->type != RDMA_AH_ATTR_TYPE_ROCE || ah->port_num != 1)
		return -EINVAL;
	if (!(ah->ah_flags & IB_AH_GRH) || !grh->sgid_attr)
		return -EINVAL;
	if (grh->sgid_attr->gid_type != IB_GID_TYPE_ROCE_UDP_ENCAP)
		return -EOPNOTSUPP;
	if (ipv6_addr_v4mapped(sodp_gid_addr(&grh->sgid_attr->gid)) !=
	    ipv6_addr_v4mapped(sodp_gid_addr(&grh->dgid)))
		return -EINVAL;
	if (ipv6_addr_any(sodp_gid_addr(&grh->dgid)) ||
	    (!group && sodp_addr_is_group(sodp_gid_addr(&grh->dgid))))
		return -EINVAL;
	return 0;
}

static int check_path(const struct sodp_qp *qp, const struct ib_qp_attr *attr,
		      int mask)
{
	if (mask & IB_QP_ALT_PATH)
		return -EOPNOTSUPP;
	if ((mask & IB_QP_PATH_MIG_STATE) &&
	    attr->path_mig_state != IB_MIG_MIGRATED)
		return -EOPNOTSUPP;
	if ((mask & IB_QP_PKEY_INDEX) && attr->pkey_index)
		return -EINVAL;
	if ((mask & IB_QP_PORT) && attr->port_num != 1)
		return -EINVAL;
	if ((mask & IB_QP_PATH_MTU) &&
	    (attr->path_mtu < IB_MTU_256 ||
	     attr->path_mtu > READ_ONCE(qp->dev->mtu)))
		return -EINVAL;
	if ((mask & IB_QP_DEST_QPN) && attr->dest_qp_num > SODP_QPN_MASK)
		return -EINVAL;
	return mask & IB_QP_AV ? sodp_check_address(&attr->ah_attr, false) : 0;
}

static int check_limits(const struct ib_qp_attr *attr, int mask)
{
	if ((mask & IB_QP_MAX_QP_RD_ATOMIC) &&
	    attr->max_rd_atomic > SODP_MAX_RD_ATOMIC)
		return -EINVAL;
	if ((mask & IB_QP_MAX_DEST_RD_ATOMIC) &&
	    attr->max_dest_rd_atomic > SODP_MAX_RD_ATOMIC)
		return -EINVAL;
	if ((mask & IB_QP_TIMEOUT) && attr->timeout > MAX_TIMER)
		return -EINVAL;
	if ((mask & IB_QP_RETRY_CNT) && attr->retry_cnt > MAX_RETRIES)
		return -EINVAL;
	if ((mask & IB_QP_RNR_RETRY) && attr->rnr_retry > MAX_RETRIES)
		return -EINVAL;
	if ((mask & IB_QP_MIN_RNR_TIMER) && attr->min_rnr_timer > MAX_TIMER)
		return -EINVAL;
	if ((mask & IB_QP_ACCESS_FLAGS) && (attr->qp_access_flags & ~QP_ACCESS))
		return -EINVAL;
	return 0;
}

static enum ib_qp_type type_of(const struct sodp_qp *qp)
{
	switch (qp->service) {
	case SODP_SERVICE_UC:
		return IB_QPT_UC;
	case SODP_SERVICE_UD:
		return qp->gsi ? IB_QPT_GSI : IB_QPT_UD;
	case SODP_SERVICE_RC:
	default:
		return IB_QPT_RC;
	}
}

static int check(const struct sodp_qp *qp, const struct ib_qp_attr *attr,
		 int mask, enum ib_qp_state from, enum ib_qp_state to)
{
	int err;

	if ((mask & IB_QP_CUR_STATE) && attr->cur_qp_state != from)
		return -EINVAL;
	if (!ib_modify_qp_is_ok(from, to, type_of(qp), mask))
		return -EINVAL;
	/* Only an end comes before what is under way has ended. */
	if (sodp_req_draining(qp) && to != IB_QPS_ERR && to != IB_QPS_RESET)
		return -EBUSY;
	err = check_path(qp, attr, mask);
	return err ?: check_limits(attr, mask);
}

static void set_address(struct sodp_qp *qp, const struct rdma_ah_attr *ah)
{
	/* A new one: what was cached of the old route goes. */
	sodp_flow_destroy(&qp->flow);
	sodp_flow_init(&qp->flow);
	qp->flow.saddr = *sodp_gid_addr(&ah->grh.sgid_attr->gid);
	qp->attr.ah_attr = *ah;
	/* ib_core holds the GID entry, for us as for itself. */
	qp->attr.ah_attr.grh.sgid_attr = NULL;
}

static void set_flow(struct sodp_qp *qp)
{
	struct in6_addr saddr = qp->flow.saddr;

	sodp_flow_set(&qp->flow, qp->dev->net, &qp->attr.ah_attr, &saddr,
		      qp->qpn, qp->dest_qpn);
}

#define COPY(bit, field)                              \
	do {                                          \
		if (mask & (bit))                     \
			qp->attr.field = attr->field; \
	} while (0)

static void set_attributes(struct sodp_qp *qp, const struct ib_qp_attr *attr,
			   int mask)
{
	lockdep_assert_held(&qp->mutex);

	COPY(IB_QP_ACCESS_FLAGS, qp_access_flags);
	COPY(IB_QP_PKEY_INDEX, pkey_index);
	COPY(IB_QP_PORT, port_num);
	COPY(IB_QP_PATH_MTU, path_mtu);
	COPY(IB_QP_TIMEOUT, timeout);
	COPY(IB_QP_RETRY_CNT, retry_cnt);
	COPY(IB_QP_RNR_RETRY, rnr_retry);
	COPY(IB_QP_MIN_RNR_TIMER, min_rnr_timer);
	COPY(IB_QP_MAX_QP_RD_ATOMIC, max_rd_atomic);
	COPY(IB_QP_MAX_DEST_RD_ATOMIC, max_dest_rd_atomic);
	COPY(IB_QP_PATH_MIG_STATE, path_mig_state);
	COPY(IB_QP_DEST_QPN, dest_qp_num);
	COPY(IB_QP_RQ_PSN, rq_psn);
	COPY(IB_QP_SQ_PSN, sq_psn);
	COPY(IB_QP_QKEY, qkey);
	qp->attr.rq_psn &= SODP_PSN_MASK;
	qp->attr.sq_psn &= SODP_PSN_MASK;
	if (mask & IB_QP_PATH_MTU)
		qp->mtu = ib_mtu_enum_to_int(attr->path_mtu);
	if (mask & IB_QP_DEST_QPN)
		qp->dest_qpn = attr->dest_qp_num;
	if (mask & IB_QP_AV)
		set_address(qp, &attr->ah_attr);
	if (mask & (IB_QP_AV | IB_QP_DEST_QPN))
		set_flow(qp);
}
#undef COPY

static void reset(struct sodp_qp *qp)
{
	struct ib_qp_cap cap = qp->attr.cap;

	sodp_req_reset(qp);
	sodp_resp_reset(qp);
	sodp_resp_set_slots(qp, 0);
	memset(&qp->attr, 0, sizeof(qp->attr));
	qp->attr.cap = cap;
	qp->dest_qpn = 0;
}

static void ready_to_receive(struct sodp_qp *qp)
{
	qp->resp.psn = qp->attr.rq_psn;
	/* A datagram is as long as the port allows. */
	if (sodp_qp_is_ud(qp))
		qp->mtu = ib_mtu_enum_to_int(READ_ONCE(qp->dev->mtu));
}

/* What goes with a state, before it is there for others to see. */
static void enter(struct sodp_qp *qp, enum ib_qp_state from,
		  enum ib_qp_state to)
{
	if (to == IB_QPS_RESET)
		reset(qp);
	else if (to == IB_QPS_RTR && from != to)
		ready_to_receive(qp);
	else if (to == IB_QPS_RTS && from == IB_QPS_RTR)
		sodp_req_start(qp);
}

static int apply(struct sodp_qp *qp, const struct ib_qp_attr *attr, int mask,
		 enum ib_qp_state from, enum ib_qp_state to)
{
	int err;

	if ((mask & IB_QP_MAX_DEST_RD_ATOMIC) &&
	    attr->max_dest_rd_atomic != qp->resp.num_slots) {
		err = sodp_resp_set_slots(qp, attr->max_dest_rd_atomic);
		if (err)
			return err;
	}
	set_attributes(qp, attr, mask);
	if (to == IB_QPS_SQD && from != to)
		sodp_req_drain(qp, mask & IB_QP_EN_SQD_ASYNC_NOTIFY &&
					   attr->en_sqd_async_notify);
	enter(qp, from, to);
	if (sodp_qp_move(qp, from, to))
		return 0;
	/*
	 * It went to the error state by itself meanwhile. That is where ERR
	 * leads, and RESET must lead out of; anything else comes too late.
	 */
	if (to == IB_QPS_RESET)
		return sodp_qp_move(qp, IB_QPS_ERR, to) ? 0 : -EINVAL;
	return to == IB_QPS_ERR ? 0 : -EINVAL;
}

int sodp_qp_modify(struct sodp_qp *qp, struct ib_qp_attr *attr, int mask)
{
	enum ib_qp_state from, to;
	int err;

	mutex_lock(&qp->mutex);
	from = sodp_qp_state(qp);
	to = mask & IB_QP_STATE ? attr->qp_state : from;
	err = check(qp, attr, mask, from, to);
	if (err)
		goto out;

	sodp_side_stop(&qp->req.side);
	sodp_side_stop(&qp->resp.side);
	err = apply(qp, attr, mask, from, to);
	sodp_side_start(&qp->resp.side);
	sodp_side_start(&qp->req.side);
	/* What was posted before is there to be sent, or to be flushed. */
	sodp_side_kick(&qp->req.side);
	sodp_side_kick(&qp->resp.side);
out:
	mutex_unlock(&qp->mutex);
	return err;
}

void sodp_qp_query(struct sodp_qp *qp, struct ib_qp_attr *attr,
		   struct ib_qp_init_attr *init)
{
	mutex_lock(&qp->mutex);
	*attr = qp->attr;
	attr->qp_state = sodp_qp_state(qp);
	attr->cur_qp_state = attr->qp_state;
	attr->sq_draining = sodp_req_draining(qp);
	*init = (struct ib_qp_init_attr){
		.event_handler = qp->ibqp.event_handler,
		.qp_context = qp->ibqp.qp_context,
		.send_cq = &qp->scq->ibcq,
		.recv_cq = &qp->rcq->ibcq,
		.srq = qp->srq ? &qp->srq->ibsrq : NULL,
		.cap = qp->attr.cap,
		.sq_sig_type = qp->sq_sig_all ? IB_SIGNAL_ALL_WR :
						IB_SIGNAL_REQ_WR,
		.qp_type = type_of(qp),
		.port_num = 1,
	};
	mutex_unlock(&qp->mutex);
}
