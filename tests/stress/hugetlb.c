// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Huge pages from the pool: copied on write, run out of, tables shared. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guestsys.h"
#include "probe.h"

#define HUGE	   (2UL << 20)
#define HUGE_PAGES (HUGE / PAGE)
#define GIB	   (1UL << 30)

const char *pool_missing(void)
{
	return access(HUGE_POOL "nr_hugepages", W_OK) ?
		       "a kernel without huge pages in a pool" :
		       NULL;
}

bool pool_of(struct run *r, unsigned int pages)
{
	char text[20];

	snprintf(text, sizeof(text), "%u", pages);
	sys_set_for_now(HUGE_POOL "nr_hugepages", text);
	if (sys_get(HUGE_POOL "free_hugepages", 0) == pages)
		return true;
	skip(r, "only %llu of %u huge pages can be had",
	     (unsigned long long)sys_get(HUGE_POOL "free_hugepages", 0), pages);
	sys_restore();
	return false;
}

uint8_t *pool_map(unsigned int huge_pages)
{
	size_t bytes = huge_pages * HUGE;
	void *p = mmap(place(bytes), bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
			       MAP_FIXED_NOREPLACE,
		       -1, 0);

	if (p == MAP_FAILED)
		die("huge pages: %s", strerror(errno));
	return p;
}

static struct field *field_private(struct run *r, unsigned int huge_pages)
{
	struct field *f = field_over(r, "hugetlb", pool_map(huge_pages),
				     huge_pages * HUGE_PAGES);

	field_register(f, 0);
	return f;
}

static void run_in_pool(struct run *r, const struct event *events)
{
	struct engine e = {
		.run = r,
		.field = { field_private(r, 2), field_pinned(r, 32) },
		.events = events,
		.pause_us = 20000,
	};

	uint8_t *base = page_at(e.field[0], 0);

	engine_run(&e);
	munmap(base, 2 * HUGE);
	sys_restore();
}

/* --- copied on write ---------------------------------------------- */

static void watch_pages(struct field *f, const struct range *g, unsigned int ms)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(!unchanged(f->run, g->at, g->len, ms, "a child's huge page"));
}

/* The child gets the copy, or, if it writes first, makes it. */
static bool fork_pages(struct field *f, const struct range *g, struct rng *rng)
{
	bool writes = one_in(rng, 3);
	unsigned int ms = below(rng, 20);
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (writes)
			memset(g->at, 0x5a, g->len);
		watch_pages(f, g, ms);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		fail(f->run, "fork: status %#x", status);
	return pid > 0;
}

static void cow_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "fork", .fn = fork_pages }, {}
	};

	/* A copy of each for a child, and one that is being made. */
	if (pool_of(r, 6))
		run_in_pool(r, events);
}

SCENARIO(hugetlb_cow) = {
	.name = "hugetlb-fork",
	.rows = "28",
	.what = "huge pages copied on write: each side keeps its own",
	.missing = pool_missing,
	.run = cow_run,
	.hooks = CLEAR,
};

/* --- nothing left ------------------------------------------------- */

static _Atomic unsigned int robbed;

static void on_sigbus(int sig)
{
	(void)sig;
	_exit(1);
}

/*
 * There is no page for a copy: the owner keeps the one that there is, and the
 * child, which did not reserve any, gets SIGBUS.
 */
static bool fork_robbed(struct field *f, const struct range *g, struct rng *rng)
{
	unsigned int ms = 5 + below(rng, 30);
	int status;
	pid_t pid = fork();

	if (!pid) {
		signal(SIGBUS, on_sigbus);
		sleep_ms(ms);
		(void)*(volatile uint8_t *)g->at;
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) > 1)
		fail(f->run, "fork: status %#x", status);
	if (pid > 0 && WEXITSTATUS(status))
		robbed++;
	return pid > 0;
}

/* Memory that nobody reserved: where a CPU gets SIGBUS, a peer an error. */
static void check_empty(struct run *r)
{
	uint8_t *p = mmap(place(HUGE), HUGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
				  MAP_NORESERVE | MAP_FIXED_NOREPLACE,
			  -1, 0);
	static struct probe probe;
	struct ibv_mr *mr;

	if (p == MAP_FAILED)
		die("huge page: %s", strerror(errno));
	probe_open(&probe, r, 0);
	mr = rd_reg(&r->dev, p, HUGE, RD_ALL | IBV_ACCESS_ON_DEMAND);
	probe_refused(&probe, mr, p, true, "without huge pages");
	probe_refused(&probe, mr, p + HUGE - 8, false, "without huge pages");
	if (ibv_dereg_mr(mr))
		fail(r, "dereg_mr");
	munmap(p, HUGE);
	probe_close(&probe);
}

