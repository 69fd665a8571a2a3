// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The third thread: what the device does, in chains of many requests. */

#include "third.h"

#define BATCH 8 /* pages of a round */

/* What a READ brings. */
struct seen {
	struct before b;
	struct shared s;
};

void third_device_open(struct third_device *d, struct third *t, uint64_t seed)
{
	d->t = t;
	d->rng.x = seed;
	chain_open(&d->c, t->run);
}

static uint64_t *add_swap(struct third_device *d, unsigned int page,
			  uint64_t from, uint64_t to)
{
	return chain_swap(&d->c, &before_at(d->t, page)->lock, d->t->mr->rkey,
			  from, to);
}

static void add_write(struct third_device *d, uint64_t *at, uint64_t value)
{
	chain_write(&d->c, at, d->t->mr->rkey, value);
}

static uint64_t *add_turn(struct third_device *d, unsigned int page)
{
	return chain_read(&d->c, &shared_at(d->t, page)->turn, d->t->mr->rkey,
			  8);
}

static bool go(struct third_device *d)
{
	return chain_go(&d->c);
}

/* --- rounds ------------------------------------------------------- */

static void judge(struct third_device *d, unsigned int page,
		  const struct seen *x, uint64_t least)
{
	struct third *t = d->t;

	if (x->s.cpu < least)
		fail(t->run,
		     "split: page %u, the peer READs the CPU's %llu, "
		     "%llu was stored",
		     page, (unsigned long long)x->s.cpu,
		     (unsigned long long)least);
	/* Read first, and stored last. A torn one does not come twice. */
	if (x->b.told[0] == x->b.told[1] && x->s.cpu < x->b.told[0])
		fail(t->run,
		     "split: page %u, the peer READs %llu and then "
		     "the CPU's older %llu",
		     page, (unsigned long long)x->b.told[0],
		     (unsigned long long)x->s.cpu);
}

static void *add_look(struct third_device *d, unsigned int page)
{
	return chain_read(&d->c, before_at(d->t, page), d->t->mr->rkey,
			  sizeof(struct seen));
}

struct batch {
	unsigned int n;
	unsigned int page[BATCH];
	bool got[BATCH]; /* the lock */
};

/* READs alone: with entries that may only be read. */
static void look_round(struct third_device *d, struct batch *b)
{
	unsigned int *pages = b->page, i;
	const struct seen *x[BATCH * 4];
	uint64_t least[BATCH];

	if (d->t->plan->led) {
		/* The one that is copied next. */
		pages[0] = (atomic_load(&d->t->first) +
			    atomic_load(&d->t->broken)) %
			   THIRD_PAGES;
		for (i = 1; i < BATCH; i++)
			pages[i] = pages[0];
		atomic_store(&d->t->looking, pages[0]);
	}

	for (i = 0; i < BATCH; i++)
		least[i] = atomic_load(&d->t->is[pages[i]].cpu);
	for (i = 0; i < ARRAY_SIZE(x); i++)
		x[i] = add_look(d, pages[i % BATCH]);
	if (!go(d))
		return;
	for (i = 0; i < ARRAY_SIZE(x); i++)
		judge(d, pages[i % BATCH], x[i], least[i % BATCH]);
}

/* One WRITE, one add and one READ of each page, and locks. */
static void first_leg(struct third_device *d, struct batch *b)
{
	struct third *t = d->t;
	const struct seen *x[BATCH] = {};
	uint64_t least[BATCH], *locks[BATCH], next;
	unsigned int i, p;

	for (i = 0; i < b->n; i++) {
		p = b->page[i];
		least[i] = atomic_load(&t->is[p].cpu);
		locks[i] = add_swap(d, p, FREE, BY_DEVICE);
		if (t->plan->guarded)
			continue;
		x[i] = t->plan->still ? add_look(d, p) : NULL;
		if (t->plan->still)
			continue;
		next = atomic_load(&t->is[p].done) + 1;
		add_write(d, &shared_at(t, p)->device, next);
		chain_fetch_add(&d->c, &shared_at(t, p)->both, t->mr->rkey, 1);
		x[i] = add_look(d, p);
	}
	if (!go(d))
		return;
	for (i = 0; i < b->n; i++) {
		p = b->page[i];
		b->got[i] = *locks[i] == FREE;
		if (*locks[i] > BY_MOVER)
			fail(t->run, "split: page %u, the lock is %#llx", p,
			     (unsigned long long)*locks[i]);
		if (!x[i])
			continue;
		judge(d, p, x[i], least[i]);
		if (t->plan->still)
			continue;
		next = atomic_load(&t->is[p].done) + 1;
		if (x[i]->s.device != next)
			fail(t->run, "split: page %u, WRITE %llu is %llu then",
			     p, (unsigned long long)next,
			     (unsigned long long)x[i]->s.device);
		atomic_store(&t->is[p].done, next);
		t->is[p].adds[1]++;
	}
}

/* Under the locks that it got: READ the turn, WRITE the next, unlock. */
static void second_leg(struct third_device *d, const struct batch *b)
{
	struct third *t = d->t;
	const uint64_t *at[BATCH], *back[BATCH] = {};
	uint64_t turn[BATCH];
	unsigned int i;

	for (i = 0; i < b->n; i++)
		if (b->got[i])
			at[i] = add_turn(d, b->page[i]);
	if (!go(d))
		return;
	/* The next chain uses the same buffer. */
	for (i = 0; i < b->n; i++)
		turn[i] = b->got[i] ? *at[i] : 0;
	for (i = 0; i < b->n; i++) {
		if (!b->got[i])
			continue;
		t->device_locks++;
		third_enter(t, b->page[i], BY_DEVICE, turn[i]);
		add_write(d, &shared_at(t, b->page[i])->turn,
			  third_next(t, b->page[i]));
		third_leave(t, b->page[i]);
		if (one_in(&d->rng, 2))
			back[i] = add_swap(d, b->page[i], BY_DEVICE, FREE);
		else
			add_write(d, &before_at(t, b->page[i])->lock, FREE);
	}
	if (!go(d))
		return;
	for (i = 0; i < b->n; i++)
		if (back[i] && *back[i] != BY_DEVICE)
			fail(t->run,
			     "split: page %u, the device's lock is %llu",
			     b->page[i], (unsigned long long)*back[i]);
}

static void pick_batch(struct third_device *d, struct batch *b)
{
	unsigned int tries, k, page;

	/* Each once; of few pages it would be long till all came. */
	for (tries = 0; tries < 3 * BATCH && b->n < BATCH; tries++) {
		page = third_pick(d->t, &d->rng);
		for (k = 0; k < b->n && b->page[k] != page; k++)
			;
		if (k == b->n)
			b->page[b->n++] = page;
	}
}

void third_device_round(struct third_device *d)
{
	unsigned int often = d->t->plan->led ? 8 : 2;
	struct batch b = {};

	if (!d->t->plan->guarded && !one_in(&d->rng, often)) {
		for (; b.n < BATCH; b.n++)
			b.page[b.n] = third_pick(d->t, &d->rng);
		look_round(d, &b);
		return;
	}
	pick_batch(d, &b);
	first_leg(d, &b);
	if (!failed(d->t->run))
		second_leg(d, &b);
}

void third_device_turn(struct third_device *d, unsigned int page)
{
	struct third *t = d->t;
	uint64_t *turn = add_turn(d, page);

	if (!go(d))
		return;
	third_enter(t, page, BY_CPU, *turn);
	add_write(d, &shared_at(t, page)->turn, third_next(t, page));
	third_leave(t, page);
	go(d);
}
