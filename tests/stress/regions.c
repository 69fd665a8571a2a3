// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Many regions over the same memory, and hooks that concern none. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guestsys.h"
#include "probe.h"

/* --- row 43 ------------------------------------------------------- */

/* The pages stay in the file, the addresses lose them. */
static bool drop_both(struct field *f, const struct range *g, struct rng *rng)
{
	struct view *v = &f->view[below(rng, f->nviews)];

	return !madvise(v->base + g->first * PAGE, g->len, MADV_DONTNEED);
}

static void *map_file(int fd, size_t len)
{
	void *at = place(len);

	if (mmap(at, len, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) != at)
		die("mmap: %s", strerror(errno));
	return at;
}

/* Two regions over each other, a third over the same pages elsewhere. */
static void overlap_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "MADV_DONTNEED", .fn = drop_both }, {}
	};
	const unsigned int pages = 64;
	int fd = memfd_create("overlap", MFD_CLOEXEC);
	struct engine e = {
		.run = r,
		.field = { NULL, field_pinned(r, 32) },
		.events = events,
		.event_threads = 2,
		.pause_us = 1000,
	};
	struct field *f;

	if (fd < 0 || ftruncate(fd, pages * PAGE))
		die("memfd: %s", strerror(errno));
	f = field_over(r, "memfd", map_file(fd, pages * PAGE), pages);
	field_register(f, 0);
	field_view(f, f->view[0].base, NULL);
	field_view(f, map_file(fd, pages * PAGE), NULL);
	e.field[0] = f;
	engine_run(&e);
	close(fd);
}

SCENARIO(regions_overlap) = {
	.name = "regions-overlap",
	.rows = "43",
	.what = "overlapping regions and two addresses see the same bytes",
	.run = overlap_run,
	.hooks = CLEAR,
};

static bool dontneed(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return !madvise(g->at, g->len, MADV_DONTNEED);
}

static void thousand_run(struct run *r)
{
	static const struct event events[] = { { .name = "MADV_DONTNEED",
						 .fn = dontneed,
						 .flags = EV_EMPTIES },
					       {} };
	struct field *f = field_anon(r, 8);
	unsigned int i;

	field_split(f, 256);
	for (i = 1; i < 1000; i++)
		field_view(f, f->view[0].base, NULL);
	run_events(r, f, events);
}

SCENARIO(regions_1000) = {
	.name = "regions-1000",
	.rows = "43",
	.what = "a page in 1000 regions is invalidated in each",
	.run = thousand_run,
	.hooks = CLEAR,
};

/* A region that begins and ends while the memory below it comes and goes. */
static bool register_use_end(struct field *f, const struct range *g,
			     struct rng *rng)
{
	struct probe *p = f->arg;
	struct ibv_mr *mr = rd_reg(&f->run->dev, g->at, g->len,
				   RD_ALL | IBV_ACCESS_ON_DEMAND);
	int status;

	pthread_mutex_lock(&p->lock);
	status = probe_read(p, mr, g->at, g->len);
	if (status)
		fail(f->run, "READ of a new region: %s", rd_status(status));
	pthread_mutex_unlock(&p->lock);
	if (one_in(rng, 2) &&
	    rd_prefetch(&f->run->dev, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, 0,
			(uintptr_t)g->at, g->len, mr->lkey))
		fail(f->run, "prefetch in a new region");
	if (ibv_dereg_mr(mr))
		fail(f->run, "dereg_mr: %s", strerror(errno));
	return true;
}

