// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Two addresses: who writes A and then B must never be seen to have written B
 * alone, whoever copies or moves the two pages meanwhile.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chain.h"

#define PAIRS	  8
#define MIN_HEARD 100 /* in any run */

/* In a page of its own, each; in the B of a pair, .cpu comes twice. */
struct side {
	uint64_t cpu[2];
	uint64_t device; /* atomic adds by the peer: never torn */
};

struct litmus {
	struct run *run;
	uint8_t *base;
	struct ibv_mr *mr;
	_Atomic bool stop;
	uint64_t said, forks;
	_Atomic uint64_t heard; /* pairs READ, none of them torn or new */
};

static struct side *side_of(const struct litmus *l, unsigned int pair, bool b)
{
	/* Away from each other, so that they are faulted in apart. */
	return (struct side *)(l->base + (pair + (b ? PAIRS : 0)) * PAGE);
}

/* The CPU writes A, then B; and reads the device's B, then its A. */
static void cpu_round(struct litmus *l, unsigned int pair, uint64_t n)
{
	volatile struct side *a = side_of(l, pair, false);
	volatile struct side *b = side_of(l, pair, true);
	uint64_t in_a, in_b;

	a->cpu[0] = n;
	b->cpu[0] = n;
	b->cpu[1] = n;
	in_b = b->device;
	in_a = a->device;
	if (in_a < in_b)
		fail(l->run, "pair %u: the CPU sees B %llu with A %llu", pair,
		     (unsigned long long)in_b, (unsigned long long)in_a);
	l->said++;
}

static void *cpu_main(void *arg)
{
	struct litmus *l = arg;
	struct rng g = { l->run->seed + 1 };
	uint64_t n = 0;

	while (!atomic_load(&l->stop) && !failed(l->run)) {
		n++;
		for (unsigned int i = 0; i < PAIRS; i++)
			cpu_round(l, i, n);
		/* The mover and the device need a CPU, too. */
		if (one_in(&g, 64))
			usleep(below(&g, 100));
	}
	return NULL;
}

/* The peer READs B, then A; and adds to A, then to B. */
static bool device_round(struct litmus *l, struct chain *c)
{
	const struct side *a[2 * PAIRS], *b[2 * PAIRS];
	unsigned int i;

	for (i = 0; i < 2 * PAIRS; i++) {
		b[i] = chain_read(c, side_of(l, i % PAIRS, true), l->mr->rkey,
				  16);
		a[i] = chain_read(c, side_of(l, i % PAIRS, false), l->mr->rkey,
				  8);
	}
	if (!chain_go(c))
		return false;
	for (i = 0; i < 2 * PAIRS; i++) {
		/* A torn one does not come twice. */
		if (b[i]->cpu[0] != b[i]->cpu[1])
			continue;
		if (a[i]->cpu[0] < b[i]->cpu[0])
			fail(l->run, "pair %u: the peer READs B %llu, A %llu",
			     i % PAIRS, (unsigned long long)b[i]->cpu[0],
			     (unsigned long long)a[i]->cpu[0]);
		/* Before the first store nothing can be out of order. */
		if (b[i]->cpu[0])
			atomic_fetch_add(&l->heard, 1);
	}
	for (i = 0; i < PAIRS; i++) {
		chain_fetch_add(c, &side_of(l, i, false)->device, l->mr->rkey,
				1);
		chain_fetch_add(c, &side_of(l, i, true)->device, l->mr->rkey,
				1);
	}
	return chain_go(c);
}

static void *device_main(void *arg)
{
	struct litmus *l = arg;
	struct chain c = {};

	chain_open(&c, l->run);
	while (!atomic_load(&l->stop) && device_round(l, &c))
		;
	if (!failed(l->run))
		chain_close(&c);
	return NULL;
}

/* What the child sees was so at one moment; whoever writes first has a copy. */
static void fork_round(struct litmus *l, struct rng *g)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	if (pid < 0) {
		fail(l->run, "fork: %s", strerror(errno));
		return;
	}
	usleep(below(g, 3000));
	kill(pid, SIGKILL);
	if (waitpid(pid, NULL, 0) != pid)
		fail(l->run, "waitpid: %s", strerror(errno));
	l->forks++;
	note_events(l->run, 1);
}

