// SPDX-License-Identifier: GPL-2.0
/*
 * Queue pairs: made, found by number, put into the error state, destroyed; and
 * packets on their way to one. Attributes are in modify.c.
 *
 * The table points at handles, which outlive their QP by an RCU grace period:
 * the memory of a QP belongs to ib_core, which frees it when destroy returns,
 * and must not have to wait for a grace period each time.
 */
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "xport/xport.h"

enum {
	FIRST_QPN = 0x11, /* 0 and 1 are special; leave room behind them */
};

struct sodp_qp_handle {
	refcount_t ref; /* the QP itself and lookups */
	struct sodp_qp *qp; /* good with a reference */
	struct rcu_head rcu;
};

/* Numbers are unique in the module: a packet finds its device by its QP. */
static DEFINE_XARRAY_ALLOC(table);
static u32 next_qpn = FIRST_QPN; /* under the table's lock; see alloc_qpn() */

int sodp_qp_table_init(void)
{
	return 0;
}

void sodp_qp_table_exit(void)
{
	WARN_ON(!xa_empty(&table));
	xa_destroy(&table);
}

static struct sodp_qp *get(struct sodp_qp_handle *handle)
{
	if (handle && refcount_inc_not_zero(&handle->ref))
		return handle->qp;
	return NULL;
}

struct sodp_qp *sodp_qp_get(u32 qpn)
{
	struct sodp_qp *qp;

	rcu_read_lock();
	qp = get(xa_load(&table, qpn));
	rcu_read_unlock();
	return qp;
}

struct sodp_qp *sodp_qp_get_gsi(struct sodp_dev *dev)
{
	struct sodp_qp *qp;

	rcu_read_lock();
	qp = get(rcu_dereference(dev->gsi));
	rcu_read_unlock();
	return qp;
}

void sodp_qp_put(struct sodp_qp *qp)
{
	/* Once the count is down without us being last, @qp may be gone. */
	if (refcount_dec_and_test(&qp->handle->ref))
		complete(&qp->released);
}

/* Cyclic, so that packets for a QP that is gone do not reach a new one. */
static int alloc_qpn(struct sodp_qp *qp)
{
	struct sodp_qp_handle *handle;
	int err = 0;

	handle = kzalloc(sizeof(*handle), GFP_KERNEL_ACCOUNT);
	if (!handle)
		return -ENOMEM;
	refcount_set(&handle->ref, 1);
	handle->qp = qp;
	qp->handle = handle;
	/* The entry stays empty until all of the QP is made. */
	if (qp->gsi)
		qp->qpn = SODP_GSI_QPN;
	else
		err = xa_alloc_cyclic(&table, &qp->qpn, NULL,
				      XA_LIMIT(FIRST_QPN, SODP_MCAST_QPN - 1),
				      &next_qpn, GFP_KERNEL_ACCOUNT);
	if (err < 0) {
		kfree(handle);
		return err;
	}
	qp->ibqp.qp_num = qp->qpn;
	return 0;
}

/* From now on packets can find it. Replaces the reserved entry. */
static void publish(struct sodp_qp *qp)
{
	if (qp->gsi)
		rcu_assign_pointer(qp->dev->gsi, qp->handle);
	else
		xa_store(&table, qp->qpn, qp->handle, GFP_KERNEL);
}

static void free_qpn(struct sodp_qp *qp)
{
	if (qp->gsi)
		RCU_INIT_POINTER(qp->dev->gsi, NULL);
	else
		xa_erase(&table, qp->qpn);
	sodp_qp_put(qp);
	/* Lookups in softirqs: each holds it for one bounded pass. */
	wait_for_completion(&qp->released);
	kfree_rcu(qp->handle, rcu);
}

static int check_caps(const struct ib_qp_init_attr *init)
{
	const struct ib_qp_cap *cap = &init->cap;

	if (init->create_flags || init->xrcd || init->rwq_ind_tbl)
		return -EOPNOTSUPP;
	if (!init->send_cq || !init->recv_cq)
		return -EINVAL;
	if (init->sq_sig_type != IB_SIGNAL_ALL_WR &&
	    init->sq_sig_type != IB_SIGNAL_REQ_WR)
		return -EINVAL;
	if (cap->max_send_wr > SODP_MAX_QP_WR ||
	    cap->max_recv_wr > SODP_MAX_QP_WR ||
	    cap->max_send_sge > SODP_MAX_SGE ||
	    cap->max_recv_sge > SODP_MAX_SGE ||
	    cap->max_inline_data > SODP_MAX_INLINE)
		return -EINVAL;
	return 0;
}

