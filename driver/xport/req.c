// SPDX-License-Identifier: GPL-2.0
/*
 * The requester: work requests become packets. What comes back is comp.c, what
 * does not come back is retry.c.
 *
 * PSNs: una <= psn <= psn_max. una is the oldest that is not acknowledged; psn
 * is sent next, and goes back to una when something was lost; psn_max was
 * never sent. WQEs get their PSNs in the order of the ring, once.
 *
 * A WQE with a status waits for its turn: nothing behind it is sent, and it
 * completes when it is the oldest one.
 *
 * UC and UD: nobody answers. una moves with psn, so a message is complete when
 * its last packet is sent; no window, no timers, nothing is sent again.
 */
#include <linux/slab.h>

#include "obs/trace.h"
#include "xport/req.h"

enum {
	PROBE_TRIES =
		4, /* faults for the sinks of one request, plus its SGEs */
	ON_THEIR_WAY = HZ / 50 + 1, /* jiffies that packets may be queued */
};

struct budget {
	int packets;
	int bytes;
};

/* --- where we are --- */

struct sodp_send_wqe *sodp_req_find(const struct sodp_req *req, u32 psn)
{
	u32 i;

	for (i = req->ring.index; i != req->fetch; i = sodp_req_next(req, i)) {
		struct sodp_send_wqe *wqe = sodp_req_wqe(req, i);

		if (!wqe->has_psn)
			return NULL;
		if (sodp_psn_diff(psn, wqe->last_psn) <= 0)
			return sodp_psn_diff(psn, wqe->first_psn) >= 0 ? wqe :
									 NULL;
	}
	return NULL;
}

void sodp_req_rewind(struct sodp_qp *qp)
{
	struct sodp_req *req = &qp->req;
	u32 i;

	req->psn = req->una;
	req->asked = req->una;
	req->since_ack_req = 0;
	req->rd_atomic = 0;
	req->send_off = 0;
	for (i = req->ring.index; i != req->fetch; i = sodp_req_next(req, i)) {
		struct sodp_send_wqe *wqe = sodp_req_wqe(req, i);

		if (!wqe->has_psn)
			break;
		if (sodp_psn_diff(req->una, wqe->last_psn) <= 0) {
			req->send_off = qp->mtu *
					sodp_psn_diff(req->una, wqe->first_psn);
			break;
		}
	}
	req->send = i;
}

void sodp_req_park(struct sodp_qp *qp, u32 psn, struct sodp_miss *miss)
{
	struct sodp_req *req = &qp->req;

	trace_park(qp->qpn, false, sodp_region_key(miss->region), miss->iova,
		   miss->length, miss->write);
	sodp_count(qp->dev->counters, SODP_CNT_REQ_PARKS);
	req->park_psn = psn;
	sodp_park_start(&req->park, &req->side, miss);
}

static void end_park(struct sodp_qp *qp)
{
	struct sodp_req *req = &qp->req;
	enum sodp_mem_result result;
	struct sodp_send_wqe *wqe;

	if (!sodp_park_finish(&req->park, &result))
		return;
	trace_resume(qp->qpn, false, result);
	if (result == SODP_MEM_OK)
		return;
	wqe = sodp_req_find(req, req->park_psn);
	if (wqe)
		wqe->status = IB_WC_LOC_PROT_ERR;
}

/* --- WQEs from the ring --- */

static bool fetch_one(struct sodp_qp *qp)
{
	struct sodp_req *req = &qp->req;
	u32 next = sodp_req_next(req, req->fetch);

	/* The producer index may claim anything: never lap the oldest one. */
	if (next == req->ring.index || !sodp_ring_avail(&req->ring, req->fetch))
		return false;
	sodp_wqe_load(qp, sodp_ring_slot(&req->ring, req->fetch),
		      sodp_req_wqe(req, req->fetch));
	req->fetch = next;
	return true;
}

static void give_psn(struct sodp_qp *qp, struct sodp_send_wqe *wqe)
{
	u32 n = 1;

	if (wqe->has_psn)
		return;
	if (!sodp_wqe_is_atomic(wqe))
		n = sodp_psn_count(wqe->length, qp->mtu);
	wqe->first_psn = qp->req.psn;
	wqe->last_psn = sodp_psn_add(qp->req.psn, n - 1);
	wqe->has_psn = true;
}

