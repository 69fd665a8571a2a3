/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the parts of mw.c share. */
#ifndef GUEST_MW_H
#define GUEST_MW_H

#include "common/case.h"
#include "common/verbs.h"

enum {
	LEN = 16 * 4096, /* of the region */
	AT = 3 * 4096 + 104, /* the window in it */
	SIZE = 2 * 4096 + 40,
	PATIENCE_MS = 10000,
	RW = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE,
	ALL = RW | IBV_ACCESS_REMOTE_ATOMIC,
};

extern struct rd_dev dev;
extern struct rd_qp peer, owner; /* connected */
extern uint8_t *mem, *local;
extern struct ibv_mr *mr, *local_mr;

static inline uint64_t at(uint64_t offset)
{
	return (uintptr_t)mem + offset;
}

/* --- the owner --- */

struct ibv_mw *make(enum ibv_mw_type type);
void drop(struct ibv_mw *mw);
/* The completion's status, or -errno. */
int bind_1(struct rd_qp *q, struct ibv_mw *mw, struct ibv_mr *to, uint64_t addr,
	   uint64_t len, int access);
int bind_2(struct rd_qp *q, struct ibv_mw *mw, struct ibv_mr *to, uint64_t addr,
	   uint64_t len, int access);
void must_bind(struct ibv_mw *mw, uint64_t offset, uint64_t len, int access);
int invalidate(struct rd_qp *q, uint32_t key);
/* Around what may be written, and what is written. */
void fresh(void);
/* Nobody has written but in [offset, offset + len). */
void check_around(uint64_t offset, uint64_t len);

/* --- the peer: the completion's status; after an error both are connected anew
 */

int ended(struct rd_qp *from, struct rd_qp *to, int status);
int try_op(struct rd_qp *from, struct rd_qp *to, enum ibv_wr_opcode opcode,
	   uint64_t raddr, uint32_t len, uint32_t key);
int try_write(uint64_t offset, uint32_t len, uint32_t key);
int try_read(uint64_t offset, uint32_t len, uint32_t key);
int try_add(uint64_t offset, uint32_t key);

#define REFUSED(call)                                                 \
	do {                                                          \
		int status_ = (call);                                 \
		check(status_ == IBV_WC_REM_ACCESS_ERR, #call ": %s", \
		      rd_status(status_));                            \
	} while (0)
#define TAKEN(call)                                                \
	do {                                                       \
		int status_ = (call);                              \
		check(!status_, #call ": %s", rd_status(status_)); \
	} while (0)

#endif