static void empty_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "fork", .fn = fork_robbed }, {}
	};
	struct engine e = { .run = r, .events = events, .pause_us = 20000 };

	if (!pool_of(r, 2))
		return;
	e.field[0] = field_private(r, 2);
	e.field[1] = field_pinned(r, 32);
	check_empty(r);
	engine_run(&e);
	tap_note("%s: %u children lost their page", r->sc->name, robbed);
	if (!failed(r) && !robbed)
		fail(r, "no child lost its page");
	sys_restore();
}

SCENARIO(hugetlb_empty) = {
	.name = "hugetlb-empty",
	.rows = "28",
	.what = "an empty pool: the owner goes on, others get a clean error",
	.missing = pool_missing,
	.run = empty_run,
	.hooks = CLEAR,
};

/* --- page tables of two processes in one -------------------------- */

#define FAR	(GIB / 2)
#define BESIDES (4 * HUGE) /* a page that only the other process touches */

static struct {
	uint8_t *base;
	int fd;
	_Atomic unsigned int seen;
} shared;

static uint8_t *map_shared(int flags)
{
	uint8_t *p = mmap(shared.base, GIB, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_NORESERVE | flags, shared.fd, 0);

	if (p == MAP_FAILED)
		die("1 GB of huge pages: %s", strerror(errno));
	return p;
}

/* Keeps its own page table full, so that there is one to share. */
static void neighbour(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		(void)*(volatile uint8_t *)shared.base;
		(void)*(volatile uint8_t *)(shared.base + HUGE);
		(void)*(volatile uint8_t *)(shared.base + BESIDES);
		sleep_ms(1);
	}
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt;
}

/*
 * Rights of a part far away: the kernel gives up the shared table, and with it
 * what is mapped in all of that GB. Then all is mapped anew, in one go.
 */
static bool part_tables(struct field *f, const struct range *g, struct rng *rng)
{
	long before;

	(void)g;
	if (mprotect(shared.base + FAR + below(rng, 64) * HUGE, HUGE,
		     PROT_READ))
		fail(f->run, "mprotect: %s", strerror(errno));
	usleep(below(rng, 3000));
	map_shared(MAP_FIXED);
	(void)*(volatile uint8_t *)shared.base;
	before = faults();
	(void)*(volatile uint8_t *)(shared.base + BESIDES);
	/* No fault, where this process never was: it was the other one. */
	shared.seen += faults() == before;
	return true;
}

static void share_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "unshare", .fn = part_tables, .flags = EV_WHOLE }, {}
	};
	struct engine e = { .run = r, .events = events, .pause_us = 10000 };
	pid_t pid;

	if (!pool_of(r, 4))
		return;
	shared.base = (uint8_t *)(1UL << 45);
	shared.fd = memfd_create("stress", MFD_CLOEXEC | MFD_HUGETLB);
	if (shared.fd < 0 || ftruncate(shared.fd, GIB))
		die("memfd: %s", strerror(errno));
	map_shared(MAP_FIXED_NOREPLACE);
	memset(shared.base, 0, 2 * HUGE);
	pid = fork();
	if (!pid)
		neighbour();
	e.field[0] = field_over(r, "shared", shared.base, 2 * HUGE_PAGES);
	e.field[1] = field_pinned(r, 32);
	field_register(e.field[0], 0);
	engine_run(&e);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	tap_note("%s: tables were shared %u times", r->sc->name, shared.seen);
	if (!failed(r) && !shared.seen)
		fail(r, "the tables were never shared");
	munmap(shared.base, GIB);
	close(shared.fd);
	sys_restore();
}

SCENARIO(hugetlb_shared) = {
	.name = "hugetlb-unshare",
	.rows = "29",
	.what = "a shared page table that is given up: 1 GB, and all is there",
	.missing = pool_missing,
	.run = share_run,
	.hooks = UNMAP | PROT_VMA,
};
