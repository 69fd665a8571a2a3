// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Chains of requests. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "chain.h"

void chain_open(struct chain *c, struct run *r)
{
	const struct rd_qp_opts opts = { .sq = 128, .rq = 4 };

	c->run = r;
	rd_pair(&c->peer, &r->dev, &c->owner, &r->dev, &opts);
	c->buf = mmap(NULL, CHAIN_MAX * CHAIN_SLOT, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c->buf == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	c->mr = rd_reg(&r->dev, c->buf, CHAIN_MAX * CHAIN_SLOT, RD_ALL);
}

void chain_close(struct chain *c)
{
	rd_qp_destroy(&c->peer);
	rd_qp_destroy(&c->owner);
	if (ibv_dereg_mr(c->mr))
		fail(c->run, "dereg_mr: %s", strerror(errno));
	munmap(c->buf, CHAIN_MAX * CHAIN_SLOT);
}

static bool is_atomic(enum ibv_wr_opcode opcode)
{
	return opcode == IBV_WR_ATOMIC_CMP_AND_SWP ||
	       opcode == IBV_WR_ATOMIC_FETCH_AND_ADD;
}

void *chain_add(struct chain *c, enum ibv_wr_opcode opcode, void *at,
		size_t len, uint32_t rkey)
{
	unsigned int n = c->n++;
	struct ibv_send_wr *wr = &c->wr[n];
	uint8_t *mine = c->buf + n * CHAIN_SLOT;

	if (n >= CHAIN_MAX || len > CHAIN_SLOT)
		die("a chain too long");
	c->sge[n] = (struct ibv_sge){ (uintptr_t)mine, len, c->mr->lkey };
	memset(wr, 0, sizeof(*wr));
	wr->wr_id = n;
	wr->sg_list = &c->sge[n];
	wr->num_sge = 1;
	wr->opcode = opcode;
	if (is_atomic(opcode)) {
		wr->wr.atomic.remote_addr = (uintptr_t)at;
		wr->wr.atomic.rkey = rkey;
	} else {
		wr->wr.rdma.remote_addr = (uintptr_t)at;
		wr->wr.rdma.rkey = rkey;
	}
	if (n)
		c->wr[n - 1].next = wr;
	return mine;
}

uint64_t *chain_swap(struct chain *c, uint64_t *at, uint32_t rkey,
		     uint64_t from, uint64_t to)
{
	uint64_t *mine = chain_add(c, IBV_WR_ATOMIC_CMP_AND_SWP, at, 8, rkey);

	c->wr[c->n - 1].wr.atomic.compare_add = from;
	c->wr[c->n - 1].wr.atomic.swap = to;
	return mine;
}

uint64_t *chain_fetch_add(struct chain *c, uint64_t *at, uint32_t rkey,
			  uint64_t n)
{
	uint64_t *mine = chain_add(c, IBV_WR_ATOMIC_FETCH_AND_ADD, at, 8, rkey);

	c->wr[c->n - 1].wr.atomic.compare_add = n;
	return mine;
}

void chain_write(struct chain *c, uint64_t *at, uint32_t rkey, uint64_t value)
{
	memcpy(chain_add(c, IBV_WR_RDMA_WRITE, at, 8, rkey), &value, 8);
}

static void count(struct chain *c)
{
	uint64_t n[OPS] = {};
	unsigned int i;

	for (i = 0; i < c->n; i++) {
		switch (c->wr[i].opcode) {
		case IBV_WR_RDMA_WRITE:
			n[OP_WRITE]++;
			break;
		case IBV_WR_RDMA_READ:
			n[OP_READ]++;
			break;
		case IBV_WR_ATOMIC_FETCH_AND_ADD:
			n[OP_ADD]++;
			break;
		default:
			n[OP_SWAP]++;
		}
	}
	for (i = 0; i < OPS; i++)
		if (n[i])
			note_ops(c->run, i, n[i]);
	c->accesses += c->n;
}

bool chain_go(struct chain *c)
{
	struct run *r = c->run;
	struct ibv_send_wr *bad;
	uint64_t start = now_ms();
	struct ibv_wc wc = {};
	int status, err;

	if (!c->n)
		return true;
	c->wr[c->n - 1].send_flags = IBV_SEND_SIGNALED;
	err = ibv_post_send(c->peer.qp, c->wr, &bad);
	if (err) {
		fail(r, "post_send: %s", strerror(err));
		return false;
	}
	status = rd_wait(c->peer.scq, &wc, 4 * r->limit_ms);
	if (status) {
		fail(r, "request %llu of %u, opcode %d: %s",
		     (unsigned long long)wc.wr_id, c->n,
		     c->wr[wc.wr_id % CHAIN_MAX].opcode, rd_status(status));
		return false;
	}
	/* Each of them may fault: not all of them are one access. */
	note_time(r, (now_ms() - start) / (1 + c->n / 8),
		  "accesses of a chain");
	count(c);
	c->n = 0;
	return true;
}