static void litmus_check(struct litmus *l)
{
	const struct side *a, *b;

	for (unsigned int i = 0; i < PAIRS; i++) {
		a = side_of(l, i, false);
		b = side_of(l, i, true);
		if (a->cpu[0] != b->cpu[0] || a->device != b->device)
			fail(l->run,
			     "pair %u, at the end: %llu and %llu, %llu "
			     "and %llu",
			     i, (unsigned long long)a->cpu[0],
			     (unsigned long long)b->cpu[0],
			     (unsigned long long)a->device,
			     (unsigned long long)b->device);
	}
	tap_note("%s: %llu pairs written, %llu READ, %llu forks",
		 l->run->sc->name, (unsigned long long)l->said,
		 (unsigned long long)atomic_load(&l->heard),
		 (unsigned long long)l->forks);
}

static void litmus_run(struct run *r)
{
	struct litmus l = { .run = r, .base = map_anon(2 * PAIRS * PAGE) };
	struct rng g = { r->seed };
	uint64_t end = now_ms() + r->ms, late;
	pthread_t cpu, device;

	memset(l.base, 0, 2 * PAIRS * PAGE);
	l.mr = rd_reg(&r->dev, l.base, 2 * PAIRS * PAGE,
		      RD_ALL | IBV_ACCESS_ON_DEMAND);
	if (pthread_create(&device, NULL, device_main, &l) ||
	    pthread_create(&cpu, NULL, cpu_main, &l))
		die("pthread_create");
	late = end + 10000 * r->slow;
	hooks_begin(r);
	while ((now_ms() < end || l.forks < 5 ||
		(now_ms() < late && atomic_load(&l.heard) < MIN_HEARD)) &&
	       !failed(r))
		fork_round(&l, &g);
	hooks_sample(r);
	atomic_store(&l.stop, true);
	pthread_join(device, NULL);
	pthread_join(cpu, NULL);
	note_ops(r, OP_STORE, 3 * l.said);
	note_ops(r, OP_LOAD, 2 * l.said);
	if (failed(r))
		return;
	litmus_check(&l);
	if (l.heard < MIN_HEARD)
		fail(r, "%llu pairs READ, at least %u wanted",
		     (unsigned long long)l.heard, MIN_HEARD);
	if (ibv_dereg_mr(l.mr))
		fail(r, "dereg_mr: %s", strerror(errno));
}

