// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Traffic of all kinds with many operations outstanding, and its sudden end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "reliability/reliability.h"

enum {
	COUNTER_ADD = 3,
};

/* --- stream --- */

enum kind {
	WRITE,
	WRITE_IMM,
	SEND,
	SEND_IMM,
	READ,
	FADD,
	KINDS
};

struct slot {
	enum kind kind;
	uint32_t len;
	uint64_t seed;
};

struct stream {
	struct area area;
	struct rd_qp a, b;
	struct slot slots[SLOTS];
	uint64_t head, tail; /* operations posted, completed */
	uint64_t recv_order[SLOTS * 2]; /* ids of SENDs and WRITE_IMMs */
	uint64_t recv_head, recv_tail;
	uint64_t adds;
	uint64_t random;
	bool on_demand;
	unsigned int bad;
};

static uint64_t next_random(struct stream *s)
{
	return s->random = mix64(s->random + 1);
}

static void complain(struct stream *s, uint64_t id, const char *what)
{
	if (s->bad++ < 5)
		tap_note("operation %llu: %s", (unsigned long long)id, what);
}

static uint32_t random_len(struct stream *s)
{
	static const uint32_t lens[] = { 0, 1, 511, 1024, 4096, 4097, 30000 };
	uint64_t r = next_random(s);

	return r % 8 < 7 ? lens[r % 8] : r % SLOT_SIZE;
}

static void post_recv(struct stream *s, uint64_t i)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)s->area.remote + i % SLOTS * SLOT_SIZE,
		.length = SLOT_SIZE,
		.lkey = s->area.mr->lkey,
	};

	if (rd_post_recv(&s->b, &sge, 1, i))
		die("post_recv");
}

static void post_one(struct stream *s)
{
	static const enum ibv_wr_opcode opcodes[KINDS] = {
		IBV_WR_RDMA_WRITE, IBV_WR_RDMA_WRITE_WITH_IMM,
		IBV_WR_SEND,	   IBV_WR_SEND_WITH_IMM,
		IBV_WR_RDMA_READ,  IBV_WR_ATOMIC_FETCH_AND_ADD,
	};
	uint64_t id = s->head++;
	uint32_t i = id % SLOTS;
	struct slot *slot = &s->slots[i];
	uint8_t *local = s->area.local + (size_t)i * SLOT_SIZE;
	uint8_t *remote = s->area.remote + (size_t)i * SLOT_SIZE;
	struct rd_op op = { .id = id,
			    .lkey = s->area.mr->lkey,
			    .rkey = s->area.mr->rkey,
			    .imm = (uint32_t)id };

	slot->kind = next_random(s) % KINDS;
	slot->len = slot->kind == FADD ? 8 : random_len(s);
	slot->seed = next_random(s);
	op.opcode = opcodes[slot->kind];
	op.addr = (uintptr_t)local;
	op.len = slot->len;
	op.raddr = (uintptr_t)remote;
	if (slot->kind == FADD) {
		op.raddr = (uintptr_t)s->area.counter;
		op.compare_add = COUNTER_ADD;
		s->adds++;
	} else if (slot->kind == READ) {
		fill(remote, slot->len, slot->seed);
	} else {
		fill(local, slot->len, slot->seed);
	}
	if (slot->kind == WRITE_IMM || slot->kind == SEND ||
	    slot->kind == SEND_IMM) {
		s->recv_order[s->recv_head++ % (2 * SLOTS)] = id;
		post_recv(s, id);
	}
	if (rd_post(&s->a, &op))
		die("post_send: %s", strerror(errno));
}

static void check_recv(struct stream *s, const struct ibv_wc *wc)
{
	uint64_t want = s->recv_order[s->recv_tail++ % (2 * SLOTS)];

	if (wc->status)
		complain(s, want, ibv_wc_status_str(wc->status));
	else if (wc->wr_id != want)
		complain(s, want, "receives out of order");
	else if (wc->byte_len != s->slots[want % SLOTS].len)
		complain(s, want, "wrong length received");
	else if ((wc->wc_flags & IBV_WC_WITH_IMM) &&
		 wc->imm_data != (uint32_t)want)
		complain(s, want, "wrong immediate");
}

static void check_slot(struct stream *s, uint64_t id)
{
	struct slot *slot = &s->slots[id % SLOTS];
	size_t off = id % SLOTS * SLOT_SIZE;
	uint8_t *target =
		(slot->kind == READ ? s->area.local : s->area.remote) + off;

	if (slot->kind == FADD) {
		uint64_t old;

		memcpy(&old, s->area.local + off, sizeof(old));
		if (old % COUNTER_ADD || old >= s->adds * COUNTER_ADD)
			complain(s, id, "an atomic returned nonsense");
		return;
	}
	fill(s->area.expected + off, slot->len, slot->seed);
	if (first_difference(target, s->area.expected + off, slot->len) >= 0)
		complain(s, id, "wrong bytes");
}

