/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef GUEST_RCQP_H
#define GUEST_RCQP_H

#include "case.h"
#include "verbs.h"

#define BUF	(256 * 1024UL)
#define WAIT_MS 20000

/* Two buffers, each one region; the second one is what the peer accesses. */
struct buffers {
	uint8_t *near, *far;
	struct ibv_mr *near_mr, *far_mr;
};

extern struct rd_dev dev;
extern struct buffers bufs;

/* An operation between the buffers; SEND needs a receive posted. */
struct rd_op op_of(enum ibv_wr_opcode opcode, uint32_t len);
/* The next asynchronous event's type within @ms, or -1. It is acknowledged. */
int next_event(unsigned int ms);

extern const struct test state_tests[], data_tests[], event_tests[];

#endif
