// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Accesses of one thread: random ones to its own cells, a few at once, each
 * judged by what the model knows.
 *
 * Whether an event overlapped is asked of the cells' counts: taken before an
 * access is posted, and again when its completion was seen. Where none did,
 * every byte and every status must be exactly right.
 */

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "stress.h"

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

#define OPS_INTO (OP(WRITE) | OP(SEND) | OP(READ_INTO) | OP(STORE))

enum {
	QUIET = -1
}; /* no completion yet */

struct flight {
	enum op op;
	struct field *f;
	struct view *v;
	size_t off;
	uint32_t len;
	unsigned int first, n; /* cells */
	uint8_t *buf; /* the other side's, or what was loaded or is stored */
	uint64_t add, compare, swap;
	uint32_t begun[BLOCK];
	bool active[BLOCK], loose[BLOCK], disturbed;
	int sent, received; /* status; 0 also if there is nothing to wait for */
	uint64_t start;
};

struct traffic {
	struct engine *e;
	unsigned int index;
	struct rng rng;
	struct rd_qp peer, owner;
	uint8_t *buf; /* DEPTH slots, and one more for traffic_read() */
	struct ibv_mr *mr;
	struct flight flight[DEPTH + 1];
	unsigned int under_way;
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

/* --- disturbances ------------------------------------------------- */

static struct cell *cell_of(const struct flight *x, unsigned int i)
{
	return &x->f->cell[x->first + i];
}

static void window_open(struct flight *x)
{
	unsigned int i;
	uint32_t ended;

	for (i = 0; i < x->n; i++) {
		/* In this order: equal means that there was a quiet moment. */
		ended = atomic_load(&cell_of(x, i)->ended);
		x->begun[i] = atomic_load(&cell_of(x, i)->begun);
		x->active[i] = x->begun[i] != ended;
	}
	x->start = now_ms();
}

static void window_close(struct flight *x)
{
	struct cell *c;
	unsigned int i;

	x->disturbed = false;
	for (i = 0; i < x->n; i++) {
		c = cell_of(x, i);
		x->loose[i] = x->active[i] ||
			      atomic_load(&c->begun) != x->begun[i];
		x->disturbed |= x->loose[i];
	}
	if (x->disturbed)
		atomic_fetch_add(&x->f->run->loose, 1);
}

/* The cell is not only undisturbed now, it was so since it was known. */
static bool uncertain(const struct flight *x, unsigned int i)
{
	const struct cell *c = cell_of(x, i);

	return x->loose[i] || !c->sure || c->seen != x->begun[i];
}

static bool whole(const struct flight *x, unsigned int i)
{
	size_t at = (size_t)(x->first + i) * x->f->unit;

	return x->off <= at && x->off + x->len >= at + x->f->unit;
}

/* The cell's content is now known, and whether for certain. */
static void know(struct flight *x, unsigned int i)
{
	struct cell *c = cell_of(x, i);

	c->two = false;
	c->loose = -1;
	c->sure = !x->loose[i];
	c->seen = x->begun[i];
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
	if (x->op == OP_ADD) {
		x->add = rnd(&t->rng);
	} else if (x->op == OP_SWAP) {
		x->compare = model_word(x) + one_in(&t->rng, 4);
		x->swap = rnd(&t->rng);
	}
	window_open(x);
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
			window_close(x);
			note_time(t->e->run, now_ms() - x->start,
				  op_names[x->op]);
		}
		return true;
	}
	return false;
}

static void pause_for(unsigned int *spins)
{
	const struct timespec nap = { 0, 50000 };

	/* A softirq, worker or handler may need this CPU. */
	if (++*spins < 4096)
		sched_yield();
	else
		nanosleep(&nap, NULL);
}

