// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The third thread: the CPU's side, the mover's, and the reckoning. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "third.h"

void third_enter(struct third *t, unsigned int page, int who, uint64_t turn)
{
	int free = FREE;

	if (!atomic_compare_exchange_strong(&t->is[page].owner, &free, who))
		fail(t->run, "split: page %u, the lock is %d's and %d's", page,
		     free, who);
	if (turn != third_turn(t, page))
		fail(t->run, "split: page %u, %d finds turn %llu, not %llu",
		     page, who, (unsigned long long)turn,
		     (unsigned long long)third_turn(t, page));
}

void third_leave(struct third *t, unsigned int page)
{
	t->is[page].turn++;
	atomic_store(&t->is[page].owner, FREE);
}

unsigned int third_pick(const struct third *t, struct rng *g)
{
	unsigned int first = atomic_load(&t->window), n;

	if (t->plan->led) {
		n = atomic_load(&t->broken) ?: THIRD_PAGES;
		first = atomic_load(&t->first);
		/* The latest one most of all. */
		return (first + n - 1 - below(g, one_in(g, 4) ? n : 1)) %
		       THIRD_PAGES;
	}
	if (!t->plan->idle)
		return below(g, THIRD_PAGES);
	return (first + below(g, THIRD_PAGES / 4)) % THIRD_PAGES;
}

/* --- the CPU ------------------------------------------------------ */

static void grown(struct third *t, unsigned int page, uint64_t least,
		  struct shared *s)
{
	volatile uint64_t *at = &s->device;
	unsigned int i;

	/* A WRITE may land byte by byte: look again before judging. */
	for (i = 0; i < 1000 && *at < least; i++)
		;
	if (*at < least)
		fail(t->run,
		     "split: page %u, the CPU finds WRITE %llu, not %llu", page,
		     (unsigned long long)*at, (unsigned long long)least);
}

static void cpu_store(struct third *t, unsigned int page)
{
	volatile struct shared *s = shared_at(t, page);
	volatile struct before *b = before_at(t, page);
	uint64_t mine = atomic_load(&t->is[page].cpu);

	if (s->cpu != mine)
		fail(t->run, "split: page %u, the CPU's store %llu is %llu now",
		     page, (unsigned long long)mine,
		     (unsigned long long)s->cpu);
	s->cpu = ++mine;
	/* x86 keeps stores in order: who sees these sees that. */
	b->told[0] = mine;
	b->told[1] = mine;
	atomic_store(&t->is[page].cpu, mine);
	t->cpu_accesses += 4;
}

/* Words that need no lock. */
static void cpu_alone(struct third *t, unsigned int page)
{
	struct shared *s = shared_at(t, page);
	uint64_t least = atomic_load(&t->is[page].done);

	cpu_store(t, page);
	grown(t, page, least, s);
	__atomic_add_fetch(&s->both, 1, __ATOMIC_SEQ_CST);
	t->is[page].adds[0]++;
	t->cpu_accesses += 2;
}

static void cpu_locked(struct third *t, unsigned int page,
		       struct third_device *d)
{
	volatile struct shared *s = shared_at(t, page);

	t->cpu_accesses++;
	if (!third_try_lock(t, page, BY_CPU))
		return;
	third_enter(t, page, BY_CPU, s->turn);
	if (t->plan->still)
		cpu_store(t, page);
	s->turn = third_next(t, page);
	third_leave(t, page);
	t->cpu_accesses += 3;
	t->cpu_locks++;
	/* Now and then the peer goes on under the lock that the CPU took. */
	if (one_in(&d->rng, 512)) {
		third_device_turn(d, page);
		if (s->turn != third_turn(t, page))
			fail(t->run,
			     "split: page %u, turn %llu, not %llu of "
			     "the peer",
			     page, (unsigned long long)s->turn,
			     (unsigned long long)third_turn(t, page));
	}
	third_unlock(t, page);
}

/* A page was shared a moment ago: be there at any time of its copying. */
static void lag(struct rng *g)
{
	volatile unsigned int i, n = below(g, 1 << below(g, 16));

	for (i = 0; i < n; i++)
		;
}

static void *cpu_main(void *arg)
{
	struct third_device *d = arg;
	struct third *t = d->t;
	unsigned int page, broken = 0;

	while (!atomic_load(&t->stop) && !failed(t->run)) {
		for (unsigned int i = 0; i < 64; i++) {
			page = third_pick(t, &d->rng);
			if (broken != atomic_load(&t->broken)) {
				broken = atomic_load(&t->broken);
				lag(&d->rng);
			}
			if (!t->plan->guarded && !t->plan->still)
				cpu_alone(t, page);
			cpu_locked(t, page, d);
		}
		/* There are more threads than CPUs, and the mover is one. */
		usleep(below(&d->rng, 100));
	}
	return NULL;
}

static void *device_main(void *arg)
{
	struct third_device *d = arg;

	while (!atomic_load(&d->t->stop) && !failed(d->t->run))
		third_device_round(d);
	return NULL;
}

/* --- the mover ---------------------------------------------------- */

void third_count(struct third *t)
{
	static uint64_t was[THIRD_PAGES], now[512];
	unsigned int i, at, step = t->plan->step ?: 2;
	size_t n = (THIRD_PAGES + 1) * step;
	uint64_t frame;

	if (pread(t->pagemap, now, n * 8, (uintptr_t)t->base / PAGE * 8) !=
	    (ssize_t)(n * 8))
		die("pagemap: %s", strerror(errno));
	for (i = 0; i < THIRD_PAGES; i++) {
		at = (i + 1) * step;
		frame = now[at] >> 63 ? now[at] & ((1ULL << 55) - 1) : 0;
		if (!frame || frame == was[i])
			continue;
		t->moves += was[i] != 0;
		was[i] = frame;
	}
}

