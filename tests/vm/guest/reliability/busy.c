// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A CPU that a real-time task has for itself. The responder answered from
 * there last and would like to stay, so that packets keep their order; but
 * what the peer asks now it has to answer from another CPU.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "reliability/reliability.h"

enum {
	BUSY_CPU = 1,
	BUSY_MS = 400, /* less than what the kernel leaves to real time */
	ENOUGH_MS = BUSY_MS / 2,
	LEN = 20000,
};

struct hog {
	pthread_t thread;
	sem_t go, gone;
	_Atomic bool busy, end;
};

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity: %s", strerror(errno));
}

static void *hog_main(void *arg)
{
	const struct sched_param param = { .sched_priority = 50 };
	struct hog *hog = arg;
	uint64_t end;

	stay_on(BUSY_CPU);
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		die("sched_setscheduler: %s", strerror(errno));
	for (;;) {
		sem_wait(&hog->go);
		if (atomic_load(&hog->end))
			return NULL;
		atomic_store(&hog->busy, true);
		for (end = now_ms() + BUSY_MS; now_ms() < end;)
			;
		atomic_store(&hog->busy, false);
		sem_post(&hog->gone);
	}
}

static bool read_once(struct rules *r, unsigned int seed)
{
	struct rd_op op = rules_op(r, IBV_WR_RDMA_READ, LEN, 0);

	fill(r->area.remote, LEN, seed);
	rd_post(&r->a, &op);
	return next_is(r, 0, IBV_WC_SUCCESS) &&
	       first_difference(r->area.local, r->area.remote, LEN) < 0;
}

/* False: it failed, or took too long. *meant: it ended while CPU 1 was busy. */
static bool round_of(struct rules *r, struct hog *hog, unsigned int i,
		     bool *meant)
{
	uint64_t start;
	bool ok;

	/* The responder answers from there. */
	stay_on(BUSY_CPU);
	ok = read_once(r, 2 * i);
	stay_on(!BUSY_CPU);
	sem_post(&hog->go);
	while (!atomic_load(&hog->busy))
		;
	start = now_ms();
	ok = ok && read_once(r, 2 * i + 1);
	*meant = atomic_load(&hog->busy);
	if (now_ms() - start > ENOUGH_MS) {
		tap_note("a READ took %llu ms beside a busy CPU",
			 (unsigned long long)(now_ms() - start));
		ok = false;
	}
	sem_wait(&hog->gone);
	sleep_ms(BUSY_MS / 4);
	return ok;
}

/* @timeout: of the peer, which asks again after 4.096 us << it. */
static void busy_cpu(unsigned int n, unsigned int timeout)
{
	struct rd_qp_opts o = { .timeout = timeout };
	unsigned int i, bad = 0, meant = 0;
	struct hog hog = { 0 };
	struct rules r;
	cpu_set_t all;
	bool one;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		tap_result(true, "a busy CPU # SKIP there is but one CPU");
		return;
	}
	if (sched_getaffinity(0, sizeof(all), &all))
		die("sched_getaffinity: %s", strerror(errno));
	if (sem_init(&hog.go, 0, 0) || sem_init(&hog.gone, 0, 0) ||
	    pthread_create(&hog.thread, NULL, hog_main, &hog))
		die("a thread to be busy");
	rules_begin(&r, &o);
	for (i = 0; i < n && !bad; i++) {
		bad += !round_of(&r, &hog, i, &one);
		meant += one;
	}
	rules_end(&r);
	atomic_store(&hog.end, true);
	sem_post(&hog.go);
	pthread_join(hog.thread, NULL);
	if (sched_setaffinity(0, sizeof(all), &all))
		die("sched_setaffinity: %s", strerror(errno));
	tap_result(!bad && meant,
		   "a busy CPU holds up no queue pair (timeout %u): %u of %u "
		   "READs ended while it was busy",
		   timeout, meant, i);
}

/* A peer that asks again soon, and one that does not until all is over. */
void test_busy_cpu(unsigned int n)
{
	busy_cpu(n, 12);
	busy_cpu(n, 20);
}