/* False: something never ended, and all that follows would be confused. */
static bool collect(struct traffic *t, struct flight *xs, unsigned int n)
{
	uint64_t end = now_ms() + 10 * t->e->run->limit_ms;
	unsigned int i, spins = 0;
	bool broken = false;

	for (;;) {
		for (i = 0; i < n && !under_way(&xs[i]); i++)
			if (xs[i].op < OP_PREFETCH)
				broken |= xs[i].sent || xs[i].received;
		if (i == n)
			break;
		if (take_one(t, xs, n)) {
			spins = 0;
			continue;
		}
		pause_for(&spins);
		if (!(spins % 64) && now_ms() > end) {
			fail(t->e->run, "%s of %u bytes never ended",
			     op_names[xs[i].op], xs[i].len);
			atomic_store(&t->e->stop_traffic, true);
			return false;
		}
		/* One side's error leaves the other one waiting: end both. */
		for (i = 0; i < n && !broken; i++) {
			if (xs[i].sent <= 0 && xs[i].received <= 0)
				continue;
			broken = true;
			rd_to_state(&t->peer, IBV_QPS_ERR);
			rd_to_state(&t->owner, IBV_QPS_ERR);
		}
	}
	if (broken)
		rd_reconnect(&t->peer, &t->owner);
	return true;
}

/* --- verdicts ----------------------------------------------------- */

/* The error that this access itself may end in. */
static bool is_refusal(const struct flight *x)
{
	switch (x->op) {
	case OP_SEND:
		return x->received == IBV_WC_LOC_PROT_ERR &&
		       (x->sent == IBV_WC_REM_OP_ERR ||
			x->sent == IBV_WC_WR_FLUSH_ERR);
	case OP_SEND_FROM:
		return x->sent == IBV_WC_LOC_PROT_ERR;
	case OP_WRITE_FROM:
	case OP_READ_INTO:
		return x->sent == IBV_WC_LOC_PROT_ERR;
	case OP_PREFETCH:
		return x->sent == EFAULT;
	default:
		return x->sent == IBV_WC_REM_ACCESS_ERR;
	}
}

static bool is_flush(const struct flight *x)
{
	return (!x->sent || x->sent == IBV_WC_WR_FLUSH_ERR) &&
	       (!x->received || x->received == IBV_WC_WR_FLUSH_ERR);
}

/* It ended in an error: nobody knows whether, or how far, it was done. */
static void judge_error(struct flight *x, bool others)
{
	struct cell *c;
	unsigned int i;
	size_t at;

	if (is_refusal(x) && x->f->may_take && x->disturbed)
		atomic_fetch_add(&x->f->run->refused, 1);
	else if (!is_flush(x) || !others || x->op == OP_PREFETCH)
		fail(x->f->run, "%s of %u bytes, %s cell %u%s: %s, %s",
		     op_names[x->op], x->len, x->f->name, x->first,
		     x->disturbed ? " (disturbed)" : "",
		     x->op == OP_PREFETCH ? strerror(x->sent) :
					    rd_status(x->sent),
		     rd_status(x->received));
	if (OPS_ATOMIC & 1U << x->op)
		cell_of(x, 0)->loose = x->off % x->f->unit;
	if (!(OPS_INTO & 1U << x->op))
		return;
	for (i = 0; i < x->n; i++) {
		c = cell_of(x, i);
		at = (size_t)(x->first + i) * x->f->unit;
		memcpy(x->f->old + at, x->f->model + at, x->f->unit);
		c->two = true;
	}
	memcpy(x->f->model + x->off, x->buf, x->len);
}

static void judge_into(struct flight *x)
{
	unsigned int i;

	memcpy(x->f->model + x->off, x->buf, x->len);
	memcpy(x->f->old + x->off, x->buf, x->len);
	for (i = 0; i < x->n; i++) {
		if (whole(x, i))
			know(x, i);
		else if (x->loose[i])
			cell_of(x, i)->sure = false;
	}
}

static void judge_out_of(struct flight *x)
{
	bool loose[BLOCK];
	unsigned int i;
	ssize_t bad;
	size_t at;

	for (i = 0; i < x->n; i++)
		loose[i] = uncertain(x, i);
	bad = field_judge(x->f, x->off, x->len, x->buf, loose);
	if (bad >= 0)
		field_report(x->f, x->off + bad, x->buf + bad, op_names[x->op]);
	for (i = 0; i < x->n; i++) {
		if (!whole(x, i))
			continue;
		at = (size_t)(x->first + i) * x->f->unit;
		if (bad < 0)
			memcpy(x->f->model + at, x->buf + (at - x->off),
			       x->f->unit);
		know(x, i);
	}
}