/*
 * The layout that the provider expects: behind the WQE there is room for the
 * SGEs or for the inline data, and what is room for one is room for the other.
 */
static int create_rings(struct sodp_qp *qp, struct ib_qp_cap *cap,
			struct ib_ucontext *uctx, struct mminfo *sq_mi,
			struct mminfo *rq_mi)
{
	size_t room = max_t(size_t, cap->max_send_sge * sizeof(struct rxe_sge),
			    cap->max_inline_data);
	int err;

	room = round_up(room, sizeof(struct rxe_sge));
	qp->max_send_sge = room / sizeof(struct rxe_sge);
	qp->max_inline = room;
	qp->max_recv_sge = qp->srq ? qp->srq->max_sge : cap->max_recv_sge;
	err = sodp_ring_create(&qp->req.ring, SODP_RING_CONSUMER,
			       max(cap->max_send_wr, 1U),
			       sizeof(struct rxe_send_wqe) + room, uctx, sq_mi);
	if (err || qp->srq)
		return err;
	err = sodp_ring_create(
		&qp->resp.ring, SODP_RING_CONSUMER, max(cap->max_recv_wr, 1U),
		sizeof(struct rxe_recv_wqe) +
			cap->max_recv_sge * sizeof(struct rxe_sge),
		uctx, rq_mi);
	if (err) {
		sodp_ring_destroy(&qp->req.ring);
		return err;
	}
	return 0;
}

static void get_caps(const struct sodp_qp *qp, struct ib_qp_cap *cap)
{
	*cap = (struct ib_qp_cap){
		.max_send_wr = sodp_ring_capacity(&qp->req.ring),
		.max_recv_wr = sodp_ring_capacity(&qp->resp.ring), /* SRQ: 0 */
		.max_send_sge = qp->max_send_sge,
		.max_recv_sge = qp->srq ? 0 : qp->max_recv_sge,
		.max_inline_data = qp->max_inline,
	};
}

static int create_sides(struct sodp_qp *qp)
{
	int err;

	err = sodp_req_init(qp);
	if (err)
		return err;
	err = sodp_resp_init(qp);
	if (err) {
		sodp_side_stop(&qp->req.side);
		sodp_req_destroy(qp);
	}
	return err;
}

static int service_of(enum ib_qp_type type)
{
	switch (type) {
	case IB_QPT_RC:
		return SODP_SERVICE_RC;
	case IB_QPT_UC:
		return SODP_SERVICE_UC;
	case IB_QPT_UD:
	case IB_QPT_GSI: /* ib_core's, one for each device */
		return SODP_SERVICE_UD;
	default:
		return -EOPNOTSUPP;
	}
}

static void init_fields(struct sodp_qp *qp, const struct ib_qp_init_attr *init,
			bool user)
{
	qp->dev = to_sodp_dev(qp->ibqp.device);
	qp->scq = to_sodp_cq(init->send_cq);
	qp->rcq = to_sodp_cq(init->recv_cq);
	qp->srq = init->srq ? to_sodp_srq(init->srq) : NULL;
	qp->domain = to_sodp_pd(qp->ibqp.pd)->domain;
	qp->recv_domain = qp->srq ? qp->srq->domain : qp->domain;
	qp->sq_sig_all = init->sq_sig_type == IB_SIGNAL_ALL_WR;
	qp->user = user;
	qp->gsi = init->qp_type == IB_QPT_GSI;
	qp->state = IB_QPS_RESET;
	qp->mtu = 256; /* something, until modify says what */
	mutex_init(&qp->mutex);
	spin_lock_init(&qp->state_lock);
	spin_lock_init(&qp->sq_lock);
	spin_lock_init(&qp->rq_lock);
	init_completion(&qp->released);
	sodp_flow_init(&qp->flow);
	sodp_window_user_init(&qp->windows);
}

int sodp_qp_create(struct sodp_qp *qp, struct ib_qp_init_attr *init,
		   struct ib_ucontext *uctx, struct mminfo *sq_mi,
		   struct mminfo *rq_mi)
{
	int service, err;

	service = service_of(init->qp_type);
	if (service < 0)
		return service;
	err = check_caps(init);
	if (err)
		return err;
	init_fields(qp, init, uctx);
	qp->service = service;
	err = create_rings(qp, &init->cap, uctx, sq_mi, rq_mi);
	if (err)
		return err;
	err = create_sides(qp);
	if (err)
		goto free_rings;
	err = alloc_qpn(qp);
	if (err)
		goto free_sides;
	get_caps(qp, &init->cap);
	qp->attr.cap = init->cap;
	publish(qp);
	return 0;

free_sides:
	sodp_side_stop(&qp->req.side);
	sodp_side_stop(&qp->resp.side);
	sodp_req_destroy(qp);
	sodp_resp_destroy(qp);
free_rings:
	sodp_ring_destroy(&qp->req.ring);
	sodp_ring_destroy(&qp->resp.ring);
	return err;
}

