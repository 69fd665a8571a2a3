/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Per-device counters, shown by `rdma statistic show link` and in
 * /sys/class/infiniband/DEV/ports/1/hw_counters. One list makes the enum and
 * the names, so that they cannot drift apart.
 *
 * Per-CPU; sodp_count() may be called from any context.
 */
#ifndef SODP_OBS_COUNTERS_H
#define SODP_OBS_COUNTERS_H

#include <linux/percpu.h>
#include <linux/types.h>

/* C(enum suffix, name that user space sees) */
#define SODP_COUNTERS(C)                                                       \
	/* memory: driver/mem */                                               \
	C(PAGE_FAULTS, "page_faults") /* fault objects started */              \
	C(PAGE_FAULTS_HANDLED, "page_faults_handled") /* pages installed */    \
	C(PAGE_FAULTS_FAILED, "page_faults_failed") /* ended in an error */    \
	C(PAGE_FAULTS_RETRIED, "page_faults_retried") /* lost to a fence */    \
	C(PAGE_FAULTS_DELAYED, "page_faults_delayed") /* waited for a slot */  \
	C(PAGE_INVALIDATIONS, "page_invalidations") /* hooks over a region */  \
	C(PAGE_INVALIDATIONS_HANDLED,                                          \
	  "page_invalidations_handled") /* pages */                            \
	C(FENCE_HOOKS, "fence_hooks") /* start hooks, all of them */           \
	/* of those, by the event that the kernel says it is */                \
	C(HOOK_UNMAP, "hook_unmap") /* munmap, mremap: the VMA goes */         \
	C(HOOK_CLEAR, "hook_clear") /* the page goes or another comes */       \
	C(HOOK_PROTECTION_VMA, "hook_protection_vma") /* mprotect */           \
	C(HOOK_PROTECTION_PAGE, "hook_protection_page") /* fork, writeback */  \
	C(HOOK_SOFT_DIRTY, "hook_soft_dirty")                                  \
	C(HOOK_MIGRATE, "hook_migrate") /* to a device's own memory */         \
	C(HOOK_EXCLUSIVE, "hook_exclusive")                                    \
	C(HOOK_OTHER, "hook_other") /* an event that we do not know */         \
	C(HOOK_NONBLOCK, "hook_nonblock") /* ... that must not sleep */        \
	C(HOOK_RELEASE, "hook_release") /* an owner's mm went: exit, exec */   \
	C(FENCE_WAITS, "fence_waits") /* start hooks that found a transfer */  \
	C(FENCE_OVERFLOWS, "fence_overflows") /* ranges put into the hull */   \
	C(PAGE_PREFETCH, "page_prefetch") /* pages asked for by prefetch */    \
	C(LEAVES_FREED, "table_leaves_freed")                                  \
	/* requester */                                                        \
	C(TX_PACKETS, "sent_pkts")                                             \
	C(HANDED_OVER,                                                         \
	  "handed_over_pkts") /* of these, without the IP stack */             \
	C(TX_ERRORS, "send_err")                                               \
	C(RETRANSMITS, "req_retransmits") /* go-back-N rewinds */              \
	C(TIMEOUTS, "req_timeouts")                                            \
	C(RETRY_EXCEEDED, "retry_exceeded_err")                                \
	C(RNR_RETRY_EXCEEDED, "retry_rnr_exceeded_err")                        \
	C(RX_RNR, "rcvd_rnr_err") /* RNR NAKs received */                      \
	C(RX_SEQ_NAK, "rcvd_seq_err") /* NAK: PSN sequence error received */   \
	C(RX_REM_NAK, "rcvd_remote_err") /* fatal NAKs received */             \
	C(REQ_PARKS, "req_parks") /* requester waits for a fault */            \
	C(REQ_REREADS, "req_rereads") /* READ re-requested after a park */     \
	/* responder */                                                        \
	C(RX_PACKETS, "rcvd_pkts")                                             \
	C(RX_ECN, "np_ecn_marked_roce_packets") /* of these: CE */             \
	C(TX_RNR, "sent_rnr_err") /* RNR NAKs sent, any cause */               \
	C(TX_RNR_FAULT, "sent_rnr_fault") /* of these: for a slow fault */     \
	C(RESP_PARKS, "resp_parks") /* responder waits for a fault */          \
	C(DUPLICATES, "duplicate_request")                                     \
	C(OUT_OF_SEQ, "out_of_seq_request")                                    \
	C(RNR_DROPS,                                                           \
	  "rnr_announced_drops") /* dropped after our own RNR NAK */           \
	C(DROP_MESSAGE, "drop_message") /* UC: began, and came to nothing */   \
	C(TX_SEQ_NAK, "sent_seq_err")                                          \
	C(TX_INV_NAK, "sent_invalid_request_err")                              \
	C(TX_ACC_NAK, "sent_remote_access_err")                                \
	C(TX_OP_NAK, "sent_remote_operation_err")                              \
	C(ACKS_COALESCED, "acks_coalesced")                                    \
	/* drops by cause, driver/net and driver/wire */                       \
	C(DROP_SHORT, "drop_short_packet")                                     \
	C(DROP_ICRC, "drop_icrc_error")                                        \
	C(DROP_HEADER, "drop_bad_header") /* version, pad, length that lies */ \
	C(DROP_OPCODE, "drop_bad_opcode")                                      \
	C(DROP_PKEY, "drop_bad_pkey")                                          \
	C(DROP_QKEY, "drop_bad_qkey")                                          \
	C(DROP_QPN, "drop_unknown_qp")                                         \
	C(DROP_ADDRESS, "drop_wrong_address") /* not this QP's peer */         \
	C(DROP_STATE, "drop_qp_state")                                         \
	C(DROP_QUEUE_FULL, "drop_queue_full")                                  \
	C(DROP_STRAY_ACK, "drop_stray_ack") /* response nobody waits for */    \
	/* user-shared rings */                                                \
	C(RING_REJECTS, "ring_rejects") /* WQEs that failed validation */      \
	C(CQ_OVERFLOWS, "cq_overflows")

enum sodp_counter {
#define C(id, name) SODP_CNT_##id,
	SODP_COUNTERS(C)
#undef C
	SODP_CNT_NUM
};

struct sodp_counters {
	u64 v[SODP_CNT_NUM];
};

static inline void sodp_count_n(struct sodp_counters __percpu *c,
				enum sodp_counter id, u64 n)
{
	this_cpu_add(c->v[id], n);
}

static inline void sodp_count(struct sodp_counters __percpu *c,
			      enum sodp_counter id)
{
	sodp_count_n(c, id, 1);
}

u64 sodp_counter_read(struct sodp_counters __percpu *c, enum sodp_counter id);
extern const char *const sodp_counter_names[SODP_CNT_NUM];

#endif