static void judge_atomic(struct flight *x)
{
	bool loose = uncertain(x, 0);
	uint64_t found, left;

	memcpy(&found, x->buf, 8);
	if (field_judge(x->f, x->off, 8, x->buf, &loose) >= 0)
		field_report(x->f, x->off, x->buf, op_names[x->op]);
	if (x->op == OP_ADD)
		left = found + x->add;
	else
		left = found == x->compare ? x->swap : found;
	memcpy(x->f->model + x->off, &left, 8);
	memcpy(x->f->old + x->off, &left, 8);
	if (x->loose[0])
		cell_of(x, 0)->sure = false;
}

static void judge(struct flight *x, bool others)
{
	struct run *r = x->f->run;

	if (x->sent || x->received) {
		judge_error(x, others);
		return;
	}
	atomic_fetch_add(&r->ops[x->op], 1);
	if (x->op == OP_PREFETCH)
		return;
	atomic_fetch_add(&r->bytes, x->len);
	if (OPS_ATOMIC & 1U << x->op)
		judge_atomic(x);
	else if (OPS_INTO & 1U << x->op)
		judge_into(x);
	else
		judge_out_of(x);
}

/* Posts, waits, judges. */
static bool do_flights(struct traffic *t, struct flight *xs, unsigned int n)
{
	unsigned int i, errors = 0;

	for (i = 0; i < n; i++) {
		begin(t, &xs[i]);
		if (!under_way(&xs[i]))
			window_close(&xs[i]);
	}
	if (!collect(t, xs, n))
		return false;
	for (i = 0; i < n; i++)
		errors += (xs[i].sent || xs[i].received) && !is_flush(&xs[i]);
	for (i = 0; i < n; i++)
		judge(&xs[i], errors > 0);
	return !errors;
}

/* --- what to do --------------------------------------------------- */

static bool do_whole(struct traffic *t, enum op op, struct field *f,
		     unsigned int cell, unsigned int n)
{
	struct flight *x = &t->flight[DEPTH];

	x->op = op;
	x->f = f;
	x->v = &f->view[0];
	x->off = (size_t)cell * f->unit;
	x->len = n * f->unit;
	return do_flights(t, x, 1);
}

bool traffic_read(struct traffic *t, struct field *f, unsigned int cell,
		  unsigned int n)
{
	return do_whole(t, OP_READ, f, cell, n);
}

bool traffic_write(struct traffic *t, struct field *f, unsigned int cell,
		   unsigned int n)
{
	return do_whole(t, OP_WRITE, f, cell, n);
}

/* Until the cell's content is one of one, or zeros. False: it is taken. */
static bool settle(struct traffic *t, struct field *f, unsigned int cell)
{
	uint64_t end = now_ms() + 5 * f->run->limit_ms;

	while (f->cell[cell].two || f->cell[cell].loose >= 0) {
		if (traffic_read(t, f, cell, 1))
			continue;
		if (failed(f->run) || now_ms() > end ||
		    atomic_load(&t->e->stop_traffic))
			return false;
	}
	return true;
}

static unsigned int allowed_ops(const struct engine *e, const struct field *f,
				const struct view *v)
{
	unsigned int mask = OPS_ALL;

	if (e->ops)
		mask &= e->ops;
	if (f->ops)
		mask &= f->ops;
	if (f->may_take || v->no_cpu)
		mask &= ~OPS_CPU;
	if (f->pinned)
		mask &= ~OP(PREFETCH);
	return mask;
}

static enum op pick_op(struct rng *g, unsigned int mask)
{
	static const uint8_t weight[OPS] = {
		[OP_WRITE] = 8,	    [OP_READ] = 6,	 [OP_SEND] = 3,
		[OP_SEND_FROM] = 2, [OP_WRITE_FROM] = 2, [OP_READ_INTO] = 3,
		[OP_ADD] = 2,	    [OP_SWAP] = 2,	 [OP_PREFETCH] = 1,
		[OP_LOAD] = 4,	    [OP_STORE] = 3,
	};
	unsigned int sum = 0, op, at;

