/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef GUEST_RELIABILITY_H
#define GUEST_RELIABILITY_H

#include "common/verbs.h"

enum {
	SLOTS = 16, /* operations outstanding */
	SLOT_SIZE = 64 * 1024,
};

extern struct rd_dev dev;

/* Local slots, then remote slots, then what atomics work on. */
struct area {
	uint8_t *local, *remote, *expected;
	uint64_t *counter;
	size_t size;
	struct ibv_mr *mr;
};

void area_create(struct area *a, bool on_demand);
void area_destroy(struct area *a);

/* Two queue pairs, connected, and memory for them. */
struct rules {
	struct area area;
	struct rd_qp a, b;
};

void rules_begin(struct rules *r, const struct rd_qp_opts *opts);
void rules_end(struct rules *r);
struct rd_op rules_op(struct rules *r, enum ibv_wr_opcode opcode, uint32_t len,
		      uint64_t id);
/* Is the next send completion that one? */
bool next_is(struct rules *r, uint64_t id, int status);

/* stream.c */
void test_stream(unsigned int n);
void test_churn(unsigned int n);
/* slow.c */
void test_slow_memory(void);
/* busy.c */
void test_busy_cpu(unsigned int n);

#endif
