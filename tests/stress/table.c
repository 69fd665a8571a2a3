// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Every way in which a region can be used: each of them must fault, and put
 * or find every byte in its place.
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stress.h"

#define PAGES 8
#define ROOM  (PAGES * PAGE)

struct bench {
	struct run *run;
	struct rd_qp peer, owner;
	uint8_t *at, *buf, *want; /* the field; the peer's; its content */
	struct ibv_mr *mr, *buf_mr;
	struct ibv_mw *mw[2]; /* of both types, bound to all of the field */
	uint32_t rkey; /* of the field, or of a window */
	unsigned int off, len;
	uint64_t version;
};

/* A use: the status of its completion. Both buffers were filled before. */
struct use {
	const char *name;
	int (*fn)(struct bench *b);
	enum op op;
	unsigned int len; /* 0: any */
	bool sent; /* the field's content goes to buf; else buf's to it */
	bool word; /* an atomic, which judges itself */
	unsigned int window; /* of this type, or 0 */
};

static int do_op(struct bench *b, struct rd_qp *q, struct rd_op *op)
{
	return rd_do(q, op, 10 * b->run->limit_ms);
}

static struct rd_op into(struct bench *b, enum ibv_wr_opcode opcode)
{
	return (struct rd_op){
		.opcode = opcode,
		.addr = (uintptr_t)b->buf + b->off,
		.len = b->len,
		.lkey = b->buf_mr->lkey,
		.raddr = (uintptr_t)b->at + b->off,
		.rkey = b->rkey,
	};
}

static struct rd_op from(struct bench *b, enum ibv_wr_opcode opcode)
{
	return (struct rd_op){
		.opcode = opcode,
		.addr = (uintptr_t)b->at + b->off,
		.len = b->len,
		.lkey = b->mr->lkey,
		.raddr = (uintptr_t)b->buf + b->off,
		.rkey = b->buf_mr->rkey,
	};
}

static int write_target(struct bench *b)
{
	struct rd_op op = into(b, IBV_WR_RDMA_WRITE);

	return do_op(b, &b->peer, &op);
}

static int read_source(struct bench *b)
{
	struct rd_op op = into(b, IBV_WR_RDMA_READ);

	return do_op(b, &b->peer, &op);
}

static int write_source(struct bench *b)
{
	struct rd_op op = from(b, IBV_WR_RDMA_WRITE);

	return do_op(b, &b->owner, &op);
}

static int read_sink(struct bench *b)
{
	struct rd_op op = from(b, IBV_WR_RDMA_READ);

	return do_op(b, &b->owner, &op);
}

/* A message and its receive; the worse of both. */
static int message(struct bench *b, struct rd_qp *from_q, struct rd_qp *to_q,
		   struct rd_op *op, struct ibv_sge *sge, int n)
{
	int status, err;
	struct ibv_wc wc;

	err = rd_post_recv(to_q, sge, n, 1);
	if (err)
		die("post_recv: %s", strerror(err));
	status = do_op(b, from_q, op);
	if (status)
		return status;
	return rd_wait(to_q->rcq, &wc, 10 * b->run->limit_ms);
}

static int send_source(struct bench *b)
{
	struct rd_op op = from(b, IBV_WR_SEND);
	struct ibv_sge sge = { (uintptr_t)b->buf + b->off, b->len,
			       b->buf_mr->lkey };

	return message(b, &b->owner, &b->peer, &op, &sge, 1);
}

static int receive(struct bench *b)
{
	struct rd_op op = into(b, IBV_WR_SEND);
	struct ibv_sge sge = { (uintptr_t)b->at + b->off, b->len, b->mr->lkey };

	return message(b, &b->peer, &b->owner, &op, &sge, 1);
}

static int receive_imm(struct bench *b)
{
	struct rd_op op = into(b, IBV_WR_SEND_WITH_IMM);
	struct ibv_sge sge = { (uintptr_t)b->at + b->off, b->len, b->mr->lkey };

	return message(b, &b->peer, &b->owner, &op, &sge, 1);
}