SCENARIO(litmus) = {
	.name = "litmus",
	.rows = "50",
	.what = "never the new B with the old A",
	.run = litmus_run,
	.hooks = PROT_PAGE | CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* --- one counter, of everybody ------------------------------------ */

#define SIDES  4 /* threads of the CPU, and of the device */
#define AROUND 64 /* pages: one alone would not be reclaimed */
#define ADDS   64 /* of a chain */

struct counter {
	struct run *run;
	uint8_t *base;
	uint64_t *at;
	struct ibv_mr *mr;
	_Atomic bool stop;
};

struct adder {
	struct counter *c;
	pthread_t thread;
	uint64_t adds, sum; /* the sum of what was there before each */
};

static void *cpu_adds(void *arg)
{
	struct adder *a = arg;
	uint64_t old;

	while (!atomic_load(&a->c->stop)) {
		for (unsigned int i = 0; i < 256; i++) {
			old = __atomic_fetch_add(a->c->at, 1, __ATOMIC_SEQ_CST);
			a->sum += old;
			a->adds++;
		}
		usleep(100);
	}
	return NULL;
}

static bool device_batch(struct adder *a, struct chain *c)
{
	const uint64_t *old[ADDS];
	unsigned int i;

	for (i = 0; i < ADDS; i++)
		old[i] = chain_fetch_add(c, a->c->at, a->c->mr->rkey, 1);
	if (!chain_go(c))
		return false;
	for (i = 0; i < ADDS; i++)
		a->sum += *old[i];
	a->adds += ADDS;
	return true;
}

/* One more by CMP_SWAP, whatever is there by then. */
static bool device_swaps(struct adder *a, struct chain *c)
{
	uint64_t want = __atomic_load_n(a->c->at, __ATOMIC_SEQ_CST), *old;

	old = chain_swap(c, a->c->at, a->c->mr->rkey, want, want + 1);
	if (!chain_go(c))
		return false;
	if (*old == want) {
		a->sum += want;
		a->adds++;
	}
	return true;
}

static void *device_adds(void *arg)
{
	struct adder *a = arg;
	struct chain c = {};

	chain_open(&c, a->c->run);
	while (!atomic_load(&a->c->stop) && device_batch(a, &c) &&
	       device_swaps(a, &c))
		;
	if (!failed(a->c->run))
		chain_close(&c);
	return NULL;
}

/* Copied, swapped out: the words around it as well. */
static void move_counter(struct counter *c, struct rng *g)
{
	struct rng mine = { rnd(g) };
	pid_t pid;

	if (one_in(g, 2)) {
		madvise(c->base, AROUND * PAGE, MADV_PAGEOUT);
		usleep(below(g, 2000));
	} else {
		pid = fork();
		if (!pid) {
			usleep(below(&mine, 3000));
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			fail(c->run, "fork: %s", strerror(errno));
	}
	note_events(c->run, 1);
}

/* Each add found another number, and all numbers came: 0 to n - 1. */
static void check_adders(struct counter *c, const struct adder *a)
{
	uint64_t adds = 0, sum = 0, by_cpu = 0;
	unsigned int i;

	for (i = 0; i < 2 * SIDES; i++) {
		if (!a[i].adds)
			fail(c->run, "adder %u got nowhere", i);
		adds += a[i].adds;
		sum += a[i].sum;
		by_cpu += i < SIDES ? a[i].adds : 0;
	}
	tap_note("%s: %llu adds of %d CPU threads, %llu of %d QPs: the counter "
		 "says %llu",
		 c->run->sc->name, (unsigned long long)by_cpu, SIDES,
		 (unsigned long long)(adds - by_cpu), SIDES,
		 (unsigned long long)*c->at);
	note_ops(c->run, OP_STORE, by_cpu);
	if (*c->at != adds)
		fail(c->run, "%llu adds make %llu", (unsigned long long)adds,
		     (unsigned long long)*c->at);
	if (sum != (adds % 2 ? adds * ((adds - 1) / 2) : adds / 2 * (adds - 1)))
		fail(c->run, "an add found a number that was another's");
}

static void counter_run(struct run *r)
{
	struct counter c = { .run = r, .base = map_anon(AROUND * PAGE) };
	static struct adder adders[2 * SIDES];
	struct rng g = { r->seed };
	uint64_t end = now_ms() + r->ms;
	unsigned int i;

	memset(c.base, 0, AROUND * PAGE);
	c.at = (uint64_t *)(c.base + AROUND / 2 * PAGE);
	c.mr = rd_reg(&r->dev, c.base, AROUND * PAGE,
		      RD_ALL | IBV_ACCESS_ON_DEMAND);
	for (i = 0; i < 2 * SIDES; i++) {
		adders[i].c = &c;
		if (pthread_create(&adders[i].thread, NULL,
				   i < SIDES ? cpu_adds : device_adds,
				   &adders[i]))
			die("pthread_create");
	}
	hooks_begin(r);
	while ((now_ms() < end || r->events < 5) && !failed(r))
		move_counter(&c, &g);
	hooks_sample(r);
	atomic_store(&c.stop, true);
	for (i = 0; i < 2 * SIDES; i++)
		pthread_join(adders[i].thread, NULL);
	if (failed(r))
		return;
	check_adders(&c, adders);
	if (ibv_dereg_mr(c.mr))
		fail(r, "dereg_mr: %s", strerror(errno));
}

SCENARIO(counter) = {
	.name = "counter",
	.what = "4 threads and 4 QPs add to one word: exact",
	.run = counter_run,
	.hooks = PROT_PAGE | CLEAR,
	.flags = SC_OWN_TRAFFIC,
};