/* --- packets --- */

/* @psns PSNs are on their way, @bytes of the WQE with them. */
static void sent(struct sodp_qp *qp, const struct sodp_send_wqe *wqe, u32 psns,
		 u32 bytes, bool ask)
{
	struct sodp_req *req = &qp->req;

	req->psn = sodp_psn_add(req->psn, psns);
	if (sodp_psn_diff(req->psn, req->psn_max) > 0)
		req->psn_max = req->psn;
	if (ask) {
		if (sodp_psn_diff(req->asked, req->una) <= 0)
			req->since = jiffies;
		req->asked = req->psn;
		req->since_ack_req = 0;
	}
	if (!sodp_qp_is_rc(qp)) {
		req->una = req->psn;
		req->asked = req->psn;
		req->since = jiffies;
	}
	req->probes = 0;
	req->send_off += bytes;
	if (req->send_off == wqe->length || sodp_wqe_is_atomic(wqe)) {
		req->send = sodp_req_next(req, req->send);
		req->send_off = 0;
	}
}

/* Memory did not let us go on. */
static void blocked(struct sodp_qp *qp, struct sodp_send_wqe *wqe,
		    enum sodp_mem_result result, struct sodp_miss *miss)
{
	if (result != SODP_MEM_FAULT) {
		wqe->status = IB_WC_LOC_PROT_ERR;
		return;
	}
	/* Waiting already, for something later: one fault at a time. */
	if (sodp_req_parked(&qp->req)) {
		sodp_region_put(miss->region);
		return;
	}
	qp->req.reread = false;
	sodp_req_park(qp, qp->req.psn, miss);
}

static u8 data_opcode(const struct sodp_send_wqe *wqe, bool first, bool last)
{
	bool imm = wqe->opcode == IB_WR_SEND_WITH_IMM ||
		   wqe->opcode == IB_WR_RDMA_WRITE_WITH_IMM;
	bool write = wqe->opcode == IB_WR_RDMA_WRITE ||
		     wqe->opcode == IB_WR_RDMA_WRITE_WITH_IMM;
	u8 opcode = write ? SODP_RC_WRITE_FIRST : SODP_RC_SEND_FIRST;

	if (last && wqe->opcode == IB_WR_SEND_WITH_INV)
		return first ? SODP_RC_SEND_ONLY_INV : SODP_RC_SEND_LAST_INV;
	/* FIRST, MIDDLE, LAST, LAST_IMM, ONLY, ONLY_IMM */
	if (!last)
		return opcode + !first;
	return opcode + (first ? 4 : 2) + imm;
}

static bool want_ack(struct sodp_req *req, bool last)
{
	u32 in_flight = sodp_psn_diff(req->psn, req->una) + 1;

	return last || ++req->since_ack_req >= SODP_ACK_EVERY ||
	       in_flight >= req->window;
}

static enum sodp_mem_result gather(struct sodp_qp *qp,
				   const struct sodp_send_wqe *wqe, u8 *payload,
				   u32 n, struct sodp_miss *miss)
{
	u32 off = qp->req.send_off;
	u32 done;

	if (wqe->send_flags & IB_SEND_INLINE) {
		memcpy(payload, wqe->inline_data + off, n);
		return SODP_MEM_OK;
	}
	return sodp_sgl_copy(&qp->req.side, qp->domain, wqe->sge, wqe->num_sge,
			     off, payload, n, SODP_GATHER, &done, miss);
}

/* The high bit of the Q_Key says: that of the queue pair (IBTA 10.2.5). */
static void address_datagram(const struct sodp_qp *qp,
			     const struct sodp_send_wqe *wqe,
			     struct sodp_pkt *pkt)
{
	pkt->qpn = wqe->remote_qpn;
	pkt->src_qpn = qp->qpn;
	pkt->qkey = wqe->remote_qkey & BIT(31) ? qp->attr.qkey :
						 wqe->remote_qkey;
}

/* False: the work request names no address of this protection domain. */
static bool transmit(struct sodp_qp *qp, const struct sodp_send_wqe *wqe,
		     struct sk_buff *skb)
{
	struct sodp_dest *dest;

