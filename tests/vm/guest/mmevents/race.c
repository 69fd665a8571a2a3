// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A CPU, the device and somebody who moves the page, all at once. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mmevents/bench.h"
#include "prefetch.h"

/* One page: words of the CPU, of the device, and of both. */
struct shared {
	uint64_t both; /* atomic adds of both */
	uint64_t cpu; /* plain stores of the CPU */
	uint64_t device; /* WRITEs */
};

#define AROUND 64 /* pages of the mapping, the shared one in the middle */

static struct {
	struct shared *at;
	volatile bool stop;
	uint64_t adds, stores, backwards;
	_Atomic uint64_t rest_us; /* until then nobody touches the page */
} cpu;

static uint64_t us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
}

/*
 * Reclaim passes over a page that was used since it looked last, and this one
 * is used all the time. The mover asks for a rest that ends at any time of its
 * work.
 */
static void rest(void)
{
	while (!cpu.stop && us() < atomic_load(&cpu.rest_us))
		usleep(20);
}

static void ask_for_rest(void)
{
	static struct rng rng = { 1 };

	atomic_store(&cpu.rest_us, us() + 1000 + below(&rng, 4000));
	usleep(500); /* until both heard of it */
}

static void *cpu_run(void *arg)
{
	volatile struct shared *s = cpu.at;
	uint64_t seen = 0, device;

	(void)arg;
	while (!cpu.stop) {
		__atomic_add_fetch(&cpu.at->both, 1, __ATOMIC_SEQ_CST);
		cpu.adds++;
		/* A store that went into a page left behind would be missing. */
		cpu.backwards += s->cpu != cpu.stores;
		s->cpu = ++cpu.stores;
		device = s->device;
		/* A WRITE may land byte by byte: look again before judging. */
		for (int again = 0; device < seen && again < 200; again++)
			device = s->device;
		cpu.backwards += device < seen;
		seen = device;
		if (!(cpu.adds & 63))
			rest();
	}
	return NULL;
}

static void by_fork(void)
{
	pid_t pid = fork();

	if (!pid) {
		sleep_ms(2);
		_exit(0);
	}
	sleep_ms(1);
	waitpid(pid, NULL, 0);
}

static void by_reclaim(void)
{
	drain_batches(cpu.at);
	ask_for_rest();
	madvise((uint8_t *)cpu.at - AROUND / 2 * PAGE, AROUND * PAGE,
		MADV_PAGEOUT);
	sleep_ms(1);
}

static void by_compaction(void)
{
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY);

	if (fd >= 0) {
		if (write(fd, "1", 1) != 1)
			tap_note("no compaction");
		close(fd);
	}
	sleep_ms(5);
}

static void *move_run(void *arg)
{
	void (*move)(void) = *(void (**)(void))arg;

	while (!cpu.stop)
		move();
	return NULL;
}

/* One add, one write and one read by the device. */
static void device_round(const struct ibv_mr *mr, uint64_t round)
{
	uint64_t back;
	int status;

	rest();
	status = peer_add(mr, &cpu.at->both, 1, NULL);
	check(!status, "FETCH_ADD: %s", rd_status(status));
	memcpy(bench.pbuf, &round, 8);
	status = peer_write(mr, &cpu.at->device, 8);
	check(!status, "WRITE: %s", rd_status(status));
	status = peer_read(mr, &cpu.at->device, 8);
	memcpy(&back, bench.pbuf, 8);
	check(!status && back == round, "READ of %llu gave %llu, %s",
	      (unsigned long long)round, (unsigned long long)back,
	      rd_status(status));
}

static void third_thread(void (*move)(void), uint64_t moves)
{
	pthread_t cpu_thread, mover;
	uint64_t end, rounds = 0;
	struct ibv_mr *mr;
	uint8_t *base;
	struct watch w;

	memset(&cpu, 0, sizeof(cpu));
	/* Alone, a page would stay in a CPU's batch, where reclaim is blind. */
	base = map_anon(AROUND * PAGE);
	memset(base, 1, AROUND * PAGE);
	cpu.at = (struct shared *)(base + AROUND / 2 * PAGE);
	memset(cpu.at, 0, PAGE);
	mr = reg_odp(base, AROUND * PAGE);
	watch_start(&w);
	pthread_create(&cpu_thread, NULL, cpu_run, NULL);
	pthread_create(&mover, NULL, move_run, &move);
	for (end = now_ms() + 3000; now_ms() < end;)
		device_round(mr, ++rounds);
	cpu.stop = true;
	pthread_join(mover, NULL);
	pthread_join(cpu_thread, NULL);
	check(cpu.at->both == cpu.adds + rounds,
	      "%llu adds of the CPU and %llu of the device make %llu",
	      (unsigned long long)cpu.adds, (unsigned long long)rounds,
	      (unsigned long long)cpu.at->both);
	check(cpu.at->device == rounds, "the last WRITE is lost");
	check(cpu.at->cpu == cpu.stores, "the last store is lost");
	check(!cpu.backwards, "%llu times a word went backwards",
	      (unsigned long long)cpu.backwards);
	tap_note("%llu adds of the CPU, %llu of the device",
		 (unsigned long long)cpu.adds, (unsigned long long)rounds);
	watch_faults(&w, moves);
	watch_invalidations(&w, moves);
	dereg(mr);
	munmap(base, AROUND * PAGE);
}

