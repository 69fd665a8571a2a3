/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transport: RC queue pairs. A QP has two sides, a requester (what we ask of
 * the peer, and its answers) and a responder (what the peer asks of us). Each
 * side has one owner at a time (sched.c); what a side owns needs no lock.
 *
 * Where a side runs: in the softirq that brought the packet, in the task that
 * rang the doorbell (user QPs), else in a work item; always with softirqs off,
 * so a pass never sleeps and never resolves a fault. A pass has a budget.
 */
#ifndef SODP_XPORT_XPORT_H
#define SODP_XPORT_XPORT_H

#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/skbuff.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "dev.h"
#include "mem/mem.h"
#include "net/net.h"
#include "verbs/ring.h"
#include "verbs/verbs.h"
#include "wire/opcode.h"
#include "wire/pkt.h"
#include "wire/psn.h"

enum {
	SODP_PASS_PACKETS = 64, /* budget of one pass ... */
	SODP_PASS_BYTES = 64 * 1024, /* ... whichever ends first */
	SODP_SEND_WINDOW = 128, /* unacknowledged PSNs */
	SODP_ACK_EVERY = 32, /* packets between two requests for an ACK */
	SODP_RX_QUEUE = 512, /* packets that wait for a busy or parked side */
};

struct sodp_qp;

/* --- sched.c: one owner of a side ------------------------------------------ */

enum sodp_step {
	SODP_STEP_IDLE, /* nothing left to do until the next kick */
	SODP_STEP_MORE, /* budget used up: run again, from a work item */
};

struct sodp_side {
	unsigned long flags; /* sched.c: OWNED, PENDING, STOPPED bits */
	struct work_struct work[2]; /* the second: to change CPUs */
	struct timer_list later; /* sodp_side_kick_later() */
	enum sodp_step (*pass)(struct sodp_side *side); /* softirqs are off */
	/*
	 * The pass sets it: what it sent may still be on its way. Then the
	 * side stays on its CPU, because packets queue by CPU on theirs: those
	 * sent from another one could overtake them.
	 */
	bool in_flight;
	int cpu; /* to stay on, or -1 */
	unsigned long since; /* jiffies: when it began to wait for @cpu, or 0 */
	struct sodp_qp *qp; /* that it is a side of */
	struct sodp_region *region; /* used last in this pass, held; owner's */
	/* handover.c; the owner's: */
	struct sodp_side *peer; /* takes this pass's packets; holds its QP */
	bool way_known; /* in this pass */
	bool by_hand; /* the way of its packets, when last asked */
};

/* In its pass: whoever wants that region for himself comes. */
void sodp_side_forget_region(struct sodp_side *side);
void sodp_side_init(struct sodp_side *side, struct sodp_qp *qp,
		    enum sodp_step (*pass)(struct sodp_side *side));
/* There is something to do: soon, from a work item. Any context. */
void sodp_side_kick(struct sodp_side *side);
/*
 * There is something to do: here and now unless the side has an owner, who
 * then sees it. softirq, or task context. At most a few passes, then a work
 * item. Never recurses: a nested call for the same side only marks it.
 */
void sodp_side_run(struct sodp_side *side);
/* Own it and let nobody run it until start. Sleeps; nests not. */
void sodp_side_stop(struct sodp_side *side);
void sodp_side_start(struct sodp_side *side); /* and run what is pending */
/* A kick after @delay jiffies; an earlier one that is still due wins. */
void sodp_side_kick_later(struct sodp_side *side, unsigned long delay);
/* Stopped and nobody kicks any more: end its timer and work item. Sleeps. */
void sodp_side_destroy(struct sodp_side *side);

int sodp_sched_init(void);
void sodp_sched_exit(void);

/* --- sgl.c: scatter/gather over regions ------------------------------------- */

struct sodp_sge {
	u64 addr;
	u32 length;
	u32 lkey;
};

/* Where a copy missed: what a fault needs to know. Holds a region reference. */
struct sodp_miss {
	struct sodp_region *region;
	u64 iova;
	u64 length; /* what the rest of the message needs there */
	bool write;
};

enum sodp_dir {
	SODP_GATHER /* region to buffer */,
	SODP_SCATTER
};

/*
 * Copy @len bytes between @buf and the list, from byte @offset of the list on.
 * In a pass of @side.
 * @domain: whose regions, those of the QP or of its receives.
 * *done counts bytes. On SODP_MEM_FAULT *miss is filled (reference included).
 * BOUNDS: the list is shorter than offset + len, or leaves its region.
 */
enum sodp_mem_result sodp_sgl_copy(struct sodp_side *side, u32 domain,
				   const struct sodp_sge *sge, u32 num_sge,
				   u64 offset, void *buf, u32 len,
				   enum sodp_dir dir, u32 *done,
				   struct sodp_miss *miss);
