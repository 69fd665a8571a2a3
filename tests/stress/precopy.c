// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Soft-dirty: who copies a process while it runs asks the kernel which pages
 * were written since the last time, and copies those alone.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guestsys.h"

#define PAGES	512
#define THREADS 2

static const char *soft_dirty_missing(void)
{
	uint8_t *p = map_anon(PAGE);
	uint64_t word;

	*(volatile uint8_t *)p = 1;
	pagemap_open();
	pagemap_read(p, &word, 1);
	munmap(p, PAGE);
	return word & PM_SOFT_DIRTY ? NULL : "a kernel without soft-dirty";
}

static struct {
	struct engine e;
	pthread_t thread[THREADS];
	_Atomic bool pause, stop;
	_Atomic unsigned int busy;
	uint8_t *image;
	uint64_t words[PAGES];
	bool dirty[PAGES];
	uint64_t copied, rounds;
} pre;

/* Traffic that can be held up for a moment, as a frozen process's is. */
static void *traffic_main(void *arg)
{
	struct traffic *t = arg;

	while (!atomic_load(&pre.stop) && !failed(pre.e.run)) {
		atomic_fetch_add(&pre.busy, 1);
		if (!atomic_load(&pre.pause))
			traffic_round(t);
		atomic_fetch_sub(&pre.busy, 1);
		while (atomic_load(&pre.pause) && !atomic_load(&pre.stop))
			sleep_ms(1);
	}
	return NULL;
}

/* Which pages were written since the last time; from now on it is anew. */
static void take_dirty(void)
{
	unsigned int i;

	pagemap_read(page_at(pre.e.field[0], 0), pre.words, PAGES);
	for (i = 0; i < PAGES; i++)
		pre.dirty[i] = pre.words[i] & PM_SOFT_DIRTY;
	if (!sys_set("/proc/self/clear_refs", "4"))
		fail(pre.e.run, "clear_refs: %s", strerror(errno));
}

static void copy_dirty(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		if (!pre.dirty[i])
			continue;
		memcpy(pre.image + i * PAGE, page_at(pre.e.field[0], i), PAGE);
		pre.copied++;
	}
	pre.rounds++;
	note_events(pre.e.run, 1);
}

/* The copying itself goes on beside the traffic: what it tears is dirty. */
static void round_beside(void)
{
	atomic_store(&pre.pause, true);
	while (atomic_load(&pre.busy))
		sched_yield();
	take_dirty();
	atomic_store(&pre.pause, false);
	copy_dirty();
}

static void start(struct run *r)
{
	unsigned int i;

	pre.e = (struct engine){
		.run = r,
		.field = { field_anon(r, PAGES), field_pinned(r, 32) },
		.fields = 2,
		.threads = THREADS,
		.depth = DEPTH,
		/* What is dirty is dirty by the device. */
		.ops = OPS_ALL & ~OP(STORE),
	};
	pre.image = map_anon(PAGES * PAGE);
	pagemap_open();
	memset(page_at(pre.e.field[0], 0), 0, PAGES * PAGE);
	for (i = 0; i < THREADS; i++)
		pre.e.traffic[i] = traffic_open(&pre.e, i);
	/* The first time everything is copied. */
	take_dirty();
	memset(pre.dirty, 1, sizeof(pre.dirty));
	copy_dirty();
	hooks_begin(r);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&pre.thread[i], NULL, traffic_main,
				   pre.e.traffic[i]))
			die("pthread_create");
}

static void compare(struct run *r)
{
	const uint8_t *now = page_at(pre.e.field[0], 0);
	ssize_t bad = first_difference(pre.image, now, PAGES * PAGE);

	tap_note("%s: %llu pages copied in %llu rounds", r->sc->name,
		 (unsigned long long)pre.copied,
		 (unsigned long long)pre.rounds);
	if (bad >= 0)
		fail(r, "byte %zd of page %zu of the image is not in memory",
		     bad % PAGE, bad / PAGE);
	if (pre.copied == pre.rounds * PAGES)
		fail(r, "every page was dirty each time");
	if (pre.copied == PAGES)
		fail(r, "no page was ever dirty");
}

static void precopy_run(struct run *r)
{
	uint64_t end;
	unsigned int i;

	start(r);
	end = now_ms() + r->ms;
	while ((now_ms() < end || pre.rounds < 5) && !failed(r)) {
		sleep_ms(20);
		round_beside();
	}
	atomic_store(&pre.stop, true);
	for (i = 0; i < THREADS; i++)
		pthread_join(pre.thread[i], NULL);
	hooks_sample(r);
	take_dirty();
	copy_dirty();
	if (!failed(r))
		compare(r);
	engine_check(&pre.e);
	engine_free(&pre.e);
}

SCENARIO(precopy) = {
	.name = "soft-dirty",
	.rows = "36",
	.what = "pages called dirty are all that changed: a copy ends up exact",
	.missing = soft_dirty_missing,
	.run = precopy_run,
	.hooks = SOFT_DIRTY,
};