void third_add(struct third *t, unsigned int page)
{
	__atomic_add_fetch(&shared_at(t, page)->mover, 1, __ATOMIC_SEQ_CST);
	t->is[page].mover++;
}

void third_lead(struct third *t, struct rng *g)
{
	unsigned int i, page, tries;

	for (i = 0; i < THIRD_PAGES && !atomic_load(&t->stop); i++) {
		page = (atomic_load(&t->first) + i) % THIRD_PAGES;
		for (tries = 0; tries < 20; tries++) {
			if (atomic_load(&t->looking) == page)
				break;
			usleep(100);
		}
		usleep(below(g, 1000));
		atomic_store(&t->broken, i + 1);
		third_add(t, page);
	}
}

static void *mover_main(void *arg)
{
	struct third *t = arg;
	struct rng g = { t->run->seed + 3 };

	t->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (t->pagemap < 0)
		die("pagemap: %s", strerror(errno));
	third_count(t);
	while (!atomic_load(&t->stop) && !failed(t->run)) {
		if (t->plan->move(t, &g))
			note_events(t->run, 1);
		third_count(t);
		if (t->plan->idle)
			atomic_store(&t->window, below(&g, THIRD_PAGES));
	}
	close(t->pagemap);
	return NULL;
}

/* --- the reckoning ------------------------------------------------ */

static void check_page(struct third *t, unsigned int page)
{
	const struct shared *s = shared_at(t, page);
	const struct before *b = before_at(t, page);
	const struct {
		const char *what;
		uint64_t got, want;
	} words[] = {
		{ "lock", b->lock, FREE },
		{ "turn", s->turn, third_turn(t, page) },
		{ "the CPU's store", s->cpu, t->is[page].cpu },
		{ "the last WRITE", s->device, t->is[page].done },
		{ "atomic adds", s->both,
		  t->is[page].adds[0] + t->is[page].adds[1] },
		{ "the mover's adds", s->mover, t->is[page].mover },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].got != words[i].want)
			fail(t->run,
			     "split: at the end, page %u, %s: %llu, not %llu",
			     page, words[i].what,
			     (unsigned long long)words[i].got,
			     (unsigned long long)words[i].want);
}

/* The first line is read by results.sh, as is that of thirdzap.c. */
static void report(struct third *t, const struct third_device *d, uint64_t ms)
{
	unsigned long long device = d[0].c.accesses + d[1].c.accesses;
	unsigned long long cpu = t->cpu_accesses, moves = t->moves;
	unsigned int splits = atomic_load(&t->run->splits);

	ms = ms ?: 1;
	tap_note("%s: %llu device and %llu CPU accesses, %llu page moves, "
		 "%llu moves away and back: %u splits",
		 t->run->sc->name, device, cpu, moves,
		 (unsigned long long)t->remaps, splits);
	tap_note("  a second: %llu device, %llu CPU, %llu moves; locks taken "
		 "by CMP_SWAP %llu times, by the CPU %llu",
		 device * 1000 / ms, cpu * 1000 / ms, moves * 1000 / ms,
		 (unsigned long long)t->device_locks,
		 (unsigned long long)t->cpu_locks);
	note_ops(t->run, OP_LOAD, cpu / 2);
	note_ops(t->run, OP_STORE, cpu - cpu / 2);
	if (failed(t->run))
		return;
	if (moves + t->remaps < t->plan->min_moves)
		fail(t->run, "%llu page moves, at least %u wanted", moves,
		     t->plan->min_moves);
	if (!t->device_locks || !t->cpu_locks)
		fail(t->run, "one of both never got a lock");
}

static void go(struct third *t, struct third_device *d)
{
	struct run *r = t->run;
	uint64_t end = now_ms() + r->ms, late = end + 10000 * r->slow;
	pthread_t cpu, device, mover;
	uint64_t start = now_ms();

	if (pthread_create(&cpu, NULL, cpu_main, &d[0]) ||
	    pthread_create(&device, NULL, device_main, &d[1]) ||
	    pthread_create(&mover, NULL, mover_main, t))
		die("pthread_create");
	hooks_begin(r);
	while (!failed(r) && now_ms() < late) {
		sleep_ms(20);
		if (now_ms() < end)
			continue;
		hooks_sample(r);
		if (hooks_seen(r, NULL) && t->device_locks && t->cpu_locks &&
		    t->moves + t->remaps >= t->plan->min_moves)
			break;
	}
	atomic_store(&t->stop, true);
	pthread_join(mover, NULL);
	pthread_join(device, NULL);
	pthread_join(cpu, NULL);
	hooks_sample(r);
	for (unsigned int i = 0; i < THIRD_PAGES && !failed(r); i++)
		check_page(t, i);
	report(t, d, now_ms() - start);
}

void third_run(struct run *r, const struct third_plan *plan)
{
	static struct third_device d[2];
	static struct third t;
	unsigned int step = plan->step ?: 2;

	t.run = r;
	t.plan = plan;
	t.len = (THIRD_PAGES + 1) * step * PAGE;
	t.base = map_anon(t.len);
	memset(t.base, 0, t.len);
	if (plan->prepare)
		plan->prepare(&t);
	if (r->skipped)
		return;
	t.mr = rd_reg(&r->dev, t.base, t.len, RD_ALL | IBV_ACCESS_ON_DEMAND);
	third_device_open(&d[0], &t, r->seed + 1);
	third_device_open(&d[1], &t, r->seed + 2);
	go(&t, d);
	if (failed(r))
		return;
	chain_close(&d[0].c);
	chain_close(&d[1].c);
	if (ibv_dereg_mr(t.mr))
		fail(r, "dereg_mr: %s", strerror(errno));
	munmap(t.base, t.len);
}
