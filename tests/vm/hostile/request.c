// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Requests as an honest peer might send them. */
#include "shot.h"

/* Keys with which something can be done; more often those where it works. */
static const enum plot_id targets[] = {
	PLOT_OPEN,   PLOT_OPEN, PLOT_COLD, PLOT_COLD,
	PLOT_PINNED, PLOT_READ, PLOT_COLD, PLOT_HOLE,
};

static uint8_t some_opcode(struct rng *r, const struct victim *v)
{
	static const uint8_t first[] = {
		SEND_ONLY,  WRITE_ONLY, WRITE_FIRST,   READ_REQ,
		SEND_FIRST, FETCH_ADD,	SEND_ONLY_IMM, CMP_SWAP,
		WRITE_ONLY, READ_REQ,	WRITE_ONLY,    WRITE_ONLY_IMM,
	};

	switch (v->message) {
	case IN_SEND:
		return SEND_MIDDLE + below(r, 3);
	case IN_WRITE:
		if (v->resid > v->mtu)
			return WRITE_MIDDLE;
		return WRITE_LAST + below(r, 2);
	default:
		return first[below(r, ARRAY_SIZE(first))];
	}
}

static void set_target(struct range *r, struct shot *s, uint32_t len)
{
	struct rng *rng = r->rng;
	bool atomic = s->c.op == CMP_SWAP || s->c.op == FETCH_ADD;
	enum plot_id id = targets[below(rng, ARRAY_SIZE(targets))];
	struct plot *plot;
	uint32_t room;

	if (atomic)
		id = PLOT_ATOMIC;
	else if (s->c.op == READ_REQ && one_in(rng, 8))
		id = PLOT_RDONLY;
	else if (s->c.op != READ_REQ && one_in(rng, 4))
		id = PLOT_WRITE;
	else if (s->c.op != READ_REQ && id == PLOT_READ)
		id = PLOT_OPEN;
	plot = &r->ground->plots[id];
	room = PLOT_LEN - (len < PLOT_LEN ? len : PLOT_LEN);
	/* often at the very end */
	s->c.va = (uintptr_t)plot->mem +
		  (one_in(rng, 4) ? room : below(rng, room + 1));
	if (atomic)
		s->c.va &= ~7ull;
	if (id == PLOT_HOLE && !one_in(rng, 8)) /* before the hole */
		s->c.va = (uintptr_t)plot->mem + below(rng, PAGE / 2);
	s->c.rkey = plot->key;
	s->c.dma = len;
	s->c.swap_add = below(rng, 256);
}

/* A message of one packet, or of several. */
static void set_lengths(struct range *r, struct victim *v, struct shot *s)
{
	struct rng *rng = r->rng;
	uint32_t one = below(rng, v->mtu < 200 ? v->mtu : 200);
	uint32_t len;

	switch (s->c.op) {
	case SEND_FIRST:
	case SEND_MIDDLE:
		s->c.len = v->mtu;
		break;
	case SEND_ONLY:
	case SEND_ONLY_IMM:
	case SEND_LAST:
	case SEND_LAST_IMM:
		s->c.len = s->c.op == SEND_LAST || s->c.op == SEND_LAST_IMM ?
				   one + 1 :
				   one;
		break;
	case WRITE_ONLY:
	case WRITE_ONLY_IMM:
		s->c.len = one_in(rng, 8) ? below(rng, v->mtu + 1) : one;
		set_target(r, s, s->c.len);
		break;
	case WRITE_FIRST:
		len = v->mtu + 1 + below(rng, v->mtu < 2000 ? v->mtu : 500);
		s->c.len = v->mtu;
		set_target(r, s, len);
		break;
	case WRITE_MIDDLE:
	case WRITE_LAST:
	case WRITE_LAST_IMM:
		s->c.len = v->resid < v->mtu ? v->resid : v->mtu;
		break;
	case READ_REQ:
		set_target(r, s, below(rng, one_in(rng, 8) ? PLOT_LEN : 600));
		break;
	case CMP_SWAP:
	case FETCH_ADD:
		set_target(r, s, 8);
		break;
	}
}

/* The victim takes it, if it has what it needs. */
static void move_on(struct victim *v, const struct shot *s)
{
	uint32_t n = 1;

	switch (s->c.op) {
	case SEND_FIRST:
	case SEND_MIDDLE:
		v->message = IN_SEND;
		break;
	case WRITE_FIRST:
		v->message = IN_WRITE;
		v->resid = s->c.dma - s->c.len;
		break;
	case WRITE_MIDDLE:
		v->resid -= s->c.len;
		break;
	case READ_REQ:
		if (s->c.dma > v->mtu)
			n = (s->c.dma + v->mtu - 1) / v->mtu;
		break;
	default:
		v->message = IDLE;
	}
	v->psn = psn_add(v->psn, n);
}

void shoot_request(struct range *r, struct victim *v)
{
	struct shot s;

	shot_plain(&s, v);
	s.c.op = some_opcode(r->rng, v);
	s.c.psn = v->psn | (one_in(r->rng, 4) ? 0 : 0x80000000);
	set_lengths(r, v, &s);
	count_kind(TWIST_REQUEST);
	shoot(r, v, &s, some_twists(r->rng));
	if (!s.spoiled)
		move_on(v, &s);
}
