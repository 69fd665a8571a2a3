// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* fork and copy on write. */

#include <errno.h>
#include <sched.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guestsys.h"
#include "probe.h"
#include "wire.h"

/* The end of a child: its failures are the run's already. */
static bool reap(struct run *r, pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
		fail(r, "a child ended with status %#x: %s",
		     pid < 0 ? -1 : status, strerror(errno));
		return false;
	}
	return true;
}

/* Pages of their own in the child, which nobody else may write to. */
static void child_writes(struct field *f, const struct range *g,
			 unsigned int ms)
{
	memset(g->at, 0xc1, g->len);
	unchanged(f->run, g->at, g->len, ms, "what a child wrote");
}

/* --- rows 11, 12, 13 ---------------------------------------------- */

static bool fork_watch(struct field *f, const struct range *g, struct rng *rng)
{
	unsigned int ms = below(rng, 6);
	pid_t pid = fork();

	if (!pid) {
		unchanged(f->run, g->at, g->len, ms, "a child's snapshot");
		_exit(0);
	}
	return reap(f->run, pid);
}

/* Gone before anybody writes: the pages are the parent's alone again. */
static bool fork_exit(struct field *f, const struct range *g, struct rng *rng)
{
	pid_t pid = fork();

	(void)g;
	(void)rng;
	if (!pid)
		_exit(0);
	return reap(f->run, pid);
}

static bool fork_write(struct field *f, const struct range *g, struct rng *rng)
{
	unsigned int ms = below(rng, 6);
	pid_t pid = fork();

	if (!pid) {
		child_writes(f, g, ms);
		_exit(0);
	}
	return reap(f->run, pid);
}

/* A grandchild shares what its parent does not write any more. */
static bool fork_twice(struct field *f, const struct range *g, struct rng *rng)
{
	unsigned int ms = below(rng, 6);
	pid_t pid = fork(), grandchild;

	if (!pid) {
		grandchild = fork();
		if (grandchild)
			child_writes(f, g, ms);
		else
			unchanged(f->run, g->at, g->len, ms,
				  "a grandchild's snapshot");
		if (grandchild)
			reap(f->run, grandchild);
		_exit(0);
	}
	return reap(f->run, pid);
}

static void fork_parent_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "fork", .fn = fork_watch, .weight = 3 },
		{ .name = "fork, exit", .fn = fork_exit },
		{ .name = "fork, fork", .fn = fork_twice },
		{}
	};
	struct engine e = {
		.run = r,
		.field = { field_anon(r, 128), field_pinned(r, 32) },
		.events = events,
		.event_threads = 2,
		.pause_us = 5000,
	};

	engine_run(&e);
}

SCENARIO(fork_parent) = {
	.name = "fork-parent",
	.rows = "11",
	.what = "the parent keeps its data, a child its snapshot",
	.run = fork_parent_run,
	.hooks = PROT_PAGE | CLEAR,
	.weight = 2,
};

static void netem_fork_run(struct run *r)
{
	wire_run(r, fork_parent_run);
}

SCENARIO(netem_fork) = {
	.name = "netem-fork",
	.what = "fork-parent over a bad wire: data and snapshots are whole",
	.missing = wire_missing,
	.run = netem_fork_run,
	.hooks = PROT_PAGE | CLEAR,
	.slack_s = 60,
};

static void fork_child_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "fork, child writes", .fn = fork_write }, {}
	};
	struct engine e = {
		.run = r,
		.field = { field_anon(r, 64), field_pinned(r, 16) },
		.events = events,
		.event_threads = 2,
		.pause_us = 5000,
	};

	engine_run(&e);
}

SCENARIO(fork_child_first) = {
	.name = "fork-child-first",
	.rows = "12",
	.what = "a child's writes never reach the parent, nor back",
	.run = fork_child_run,
	.hooks = PROT_PAGE,
};

/*
 * The device reads the shared pages while the child lives, and so knows them
 * for reading only; then writes to them.
 */
static bool fork_read_first(struct field *f, const struct range *g,
			    struct rng *rng)
{
	struct probe *p = f->arg;
	unsigned int ms = 2 + below(rng, 4);
	pid_t pid;

	pthread_mutex_lock(&p->lock);
	patch_stamp(p);
	pid = fork();
	if (!pid) {
		unchanged(f->run, g->at, g->len, ms, "a child's snapshot");
		if (stamps_wrong(p->patch, p->pages, p->version))
			fail(f->run, "the device wrote to a shared page");
		_exit(0);
	}
	if (probe_read(p, f->view[0].mr, g->at, g->len) ||
	    probe_read(p, p->patch_mr, p->patch, p->pages * PAGE))
		fail(f->run, "READ of shared pages");
	patch_stamp(p);
	patch_check(p, "after a WRITE to shared pages");
	pthread_mutex_unlock(&p->lock);
	return reap(f->run, pid);
}

static void fork_read_only_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "fork, READ", .fn = fork_read_first }, {}
	};
	struct field *f = field_anon(r, 64);

	run_probed(r, f, events, 8);
}

SCENARIO(fork_read_only) = {
	.name = "fork-read-only",
	.rows = "13",
	.what = "a WRITE to a page known for reading unshares it first",
	.run = fork_read_only_run,
	.hooks = PROT_PAGE | CLEAR,
};

/* --- row 14: pinned ----------------------------------------------- */

struct pinned_arg {
	struct field *fields[2]; /* small pages; a huge one */
};

