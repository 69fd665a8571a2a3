// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What UC owes: of a message all or nothing, in order, none twice; and what
 * comes to nothing stops nobody. Source and sink are on demand.
 *
 *   uc DEVICE good|lossy [N]
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/verbs.h"

enum {
	SLOTS = 16, /* messages outstanding */
	ROOM = 32 * 1024,
	PATIENCE_MS = 100, /* then a message is taken for lost */
};

static struct rd_dev dev;
static struct rd_qp a, b;
static uint8_t *from, *to;
static struct ibv_mr *from_mr, *to_mr;

static uint32_t length_of(uint32_t seq)
{
	return mix64(seq) % (ROOM - 8) + 8;
}

static void stamp_message(uint8_t *at, uint32_t seq)
{
	fill(at, length_of(seq), seq);
	memcpy(at, &seq, sizeof(seq));
}

static bool is_message(const uint8_t *at, uint32_t seq)
{
	static uint8_t want[ROOM];

	stamp_message(want, seq);
	return !memcmp(at, want, length_of(seq));
}

static uint8_t *slot(uint8_t *base, uint32_t seq)
{
	return base + (size_t)(seq % SLOTS) * ROOM;
}

/* Cold at both ends, every now and then. */
static void cool_down(uint32_t seq)
{
	if (seq % 3 == 0 && (madvise(slot(from, seq), ROOM, MADV_DONTNEED) ||
			     madvise(slot(to, seq), ROOM, MADV_DONTNEED)))
		die("madvise: %s", strerror(errno));
}

static void post_receive(uint32_t id)
{
	struct ibv_sge sge = { (uintptr_t)slot(to, id), ROOM, to_mr->lkey };

	if (rd_post_recv(&b, &sge, 1, id % SLOTS))
		die("post_recv");
}

static void send_one(uint32_t seq, bool write)
{
	struct rd_op op = {
		.opcode = write ? IBV_WR_RDMA_WRITE_WITH_IMM :
				  IBV_WR_SEND_WITH_IMM,
		.id = seq,
		.addr = (uintptr_t)slot(from, seq),
		.len = length_of(seq),
		.lkey = from_mr->lkey,
		.raddr = (uintptr_t)slot(to, seq),
		.rkey = to_mr->rkey,
		.imm = seq,
	};

	cool_down(seq);
	stamp_message(slot(from, seq), seq);
	if (rd_post(&a, &op))
		die("post_send");
	if (rd_wait(a.scq, NULL, 10000))
		die("a send did not complete");
}

/* One at a time. Counts what was lost; false: what came was wrong. */
static bool exchange(uint32_t n, bool write, uint32_t *lost)
{
	struct ibv_wc wc = {};
	uint32_t seq, last = 0;
	bool ok = true;

	for (seq = 1; seq <= n && ok; seq++) {
		const uint8_t *at;

		send_one(seq, write);
		/* A late one may come in its place: the order tells. */
		while (rd_wait(b.rcq, &wc, PATIENCE_MS) == 0) {
			at = write ? slot(to, wc.imm_data) :
				     slot(to, (uint32_t)wc.wr_id);
			ok = ok && wc.imm_data > last && wc.imm_data <= seq &&
			     is_message(at, wc.imm_data) &&
			     (write || wc.byte_len == length_of(wc.imm_data));
			last = wc.imm_data;
			post_receive((uint32_t)wc.wr_id);
			if (last == seq)
				break;
		}
		*lost += last != seq;
	}
	if (!ok)
		tap_note("message %u: got %u of %u bytes, after %u", seq - 1,
			 wc.imm_data, wc.byte_len, last);
	return ok;
}

static void set_up(void)
{
	struct rd_qp_opts o = { .uc = true };
	uint32_t i;

	rd_pair(&a, &dev, &b, &dev, &o);
	for (i = 0; i < SLOTS; i++)
		post_receive(i);
}

static void tear_down(void)
{
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
}