/* Are the entries of [offset, offset+len) there, with the right to write? */
enum sodp_mem_result sodp_sgl_probe(struct sodp_side *side,
				    const struct sodp_sge *sge, u32 num_sge,
				    u64 offset, u64 len, bool write,
				    struct sodp_miss *miss);

/* --- park.c: a side that waits for a fault -----------------------------------
 */

struct sodp_park {
	struct sodp_fault *fault; /* NULL and !retry: not parked */
	bool retry; /* no memory for a fault: try again at the next kick */
	int result; /* enum sodp_mem_result + 1 when done, else 0; atomic access
		     */
	unsigned long since; /* jiffies */
	struct sodp_side *side; /* kicked when it is done */
};

/* Consumes the miss (its reference). Owner of the side only, as the rest. */
void sodp_park_start(struct sodp_park *park, struct sodp_side *side,
		     struct sodp_miss *miss);
bool sodp_park_waiting(const struct sodp_park *park); /* parked, not done */
/* If done: end it and return true with the result (OK: go on from there). */
bool sodp_park_finish(struct sodp_park *park, enum sodp_mem_result *result);
void sodp_park_abandon(struct sodp_park *park); /* orphan; idempotent */

/* --- packets: pkt.c
 * ------------------------------------------------------------ */

/*
 * skb with the headers of @pkt built and *payload pointing at room for @len
 * bytes (pad zeroed). Fills pkt->pad, pkey, and but for UD qpn with the peer's
 * number. One that is going to be handed over has no headers, but the packet's
 * in skb->cb.
 */
struct sk_buff *sodp_pkt_alloc(struct sodp_qp *qp, struct sodp_pkt *pkt,
			       u32 len, u8 **payload);
/* In the pass that it was allocated in. */
void sodp_pkt_send(struct sodp_qp *qp, struct sk_buff *skb);
/* UD: to another one each time. */
void sodp_pkt_send_to(struct sodp_qp *qp, struct sodp_flow *flow,
		      struct sk_buff *skb);
/* One that was received, and is done with. */
void sodp_pkt_done(struct sk_buff *skb);

/*
 * Was it handed over? Nothing from the wire looks so: what parse.c has passed
 * has a header.
 */
static inline bool sodp_pkt_by_hand(struct sk_buff *skb)
{
	return !sodp_rx_pkt(skb)->hdr_len;
}

/* --- handover.c: to a queue pair of this kernel, without the IP stack
 * ---------- */

/* Will @pkt, which @qp is about to send, go that way? The sender's pass. */
bool sodp_handover(struct sodp_qp *qp, const struct sodp_pkt *pkt);
/* Consumes the skb. */
void sodp_hand_over(struct sodp_qp *qp, struct sk_buff *skb);

/* --- requester: req.c comp.c retry.c
 * -------------------------------------------- */

/* Kernel-private copy of a send WQE, taken once and validated: req.c. */
struct sodp_send_wqe {
	u64 wr_id;
	u32 opcode; /* enum ib_wr_opcode */
	u32 send_flags; /* enum ib_send_flags */
	__be32 imm;
	u32 inv_rkey; /* SEND with invalidate, local invalidate */
	union {
		struct sodp_fast_attr reg; /* fast registration */
		struct sodp_window_bind bind;
		struct {
			u32 rkey;
			u64 remote_addr;
			u64 compare_add;
			u64 swap;
		};
		struct { /* UD */
			u32 ah_number;
			u32 remote_qpn;
			u32 remote_qkey;
		};
	};
	u32 length; /* bytes of the message */
	u32 first_psn; /* valid once it was sent from */
	u32 last_psn;
	u8 num_sge;
	bool has_psn; /* a local operation: it was carried out */
	int status; /* enum ib_wc_status found at validation; 0: good */
	union { /* room behind the struct: max_sge or max_inline */
		DECLARE_FLEX_ARRAY(struct sodp_sge, sge);
		DECLARE_FLEX_ARRAY(u8, inline_data);
	};
};