/* Copied at fork, if the kernel thinks that it may be pinned. */
static bool fork_pinned(struct field *f, const struct range *g, struct rng *rng)
{
	struct pinned_arg *a = f->arg;
	struct field *pinned = a->fields[below(rng, 2)];
	unsigned int n = 1 + below(rng, 8), ms = below(rng, 6);
	struct range over = { below(rng, pinned->pages - n), n, NULL,
			      n * PAGE };
	bool writes = one_in(rng, 2);
	pid_t pid = fork();

	(void)g;
	over.at = page_at(pinned, over.first);
	if (!pid) {
		if (writes)
			child_writes(f, &over, ms);
		else
			unchanged(f->run, over.at, over.len, ms,
				  "a child's snapshot of pinned pages");
		_exit(0);
	}
	return reap(f->run, pid);
}

static void fork_pinned_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "fork", .fn = fork_pinned }, {}
	};
	uint8_t *huge = map_anon(512 * PAGE);
	struct field *f = field_over(r, "pinned, huge", huge, 512);
	struct pinned_arg arg;
	struct engine e = {
		.run = r,
		/* The first gets most of the traffic. */
		.field = { field_pinned(r, 64), f, field_anon(r, 32) },
		.events = events,
		.pause_us = 5000,
	};

	madvise(huge, 512 * PAGE, MADV_HUGEPAGE);
	memset(huge, 0, 512 * PAGE);
	f->pinned = true;
	field_register(f, RD_ALL);
	arg.fields[0] = e.field[0];
	arg.fields[1] = f;
	e.field[2]->arg = &arg;
	engine_run(&e);
}

SCENARIO(fork_pinned) = {
	.name = "fork-pinned",
	.rows = "14",
	.what = "pinned pages stay the parent's without MADV_DONTFORK",
	.run = fork_pinned_run,
	.hooks = PROT_PAGE,
};

/* --- row 15: nothing changes -------------------------------------- */

extern char **environ;

static bool do_vfork(struct field *f, const struct range *g, struct rng *rng)
{
	pid_t pid = vfork();

	(void)g;
	(void)rng;
	if (!pid)
		_exit(0);
	return reap(f->run, pid);
}

static int clone_main(void *arg)
{
	(void)arg;
	return 0;
}

static bool do_clone(struct field *f, const struct range *g, struct rng *rng)
{
	static __thread uint8_t stack[16384] __attribute__((aligned(16)));

	(void)g;
	(void)rng;
	return reap(f->run, clone(clone_main, stack + sizeof(stack),
				  CLONE_VM | SIGCHLD, NULL));
}

static bool do_spawn(struct field *f, const struct range *g, struct rng *rng)
{
	static char *const argv[] = { "true", NULL };
	pid_t pid;
	int err = posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ);

	(void)g;
	(void)rng;
	if (err)
		fail(f->run, "posix_spawn: %s", strerror(err));
	return !err && reap(f->run, pid);
}

static void vfork_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "vfork", .fn = do_vfork, .weight = 6 },
		{ .name = "clone", .fn = do_clone, .weight = 6 },
		{ .name = "posix_spawn", .fn = do_spawn },
		{}
	};
	struct field *f = field_anon(r, 64);

	/* Without a zero page there is nothing to replace. */
	memset(f->view[0].base, 0, 64 * PAGE);
	sys_leave_pages();
	run_events(r, f, events);
	sys_restore();
	if (!failed(r) && r->invalidated)
		fail(r, "%llu pages were invalidated by nothing",
		     (unsigned long long)r->invalidated);
}

SCENARIO(vfork) = {
	.name = "vfork",
	.rows = "15",
	.what = "vfork, clone and posix_spawn invalidate not a page",
	.run = vfork_run,
	.flags = SC_CLEARS_NOTHING,
};

/* --- COW break by another thread ---------------------------------- */

/*
 * While a child shares the pages this thread breaks the sharing of one after
 * the other, by a store that changes nothing.
 */
static bool fork_and_break(struct field *f, const struct range *g,
			   struct rng *rng)
{
	unsigned int i, ms = below(rng, 8);
	uint64_t *word;
	pid_t pid = fork();

	if (!pid) {
		unchanged(f->run, g->at, g->len, ms, "a child's snapshot");
		_exit(0);
	}
	for (i = 0; i < f->pages; i++) {
		word = (uint64_t *)page_at(f, i) + below(rng, PAGE / 8);
		__atomic_fetch_add(word, 0, __ATOMIC_SEQ_CST);
		if (one_in(rng, 4))
			sched_yield();
	}
	return reap(f->run, pid);
}

/*
 * Threads share pages: what breaks the sharing may be a store of one thread,
 * while the device writes for another one, and a third reads. Each knows
 * exactly what its own words must be, wherever the page goes.
 */
static void cow_break_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "fork", .fn = fork_and_break }, {}
	};
	struct engine e = {
		.run = r,
		.field = { field_anon(r, 8), field_pinned(r, 8) },
		.events = events,
		.threads = 4,
		.event_threads = 2,
		.pause_us = 3000,
		.ops = OPS_CPU | OPS_ATOMIC | OP(WRITE) | OP(READ) |
		       OP(READ_INTO) | OP(SEND),
	};

	field_split(e.field[0], 128);
	field_split(e.field[1], 128);
	engine_run(&e);
}

SCENARIO(cow_break) = {
	.name = "cow-break",
	.what = "another thread's copy on write loses nobody's write",
	.run = cow_break_run,
	.hooks = PROT_PAGE | CLEAR,
	.weight = 2,
};