static void third_thread_fork(void)
{
	third_thread(by_fork, 3); /* a debug kernel forks slowly */
}

/*
 * Reclaim passes a page over that is in some CPU's batch at the time. Without
 * the event nothing was shown, so try again.
 */
static void third_thread_reclaim(void)
{
	static const char *const name = "page_invalidations_handled";
	bool counts = bench.counts;
	uint64_t before;

	for (int tries = 0; tries < 10; tries++) {
		before = counts ? counter(bench.dev.name, name) : 0;
		bench.counts = false;
		third_thread(by_reclaim, 0);
		bench.counts = counts;
		sleep_ms(20);
		if (!counts || counter(bench.dev.name, name) - before >= 5)
			return;
	}
	check(false, "the page never left memory");
}

static void third_thread_compaction(void)
{
	/* Compaction moves what it likes: the one fault is certain. */
	struct watch none;

	bench.counts = false;
	watch_start(&none);
	third_thread(by_compaction, 0);
	bench.counts = counter_exists(bench.dev.name, "page_faults");
}

/* --- drop, prefetch and write at the same time
 * ----------------------------------- */

#define N 64

static struct {
	uint8_t *at, *canary;
	const struct ibv_mr *mr;
	volatile bool stop;
	unsigned int prefetches, drops, prefetch_error, canary_hits;
} drop;

static void *prefetch_run(void *arg)
{
	int err;

	(void)arg;
	while (!drop.stop) {
		err = rd_prefetch(&bench.dev,
				  IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				  IBV_ADVISE_MR_FLAG_FLUSH, (uintptr_t)drop.at,
				  N * PAGE, drop.mr->lkey);
		if (err)
			drop.prefetch_error = err;
		drop.prefetches++;
	}
	return NULL;
}

/* Takes the frames that were freed, and watches that nobody writes there. */
static void *canary_run(void *arg)
{
	static uint8_t want[PAGE];
	unsigned int i;

	(void)arg;
	fill(want, PAGE, 99);
	while (!drop.stop) {
		madvise(drop.canary, 4 * N * PAGE, MADV_DONTNEED);
		for (i = 0; i < 4 * N; i++)
			memcpy(drop.canary + i * PAGE, want, PAGE);
		sched_yield();
		for (i = 0; i < 4 * N; i++)
			drop.canary_hits +=
				!!memcmp(drop.canary + i * PAGE, want, PAGE);
	}
	return NULL;
}

static void drop_and_prefetch(void)
{
	struct stream s = { .read_back = false };
	uint64_t end = now_ms() + 4000;
	pthread_t prefetcher, canary;
	unsigned int i, torn = 0;
	struct watch w;

	memset(&drop, 0, sizeof(drop));
	drop.at = map_anon(N * PAGE);
	drop.canary = map_anon(4 * N * PAGE);
	drop.mr = reg_odp(drop.at, N * PAGE);
	watch_start(&w);
	stream_start(&s, drop.mr, drop.at, N);
	pthread_create(&prefetcher, NULL, prefetch_run, NULL);
	pthread_create(&canary, NULL, canary_run, NULL);
	while (now_ms() < end) {
		for (i = 0; i < N; i += 8)
			madvise(drop.at + i * PAGE, 8 * PAGE, MADV_DONTNEED);
		drop.drops++;
	}
	drop.stop = true;
	pthread_join(prefetcher, NULL);
	pthread_join(canary, NULL);
	stream_wait(&s, N);
	stream_stop(&s);
	for (i = 0; i < N; i++)
		torn += stamp_version(drop.at + i * PAGE, i) < 0 &&
			!all_zero(drop.at + i * PAGE, PAGE);
	check(!torn, "%u pages neither empty nor whole", torn);
	check(!s.errors, "%u errors", s.errors);
	check(!drop.canary_hits, "%u foreign pages were written to",
	      drop.canary_hits);
	check(!drop.prefetch_error, "prefetch: %s",
	      strerror(drop.prefetch_error));
	tap_note("%u drops, %u prefetches", drop.drops, drop.prefetches);
	watch_faults(&w, 2 * N);
	watch_invalidations(&w, 2 * N);
	dereg((struct ibv_mr *)drop.mr);
	munmap(drop.at, N * PAGE);
	munmap(drop.canary, 4 * N * PAGE);
}

const struct test race_tests[] = {
	{ "third-thread-fork", third_thread_fork, "no add or store lost" },
	{ "third-thread-reclaim", third_thread_reclaim, "no add lost" },
	{ "third-thread-compact", third_thread_compaction, "no add lost" },
	{ "drop-prefetch", drop_and_prefetch, "no write to freed memory" },
	{}
};