static void test_exchange(uint32_t n, bool write, bool lossy)
{
	uint32_t lost = 0;
	bool ok;

	set_up();
	ok = exchange(n, write, &lost);
	tap_result(ok && (lossy ? lost && lost < n : !lost) &&
			   rd_state(&a) == IBV_QPS_RTS &&
			   rd_state(&b) == IBV_QPS_RTS,
		   "%u %s, all or nothing and in order: %u lost", n,
		   write ? "WRITEs with immediate" : "SENDs", lost);
	tear_down();
}

/* What cannot be carried out is dropped, and the next one is served. */
static void test_dropped(const char *name, void (*spoil)(struct rd_op *op),
			 int status)
{
	struct rd_op op = {
		.opcode = IBV_WR_RDMA_WRITE,
		.addr = (uintptr_t)from,
		.len = 5000,
		.lkey = from_mr->lkey,
		.raddr = (uintptr_t)to,
		.rkey = to_mr->rkey,
	};
	uint32_t lost = 0;
	bool ok;

	set_up();
	memset(from, 0xee, 5000);
	memset(to, 0, ROOM);
	spoil(&op);
	rd_post(&a, &op);
	ok = rd_wait(a.scq, NULL, 10000) == status;
	if (!status)
		ok = ok && exchange(1, false, &lost) && !lost;
	tap_result(ok, "%s", name);
	tear_down();
}

static void bad_rkey(struct rd_op *op)
{
	op->rkey ^= 0x500;
}

static void beyond(struct rd_op *op)
{
	op->raddr = (uintptr_t)to + SLOTS * ROOM - 4999;
}

static void too_long(struct rd_op *op)
{
	op->opcode = IBV_WR_SEND;
	op->len = ROOM + 1;
}

static void a_read(struct rd_op *op)
{
	op->opcode = IBV_WR_RDMA_READ;
}

static void an_atomic(struct rd_op *op)
{
	op->opcode = IBV_WR_ATOMIC_FETCH_AND_ADD;
	op->len = 8;
}

static void bad_lkey(struct rd_op *op)
{
	op->lkey ^= 0x500;
}

/* No receive is there: lost, and the next finds one. */
static void test_not_ready(void)
{
	struct rd_qp_opts o = { .uc = true };
	uint32_t lost = 0;
	bool ok;

	rd_pair(&a, &dev, &b, &dev, &o);
	send_one(1, false);
	ok = rd_wait(b.rcq, NULL, PATIENCE_MS) == -1;
	post_receive(1);
	ok = exchange(1, false, &lost) && !lost && ok;
	tap_result(ok, "without a receive a SEND is lost, and stops nobody");
	tear_down();
}

int main(int argc, char **argv)
{
	int access = RD_ALL;
	bool lossy;
	uint32_t n;

	if (argc < 3)
		die("usage: uc DEVICE good|lossy [N]");
	lossy = !strcmp(argv[2], "lossy");
	n = argc > 3 ? atoi(argv[3]) : 300;
	rd_open(&dev, argv[1]);
	from = mmap(NULL, 2UL * SLOTS * ROOM, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (from == MAP_FAILED)
		die("mmap");
	to = from + SLOTS * ROOM;
	access |= dev.odp ? IBV_ACCESS_ON_DEMAND : 0;
	from_mr = rd_reg(&dev, from, SLOTS * ROOM, access);
	to_mr = rd_reg(&dev, to, SLOTS * ROOM, access);
	test_exchange(n, false, lossy);
	test_exchange(n, true, lossy);
	if (!lossy) {
		test_dropped("a wrong rkey", bad_rkey, 0);
		test_dropped("beyond the region", beyond, 0);
		test_dropped("longer than the receive", too_long, 0);
		test_dropped("a wrong lkey", bad_lkey, IBV_WC_LOC_PROT_ERR);
		test_dropped("a READ", a_read, IBV_WC_LOC_QP_OP_ERR);
		test_dropped("an atomic", an_atomic, IBV_WC_LOC_QP_OP_ERR);
		test_not_ready();
	}
	ibv_dereg_mr(from_mr);
	ibv_dereg_mr(to_mr);
	rd_close(&dev);
	return tap_done();
}
