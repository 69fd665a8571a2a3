/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The third thread: a CPU thread and the device use the same words of pages
 * that a mover moves. They meet in memory alone: under spinlocks that are
 * words of that memory, and by words that only ever grow.
 */
#ifndef STRESS_THIRD_H
#define STRESS_THIRD_H

#include "chain.h"

#define THIRD_PAGES 32

enum {
	FREE,
	BY_CPU,
	BY_DEVICE,
	BY_MOVER
};

/* What is at the beginning of a page that moves. */
struct shared {
	uint64_t turn; /* one more each time, under the lock */
	uint64_t cpu; /* the CPU's stores */
	uint64_t device; /* WRITEs */
	uint64_t both; /* atomic adds of both */
	uint64_t mover; /* atomic adds of the mover */
};

/* What is right before it, at the end of the page below. */
struct before {
	uint64_t lock; /* who holds it */
	uint64_t told[2]; /* twice: the latest .cpu, stored after it */
};

struct third;

struct third_plan {
	const char *name;
	/* Moves pages once; false: it did not happen. */
	bool (*move)(struct third *t, struct rng *g);
	/* Once, before the region is registered. */
	void (*prepare)(struct third *t);
	unsigned int step; /* pages from one to the next; 0: 2 */
	bool guarded; /* pages go away: only who holds the lock may look */
	bool led; /* the mover says which pages are next, see third.first */
	bool still; /* ... who has not must not write */
	bool idle; /* most pages are left alone for some time */
	bool few; /* only a few different turns, so that pages are the same */
	unsigned int min_moves; /* of frames, in any run */
};

struct third {
	struct run *run;
	const struct third_plan *plan;
	uint8_t *base;
	size_t len;
	int pagemap;
	int file; /* behind the pages, if the mover has one */
	struct ibv_mr *mr;
	_Atomic bool stop;
	_Atomic unsigned int window; /* first page in use, if .idle */

	/*
	 * If .led: .broken pages from .first on have been copied since they
	 * were shared, and nobody else writes to the others. The peer reads
	 * the next one all the time, so that it has a read-only entry.
	 */
	_Atomic unsigned int first, broken, looking;

	/* What must be there: by those who did it. */
	struct {
		_Atomic int owner; /* enum; of the lock */
		uint64_t turn; /* under the lock */
		_Atomic uint64_t cpu, begun, done;
		uint64_t adds[2]; /* of the CPU, of the device */
		uint64_t mover;
	} is[THIRD_PAGES];

	uint64_t cpu_accesses, device_accesses, device_locks, cpu_locks;
	uint64_t moves; /* frames that changed */
	uint64_t remaps; /* of the same frame elsewhere and back */
};

static inline struct shared *shared_at(const struct third *t, unsigned int page)
{
	unsigned int step = t->plan->step ?: 2;

	return (struct shared *)(t->base + (page + 1) * step * PAGE);
}

static inline struct before *before_at(const struct third *t, unsigned int page)
{
	return (struct before *)shared_at(t, page) - 1;
}

static inline bool third_try_lock(struct third *t, unsigned int page, int who)
{
	uint64_t free = FREE;

	return __atomic_compare_exchange_n(&before_at(t, page)->lock, &free,
					   who, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

/* What the page must say of its turn, and of the one after it. */
static inline uint64_t third_word(const struct third *t, uint64_t turn)
{
	return t->plan->few ? turn % 4 : turn;
}

static inline uint64_t third_turn(const struct third *t, unsigned int page)
{
	return third_word(t, t->is[page].turn);
}

static inline uint64_t third_next(const struct third *t, unsigned int page)
{
	return third_word(t, t->is[page].turn + 1);
}

/* The lock is held: nobody else has it, and the page says what it must. */
void third_enter(struct third *t, unsigned int page, int who, uint64_t turn);
/* ... and gives it back, one turn later. */
void third_leave(struct third *t, unsigned int page);
static inline void third_unlock(struct third *t, unsigned int page)
{
	__atomic_store_n(&before_at(t, page)->lock, FREE, __ATOMIC_RELEASE);
}

/* By the mover: counts the frames that have changed since the last time. */
void third_count(struct third *t);
/* The mover writes to a page: whoever does first has a copy. */
void third_add(struct third *t, unsigned int page);
/* The mover copies the pages of a .led plan, one by one. */
void third_lead(struct third *t, struct rng *g);
unsigned int third_pick(const struct third *t, struct rng *g);
void third_run(struct run *r, const struct third_plan *plan);

/* thirddev.c: the device's side; one QP pair and a buffer. */
struct third_device {
	struct third *t;
	struct chain c;
	struct rng rng;
};

void third_device_open(struct third_device *d, struct third *t, uint64_t seed);
void third_device_round(struct third_device *d);
/* One page whose lock is the CPU's: the peer takes this turn. */
void third_device_turn(struct third_device *d, unsigned int page);

#endif
