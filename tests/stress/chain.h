/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Requests posted as one list and waited for together, by a peer of its own. */
#ifndef STRESS_CHAIN_H
#define STRESS_CHAIN_H

#include "stress.h"

#define CHAIN_MAX  80
#define CHAIN_SLOT 128 /* bytes of a request, at most */

struct chain {
	struct run *run;
	struct rd_qp peer, owner;
	uint8_t *buf;
	struct ibv_mr *mr;
	struct ibv_send_wr wr[CHAIN_MAX];
	struct ibv_sge sge[CHAIN_MAX];
	unsigned int n;
	uint64_t accesses; /* that are done */
};

void chain_open(struct chain *c, struct run *r);
void chain_close(struct chain *c);
/*
 * Each appends a request; the result is where its local bytes are. They stay
 * there until the first request of the next chain.
 */
void *chain_add(struct chain *c, enum ibv_wr_opcode opcode, void *at,
		size_t len, uint32_t rkey);
uint64_t *chain_swap(struct chain *c, uint64_t *at, uint32_t rkey,
		     uint64_t from, uint64_t to);
uint64_t *chain_fetch_add(struct chain *c, uint64_t *at, uint32_t rkey,
			  uint64_t n);
void chain_write(struct chain *c, uint64_t *at, uint32_t rkey, uint64_t value);
static inline void *chain_read(struct chain *c, void *at, uint32_t rkey,
			       size_t len)
{
	return chain_add(c, IBV_WR_RDMA_READ, at, len, rkey);
}
/* Posts them and waits for the end; anything but success is a failure. */
bool chain_go(struct chain *c);

#endif