/* Its pages are faulted in several pieces. */
static int receive_pieces(struct bench *b)
{
	struct rd_op op = into(b, IBV_WR_SEND);
	uintptr_t at = (uintptr_t)b->at + b->off;
	uint32_t third = b->len / 3, key = b->mr->lkey;
	struct ibv_sge sge[3] = { { at, third, key },
				  { at + third, third, key },
				  { at + 2 * third, b->len - 2 * third, key } };

	return message(b, &b->peer, &b->owner, &op, sge, 3);
}

static int send_pieces(struct bench *b)
{
	struct rd_op op = from(b, IBV_WR_RDMA_WRITE);
	uintptr_t at = (uintptr_t)b->at + b->off;
	uint32_t third = b->len / 3, key = b->mr->lkey;
	struct ibv_sge sge[3] = { { at, third, key },
				  { at + third, third, key },
				  { at + 2 * third, b->len - 2 * third, key } };

	op.sge = sge;
	op.num_sge = 3;
	return do_op(b, &b->owner, &op);
}

static int write_imm(struct bench *b)
{
	struct rd_op op = into(b, IBV_WR_RDMA_WRITE_WITH_IMM);

	return message(b, &b->peer, &b->owner, &op, NULL, 0);
}

/* What was there, what is added; both the target and where the old one goes. */
static int atomic(struct bench *b, enum ibv_wr_opcode opcode, bool on_target)
{
	uint64_t *target = (uint64_t *)((on_target ? b->at : b->buf) + b->off);
	uint64_t *result = (uint64_t *)((on_target ? b->buf : b->at) + b->off);
	struct rd_op op = on_target ? into(b, opcode) : from(b, opcode);
	uint64_t old, want;
	int status;

	memcpy(&old, on_target ? b->want + b->off : b->buf + b->off, 8);
	op.compare_add = opcode == IBV_WR_ATOMIC_FETCH_AND_ADD ? 7 : old;
	op.swap = ~old;
	want = opcode == IBV_WR_ATOMIC_FETCH_AND_ADD ? old + 7 : ~old;
	status = do_op(b, on_target ? &b->peer : &b->owner, &op);
	if (!status && (*target != want || *result != old))
		fail(b->run, "an atomic made %#llx of %#llx, and found %#llx",
		     (unsigned long long)*target, (unsigned long long)old,
		     (unsigned long long)*result);
	return status;
}

static int add_target(struct bench *b)
{
	return atomic(b, IBV_WR_ATOMIC_FETCH_AND_ADD, true);
}

static int swap_target(struct bench *b)
{
	return atomic(b, IBV_WR_ATOMIC_CMP_AND_SWP, true);
}

static int add_result(struct bench *b)
{
	return atomic(b, IBV_WR_ATOMIC_FETCH_AND_ADD, false);
}

static int swap_result(struct bench *b)
{
	return atomic(b, IBV_WR_ATOMIC_CMP_AND_SWP, false);
}

static const struct use uses[] = {
	{ "WRITE target", write_target, OP_WRITE, 0, false, false, 0 },
	{ "WRITE with immediate", write_imm, OP_WRITE, 0, false, false, 0 },
	{ "READ source", read_source, OP_READ, 0, true, false, 0 },
	{ "WRITE source", write_source, OP_WRITE_FROM, 0, true, false, 0 },
	{ "WRITE source in pieces", send_pieces, OP_WRITE_FROM, 0, true, false,
	  0 },
	{ "READ sink", read_sink, OP_READ_INTO, 0, false, false, 0 },
	{ "SEND source", send_source, OP_SEND_FROM, 0, true, false, 0 },
	{ "receive buffer", receive, OP_SEND, 0, false, false, 0 },
	{ "receive buffer, immediate", receive_imm, OP_SEND, 0, false, false,
	  0 },
	{ "receive buffer in pieces", receive_pieces, OP_SEND, 0, false, false,
	  0 },
	{ "FETCH_ADD target", add_target, OP_ADD, 8, false, true, 0 },
	{ "CMP_SWAP target", swap_target, OP_SWAP, 8, false, true, 0 },
	{ "FETCH_ADD result", add_result, OP_ADD, 8, false, true, 0 },
	{ "CMP_SWAP result", swap_result, OP_SWAP, 8, false, true, 0 },
	{ "WRITE, window of type 1", write_target, OP_WRITE, 0, false, false,
	  1 },
	{ "READ, window of type 1", read_source, OP_READ, 0, true, false, 1 },
	{ "FETCH_ADD, window of type 1", add_target, OP_ADD, 8, false, true,
	  1 },
	{ "WRITE, window of type 2", write_target, OP_WRITE, 0, false, false,
	  2 },
	{ "WRITE with immediate, window of type 2", write_imm, OP_WRITE, 0,
	  false, false, 2 },
	{ "READ, window of type 2", read_source, OP_READ, 0, true, false, 2 },
	{ "CMP_SWAP, window of type 2", swap_target, OP_SWAP, 8, false, true,
	  2 },
};