static bool map_over(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	if (mmap(g->at, g->len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != g->at)
		return false;
	madvise(g->at, g->len, MADV_NOHUGEPAGE);
	return true;
}

static bool fork_briefly(struct field *f, const struct range *g,
			 struct rng *rng)
{
	pid_t pid = fork();
	int status;

	(void)f;
	(void)g;
	(void)rng;
	if (!pid)
		_exit(0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

static void register_race_run(struct run *r)
{
	static const struct event events[] = { { .name = "register",
						 .fn = register_use_end,
						 .weight = 6,
						 .flags = EV_NO_PAGES },
					       { .name = "mmap over",
						 .fn = map_over,
						 .weight = 3,
						 .flags = EV_EMPTIES },
					       { .name = "DONTNEED",
						 .fn = dontneed,
						 .weight = 3,
						 .flags = EV_EMPTIES },
					       { .name = "fork",
						 .fn = fork_briefly },
					       {} };
	struct engine e = {
		.run = r,
		.field = { field_anon(r, 64), field_pinned(r, 32) },
		.events = events,
		.event_threads = 4,
		.pause_us = 1000,
	};
	struct probe p;

	probe_open(&p, r, 0);
	e.field[0]->arg = &p;
	engine_run(&e);
	probe_close(&p);
}

SCENARIO(register_race) = {
	.name = "register-race",
	.rows = "43",
	.what = "a new region never begins with what is being taken away",
	.run = register_race_run,
	.hooks = UNMAP | CLEAR | PROT_PAGE,
};

/* --- repeated and nested invalidations of nothing ------------------ */

#define WIDE	   16384U /* pages of the region */
#define WIDE_FIELD 8192U /* where the field is in it */

/* Pages of the region that the device never touched. */
static void pick_empty(struct field *f, struct rng *rng, uint8_t **at,
		       size_t *len)
{
	uint8_t *wide = f->arg;
	size_t n = 1 + below(rng, 1024);

	*len = n * PAGE;
	*at = one_in(rng, 2) ? wide + below(rng, WIDE_FIELD - n + 1) * PAGE :
			       wide + (WIDE - n - below(rng, 4096)) * PAGE;
}

static bool drop_nothing(struct field *f, const struct range *g,
			 struct rng *rng)
{
	unsigned int i;
	uint8_t *at;
	size_t len;
	bool ok = true;

	(void)g;
	pick_empty(f, rng, &at, &len);
	for (i = 0; i < 4; i++)
		ok &= !madvise(at, len, MADV_DONTNEED);
	return ok;
}

/* Pages are there, but the device does not know them. */
static bool protect_unknown(struct field *f, const struct range *g,
			    struct rng *rng)
{
	uint8_t *at;
	size_t len;

	(void)g;
	pick_empty(f, rng, &at, &len);
	*(volatile uint8_t *)at = 1;
	return !mprotect(at, len, PROT_READ | PROT_EXEC) &&
	       !mprotect(at, len, PROT_READ | PROT_WRITE);
}

static bool move_nothing(struct field *f, const struct range *g,
			 struct rng *rng)
{
	uint8_t *at;
	size_t len;

	(void)g;
	pick_empty(f, rng, &at, &len);
	if (mmap(at, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
		return false;
	madvise(at, len, MADV_NOHUGEPAGE);
	return true;
}

static void nothing_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "MADV_DONTNEED", .fn = drop_nothing },
		/* Alone: it stores what another one would protect. */
		{ .name = "mprotect", .fn = protect_unknown, .flags = EV_ALONE },
		{ .name = "mmap over", .fn = move_nothing },
		{}
	};
	uint8_t *wide = map_anon((size_t)WIDE * PAGE);
	struct field *f = field_over(r, "anon in a wide region",
				     wide + (size_t)WIDE_FIELD * PAGE, 64);
	struct engine e = {
		.run = r,
		.field = { f, field_pinned(r, 16) },
		.events = events,
		.event_threads = 6,
		.pause_us = 600,
	};

	/* Without a zero page there is nothing to replace. */
	memset(f->view[0].base, 0, f->pages * PAGE);
	f->arg = wide;
	f->view[0].mr = rd_reg(&r->dev, wide, (size_t)WIDE * PAGE,
			       RD_ALL | IBV_ACCESS_ON_DEMAND);
	sys_leave_pages();
	engine_run(&e);
	sys_restore();
	if (!failed(r) && r->invalidated)
		fail(r, "%llu pages were invalidated by nothing",
		     (unsigned long long)r->invalidated);
}

SCENARIO(nothing) = {
	.name = "nothing",
	.what = "repeated and nested invalidations of nothing disturb nobody",
	.run = nothing_run,
	.hooks = UNMAP | CLEAR | PROT_VMA,
	.flags = SC_CLEARS_NOTHING,
};