	for (op = 0; op < OPS; op++)
		sum += mask & 1U << op ? weight[op] : 0;
	if (!sum)
		die("no operation is allowed");
	at = below(g, sum);
	for (op = 0;; op++) {
		if (!(mask & 1U << op))
			continue;
		if (at < weight[op])
			return op;
		at -= weight[op];
	}
}

/* A whole cell, a part of one, over the border of two, several. */
static void pick_extent(struct traffic *t, struct flight *x, unsigned int block)
{
	size_t unit = x->f->unit, at = (size_t)block * BLOCK * unit;
	size_t room = (x->f->cells - block * BLOCK) * unit;
	struct rng *g = &t->rng;
	unsigned int n;

	if (room > BLOCK * unit)
		room = BLOCK * unit;
	n = room / unit;
	if (OPS_ATOMIC & 1U << x->op) {
		x->off = at + below(g, room / 8) * 8;
		x->len = 8;
		return;
	}
	switch (below(g, n > 1 ? 8 : 5)) {
	case 0: /* anything */
		x->off = at + below(g, room);
		x->len = 1 + below(g, at + room - x->off);
		break;
	case 1: /* a few bytes of one */
		x->len = 1 + below(g, unit < 64 ? unit : 64);
		x->off = at + below(g, n) * unit + below(g, unit - x->len + 1);
		break;
	case 5: /* over a border */
		x->off = at + (1 + below(g, n - 1)) * unit;
		x->len = 1 + below(g, unit / 2);
		x->off -= x->len;
		x->len += 1 + below(g, unit / 2);
		break;
	case 6: /* several */
		n = 1 + below(g, n);
		x->off = at + below(g, room / unit - n + 1) * unit;
		x->len = n * unit;
		break;
	default: /* a whole one */
		x->off = at + below(g, n) * unit;
		x->len = unit;
	}
}

/* Blocks of this thread in this field. */
static unsigned int my_blocks(const struct traffic *t, const struct field *f)
{
	unsigned int all = (f->cells + BLOCK - 1) / BLOCK;

	return t->index < all ? (all - t->index - 1) / t->e->threads + 1 : 0;
}

/* False: this thread cannot do anything with that. */
static bool plan(struct traffic *t, struct flight *x, unsigned int k)
{
	unsigned int mine, i, block;
	struct rng *g = &t->rng;
	struct field *f;

	/* Mostly the first, which is what the scenario is about. */
	f = t->e->field[one_in(g, 2) ? below(g, t->e->fields) : 0];
	mine = my_blocks(t, f);
	if (!mine)
		return false;
	x->f = f;
	x->v = &f->view[below(g, f->nviews)];
	x->op = pick_op(g, allowed_ops(t->e, f, x->v));
	block = t->index + (k + below(g, mine)) % mine * t->e->threads;
	/* Not twice the same block at once. */
	for (i = 0; i < k; i++)
		if (t->flight[i].f == f &&
		    t->flight[i].off / f->unit / BLOCK == block)
			return false;
	pick_extent(t, x, block);
	for (i = x->off / f->unit; i <= (x->off + x->len - 1) / f->unit; i++)
		if (!settle(t, f, i))
			return false;
	return true;
}

void traffic_round(struct traffic *t)
{
	unsigned int n = 0, tries, depth = 1 + below(&t->rng, DEPTH);
	struct flight *x;
	unsigned int cell;

	for (tries = 0; tries < depth && !failed(t->e->run); tries++)
		n += plan(t, &t->flight[n], n);
	if (!n || !do_flights(t, t->flight, n) || !one_in(&t->rng, 4))
		return;
	/* What was just done, looked at by the peer; certain afterwards. */
	x = &t->flight[below(&t->rng, n)];
	for (cell = x->first; cell < x->first + x->n; cell++)
		traffic_read(t, x->f, cell, 1);
}
