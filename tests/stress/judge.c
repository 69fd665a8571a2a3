// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Whether an access did what it must. Whether an event overlapped is asked of
 * the cells' counts: taken before an access is posted, and again when its
 * completion was seen. Where none did, every byte and every status must be
 * exactly right.
 */

#include <errno.h>
#include <string.h>

#include "flight.h"

/* --- disturbances ------------------------------------------------- */

bool cell_look(struct field *f, unsigned int cell, uint32_t *begun)
{
	struct cell *c = &f->cell[cell];
	/* In this order: if begun is ended, so are those that emptied it. */
	uint32_t emptied = atomic_load(&c->emptied);
	uint32_t ended = atomic_load(&c->ended);
	size_t at = (size_t)cell * f->unit;

	*begun = atomic_load(&c->begun);
	if (*begun != ended)
		return false;
	if (emptied == c->after)
		return true;
	/* Emptied since our last access, and by nothing that is going on. */
	c->after = emptied;
	if (f->origin)
		memcpy(f->model + at, f->origin + at, f->unit);
	else
		memset(f->model + at, 0, f->unit);
	c->two = false;
	c->loose = -1;
	c->sure = true;
	c->seen = *begun;
	return true;
}

void flight_opens(struct flight *x)
{
	unsigned int i;

	for (i = 0; i < x->n; i++)
		x->active[i] = !cell_look(x->f, x->first + i, &x->begun[i]);
	x->start = now_ms();
	x->stalled = stalled_ms(x->f->run);
}

void flight_closed(struct flight *x)
{
	struct cell *c;
	unsigned int i;

	x->disturbed = false;
	for (i = 0; i < x->n; i++) {
		c = cell_of(x, i);
		x->loose[i] = x->active[i] ||
			      atomic_load(&c->begun) != x->begun[i];
		x->disturbed |= x->loose[i];
		c->after = atomic_load(&c->emptied);
	}
}

/* The cell is not only undisturbed now, it was so since it was known. */
static bool uncertain(const struct flight *x, unsigned int i)
{
	const struct cell *c = cell_of(x, i);

	return x->loose[i] ||
	       (x->f->may_zero && (!c->sure || c->seen != x->begun[i]));
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

bool flight_flushed(const struct flight *x)
{
	return (!x->sent || x->sent == IBV_WC_WR_FLUSH_ERR) &&
	       (!x->received || x->received == IBV_WC_WR_FLUSH_ERR);
}

/* Before the model gets what this access brought: it may not be there. */
static void was_or_is(struct flight *x, unsigned int i)
{
	size_t at = (size_t)(x->first + i) * x->f->unit;

	memcpy(x->f->old + at, x->f->model + at, x->f->unit);
	cell_of(x, i)->two = true;
}

void flights_lost(struct flight *xs, unsigned int n)
{
	for (; n; n--, xs++) {
		if (OPS_ATOMIC & 1U << xs->op)
			cell_of(xs, 0)->loose = xs->off % xs->f->unit;
		if (!(OPS_INTO & 1U << xs->op))
			continue;
		for (unsigned int i = 0; i < xs->n; i++)
			was_or_is(xs, i);
		memcpy(xs->f->model + xs->off, xs->buf, xs->len);
	}
}

/* It ended in an error: nobody knows whether, or how far, it was done. */
static void judge_error(struct flight *x, bool others)
{
	unsigned int i;

	if (is_refusal(x) && x->f->may_take && x->disturbed)
		atomic_fetch_add(&x->f->run->refused, 1);
	else if (!flight_flushed(x) || !others || x->op == OP_PREFETCH)
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
	for (i = 0; i < x->n; i++)
		was_or_is(x, i);
	memcpy(x->f->model + x->off, x->buf, x->len);
}

static void judge_into(struct flight *x)
{
	unsigned int i;

	for (i = 0; i < x->n; i++) {
		if (x->f->may_detour && x->loose[i])
			was_or_is(x, i);
		else if (whole(x, i))
			know(x, i);
		else if (x->loose[i])
			cell_of(x, i)->sure = false;
	}
	memcpy(x->f->model + x->off, x->buf, x->len);
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
		if (!whole(x, i) || (x->f->may_detour && x->loose[i]))
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
	if (x->loose[0] && x->f->may_detour)
		cell_of(x, 0)->loose = x->off % x->f->unit;
}

void flight_judge(struct flight *x, bool others)
{
	struct run *r = x->f->run;

	if (x->disturbed)
		atomic_fetch_add(&r->loose, 1);
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