	if (!sodp_qp_is_ud(qp)) {
		sodp_pkt_send(qp, skb);
		return true;
	}
	dest = sodp_dest_get(wqe->ah_number, qp->domain);
	if (!dest) {
		kfree_skb(skb);
		return false;
	}
	sodp_pkt_send_to(qp, &dest->flow, skb);
	sodp_dest_put(dest);
	return true;
}

/* One packet of a SEND or WRITE. False: no further now. */
static bool send_data(struct sodp_qp *qp, struct sodp_send_wqe *wqe,
		      struct budget *budget)
{
	struct sodp_req *req = &qp->req;
	u32 n = min(wqe->length - req->send_off, qp->mtu);
	bool first = !req->send_off;
	bool last = req->send_off + n == wqe->length;
	struct sodp_pkt pkt = {
		.opcode = qp->service + data_opcode(wqe, first, last),
		.solicited = last && (wqe->send_flags & IB_SEND_SOLICITED),
		.psn = req->psn,
	};
	enum sodp_mem_result result;
	struct sodp_miss miss;
	struct sk_buff *skb;
	u8 *payload;

	if (sodp_qp_is_ud(qp))
		address_datagram(qp, wqe, &pkt);
	if (sodp_opcode(pkt.opcode)->flags & SODP_HAS_RETH) {
		pkt.va = wqe->remote_addr;
		pkt.rkey = wqe->rkey;
		pkt.dma_len = wqe->length;
	}
	if (last) {
		pkt.imm = wqe->imm;
		pkt.inv_rkey = wqe->inv_rkey;
	}
	pkt.ack_req = sodp_qp_is_rc(qp) && want_ack(req, last);

	skb = sodp_pkt_alloc(qp, &pkt, n, &payload);
	if (!skb) {
		sodp_side_kick_later(&req->side, 1);
		return false;
	}
	result = gather(qp, wqe, payload, n, &miss);
	if (result != SODP_MEM_OK) {
		kfree_skb(skb);
		blocked(qp, wqe, result, &miss);
		return false;
	}
	if (!transmit(qp, wqe, skb)) {
		wqe->status = IB_WC_LOC_QP_OP_ERR;
		return false;
	}
	sent(qp, wqe, 1, n, pkt.ack_req);
	budget->bytes -= n;
	return true;
}

/*
 * The sinks are made ready before the request goes out, within reason: memory
 * that cannot stay in all at once must not keep us from trying.
 */
static bool sinks_ready(struct sodp_qp *qp, struct sodp_send_wqe *wqe, u32 n)
{
	struct sodp_req *req = &qp->req;
	enum sodp_mem_result result;
	struct sodp_miss miss;

	if (req->probes > wqe->num_sge + PROBE_TRIES)
		return true;
	result = sodp_sgl_probe(&req->side, wqe->sge, wqe->num_sge,
				req->send_off, n, true, &miss);
	if (result == SODP_MEM_OK)
		return true;
	req->probes++;
	blocked(qp, wqe, result, &miss);
	return false;
}

static void fill_request(const struct sodp_req *req,
			 const struct sodp_send_wqe *wqe, u32 n,
			 struct sodp_pkt *pkt)
{
	pkt->rkey = wqe->rkey;
	pkt->va = wqe->remote_addr;
	switch (wqe->opcode) {
	case IB_WR_RDMA_READ:
		pkt->opcode = SODP_RC_READ_REQUEST;
		pkt->va += req->send_off;
		pkt->dma_len = n;
		break;
	case IB_WR_ATOMIC_CMP_AND_SWP:
		pkt->opcode = SODP_RC_CMP_SWAP;
		pkt->compare = wqe->compare_add;
		pkt->swap_add = wqe->swap;
		break;
	case IB_WR_ATOMIC_FETCH_AND_ADD:
		pkt->opcode = SODP_RC_FETCH_ADD;
		pkt->swap_add = wqe->compare_add;
		break;
	}
}