/* The slot starts from zeros again, on demand without any page of its own. */
static void clear_slot(struct stream *s, uint64_t id)
{
	uint8_t *local = s->area.local + id % SLOTS * SLOT_SIZE;
	uint8_t *remote = s->area.remote + id % SLOTS * SLOT_SIZE;

	if (s->on_demand) {
		madvise(local, SLOT_SIZE, MADV_DONTNEED);
		madvise(remote, SLOT_SIZE, MADV_DONTNEED);
	} else {
		memset(local, 0, SLOT_SIZE);
		memset(remote, 0, SLOT_SIZE);
	}
}

static bool complete_one(struct stream *s)
{
	struct ibv_wc wc;
	int status = rd_wait(s->a.scq, &wc, 20000);
	struct slot *slot = &s->slots[s->tail % SLOTS];

	if (status) {
		complain(s, s->tail, rd_status(status));
		return false;
	}
	if (wc.wr_id != s->tail)
		complain(s, s->tail, "completions out of order");
	if (slot->kind == WRITE_IMM || slot->kind == SEND ||
	    slot->kind == SEND_IMM) {
		struct ibv_wc rwc;

		if (rd_wait(s->b.rcq, &rwc, 5000) < 0)
			complain(s, s->tail, "no receive completion");
		else
			check_recv(s, &rwc);
	}
	check_slot(s, s->tail);
	clear_slot(s, s->tail);
	s->tail++;
	return true;
}

static void stream(const char *name, unsigned int n, bool on_demand,
		   const struct rd_qp_opts *opts)
{
	struct stream s = { .random = n + on_demand, .on_demand = on_demand };
	bool alive = true;

	area_create(&s.area, on_demand);
	rd_pair(&s.a, &dev, &s.b, &dev, opts);
	while (alive && s.tail < n) {
		while (s.head < n && s.head - s.tail < SLOTS)
			post_one(&s);
		alive = complete_one(&s);
	}
	if (alive && *s.area.counter != s.adds * COUNTER_ADD)
		complain(&s, n, "atomics lost or repeated");
	tap_result(!s.bad, "%s: %u operations", name, n);
	rd_qp_destroy(&s.a);
	rd_qp_destroy(&s.b);
	area_destroy(&s.area);
}

void test_stream(unsigned int n)
{
	struct rd_qp_opts o = { .rq = 2 * SLOTS, .timeout = 12 };

	stream("stream", n, false, &o);
	o.psn = 0xfffff8;
	stream("stream, PSN wraps", n / 2, false, &o);
	o.rd_atomic = 1;
	stream("stream, one READ or atomic at a time", n / 2, false, &o);
	o.rd_atomic = 0;
	o.mtu = 4096;
	if (dev.odp)
		stream("stream, on demand", n, true, &o);
}

/* --- churn --- */

/* What is in flight when its queue pair goes: packets, faults, timers. */
void test_churn(unsigned int n)
{
	struct rd_qp_opts o = { .rq = 2 * SLOTS, .timeout = 10 };
	uint64_t longest = 0;
	unsigned int bad = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct stream s = { .random = i, .on_demand = dev.odp };
		bool region_first = i % 4 == 1;
		uint64_t start, took;

		area_create(&s.area, dev.odp);
		rd_pair(&s.a, &dev, &s.b, &dev, &o);
		while (s.head < SLOTS)
			post_one(&s);
		for (unsigned int j = 0; j < i % 7; j++)
			complete_one(&s);
		if (i % 3 == 2)
			rd_to_state(&s.a, i % 2 ? IBV_QPS_ERR : IBV_QPS_RESET);
		if (i % 5 == 4)
			sleep_ms(i % 11);
		start = now_ms();
		if (region_first)
			area_destroy(&s.area);
		rd_qp_destroy(i % 2 ? &s.a : &s.b);
		rd_qp_destroy(i % 2 ? &s.b : &s.a);
		if (!region_first)
			area_destroy(&s.area);
		took = now_ms() - start;
		longest = took > longest ? took : longest;
		bad += s.bad;
	}
	/* Nothing of it waits for the wire, a timer or a fault. */
	tap_result(!bad && longest < 3000, "%u queue pairs went, in %llu ms",
		   2 * n, (unsigned long long)longest);
}