struct sodp_req {
	struct sodp_side side;
	struct sk_buff_head rx; /* ACKs and responses from the wire */
	struct sodp_ring
		ring; /* the send queue; ring.index: oldest incomplete */
	void *wqes; /* sodp_ring_capacity + 1 private WQEs of wqe_size bytes */
	size_t wqe_size;
	u32 fetch; /* ring index: next to copy in */
	u32 send; /* ring index: being sent; ring.index .. fetch */
	u32 send_off; /* bytes of it already sent (READ: requested) */
	u32 psn; /* next PSN to send; rewound by go-back-N */
	u32 psn_max; /* first PSN never sent yet */
	u32 una; /* oldest unacknowledged PSN */
	u32 window; /* unacknowledged PSNs allowed: SODP_SEND_WINDOW, less
		     * after a loss */
	u32 since_ack_req; /* packets */
	u32 rd_atomic; /* READs and atomics in flight */
	u8 retries; /* left */
	u8 rnr_retries; /* left */
	bool rnr_wait; /* until the RNR timer fires */
	bool gone_back; /* for a gap at una: once until una moves or a timeout */
	u32 asked; /* behind the last PSN sent that must bring an answer */
	unsigned long since; /* jiffies: una moved or an answer was asked for */
	unsigned long timer_events; /* bits set by timers, taken by the pass */
	struct timer_list retry_timer;
	struct timer_list rnr_timer;
	struct sodp_park park;
	u32 park_psn; /* nothing from here on is sent while it waits */
	u8 probes; /* faults for the sinks of the request that is next */
	bool drained; /* in SQD: nothing is under way any more */
	bool drain_notify; /* by an event */
	bool reread; /* the park is for a READ/atomic sink: ask again after it */
};

enum sodp_step sodp_req_pass(struct sodp_side *side);
/* Private WQEs (the ring must exist), timers, side, rx queue. */
int sodp_req_init(struct sodp_qp *qp);
void sodp_req_reset(struct sodp_qp *qp); /* side is stopped */
void sodp_req_destroy(struct sodp_qp *qp); /* side is stopped, no kicks */
/* RTR -> RTS: from attr.sq_psn and the retry counts; side is stopped. */
void sodp_req_start(struct sodp_qp *qp);
/* RTS -> SQD; side is stopped. */
void sodp_req_drain(struct sodp_qp *qp, bool notify);
/* In SQD, and something is still under way. Any context. */
bool sodp_req_draining(const struct sodp_qp *qp);
/* comp.c: a completion (fills qp_num, opcode, ...). False: the CQ is full. */
bool sodp_complete_send(struct sodp_qp *qp, const struct sodp_send_wqe *wqe,
			enum ib_wc_status status, u32 byte_len);

/* --- responder: resp*.c; what they share among themselves is in resp.h
 * ------------ */

/* One READ or atomic that the peer may ask for again: resp_slot.c. */
struct sodp_resp_slot {
	bool valid;
	u8 opcode; /* SODP_RC_READ_REQUEST, _CMP_SWAP, _FETCH_ADD */
	u32 first_psn, last_psn;
	u64 va;
	u32 rkey;
	u32 length; /* READ */
	u64 orig; /* atomic: replayed, not repeated */
};

/* Kernel-private copy of the receive WQE in use. */
struct sodp_recv_wqe {
	u64 wr_id;
	u64 length;
	u32 num_sge;
	struct sodp_sge sge[SODP_MAX_SGE];
};

struct sodp_resp {
	struct sodp_side side;
	struct sk_buff_head rx; /* requests from the wire */
	struct sodp_ring ring; /* the receive queue */
	u32 psn; /* expected */
	u32 msn;
	u32 ack_psn; /* what the ACK that is due acknowledges */
	bool ack_due; /* cumulative ACK at the end of the pass */
	bool nak_sent; /* sequence NAK out: silent until the PSN comes */
	bool rnr_sent; /* RNR NAK out: later PSNs were announced as dropped */
	u8 rnr_backoff; /* of the fault that is answered RNR */
	bool established; /* IB_EVENT_COMM_EST was raised */
	bool in_message; /* between FIRST and LAST */
	u32 msg_class; /* SODP_IS_SEND or SODP_IS_WRITE: of that message */
	/* message in progress */
	u64 va; /* WRITE: next address */
	u32 rkey;
	u32 length; /* WRITE: of the message */
	u32 resid; /* WRITE: bytes still to come */
	u32 received; /* SEND: bytes of it so far */
	bool have_wqe; /* wqe is in use; its slot, if of our ring, is its index */
	struct sodp_recv_wqe *wqe;
	/* the packet at the head of rx, when it met a fault */
	bool held; /* it stays there */
	unsigned long held_since; /* jiffies */
	u32 pkt_done; /* bytes of it already placed */
	u8 probes; /* READ: faults resolved before the first response */
	/* the fault's end, until the request it was for is there: or OK */
	enum sodp_mem_result failed;
	/* READ responses in slices */
	struct sodp_resp_slot *slots; /* max_dest_rd_atomic of them */
	u32 num_slots;
	u32 slot_head; /* the next to use, the oldest */
	struct sodp_resp_slot read; /* being answered, if read.valid */
	u32 read_off; /* bytes of it sent */
	u32 read_psn; /* of the next response */
	unsigned long answered; /* jiffies of the last READ or atomic response */
	bool read_waits; /* the park is for its next bytes */
	bool read_again; /* it was asked for before */
	bool last_told; /* ERR, with an SRQ: that no receive is left */
	unsigned int flush_ms; /* between two polls of the ring in ERR */
	struct timer_list hold_timer; /* a fault or an ERR flush poll is due */
	struct sodp_park park;
};

