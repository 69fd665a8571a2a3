// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What a thread does next: random accesses to cells that are its own. */

#include "flight.h"

static bool do_whole(struct traffic *t, enum op op, struct field *f,
		     unsigned int cell, unsigned int n)
{
	struct flight *x = &t->flight[DEPTH];

	x->op = op;
	x->f = f;
	x->v = &f->view[0];
	x->off = (size_t)cell * f->unit;
	x->len = n * f->unit;
	return flights_do(t, x, 1);
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
	unsigned int n = 0, tries, depth = 1 + below(&t->rng, t->e->depth);
	struct flight *x;
	unsigned int cell;

	for (tries = 0; tries < depth && !failed(t->e->run); tries++)
		n += plan(t, &t->flight[n], n);
	if (!n || !flights_do(t, t->flight, n) || !one_in(&t->rng, 4))
		return;
	/* What was just done, looked at by the peer; certain afterwards. */
	x = &t->flight[below(&t->rng, n)];
	for (cell = x->first; cell < x->first + x->n; cell++)
		traffic_read(t, x->f, cell, 1);
}
