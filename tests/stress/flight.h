/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* One access on its way, and the thread that it belongs to. */
#ifndef STRESS_FLIGHT_H
#define STRESS_FLIGHT_H

#include "stress.h"

#define OPS_INTO (OP(WRITE) | OP(SEND) | OP(READ_INTO) | OP(STORE))

#define QUIET (-1) /* no completion yet */

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
	uint64_t start, stalled;
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

static inline struct cell *cell_of(const struct flight *x, unsigned int i)
{
	return &x->f->cell[x->first + i];
}

/* judge.c: before it is posted; as soon as it has ended. */
void flight_opens(struct flight *x);
void flight_closed(struct flight *x);
/* @others: it was one of several of which another ended in an error. */
void flight_judge(struct flight *x, bool others);
/* None of these ended, and nobody will ask again: what they did is unknown. */
void flights_lost(struct flight *xs, unsigned int n);
/* Ended only because its QP did. */
bool flight_flushed(const struct flight *x);

/* op.c: posts, waits, judges. False: something was refused. */
bool flights_do(struct traffic *t, struct flight *xs, unsigned int n);

#endif
