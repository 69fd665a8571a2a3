// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The third thread, and a page that goes first in a long range: between the
 * kernel's change of the page and its end hook there are all the other pages.
 * Meanwhile the CPU's thread has got a new page, without the mover's leave,
 * and knows it; then the device must have that one, too.
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "chain.h"

#define HOT  32 /* pages at the beginning of the range that are looked at */
#define LONG 2048

/* In any run; each round has one that somebody has seen. */
#define MIN_MOVES 5

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

struct hot {
	uint64_t cpu, device;
};

struct zap {
	struct run *run;
	uint8_t *base;
	struct ibv_mr *mr;
	_Atomic uint64_t begun, seen; /* rounds: by the mover; by the third */
	_Atomic bool stop;
	uint64_t cpu, device; /* accesses; of those of who waits, the last */
	uint64_t moves; /* new pages that the CPU came upon */
};

static struct hot *hot_at(const struct zap *z, unsigned int page)
{
	return (struct hot *)(z->base + page * PAGE);
}

/* Zeros are a new page's. */
static bool is_new(struct zap *z, unsigned int page)
{
	return !__atomic_fetch_add(&hot_at(z, page)->cpu, 1, __ATOMIC_SEQ_CST);
}

/*
 * The first page that is new. Whoever looks at a page too early has it in the
 * TLB, and sees the old one until the kernel flushes that: so each page is
 * looked at once, and only the last one till it has gone.
 */
static unsigned int find_new(struct zap *z, struct rng *g)
{
	volatile unsigned int spins;
	unsigned int page, i;

	for (page = 0; page < HOT - 1; page++) {
		for (spins = below(g, 20000); spins; spins--)
			;
		z->cpu++;
		if (is_new(z, page))
			goto found;
	}
	for (i = 0; !is_new(z, page); i++) {
		if (i > 100000000)
			fail(z->run, "the page never went");
		if (failed(z->run))
			return page;
	}
	z->cpu++;
found:
	z->moves++;
	return page;
}

static void third_look(struct zap *z, struct chain *c, uint64_t round,
		       struct rng *g)
{
	unsigned int page = find_new(z, g);
	struct hot *h = hot_at(z, page);
	const uint64_t *read;
	uint64_t got;

	read = chain_read(c, &h->cpu, z->mr->rkey, 8);
	chain_write(c, &h->device, z->mr->rkey, round);
	if (!chain_go(c))
		return;
	got = __atomic_load_n(&h->device, __ATOMIC_SEQ_CST);
	z->cpu++;
	if (*read != 1)
		fail(z->run,
		     "split: page %u, the CPU's add, the peer READs "
		     "%#llx",
		     page, (unsigned long long)*read);
	if (got != round)
		fail(z->run,
		     "split: page %u, the peer's WRITE %llu, the CPU "
		     "loads %#llx",
		     page, (unsigned long long)round, (unsigned long long)got);
}

static void *third_main(void *arg)
{
	struct zap *z = arg;
	struct rng g = { z->run->seed + 1 };
	struct chain c = {};
	uint64_t round = 1;

	chain_open(&c, z->run);
	while (!atomic_load(&z->stop) && !failed(z->run)) {
		if (atomic_load(&z->begun) < round)
			continue;
		third_look(z, &c, round, &g);
		atomic_store(&z->seen, round++);
	}
	z->device += c.accesses;
	if (!failed(z->run))
		chain_close(&c);
	return NULL;
}

/* By the device, so that no CPU has them in its TLB. */
static bool fill_hot(struct zap *z, struct chain *c, uint64_t round)
{
	for (unsigned int i = 0; i < HOT; i++) {
		chain_write(c, &hot_at(z, i)->cpu, z->mr->rkey,
			    1ULL << 63 | round << 32);
		chain_write(c, &hot_at(z, i)->device, z->mr->rkey, 0);
	}
	return chain_go(c);
}

static bool zap_round(struct zap *z, struct chain *c, uint64_t round)
{
	if (!fill_hot(z, c, round))
		return false;
	if (madvise(z->base + HOT * PAGE, (LONG - HOT) * PAGE,
		    MADV_POPULATE_WRITE))
		for (size_t i = HOT * PAGE; i < LONG * PAGE; i += PAGE)
			z->base[i] = 1;
	atomic_store(&z->begun, round);
	if (madvise(z->base, LONG * PAGE, MADV_DONTNEED))
		fail(z->run, "MADV_DONTNEED: %s", strerror(errno));
	while (atomic_load(&z->seen) < round && !failed(z->run))
		usleep(50);
	note_events(z->run, 1);
	return !failed(z->run);
}

static void zap_run(struct run *r)
{
	struct zap z = { .run = r, .base = map_anon(LONG * PAGE) };
	uint64_t start = now_ms(), round = 1, ms;
	struct chain c = {};
	pthread_t third;

	z.mr = rd_reg(&r->dev, z.base, LONG * PAGE,
		      RD_ALL | IBV_ACCESS_ON_DEMAND);
	chain_open(&c, r);
	if (pthread_create(&third, NULL, third_main, &z))
		die("pthread_create");
	hooks_begin(r);
	while ((now_ms() < start + r->ms || round <= MIN_MOVES) &&
	       zap_round(&z, &c, round))
		round++;
	hooks_sample(r);
	atomic_store(&z.stop, true);
	pthread_join(third, NULL);
	z.device += c.accesses;
	ms = now_ms() - start ?: 1;
	tap_note("%s: %llu device and %llu CPU accesses, %llu page moves in "
		 "%llu calls: %u splits; %llu moves a second",
		 r->sc->name, (unsigned long long)z.device,
		 (unsigned long long)z.cpu, (unsigned long long)z.moves,
		 (unsigned long long)r->events, atomic_load(&r->splits),
		 (unsigned long long)(z.moves * 1000 / ms));
	note_ops(r, OP_STORE, z.cpu);
	if (failed(r))
		return;
	if (z.moves < MIN_MOVES)
		fail(r, "%llu page moves, at least %u wanted",
		     (unsigned long long)z.moves, MIN_MOVES);
	chain_close(&c);
	if (ibv_dereg_mr(z.mr))
		fail(r, "dereg_mr: %s", strerror(errno));
	munmap(z.base, LONG * PAGE);
}

SCENARIO(third_zap) = {
	.name = "third-zap",
	.rows = "5",
	.what = "... which went first of many, and has come back before the last",
	.run = zap_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};
