// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * lossy DEVICE SECONDS: a random mix of operations over a wire that loses and
 * repeats packets. Every byte that a READ brings back must be what was written
 * last, every message must come once and in order, every atomic must count
 * once.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "verbs.h"

enum {
	WAIT = 60000,
	SLOT = 20000, /* longest message */
	SLOTS = 16, /* requests in flight */
};

static struct rd_dev dev;
static struct rd_qp a, b;
static struct ibv_mr *near, *far, *model; /* SLOTS of SLOT; the last is ours */
static uint64_t adds, sends, received, wrong;

static uint8_t *map(void)
{
	uint8_t *p = mmap(NULL, SLOTS * SLOT, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static uint8_t *slot(const struct ibv_mr *mr, unsigned int i)
{
	return (uint8_t *)mr->addr + (i % SLOTS) * SLOT;
}

static void post_recv(unsigned int id)
{
	struct ibv_sge sge = { (uintptr_t)slot(model, id), SLOT, model->lkey };

	if (rd_post_recv(&b, &sge, 1, id))
		die("post_recv");
}

/* One round: writes, sends and adds, then READs of what was written. */
static void post(unsigned int i, enum ibv_wr_opcode opcode, uint32_t len,
		 uint32_t imm)
{
	struct rd_op op = {
		.opcode = opcode,
		.id = i,
		.addr = (uintptr_t)slot(near, i),
		.len = len,
		.lkey = near->lkey,
		.raddr = (uintptr_t)slot(far, i),
		.rkey = far->rkey,
		.imm = htobe32(imm),
		.compare_add = 1,
	};

	if (opcode == IBV_WR_ATOMIC_FETCH_AND_ADD)
		op.raddr = (uintptr_t)slot(far, SLOTS - 1);
	if (rd_post(&a, &op))
		die("post");
}

static void wait_all(unsigned int n)
{
	struct ibv_wc wc;

	for (unsigned int i = 0; i < n; i++) {
		int status = rd_wait(a.scq, &wc, WAIT);

		if (status != IBV_WC_SUCCESS)
			die("request %u: %s", i, rd_status(status));
	}
}

static void take_messages(const uint32_t *len, const uint64_t *seed)
{
	static uint8_t want[SLOT];
	struct ibv_wc wc;

	while (received < sends) {
		unsigned int i = received % SLOTS;

		if (rd_wait(b.rcq, &wc, WAIT) != IBV_WC_SUCCESS)
			die("receive");
		fill(want, len[i], seed[i]);
		if (be32toh(wc.imm_data) != (uint32_t)received ||
		    wc.byte_len != len[i] ||
		    memcmp(want, slot(model, wc.wr_id), len[i]))
			wrong++;
		received++;
		post_recv(wc.wr_id);
	}
}

static void round_of(uint64_t *rnd)
{
	static uint32_t len[SLOTS], sent_len[SLOTS];
	static uint64_t seed[SLOTS], sent_seed[SLOTS];
	static uint8_t want[SLOT];
	unsigned int n = 0;

	for (unsigned int i = 0; i < SLOTS - 1; i++) {
		*rnd = mix64(*rnd + 1);
		len[i] = *rnd % SLOT;
		seed[i] = *rnd << 8;
		fill(slot(near, i), len[i], seed[i]);
		switch (i % 3) {
		case 0:
			post(i, IBV_WR_RDMA_WRITE, len[i], 0);
			break;
		case 1:
			sent_len[sends % SLOTS] = len[i];
			sent_seed[sends % SLOTS] = seed[i];
			post(i, IBV_WR_SEND_WITH_IMM, len[i], sends++);
			break;
		case 2:
			post(i, IBV_WR_ATOMIC_FETCH_AND_ADD, 8, 0);
			adds++;
			break;
		}
		n++;
	}
	wait_all(n);
	take_messages(sent_len, sent_seed);
	for (unsigned int i = 0; i < SLOTS - 1; i += 3) {
		memset(slot(near, i), 0, len[i]);
		post(i, IBV_WR_RDMA_READ, len[i], 0);
	}
	wait_all((SLOTS - 1 + 2) / 3);
	for (unsigned int i = 0; i < SLOTS - 1; i += 3) {
		fill(want, len[i], seed[i]);
		wrong += memcmp(want, slot(near, i), len[i]) != 0;
	}
}

int main(int argc, char **argv)
{
	struct rd_qp_opts opts = { .timeout = 15,
				   .rnr_timer = 14,
				   .psn = 0xfffff0 };
	uint64_t rnd = 1, end, rounds = 0, count;

	if (argc != 3)
		die("usage: %s DEVICE SECONDS", argv[0]);
	rd_open(&dev, argv[1]);
	near = rd_reg(&dev, map(), SLOTS * SLOT, RD_ALL | IBV_ACCESS_ON_DEMAND);
	far = rd_reg(&dev, map(), SLOTS * SLOT, RD_ALL | IBV_ACCESS_ON_DEMAND);
	model = rd_reg(&dev, map(), SLOTS * SLOT, RD_ALL);
	rd_pair(&a, &dev, &b, &dev, &opts);
	for (unsigned int i = 0; i < SLOTS; i++)
		post_recv(i);

	end = now_ms() + strtoul(argv[2], NULL, 0) * 1000;
	while (now_ms() < end) {
		round_of(&rnd);
		rounds++;
	}
	count = *(uint64_t *)slot(far, SLOTS - 1);
	tap_result(!wrong, "%ju rounds: %ju wrong", (uintmax_t)rounds,
		   (uintmax_t)wrong);
	tap_result(count == adds, "%ju atomics, counted %ju", (uintmax_t)adds,
		   (uintmax_t)count);
	tap_result(received == sends, "%ju messages, %ju received",
		   (uintmax_t)sends, (uintmax_t)received);
	tap_result(counter(argv[1], "duplicate_request") &&
			   counter(argv[1], "out_of_seq_request") &&
			   counter(argv[1], "req_retransmits"),
		   "%ju duplicates, %ju out of sequence, %ju retransmits",
		   (uintmax_t)counter(argv[1], "duplicate_request"),
		   (uintmax_t)counter(argv[1], "out_of_seq_request"),
		   (uintmax_t)counter(argv[1], "req_retransmits"));
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
	ibv_dereg_mr(near);
	ibv_dereg_mr(far);
	ibv_dereg_mr(model);
	rd_close(&dev);
	return tap_done();
}