/* --- the field --------------------------------------------------- */

/* Not there for the device: in a file, and the mapping has been given up. */
static void make_cold(struct bench *b, int file)
{
	fill(b->want, ROOM, ++b->version);
	fill(b->buf, ROOM, ++b->version);
	if (pwrite(file, b->want, ROOM, 0) != (ssize_t)ROOM ||
	    madvise(b->at, ROOM, MADV_DONTNEED))
		die("cold pages: %s", strerror(errno));
}

static void pick_place(struct bench *b, const struct use *u, struct rng *g)
{
	b->len = u->len ?: 3 + below(g, 3 * PAGE);
	b->off = below(g, ROOM - b->len);
	if (u->word)
		b->off &= -8;
}

/* All bytes of both, those beside it as well. */
static void judge(struct bench *b, const struct use *u)
{
	static uint8_t other[ROOM];
	ssize_t bad;

	if (u->word)
		return;
	fill(other, ROOM, b->version);
	if (u->sent)
		memcpy(other + b->off, b->want + b->off, b->len);
	else
		memcpy(b->want + b->off, other + b->off, b->len);
	bad = first_difference(b->at, b->want, ROOM);
	if (bad >= 0)
		fail(b->run, "%s of %u bytes at %u: byte %zd of the field",
		     u->name, b->len, b->off, bad);
	bad = first_difference(b->buf, other, ROOM);
	if (bad >= 0)
		fail(b->run, "%s of %u bytes at %u: byte %zd of the peer",
		     u->name, b->len, b->off, bad);
}

/* The kernel keeps what it read of counters for some milliseconds. */
static bool faulted(struct run *r, uint64_t before)
{
	static const char *const name = "page_faults_handled";
	unsigned int i;

	for (i = 0; i < 20 && counter(r->dev_name, name) == before; i++)
		sleep_ms(5);
	return i < 20;
}

static void one_use(struct bench *b, const struct use *u, int file,
		    struct rng *g)
{
	struct run *r = b->run;
	uint64_t faults, start;
	int status;

	pick_place(b, u, g);
	make_cold(b, file);
	b->rkey = u->window ? b->mw[u->window - 1]->rkey : b->mr->rkey;
	faults = counter(r->dev_name, "page_faults_handled");
	start = now_ms();
	status = u->fn(b);
	note_time(r, now_ms() - start, u->name);
	note_ops(r, u->op, 1);
	note_events(r, 1);
	if (status) {
		fail(r, "%s of %u bytes: %s", u->name, b->len,
		     rd_status(status));
		return;
	}
	judge(b, u);
	if (!faulted(r, faults))
		fail(r, "%s of %u bytes: no page was faulted in", u->name,
		     b->len);
}

/* The caps say what the table shows, and nothing that it does not. */
static void check_caps(struct run *r)
{
	const uint32_t want = IBV_ODP_SUPPORT_SEND | IBV_ODP_SUPPORT_RECV |
			      IBV_ODP_SUPPORT_WRITE | IBV_ODP_SUPPORT_READ |
			      IBV_ODP_SUPPORT_ATOMIC |
			      IBV_ODP_SUPPORT_SRQ_RECV; /* guest test srq */
	uint32_t has = r->dev.attr.odp_caps.per_transport_caps.rc_odp_caps;

	if (has != want)
		fail(r, "the table shows %#x of RC, the device says %#x", want,
		     has);
	tap_note("%s: rows of RC; UC, UD and shared receive queues have tests "
		 "of their own, flush the device has not",
		 r->sc->name);
}

