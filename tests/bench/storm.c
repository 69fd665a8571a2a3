// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Faults in one part of a region while a thread takes pages away in another
 * part, without a rest: how many faults had to be tried again because of it, by
 * the region's own count. For a guest with several CPUs; nothing is timed.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include <softodp/softodp.h>

#include "bench.h"

enum {
	WRITES = 4096,
	MTU = 1024,
	STORM_PAGES = 16,
	WAIT_MS = 60000,
	END_MS = 120000, /* whoever is that slow has done enough */
};

#define CALM  (WRITES * PAGE) /* what the WRITEs go to */
#define GAP   MIB
#define STORM (STORM_PAGES * PAGE)

static int stop;
static unsigned long blows;

/* Right behind it, and in the same region. */
static void *storm(void *arg)
{
	uint8_t *at = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		touch(at, STORM);
		if (madvise(at, STORM, MADV_DONTNEED))
			die("MADV_DONTNEED: %s", strerror(errno));
		__atomic_add_fetch(&blows, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Those that failed, of so many. */
static unsigned int faults(struct lanes *l, uint8_t *at, struct ibv_mr *mr,
			   struct ibv_mr *source, unsigned int *writes)
{
	uint64_t end = now_ms() + END_MS;
	unsigned int failed = 0;
	size_t i;

	for (i = 0; i < WRITES && now_ms() < end; i++) {
		if (!rd_write(&l->a[0], (uintptr_t)source->addr, source->lkey,
			      PAGE, (uintptr_t)at + i * PAGE, mr->rkey,
			      WAIT_MS))
			continue;
		failed++;
		rd_reconnect(&l->a[0], &l->b[0]);
	}
	*writes = i;
	return failed;
}

static void tell(struct ibv_mr *mr)
{
	struct softodp_mr_stats stats;

	if (softodp_query_mr_stats(mr, &stats))
		return; /* a device that does not count */
	result(stats.page_faults, "count", "storm_faults");
	result(stats.page_invalidations, "count", "storm_invalidations");
	result(stats.page_faults_retried, "count", "storm_retries");
}

void part_storm(void)
{
	uint8_t *at, *buf = fresh(PAGE);
	struct ibv_mr *mr, *source;
	unsigned int failed, writes;
	pthread_t thread;
	struct lanes l;

	if (!bench.on_demand)
		return;
	at = fresh(CALM + GAP + STORM);
	touch(buf, PAGE);
	source = rd_reg(&bench.asks, buf, PAGE, RD_ALL);
	mr = reg_asked(at, CALM + GAP + STORM);
	lanes_open(&l, 1, MTU);
	if (pthread_create(&thread, NULL, storm, at + CALM + GAP))
		die("no thread");
	while (!__atomic_load_n(&blows, __ATOMIC_RELAXED))
		sched_yield();
	failed = faults(&l, at, mr, source, &writes);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);

	result(blows, "count", "storm_blows");
	result(writes, "count", "storm_writes");
	result(failed, "count", "storm_failed");
	tell(mr);
	lanes_close(&l);
	dereg(mr);
	dereg(source);
	munmap(at, CALM + GAP + STORM);
	munmap(buf, PAGE);
}