/* A READ request for the next chunk, or an atomic. False: no further now. */
static bool send_request(struct sodp_qp *qp, struct sodp_send_wqe *wqe)
{
	struct sodp_req *req = &qp->req;
	struct sodp_pkt pkt = { .psn = req->psn, .ack_req = 1 };
	struct sk_buff *skb;
	u32 psns = 1;
	u32 n;

	n = sodp_read_end(wqe, req->send_off) - req->send_off;
	if (sodp_wqe_is_read(wqe))
		psns = sodp_psn_count(n, qp->mtu);
	if (!sinks_ready(qp, wqe, n))
		return false;
	fill_request(req, wqe, n, &pkt);
	skb = sodp_pkt_alloc(qp, &pkt, 0, NULL);
	if (!skb) {
		sodp_side_kick_later(&req->side, 1);
		return false;
	}
	if (req->reread && req->psn == req->park_psn) {
		sodp_count(qp->dev->counters, SODP_CNT_REQ_REREADS);
		req->reread = false;
	}
	sodp_pkt_send(qp, skb);
	req->rd_atomic++;
	sent(qp, wqe, psns, n, true);
	return true;
}

/* --- the send loop --- */

static bool may_send(const struct sodp_qp *qp, const struct sodp_send_wqe *wqe)
{
	const struct sodp_req *req = &qp->req;
	u32 in_flight = sodp_psn_diff(req->psn, req->una);

	if (wqe->status || req->rnr_wait)
		return false;
	/* What was sent before the park may have to be sent again. */
	if (sodp_req_parked(req) && sodp_psn_diff(req->psn, req->park_psn) >= 0)
		return false;
	if ((wqe->send_flags & IB_SEND_FENCE) && !req->send_off &&
	    req->rd_atomic)
		return false;
	if (!sodp_wqe_needs_response(wqe))
		return in_flight < req->window;
	/* After a loss READs come one by one: their answers are long. */
	if (req->window < SODP_SEND_WINDOW && in_flight >= req->window)
		return false;
	return in_flight < SODP_READ_WINDOW &&
	       req->rd_atomic < qp->attr.max_rd_atomic;
}

/* Draining: what was begun is finished, nothing is begun. IBTA 10.3.1.5. */
static bool may_begin(const struct sodp_qp *qp)
{
	return sodp_qp_state(qp) == IB_QPS_RTS;
}

/* True: the budget ended it. */
static bool send_loop(struct sodp_qp *qp)
{
	struct sodp_req *req = &qp->req;
	bool begin = may_begin(qp);
	struct budget budget = {
		.packets = SODP_PASS_PACKETS,
		.bytes = SODP_PASS_BYTES,
	};

	for (;;) {
		struct sodp_send_wqe *wqe;
		bool more;

		if (req->send == req->fetch && !(begin && fetch_one(qp)))
			return false;
		wqe = sodp_req_wqe(req, req->send);
		if (!(begin || wqe->has_psn) || !may_send(qp, wqe))
			return false;
		if (budget.packets-- <= 0 || budget.bytes <= 0)
			return true;
		if (sodp_wqe_is_local(wqe)) {
			if (!sodp_req_local(qp, wqe))
				return false;
			continue;
		}
		give_psn(qp, wqe);
		if (sodp_wqe_needs_response(wqe))
			more = send_request(qp, wqe);
		else
			more = send_data(qp, wqe, &budget);
		if (!more)
			return false;
	}
}

/* In the error state everything posted ends, what is in the ring as well. */
static enum sodp_step flush(struct sodp_qp *qp)
{
	struct sodp_req *req = &qp->req;
	int budget = SODP_PASS_PACKETS;

	skb_queue_purge(&req->rx);
	sodp_park_abandon(&req->park);
	sodp_retry_stop(qp);
	while (budget--) {
		struct sodp_send_wqe *wqe;

		if (req->ring.index == req->fetch && !fetch_one(qp))
			return SODP_STEP_IDLE;
		wqe = sodp_req_wqe(req, req->ring.index);
		/* First the slot, then the news: the poster reuses it. */
		sodp_ring_release(&req->ring, 1);
		req->send = req->fetch;
		sodp_complete_send(qp, wqe, IB_WC_WR_FLUSH_ERR, 0);
	}
	return SODP_STEP_MORE;
}