enum sodp_step sodp_resp_pass(struct sodp_side *side);
int sodp_resp_init(struct sodp_qp *qp);
int sodp_resp_set_slots(struct sodp_qp *qp, u32 n); /* max_dest_rd_atomic */
void sodp_resp_reset(struct sodp_qp *qp);
void sodp_resp_destroy(struct sodp_qp *qp);

/* --- queue pair: qp.c modify.c
 * --------------------------------------------------------------- */

struct sodp_qp {
	struct ib_qp ibqp; /* first */
	struct sodp_dev *dev;
	struct sodp_qp_handle *handle; /* what the table points at: qp.c */
	struct completion released; /* by the last put */
	struct mutex mutex; /* serialises modify, query and destroy */
	spinlock_t state_lock; /* bh; protects changes of state */
	enum ib_qp_state state; /* read with sodp_qp_state() */
	/*
	 * Attributes: written by modify with both sides stopped, read by the
	 * sides without a lock.
	 */
	struct ib_qp_attr attr;
	struct sodp_flow flow;
	u32 qpn;
	u32 dest_qpn;
	u32 mtu; /* bytes */
	u32 domain; /* of its PD */
	u32 recv_domain; /* of the receives': the SRQ's if there is one */
	enum sodp_service service;
	bool sq_sig_all;
	bool user; /* driven by a doorbell */
	bool gsi; /* number 1, for management datagrams */
	spinlock_t sq_lock, rq_lock; /* irq; kernel users that post */
	u32 max_send_sge, max_recv_sge, max_inline;
	struct sodp_cq *scq, *rcq;
	struct sodp_srq *srq; /* or NULL: resp.ring has the receives */
	struct sodp_window_user windows; /* that it has bound */
	struct sodp_req req;
	struct sodp_resp resp;
};

static inline struct sodp_qp *to_sodp_qp(struct ib_qp *ibqp)
{
	return container_of(ibqp, struct sodp_qp, ibqp);
}

static inline bool sodp_qp_is_rc(const struct sodp_qp *qp)
{
	return qp->service == SODP_SERVICE_RC;
}

static inline bool sodp_qp_is_ud(const struct sodp_qp *qp)
{
	return qp->service == SODP_SERVICE_UD;
}

static inline enum ib_qp_state sodp_qp_state(const struct sodp_qp *qp)
{
	/* Pairs with set_state() in qp.c: the attributes go before the state. */
	return smp_load_acquire(&qp->state);
}

/*
 * modify.c: RoCEv2, and both ends of one kind of address; @group: it may be
 * that of a multicast group. 0 or an errno.
 */
int sodp_check_address(const struct rdma_ah_attr *ah, bool group);

/* For verbs/qp.c; process context. */
int sodp_qp_create(struct sodp_qp *qp, struct ib_qp_init_attr *init,
		   struct ib_ucontext *uctx, struct mminfo *sq_mi,
		   struct mminfo *rq_mi);
int sodp_qp_modify(struct sodp_qp *qp, struct ib_qp_attr *attr, int mask);
void sodp_qp_query(struct sodp_qp *qp, struct ib_qp_attr *attr,
		   struct ib_qp_init_attr *init);
void sodp_qp_destroy(struct sodp_qp *qp);

/* Reference by number, module-wide unique. Any context up to softirq. */
struct sodp_qp *sodp_qp_get(u32 qpn);
/* The one of a device that management datagrams go to, or NULL. */
struct sodp_qp *sodp_qp_get_gsi(struct sodp_dev *dev);
void sodp_qp_put(struct sodp_qp *qp);
int sodp_qp_table_init(void);
void sodp_qp_table_exit(void);

/* To the error state, once; both sides flush. Any context up to softirq. */
void sodp_qp_error(struct sodp_qp *qp);
/* From one state to another, if it still is in the first. */
bool sodp_qp_move(struct sodp_qp *qp, enum ib_qp_state from,
		  enum ib_qp_state to);
/* cq.c's overflow work: every QP that uses @cq to the error state. */
void sodp_qp_error_all_of_cq(struct sodp_cq *cq);

/* rx.c hands over a checked packet; consumes the skb. softirq. The QP is
 * referenced by the caller. Requests go to the responder, responses to the
 * requester; a full queue drops (counted). */
void sodp_xport_rx(struct sodp_qp *qp, struct sk_buff *skb);
/* The same but for the run. False: dropped. */
bool sodp_xport_queue(struct sodp_qp *qp, struct sk_buff *skb);

/* --- event.c
 * -------------------------------------------------------------------------- */

void sodp_qp_event(struct sodp_qp *qp, enum ib_event_type type);

#endif
