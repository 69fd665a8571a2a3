// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What a requester owes: everything once and in order, whatever the wire does
 * to packets; and a definite error when that cannot be had.
 *
 *   reliability --dev D stream    all operations, many outstanding, random
 *                                 lengths; the wire may lose and reorder
 *   reliability --dev D rules     retries, RNR, errors in order, fences
 *   reliability --dev D churn     queue pairs and regions that go under traffic
 *   reliability --dev D busy      a real-time task has a CPU for itself
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "reliability/reliability.h"

struct rd_dev dev;

void area_create(struct area *a, bool on_demand)
{
	a->size = 2UL * SLOTS * SLOT_SIZE + PAGE;
	a->local = mmap(NULL, a->size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (a->local == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	a->remote = a->local + (size_t)SLOTS * SLOT_SIZE;
	a->counter = (uint64_t *)(a->remote + (size_t)SLOTS * SLOT_SIZE);
	a->expected = calloc(SLOTS, SLOT_SIZE);
	if (!a->expected)
		die("no memory");
	a->mr = rd_reg(&dev, a->local, a->size,
		       RD_ALL | (on_demand ? IBV_ACCESS_ON_DEMAND : 0));
}

void area_destroy(struct area *a)
{
	if (ibv_dereg_mr(a->mr))
		die("dereg_mr: %s", strerror(errno));
	munmap(a->local, a->size);
	free(a->expected);
}

void rules_begin(struct rules *r, const struct rd_qp_opts *opts)
{
	area_create(&r->area, false);
	rd_pair(&r->a, &dev, &r->b, &dev, opts);
}

void rules_end(struct rules *r)
{
	rd_qp_destroy(&r->a);
	rd_qp_destroy(&r->b);
	area_destroy(&r->area);
}

struct rd_op rules_op(struct rules *r, enum ibv_wr_opcode opcode, uint32_t len,
		      uint64_t id)
{
	return (struct rd_op){
		.opcode = opcode,
		.id = id,
		.addr = (uintptr_t)r->area.local + id % SLOTS * SLOT_SIZE,
		.len = len,
		.lkey = r->area.mr->lkey,
		.raddr = (uintptr_t)r->area.remote + id % SLOTS * SLOT_SIZE,
		.rkey = r->area.mr->rkey,
	};
}

bool next_is(struct rules *r, uint64_t id, int status)
{
	struct ibv_wc wc = { 0 };
	int got = rd_wait(r->a.scq, &wc, 10000);

	if (got == status && wc.wr_id == id)
		return true;
	tap_note("wanted %llu %s, got %llu %s", (unsigned long long)id,
		 rd_status(status), (unsigned long long)wc.wr_id,
		 rd_status(got));
	return false;
}

static void test_no_peer(void)
{
	struct rd_qp_opts o = { .timeout = 12, .retry = 3 };
	uint64_t before = counter(dev.name, "req_timeouts");
	uint64_t start, took;
	struct rules r;
	struct rd_op op;
	bool ok;

	rules_begin(&r, &o);
	if (rd_to_state(&r.b, IBV_QPS_RESET))
		die("reset");
	start = now_ms();
	for (int i = 0; i < 3; i++) {
		op = rules_op(&r, IBV_WR_RDMA_WRITE, 5000, i);
		rd_post(&r.a, &op);
	}
	ok = next_is(&r, 0, IBV_WC_RETRY_EXC_ERR);
	took = now_ms() - start;
	ok = ok && next_is(&r, 1, IBV_WC_WR_FLUSH_ERR);
	ok = ok && next_is(&r, 2, IBV_WC_WR_FLUSH_ERR);
	op = rules_op(&r, IBV_WR_SEND, 1, 7);
	rd_post(&r.a, &op);
	ok = ok && next_is(&r, 7, IBV_WC_WR_FLUSH_ERR);
	/* 4 x 16.8 ms at least; how much later is the scheduler's business */
	tap_result(ok && took >= 64 && rd_state(&r.a) == IBV_QPS_ERR &&
			   counter(dev.name, "req_timeouts") - before == 4,
		   "retries end: after %llu ms, %llu time-outs",
		   (unsigned long long)took,
		   (unsigned long long)(counter(dev.name, "req_timeouts") -
					before));
	rules_end(&r);
}

static void test_rnr(void)
{
	struct rd_qp_opts o = { .rnr_retry = 2, .rnr_timer = 14, .retry = 1 };
	uint64_t before = counter(dev.name, "rcvd_rnr_err");
	uint64_t retries = counter(dev.name, "req_timeouts");
	struct rules r;
	struct rd_op op;
	struct ibv_sge sge;
	struct ibv_wc wc;
	bool ok;

	rules_begin(&r, &o);
	op = rules_op(&r, IBV_WR_SEND, 3000, 0);
	rd_post(&r.a, &op);
	ok = next_is(&r, 0, IBV_WC_RNR_RETRY_EXC_ERR);
	tap_result(ok && counter(dev.name, "rcvd_rnr_err") - before == 3,
		   "RNR retries end: %llu RNR NAKs",
		   (unsigned long long)(counter(dev.name, "rcvd_rnr_err") -
					before));
	rules_end(&r);

	o.rnr_retry = 7;
	rules_begin(&r, &o);
	op = rules_op(&r, IBV_WR_SEND, 3000, 0);
	fill(r.area.local, 3000, 1);
	rd_post(&r.a, &op);
	ok = rd_wait(r.a.scq, &wc, 500) == -1;
	sge = (struct ibv_sge){ (uintptr_t)r.area.remote, 3000,
				r.area.mr->lkey };
	rd_post_recv(&r.b, &sge, 1, 0);
	ok = ok && next_is(&r, 0, IBV_WC_SUCCESS) &&
	     first_difference(r.area.local, r.area.remote, 3000) < 0;
	tap_result(ok && counter(dev.name, "req_timeouts") == retries,
		   "RNR for ever waits, and spends no retry");
	rules_end(&r);
}

/* Those before it complete, it fails, those behind it are flushed. */
static void failing(const char *name, int status, bool long_first,
		    void (*spoil)(struct rules *r, struct rd_op *op))
{
	struct rd_qp_opts o = { 0 };
	struct rules r;
	bool ok = true;

	rules_begin(&r, &o);
	for (int i = 0; i < 6; i++) {
		struct rd_op op = rules_op(
			&r, i % 2 ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE,
			long_first ? SLOT_SIZE : 100, i);

		if (i == 3)
			spoil(&r, &op);
		rd_post(&r.a, &op);
	}
	for (int i = 0; i < 6; i++)
		ok = ok && next_is(&r, i,
				   i < 3  ? IBV_WC_SUCCESS :
				   i == 3 ? status :
					    IBV_WC_WR_FLUSH_ERR);
	tap_result(ok && rd_state(&r.a) == IBV_QPS_ERR, "in order: %s%s", name,
		   long_first ? ", long messages" : "");
	rules_end(&r);
}

static void bad_lkey(struct rules *r, struct rd_op *op)
{
	(void)r;
	op->lkey ^= 0x500;
}

static void bad_lkey_write(struct rules *r, struct rd_op *op)
{
	(void)r;
	op->opcode = IBV_WR_RDMA_WRITE;
	op->lkey ^= 0x500;
}

static void bad_rkey(struct rules *r, struct rd_op *op)
{
	(void)r;
	op->rkey ^= 0x500;
}

static void beyond(struct rules *r, struct rd_op *op)
{
	op->opcode = IBV_WR_RDMA_WRITE;
	op->addr = (uintptr_t)r->area.local + r->area.size - op->len + 1;
}

static void bad_opcode(struct rules *r, struct rd_op *op)
{
	(void)r;
	op->opcode = IBV_WR_LOCAL_INV;
}

static void test_errors(void)
{
	for (int i = 0; i < 2; i++) {
		failing("sink with a wrong lkey", IBV_WC_LOC_PROT_ERR, i,
			bad_lkey);
		failing("source with a wrong lkey", IBV_WC_LOC_PROT_ERR, i,
			bad_lkey_write);
		failing("source one byte too long", IBV_WC_LOC_PROT_ERR, i,
			beyond);
		failing("READ with a wrong rkey", IBV_WC_REM_ACCESS_ERR, i,
			bad_rkey);
		failing("an opcode that there is not", IBV_WC_LOC_QP_OP_ERR, i,
			bad_opcode);
	}
}

/* What a READ brings is there for the fenced SEND behind it. */
static void test_fence(unsigned int n)
{
	struct rd_qp_opts o = { .timeout = 12 };
	unsigned int bad = 0;
	struct rules r;
	struct ibv_wc wc;

	rules_begin(&r, &o);
	for (unsigned int i = 0; i < n; i++) {
		struct rd_op read = rules_op(&r, IBV_WR_RDMA_READ, 20000, 0);
		struct rd_op send = rules_op(&r, IBV_WR_SEND, 20000, 0);
		struct ibv_sge sge = { (uintptr_t)r.area.remote + SLOT_SIZE,
				       20000, r.area.mr->lkey };

		fill(r.area.remote, 20000, i);
		memset(r.area.local, 0, 20000);
		send.flags = IBV_SEND_FENCE;
		rd_post_recv(&r.b, &sge, 1, i);
		read.unsignaled = true;
		rd_post(&r.a, &read);
		rd_post(&r.a, &send);
		if (rd_wait(r.a.scq, &wc, 10000) ||
		    rd_wait(r.b.rcq, &wc, 10000) ||
		    first_difference(r.area.remote, r.area.remote + SLOT_SIZE,
				     20000) >= 0)
			bad++;
	}
	tap_result(!bad, "a fenced SEND sends what the READ brought");
	rules_end(&r);
}

/* Unsignaled ones free their slots too; the queue never overflows. */
static void test_unsignaled(void)
{
	struct rd_qp_opts o = { .sq = 32 };
	unsigned int bad = 0;
	struct rules r;

	rules_begin(&r, &o);
	for (unsigned int i = 0; i < 1600; i++) {
		struct rd_op op = rules_op(
			&r, i % 3 ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_READ,
			i % 2000, i);

		op.unsignaled = i % 16 != 15;
		if (rd_post(&r.a, &op))
			bad++;
		if (i % 16 == 15 && !next_is(&r, i, IBV_WC_SUCCESS))
			bad++;
	}
	tap_result(!bad && rd_wait(r.a.scq, NULL, 50) == -1,
		   "unsignaled work requests");
	rules_end(&r);
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[3] : "";
	unsigned int n = argc > 4 ? atoi(argv[4]) : 2000;

	if (argc < 4 || strcmp(argv[1], "--dev"))
		die("usage: reliability --dev D stream|rules|churn|busy [N]");
	rd_open(&dev, argv[2]);
	if (!strcmp(what, "stream")) {
		test_stream(n);
	} else if (!strcmp(what, "churn")) {
		test_churn(n);
	} else if (!strcmp(what, "busy")) {
		test_busy_cpu(n);
	} else {
		test_no_peer();
		test_rnr();
		test_errors();
		test_fence(50);
		test_unsignaled();
		if (dev.odp)
			test_slow_memory();
	}
	rd_close(&dev);
	return tap_done();
}