/* For UC the order of packets is all there is: one overtaken is one lost. */
static bool may_be_queued(const struct sodp_qp *qp)
{
	if (sodp_qp_is_rc(qp))
		return qp->req.una != qp->req.psn_max;
	return time_before(jiffies, qp->req.since + ON_THEIR_WAY);
}

static void tell_drained(struct sodp_qp *qp)
{
	struct sodp_req *req = &qp->req;

	if (sodp_qp_state(qp) != IB_QPS_SQD || req->drained)
		return;
	if (req->ring.index != req->fetch &&
	    sodp_req_wqe(req, req->ring.index)->has_psn)
		return;
	WRITE_ONCE(req->drained, true); /* pairs with sodp_req_draining() */
	if (req->drain_notify)
		sodp_qp_event(qp, IB_EVENT_SQ_DRAINED);
}

enum sodp_step sodp_req_pass(struct sodp_side *side)
{
	struct sodp_qp *qp = container_of(side, struct sodp_qp, req.side);
	bool more;

	lockdep_assert_once(in_softirq()); /* or bottom halves are off */
	side->in_flight = false;
	switch (sodp_qp_state(qp)) {
	case IB_QPS_RTS:
	case IB_QPS_SQD:
		break;
	case IB_QPS_ERR:
		return flush(qp);
	default:
		skb_queue_purge(&qp->req.rx);
		return SODP_STEP_IDLE;
	}

	/* Answers first: a timer may have fired while they were waiting. */
	more = sodp_comp_responses(qp);
	sodp_retry_events(qp);
	end_park(qp);
	if (!sodp_comp_retire(qp))
		return SODP_STEP_MORE; /* to flush */
	more |= send_loop(qp);
	if (!sodp_comp_retire(qp))
		return SODP_STEP_MORE;
	sodp_retry_arm(qp);
	tell_drained(qp);
	side->in_flight = may_be_queued(qp);
	return more ? SODP_STEP_MORE : SODP_STEP_IDLE;
}

/* --- life --- */

int sodp_req_init(struct sodp_qp *qp)
{
	struct sodp_req *req = &qp->req;
	size_t room = max_t(size_t, qp->max_inline,
			    qp->max_send_sge * sizeof(struct sodp_sge));

	req->wqe_size = ALIGN(sizeof(struct sodp_send_wqe) + room, sizeof(u64));
	req->wqes = kvcalloc(sodp_ring_capacity(&req->ring) + 1, req->wqe_size,
			     GFP_KERNEL_ACCOUNT);
	if (!req->wqes)
		return -ENOMEM;
	skb_queue_head_init(&req->rx);
	sodp_retry_init(qp);
	sodp_side_init(&req->side, qp, sodp_req_pass);
	return 0;
}

void sodp_req_start(struct sodp_qp *qp)
{
	struct sodp_req *req = &qp->req;

	req->una = qp->attr.sq_psn & SODP_PSN_MASK;
	req->psn = req->una;
	req->psn_max = req->una;
	req->asked = req->una;
	req->window = SODP_SEND_WINDOW;
	sodp_retry_progress(qp);
}

void sodp_req_drain(struct sodp_qp *qp, bool notify)
{
	qp->req.drain_notify = notify;
	WRITE_ONCE(qp->req.drained, false);
}

bool sodp_req_draining(const struct sodp_qp *qp)
{
	/* pairs with tell_drained() */
	return sodp_qp_state(qp) == IB_QPS_SQD && !READ_ONCE(qp->req.drained);
}

void sodp_req_reset(struct sodp_qp *qp)
{
	struct sodp_req *req = &qp->req;

	sodp_retry_stop_sync(qp);
	sodp_park_abandon(&req->park);
	skb_queue_purge(&req->rx);
	sodp_ring_reset(&req->ring);
	req->fetch = req->ring.index;
	req->send = req->ring.index;
	req->send_off = 0;
	req->since_ack_req = 0;
	req->rd_atomic = 0;
	req->probes = 0;
	req->reread = false;
}

void sodp_req_destroy(struct sodp_qp *qp)
{
	struct sodp_req *req = &qp->req;

	sodp_retry_stop_sync(qp);
	sodp_park_abandon(&req->park);
	sodp_side_destroy(&req->side);
	skb_queue_purge(&req->rx);
	kvfree(req->wqes);
	req->wqes = NULL;
}
