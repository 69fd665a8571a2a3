// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Accesses of one thread: posted a few at once, waited for, and judged. */

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "flight.h"

#define SLOT (BLOCK * PAGE)

const char *const op_names[OPS] = {
	[OP_WRITE] = "WRITE",
	[OP_READ] = "READ",
	[OP_SEND] = "SEND",
	[OP_SEND_FROM] = "SEND-from",
	[OP_WRITE_FROM] = "WRITE-from",
	[OP_READ_INTO] = "READ-into",
	[OP_ADD] = "FETCH_ADD",
	[OP_SWAP] = "CMP_SWAP",
	[OP_PREFETCH] = "prefetch",
	[OP_LOAD] = "load",
	[OP_STORE] = "store",
};

struct traffic *traffic_open(struct engine *e, unsigned int index)
{
	struct run *r = e->run;
	struct traffic *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rd_qp_opts opts = {};

	if (t == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	t->e = e;
	t->index = index;
	t->rng.x = r->seed + 1000 + index;
	opts.mtu = one_in(&t->rng, 2) ? 1024 : 4096;
	opts.psn = rnd(&t->rng) & 0xffffff;
	rd_pair(&t->peer, &r->dev, &t->owner, &r->dev, &opts);
	t->buf = mmap(NULL, (DEPTH + 1) * SLOT, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t->buf == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	t->mr = rd_reg(&r->dev, t->buf, (DEPTH + 1) * SLOT, RD_ALL);
	for (unsigned int i = 0; i <= DEPTH; i++)
		t->flight[i].buf = t->buf + i * SLOT;
	return t;
}

void traffic_close(struct traffic *t)
{
	rd_qp_destroy(&t->peer);
	rd_qp_destroy(&t->owner);
	if (ibv_dereg_mr(t->mr))
		fail(t->e->run, "dereg_mr: %s", strerror(errno));
	munmap(t->buf, (DEPTH + 1) * SLOT);
	munmap(t, sizeof(*t));
}

/* --- posting ------------------------------------------------------ */

static void stamp_cells(struct flight *x)
{
	uint8_t tmp[PAGE];
	size_t at, from, to;
	unsigned int i;

	for (i = 0; i < x->n; i++) {
		at = (size_t)(x->first + i) * x->f->unit;
		from = x->off > at ? x->off : at;
		to = x->off + x->len < at + x->f->unit ? x->off + x->len :
							 at + x->f->unit;
		cell_stamp(x->f, tmp, x->first + i, ++cell_of(x, i)->version);
		memcpy(x->buf + (from - x->off), tmp + (from - at), to - from);
	}
}

static int prefetch(struct traffic *t, struct flight *x)
{
	static const enum ibv_advise_mr_advice kinds[] = {
		IBV_ADVISE_MR_ADVICE_PREFETCH,
		IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
		IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT,
	};
	enum ibv_advise_mr_advice kind = kinds[below(&t->rng, 3)];
	unsigned int flags = one_in(&t->rng, 2) ? IBV_ADVISE_MR_FLAG_FLUSH : 0;

	return rd_prefetch(&t->e->run->dev, kind, flags,
			   (uintptr_t)x->v->base + x->off, x->len,
			   x->v->mr->lkey);
}

static uint64_t model_word(const struct flight *x)
{
	uint64_t word;

	memcpy(&word, x->f->model + x->off, 8);
	return word;
}

static void post_recv(struct traffic *t, struct rd_qp *q, struct ibv_sge *sge,
		      uint64_t id)
{
	int err = rd_post_recv(q, sge, 1, id);

	if (err)
		fail(t->e->run, "post_recv: %s", strerror(err));
}

static void post(struct traffic *t, struct flight *x)
{
	uintptr_t at = (uintptr_t)x->v->base + x->off;
	struct rd_op op = { .id = x - t->flight, .len = x->len };
	struct ibv_sge field = { at, x->len, x->v->mr->lkey };
	struct ibv_sge mine = { (uintptr_t)x->buf, x->len, t->mr->lkey };
	/* The two sides of the connection: who posts, and with which buffer. */
	bool local = x->op == OP_SEND_FROM || x->op == OP_WRITE_FROM ||
		     x->op == OP_READ_INTO;
	struct rd_qp *q = local ? &t->owner : &t->peer;
	int err;

	op.addr = local ? field.addr : mine.addr;
	op.lkey = local ? field.lkey : mine.lkey;
	op.raddr = local ? mine.addr : at;
	op.rkey = local ? t->mr->rkey : x->v->mr->rkey;
	op.compare_add = x->op == OP_ADD ? x->add : x->compare;
	op.swap = x->swap;
	x->received = 0;
	x->sent = QUIET;
	if (x->op == OP_SEND || x->op == OP_SEND_FROM) {
		op.opcode = IBV_WR_SEND;
		post_recv(t, local ? &t->peer : &t->owner,
			  local ? &mine : &field, op.id);
		x->received = QUIET;
	} else if (x->op == OP_WRITE || x->op == OP_WRITE_FROM) {
		op.opcode = IBV_WR_RDMA_WRITE;
	} else if (x->op == OP_READ || x->op == OP_READ_INTO) {
		op.opcode = IBV_WR_RDMA_READ;
	} else {
		op.opcode = x->op == OP_ADD ? IBV_WR_ATOMIC_FETCH_AND_ADD :
					      IBV_WR_ATOMIC_CMP_AND_SWP;
	}
	err = rd_post(q, &op);
	if (err) {
		fail(t->e->run, "post_send: %s", strerror(err));
		x->sent = x->received = 0;
	}
}

/* A field without CPU, a prefetch, or a message: what came of it at once. */
static void begin(struct traffic *t, struct flight *x)
{
	uint8_t *at = x->v->base + x->off;

	x->first = x->off / x->f->unit;
	x->n = (x->off + x->len - 1) / x->f->unit - x->first + 1;
	if (OPS_INTO & 1U << x->op)
		stamp_cells(x);
	else if (x->op != OP_PREFETCH)
		memset(x->buf, 0xa5, x->len);
	flight_opens(x);
	if (x->op == OP_ADD) {
		x->add = rnd(&t->rng);
	} else if (x->op == OP_SWAP) {
		x->compare = model_word(x) + one_in(&t->rng, 4);
		x->swap = rnd(&t->rng);
	}
	x->sent = x->received = 0;
	switch (x->op) {
	case OP_LOAD:
		memcpy(x->buf, at, x->len);
		break;
	case OP_STORE:
		memcpy(at, x->buf, x->len);
		break;
	case OP_PREFETCH:
		x->sent = prefetch(t, x);
		break;
	default:
		post(t, x);
	}
}

/* --- completions -------------------------------------------------- */

static bool under_way(const struct flight *x)
{
	return x->sent == QUIET || x->received == QUIET;
}

static bool is_cause(int status)
{
	return status > 0 && status != IBV_WC_WR_FLUSH_ERR;
}

#define CAUSE_MS 200 /* times the slowness: from a flush to its cause */

/*
 * The queue pairs are of no use any more. A flush has a cause, which may be on
 * its way to the other side yet; it would not arrive after both were ended.
 */
static bool is_error(const struct flight *x, uint64_t *flushed)
{
	if (x->op >= OP_PREFETCH || (x->sent <= 0 && x->received <= 0))
		return false;
	if (is_cause(x->sent) || is_cause(x->received))
		return true;
	if (!*flushed)
		*flushed = now_ms();
	return now_ms() - *flushed > CAUSE_MS * x->f->run->slow;
}

/* How long it took, the time apart for which nobody ran. */
static uint64_t flight_ms(const struct flight *x)
{
	uint64_t ms = now_ms() - x->start;
	uint64_t stalled = stalled_ms(x->f->run) - x->stalled;

	return ms > stalled ? ms - stalled : 0;
}

/* One completion, if there is one, to whom it belongs. */
static bool take_one(struct traffic *t, struct flight *xs, unsigned int n)
{
	struct ibv_cq *const cqs[] = { t->peer.scq, t->owner.scq, t->peer.rcq,
				       t->owner.rcq };
	static const char *const names[] = { "peer, sent", "owner, sent",
					     "peer, received",
					     "owner, received" };
	struct flight *x;
	struct ibv_wc wc;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		if (ibv_poll_cq(cqs[i], 1, &wc) != 1)
			continue;
		x = &t->flight[wc.wr_id % (DEPTH + 1)];
		if (wc.wr_id > DEPTH || x < xs || x >= xs + n ||
		    (i < 2 ? x->sent : x->received) != QUIET) {
			fail(t->e->run,
			     "%s: a completion of nothing: id %llu, %s",
			     names[i], (unsigned long long)wc.wr_id,
			     rd_status(wc.status));
			return true;
		}
		if (i < 2)
			x->sent = wc.status;
		else
			x->received = wc.status;
		if (!under_way(x)) {
			flight_closed(x);
			note_time(t->e->run, flight_ms(x), op_names[x->op]);
		}
		return true;
	}
	return false;
}

static void pause_for(const struct traffic *t, unsigned int *spins)
{
	const struct timespec nap = { 0, 50000 };

	/* A softirq, a worker, an event may need this CPU. */
	if (++*spins < 768 / t->e->threads)
		sched_yield();
	else
		nanosleep(&nap, NULL);
}

/* False: something never ended, and all that follows would be confused. */
static bool collect(struct traffic *t, struct flight *xs, unsigned int n)
{
	uint64_t end = now_ms() + 10 * t->e->run->limit_ms;
	unsigned int i, spins = 0;
	uint64_t flushed = 0;
	bool broken = false;

	for (;;) {
		/* One side's error leaves the other one waiting: end both. */
		for (i = 0; i < n && !broken; i++) {
			if (!is_error(&xs[i], &flushed))
				continue;
			broken = true;
			rd_to_state(&t->peer, IBV_QPS_ERR);
			rd_to_state(&t->owner, IBV_QPS_ERR);
		}
		for (i = 0; i < n && !under_way(&xs[i]); i++)
			;
		if (i == n)
			break;
		if (take_one(t, xs, n)) {
			spins = 0;
			continue;
		}
		pause_for(t, &spins);
		if (!(spins % 64) && now_ms() > end) {
			fail(t->e->run, "%s of %u bytes never ended",
			     op_names[xs[i].op], xs[i].len);
			atomic_store(&t->e->stop_traffic, true);
			flights_lost(xs, n);
			return false;
		}
	}
	if (!broken)
		return true;
	rd_reconnect(&t->peer, &t->owner);
	/* Until then an access that had failed might still be under way. */
	for (i = 0; i < n; i++)
		if (xs[i].sent || xs[i].received)
			flight_closed(&xs[i]);
	return true;
}

/* Posts, waits, judges. */
bool flights_do(struct traffic *t, struct flight *xs, unsigned int n)
{
	unsigned int i, errors = 0;

	for (i = 0; i < n; i++) {
		begin(t, &xs[i]);
		if (!under_way(&xs[i]))
			flight_closed(&xs[i]);
	}
	if (!collect(t, xs, n))
		return false;
	for (i = 0; i < n; i++)
		errors += (xs[i].sent || xs[i].received) &&
			  !flight_flushed(&xs[i]);
	for (i = 0; i < n; i++)
		flight_judge(&xs[i], errors > 0);
	return !errors;
}
