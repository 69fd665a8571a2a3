/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the requester share. All of it: owner of the side only. */
#ifndef SODP_XPORT_REQ_H
#define SODP_XPORT_REQ_H

#include "xport/xport.h"

enum {
	/*
	 * A long READ goes out as several requests of at most this size (a
	 * multiple of every MTU). That bounds what is asked for again after a
	 * loss, what a probe looks at, and the PSNs in flight.
	 */
	SODP_READ_CHUNK = 1U << 20,
	SODP_READ_WINDOW = 1U << 21, /* PSNs, with the answers to come */
};

/* bits of timer_events */
enum {
	SODP_REQ_TIMEOUT,
	SODP_REQ_RNR_OVER,
};

static inline struct sodp_send_wqe *sodp_req_wqe(const struct sodp_req *req,
						 u32 index)
{
	return req->wqes + index * req->wqe_size;
}

static inline u32 sodp_req_next(const struct sodp_req *req, u32 index)
{
	return (index + 1) & req->ring.mask;
}

static inline bool sodp_wqe_is_read(const struct sodp_send_wqe *wqe)
{
	return wqe->opcode == IB_WR_RDMA_READ;
}

static inline bool sodp_wqe_is_atomic(const struct sodp_send_wqe *wqe)
{
	return wqe->opcode == IB_WR_ATOMIC_CMP_AND_SWP ||
	       wqe->opcode == IB_WR_ATOMIC_FETCH_AND_ADD;
}

/* A cumulative ACK does not answer it: only its own response does. */
static inline bool sodp_wqe_needs_response(const struct sodp_send_wqe *wqe)
{
	return sodp_wqe_is_read(wqe) || sodp_wqe_is_atomic(wqe);
}

/* Keys alone: no packet, no PSN. */
static inline bool sodp_wqe_is_local(const struct sodp_send_wqe *wqe)
{
	return wqe->opcode == IB_WR_LOCAL_INV || wqe->opcode == IB_WR_REG_MR ||
	       wqe->opcode == IB_WR_BIND_MW;
}

static inline bool sodp_req_parked(const struct sodp_req *req)
{
	return req->park.fault || req->park.retry;
}

/* Where the READ request that covers byte @off ends. */
static inline u32 sodp_read_end(const struct sodp_send_wqe *wqe, u32 off)
{
	u64 end = round_down((u64)off, SODP_READ_CHUNK) + SODP_READ_CHUNK;

	return min_t(u64, end, wqe->length);
}

/* --- wqe.c --- */

/* Copy a slot of the shared ring once and validate: wqe->status. */
void sodp_wqe_load(const struct sodp_qp *qp, const void *slot,
		   struct sodp_send_wqe *wqe);

/* --- local.c --- */

/* Carry out a local operation whose turn it is. False: not now. */
bool sodp_req_local(struct sodp_qp *qp, struct sodp_send_wqe *wqe);

/* --- req.c --- */

/* The WQE that @psn belongs to, or NULL. */
struct sodp_send_wqe *sodp_req_find(const struct sodp_req *req, u32 psn);
/* Send again from una on: the answers in flight are not counted upon. */
void sodp_req_rewind(struct sodp_qp *qp);
/* Wait for a fault; nothing from @psn on is sent meanwhile. Takes the miss. */
void sodp_req_park(struct sodp_qp *qp, u32 psn, struct sodp_miss *miss);

/* --- comp.c --- */

/* Take ACKs and responses; true: there are more. */
bool sodp_comp_responses(struct sodp_qp *qp);
/* Complete what is done, in order. False: the QP went to the error state. */
bool sodp_comp_retire(struct sodp_qp *qp);

/* --- retry.c --- */

void sodp_retry_init(struct sodp_qp *qp);
void sodp_retry_stop(struct sodp_qp *qp); /* any context; may still fire */
void sodp_retry_stop_sync(struct sodp_qp *qp);
/* una moved: what counted tries starts again. */
void sodp_retry_progress(struct sodp_qp *qp);
/* What the timers said since the last pass. */
void sodp_retry_events(struct sodp_qp *qp);
/* At the end of a pass: the retry timer runs if an answer is due. */
void sodp_retry_arm(struct sodp_qp *qp);
void sodp_retry_gap(struct sodp_qp *qp); /* an answer is missing */
void sodp_retry_nak(struct sodp_qp *qp); /* NAK: PSN sequence error */
void sodp_retry_rnr(struct sodp_qp *qp, u8 timer);

#endif