/* By the QP that the uses come in by: who else comes has no window of type 2. */
static void bind_window(struct bench *b, struct ibv_mw *mw)
{
	struct ibv_mw_bind bind = {
		.send_flags = IBV_SEND_SIGNALED,
		.bind_info = { .mr = b->mr,
			       .addr = (uintptr_t)b->at,
			       .length = ROOM,
			       .mw_access_flags = IBV_ACCESS_REMOTE_WRITE |
						  IBV_ACCESS_REMOTE_READ |
						  IBV_ACCESS_REMOTE_ATOMIC },
	};
	struct ibv_send_wr *bad, wr = {
		.opcode = IBV_WR_BIND_MW,
		.send_flags = IBV_SEND_SIGNALED,
		.bind_mw = { .mw = mw,
			     .rkey = ibv_inc_rkey(mw->rkey),
			     .bind_info = bind.bind_info },
	};
	int err;

	if (mw->type == IBV_MW_TYPE_1)
		err = ibv_bind_mw(b->owner.qp, mw, &bind);
	else
		err = ibv_post_send(b->owner.qp, &wr, &bad);
	if (err)
		die("binding a window: %s", strerror(err));
	err = rd_wait(b->owner.scq, NULL, 10 * b->run->limit_ms);
	if (err)
		fail(b->run, "binding a window of type %d: %s", mw->type,
		     rd_status(err));
	if (mw->type == IBV_MW_TYPE_2)
		mw->rkey = wr.bind_mw.rkey;
}

static void open_windows(struct bench *b)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(b->mw); i++) {
		b->mw[i] = ibv_alloc_mw(b->run->dev.pd, IBV_MW_TYPE_1 + i);
		if (!b->mw[i])
			die("alloc_mw: %s", strerror(errno));
		bind_window(b, b->mw[i]);
	}
}

static void close_bench(struct bench *b)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(b->mw); i++)
		if (ibv_dealloc_mw(b->mw[i]))
			fail(b->run, "dealloc_mw: %s", strerror(errno));
	rd_qp_destroy(&b->peer);
	rd_qp_destroy(&b->owner);
	if (ibv_dereg_mr(b->mr) || ibv_dereg_mr(b->buf_mr))
		fail(b->run, "destroying: %s", strerror(errno));
}

static void uses_run(struct run *r)
{
	int file = memfd_create("uses", MFD_CLOEXEC);
	struct bench b = { .run = r,
			   .buf = map_anon(ROOM),
			   .want = map_anon(ROOM) };
	uint64_t end = now_ms() + r->ms;
	struct rng g = { r->seed };
	unsigned int i;

	check_caps(r);
	b.at = place(ROOM);
	if (file < 0 || ftruncate(file, ROOM) ||
	    mmap(b.at, ROOM, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0) != b.at)
		die("memfd: %s", strerror(errno));
	b.mr = rd_reg(&r->dev, b.at, ROOM,
		      RD_ALL | IBV_ACCESS_ON_DEMAND | IBV_ACCESS_MW_BIND);
	b.buf_mr = rd_reg(&r->dev, b.buf, ROOM, RD_ALL);
	rd_pair(&b.peer, &r->dev, &b.owner, &r->dev, NULL);
	open_windows(&b);
	hooks_begin(r);
	do {
		for (i = 0; i < ARRAY_SIZE(uses) && !failed(r); i++)
			one_use(&b, &uses[i], file, &g);
	} while (now_ms() < end && !failed(r));
	hooks_sample(r);
	if (failed(r))
		return;
	close_bench(&b);
	munmap(b.at, ROOM);
	close(file);
}

SCENARIO(uses) = {
	.name = "uses",
	.rows = "44",
	.what = "every use of a region faults, and every byte is in its place",
	.run = uses_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};
