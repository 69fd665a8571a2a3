/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the responder share. All of it: owner of the side only. */
#ifndef SODP_XPORT_RESP_H
#define SODP_XPORT_RESP_H

#include "xport/xport.h"

/* What became of the packet at the head of the queue, or of a slice. */
enum sodp_verdict {
	SODP_NEXT, /* done with: take the next */
	SODP_HOLD, /* it met a fault: keep it, end the pass */
	SODP_DROP_ALL, /* answered RNR: what is queued behind was announced */
	SODP_STOP, /* the QP went to the error state */
};

struct sodp_budget {
	int packets;
	int bytes;
};

static inline bool sodp_parked(const struct sodp_park *park)
{
	return park->fault || park->retry;
}

/* --- resp_check.c --- */

/* Is this packet, of the expected PSN, one that may come now? */
bool sodp_resp_check(struct sodp_qp *qp, const struct sodp_pkt *pkt);

/* --- resp_ack.c --- */

void sodp_resp_ack_later(struct sodp_resp *resp, u32 psn);
void sodp_resp_ack_flush(struct sodp_qp *qp);
void sodp_resp_nak_seq(struct sodp_qp *qp);
/*
 * UC: the message that @psn is of comes to nothing, and nobody is told. What is
 * left of it is skipped; its receive WQE serves the next one.
 */
enum sodp_verdict sodp_resp_drop_message(struct sodp_qp *qp, u32 psn);
/*
 * What follows is RC's; of a UC queue pair all but errors of its own memory
 * become that.
 */
/* No receive WQE, or a fault that takes long. */
enum sodp_verdict sodp_resp_rnr(struct sodp_qp *qp);
enum sodp_verdict sodp_resp_rnr_fault(struct sodp_qp *qp);
/*
 * The ends of a connection: @psn is answered, the receive WQE in use (if any)
 * completes with @status, the QP goes to the error state. The other two tell
 * the consumer by an event as well.
 */
void sodp_resp_nak(struct sodp_qp *qp, u32 psn, enum sodp_nak nak);
enum sodp_verdict sodp_resp_fail(struct sodp_qp *qp, u32 psn, enum sodp_nak nak,
				 enum ib_wc_status status);
enum sodp_verdict sodp_resp_invalid(struct sodp_qp *qp, u32 psn);
enum sodp_verdict sodp_resp_denied(struct sodp_qp *qp, u32 psn);

/* --- resp_recv.c: the receive queue --- */

enum sodp_take {
	SODP_TAKE_OK, /* resp->wqe is filled */
	SODP_TAKE_EMPTY,
	SODP_TAKE_BAD, /* resp->wqe has the wr_id only */
};

enum sodp_take sodp_recv_take(struct sodp_qp *qp);
/* Complete the WQE in use. False: the CQ is full; the QP is in error. */
bool sodp_recv_complete(struct sodp_qp *qp, struct ib_uverbs_wc *wc,
			bool solicited);
bool sodp_recv_complete_error(struct sodp_qp *qp, enum ib_wc_status status);
/* In the error state. True: there may be more. */
bool sodp_recv_flush(struct sodp_qp *qp, struct sodp_budget *budget);

/* --- resp_exec.c, resp_read.c --- */

enum sodp_verdict sodp_resp_send(struct sodp_qp *qp, const struct sk_buff *skb);
enum sodp_verdict sodp_resp_write(struct sodp_qp *qp,
				  const struct sk_buff *skb);
enum sodp_verdict sodp_resp_atomic(struct sodp_qp *qp,
				   const struct sodp_pkt *pkt);
/* By a peer's key; see sodp_remote_get(). */
enum sodp_mem_result sodp_resp_reach(struct sodp_qp *qp, u32 rkey, u32 need,
				     u64 va, u64 len,
				     struct sodp_remote *remote);
void sodp_resp_atomic_reply(struct sodp_qp *qp, u32 psn, u64 orig);
/* The request is good and done with: expect what follows its @n PSNs. */
void sodp_resp_accept(struct sodp_qp *qp, const struct sodp_pkt *pkt, u32 n);

/* A new READ request; one that repeats one, or part of it; the next slice. */
enum sodp_verdict sodp_resp_read(struct sodp_qp *qp,
				 const struct sodp_pkt *pkt);
void sodp_resp_reread(struct sodp_qp *qp, const struct sodp_pkt *pkt);
/* What is being read cannot be reached. */
enum sodp_verdict sodp_resp_read_denied(struct sodp_qp *qp);
enum sodp_verdict sodp_resp_read_slice(struct sodp_qp *qp,
				       struct sodp_budget *budget);

/* --- resp_ud.c --- */

enum sodp_verdict sodp_resp_datagram(struct sodp_qp *qp,
				     const struct sk_buff *skb);

/* --- resp_hold.c: the packet that waits for a fault --- */

/* Both consume the miss. The second for the packet at the head. */
enum sodp_verdict sodp_resp_park(struct sodp_qp *qp, struct sodp_miss *miss);
enum sodp_verdict sodp_resp_hold(struct sodp_qp *qp, struct sodp_miss *miss);
/* Empty the queue; how many there were. resp.c */
unsigned int sodp_resp_purge(struct sodp_qp *qp);
/* At the start of a pass. False: nothing can be done before the next kick. */
bool sodp_resp_resume(struct sodp_qp *qp);
/* Waits no more, in whatever way; the queue stays. */
void sodp_resp_unhold(struct sodp_qp *qp);
void sodp_resp_arm(struct sodp_qp *qp, unsigned int ms);

/* --- resp_slot.c: what may be asked for again --- */

struct sodp_resp_slot *sodp_slot_new(struct sodp_resp *resp);
/* The slot that the duplicate @pkt repeats, or part of; NULL: none. */
const struct sodp_resp_slot *sodp_slot_find(const struct sodp_qp *qp,
					    const struct sodp_pkt *pkt);
enum sodp_verdict sodp_resp_duplicate(struct sodp_qp *qp,
				      const struct sodp_pkt *pkt);

#endif