/*
 * Nothing here waits for a fault, nor for anything that another process does.
 * The order: no new lookups; those that are there end; then nothing but timers,
 * a fault's end and the CQ's error work can kick a side, and it is stopped.
 */
void sodp_qp_destroy(struct sodp_qp *qp)
{
	free_qpn(qp);
	sodp_side_stop(&qp->req.side);
	sodp_side_stop(&qp->resp.side);
	sodp_req_destroy(qp);
	sodp_resp_destroy(qp);
	sodp_window_user_end(qp->dev->mem, &qp->windows);
	sodp_flow_destroy(&qp->flow);
	sodp_ring_destroy(&qp->req.ring);
	sodp_ring_destroy(&qp->resp.ring);
}

/* --- state --- */

bool sodp_qp_move(struct sodp_qp *qp, enum ib_qp_state from,
		  enum ib_qp_state to)
{
	bool moved;

	spin_lock_bh(&qp->state_lock);
	moved = qp->state == from;
	if (moved)
		/* The attributes go before: pairs with sodp_qp_state(). */
		smp_store_release(&qp->state, to);
	spin_unlock_bh(&qp->state_lock);
	return moved;
}

void sodp_qp_error(struct sodp_qp *qp)
{
	enum ib_qp_state state;

	do {
		state = sodp_qp_state(qp);
		if (state == IB_QPS_ERR || state == IB_QPS_RESET)
			return;
	} while (!sodp_qp_move(qp, state, IB_QPS_ERR));
	sodp_side_kick(&qp->req.side);
	sodp_side_kick(&qp->resp.side);
}

static void error_if_of_cq(struct sodp_qp *qp, const struct sodp_cq *cq)
{
	if (qp->scq == cq || qp->rcq == cq) {
		sodp_qp_error(qp);
		sodp_qp_event(qp, IB_EVENT_QP_FATAL);
	}
	sodp_qp_put(qp);
}

/* Process context: the CQ's error work. */
void sodp_qp_error_all_of_cq(struct sodp_cq *cq)
{
	struct sodp_qp *gsi = sodp_qp_get_gsi(to_sodp_dev(cq->ibcq.device));
	struct sodp_qp_handle *handle;
	unsigned long qpn;

	rcu_read_lock();
	xa_for_each (&table, qpn, handle) {
		if (!refcount_inc_not_zero(&handle->ref))
			continue;
		rcu_read_unlock();
		error_if_of_cq(handle->qp, cq);
		rcu_read_lock();
	}
	rcu_read_unlock();
	if (gsi)
		error_if_of_cq(gsi, cq);
}

/* --- packets --- */

static bool may_receive(const struct sodp_qp *qp, bool request)
{
	switch (sodp_qp_state(qp)) {
	case IB_QPS_RTR:
		return request;
	case IB_QPS_RTS:
	case IB_QPS_SQD:
	case IB_QPS_SQE:
		return true;
	default:
		return false;
	}
}

static bool is_request(struct sk_buff *skb)
{
	return sodp_opcode(sodp_rx_pkt(skb)->opcode)->flags & SODP_IS_REQUEST;
}

/*
 * A packet can still be queued after the state has changed. The pass that it
 * then runs sees the new state and drops it.
 */
bool sodp_xport_queue(struct sodp_qp *qp, struct sk_buff *skb)
{
	bool request = is_request(skb);
	struct sk_buff_head *queue = request ? &qp->resp.rx : &qp->req.rx;
	enum sodp_counter drop;

	if (!may_receive(qp, request)) {
		drop = SODP_CNT_DROP_STATE;
	} else if (skb_queue_len_lockless(queue) >= SODP_RX_QUEUE) {
		drop = SODP_CNT_DROP_QUEUE_FULL;
	} else {
		skb_queue_tail(queue, skb);
		return true;
	}
	sodp_count(qp->dev->counters, drop);
	kfree_skb(skb);
	return false;
}

void sodp_xport_rx(struct sodp_qp *qp, struct sk_buff *skb)
{
	struct sodp_side *side = is_request(skb) ? &qp->resp.side :
						   &qp->req.side;

	if (sodp_xport_queue(qp, skb))
		sodp_side_run(side);
}
