// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Pages of equal content become one page, and part again at the next write. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "guestsys.h"

#define KSM   "/sys/kernel/mm/ksm/"
#define PAGES 256
#define TWINS 64

static const char *ksm_missing(void)
{
	return access(KSM "run", W_OK) ? "a kernel without KSM" : NULL;
}

/*
 * Another process with pages of zeros, which nobody ever writes to: whoever
 * writes to a page that it shares has to leave it alone.
 */
struct twin {
	_Atomic uint64_t rounds;
	_Atomic bool stop, changed;
};

static uint8_t *mergeable(size_t bytes)
{
	uint8_t *p = map_anon(bytes);

	memset(p, 0, bytes);
	if (madvise(p, bytes, MADV_MERGEABLE))
		die("MADV_MERGEABLE: %s", strerror(errno));
	return p;
}

static void twin_main(struct twin *t)
{
	const uint8_t *p = mergeable(TWINS * PAGE);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!atomic_load(&t->stop)) {
		if (!all_zero(p, TWINS * PAGE))
			atomic_store(&t->changed, true);
		atomic_fetch_add(&t->rounds, 1);
		sleep_ms(5);
	}
	_exit(0);
}

static pid_t twin_start(struct twin **t)
{
	pid_t pid;

	*t = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (*t == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	pid = fork();
	if (!pid)
		twin_main(*t);
	return pid;
}

/* What is to be merged must first be equal. */
static bool clear(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	memset(g->at, 0, g->len);
	return true;
}

/* All that is merged gets a page of its own, at once. */
static bool unmerge(struct field *f, const struct range *g, struct rng *rng)
{
	(void)g;
	(void)rng;
	if (!sys_set(KSM "run", "2") || !sys_set(KSM "run", "1"))
		fail(f->run, "ksm: %s", strerror(errno));
	return true;
}

static void ksm_run(struct run *r)
{
	static const char *const counts[] = { "cow_ksm", NULL };
	static const struct event events[] = {
		{ .name = "zeros",
		  .fn = clear,
		  .flags = EV_EMPTIES,
		  .max = 64,
		  .weight = 20 },
		{ .name = "unmerge", .fn = unmerge, .flags = EV_NO_PAGES },
		{}
	};
	struct engine e = { .run = r, .events = events, .pause_us = 20000 };
	struct twin *t;
	pid_t twin = twin_start(&t);
	int status;

	sys_set_for_now(KSM "run", "1");
	sys_set_for_now(KSM "pages_to_scan", "2000");
	sys_set_for_now(KSM "sleep_millisecs", "1");
	e.field[0] = field_over(r, "merged", mergeable(PAGES * PAGE), PAGES);
	e.field[1] = field_pinned(r, 32);
	field_register(e.field[0], 0);
	engine_count(&e, counts, NULL);
	tap_note("%s: %llu pages share %llu", r->sc->name,
		 (unsigned long long)sys_get(KSM "pages_sharing", 0),
		 (unsigned long long)sys_get(KSM "pages_shared", 0));
	engine_check(&e);
	atomic_store(&t->stop, true);
	if (waitpid(twin, &status, 0) != twin || status)
		fail(r, "the other process ended with status %#x", status);
	if (atomic_load(&t->changed))
		fail(r, "a merged page of another process has changed");
	engine_free(&e);
	sys_set(KSM "run", "2");
	sys_restore();
}

SCENARIO(ksm) = {
	.name = "ksm",
	.rows = "26",
	.what = "a WRITE parts merged pages; who shared them sees nothing of it",
	.missing = ksm_missing,
	.run = ksm_run,
	.hooks = CLEAR,
};
