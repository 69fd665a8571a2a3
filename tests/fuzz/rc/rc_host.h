/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A device on the host with queue pairs: the driver's own mem/, xport/, wire/,
 * rings, CQ and receive path; a made-up mm; and a wire that only moves when the
 * test moves it. Everything is made anew for each input, and nothing may be
 * left of it.
 */
#ifndef RC_HOST_H
#define RC_HOST_H

#include "mem_test.h"
#include "rc_kernel.h"

#include "dev.h"
#include "xport/xport.h"

#define RC_IP(n) (htonl(0x0a090000u + (n)))

enum {
	RC_PEER =
		99, /* last byte of the address of a peer that is no QP here */
	RC_PEER_QPN = 0xabcdef,
	RC_AH = 1, /* the only address handle: to RC_PEER */
	RC_QKEY = 0x11111111,
	RC_DOMAIN = 1, /* bed's: what reg_at() registers in */
};

struct rc_attr {
	enum ib_mtu mtu;
	int access;
	u32 rq_psn, sq_psn, dest_qpn;
	u8 dest; /* last byte of its address */
	u8 dest_rd_atomic, rd_atomic, min_rnr_timer, timeout, retry, rnr_retry;
};

/* A queue pair with a CQ of its own. */
struct rc_end {
	struct sodp_cq cq;
	struct sodp_qp *qp;
	enum ib_qp_type type;
	u8 ip; /* last byte */
	u32 cq_seen; /* our consumer index */
	u32 sq_posted, rq_posted;
	unsigned int events[8]; /* enum ib_event_type */
};

extern struct bed *rc_bed;
extern struct sodp_dev rc_dev;
/* What was sent and not taken yet; skb->data is BTH up to the ICRC's room. */
extern struct sk_buff_head rc_wire;

void rc_up(void);
void rc_down(void);
/* @slots: of each queue, rounded up. False: no memory. */
bool rc_open(struct rc_end *end, enum ib_qp_type type, u8 ip, u32 slots,
	     u32 sges, u32 inline_bytes);
void rc_close(struct rc_end *end);
/* From RESET to RTS, or as far as @upto. */
bool rc_connect(struct rc_end *end, const struct rc_attr *attr,
		enum ib_qp_state upto);
bool rc_modify(struct rc_end *end, enum ib_qp_state to);

/* A datagram with @len bytes from the BTH on; @flip is xored into its ICRC. */
void rc_deliver(const u8 *bth, size_t len, u8 from, u8 to, u32 flip);
/* The next packet of the wire, as sent; NULL: none. Ours to free. */
struct sk_buff *rc_take(void);
void rc_doorbell(struct rc_end *end);
/* The slot that a provider would fill next, and its publication. */
struct rxe_send_wqe *rc_send_slot(struct rc_end *end);
struct rxe_recv_wqe *rc_recv_slot(struct rc_end *end);
void rc_post_send(struct rc_end *end);
void rc_post_recv(struct rc_end *end);
/* A completion, copied out; false: none. */
bool rc_poll(struct rc_end *end, struct ib_uverbs_wc *wc);
/* Time passes, and what is due happens. */
void rc_pass(unsigned long ms);
/* At most so many work items. */
void rc_work(unsigned int most);

#endif
