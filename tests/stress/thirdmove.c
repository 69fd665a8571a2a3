// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The third thread: who moves the pages, and how. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guestsys.h"
#include "third.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define MPOL_MF_MOVE (1 << 1)

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

/* Reads it, too: 0 if there is none. */
static unsigned long number_in(const char *path)
{
	unsigned long n = 0;
	FILE *f = fopen(path, "r");

	if (!f)
		return 0;
	if (fscanf(f, "%lu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/* --- fork, and copy on write by another thread -------------------- */

/* The pages between stay where they are: they tell what the others missed. */
static void keep_from_fork(struct third *t)
{
	unsigned int i;

	for (i = 0; i < THIRD_PAGES; i++)
		if (madvise((void *)((uintptr_t)before_at(t, i) & -PAGE), PAGE,
			    MADV_DONTFORK))
			die("MADV_DONTFORK: %s", strerror(errno));
}

/*
 * While a child has the pages, whoever writes first gets a copy: the mover, so
 * that the CPU's thread does not wait in the kernel.
 */
static bool move_by_fork(struct third *t, struct rng *g)
{
	pid_t pid;

	atomic_store(&t->first, below(g, THIRD_PAGES));
	pid = fork();
	if (!pid)
		for (;;)
			pause();
	if (pid < 0)
		return false;
	atomic_store(&t->broken, 0);
	third_lead(t, g);
	kill(pid, SIGKILL);
	if (waitpid(pid, NULL, 0) != pid)
		fail(t->run, "waitpid: %s", strerror(errno));
	return true;
}

static void fork_run(struct run *r)
{
	static const struct third_plan plan = {
		.move = move_by_fork,
		.led = true,
		.prepare = keep_from_fork,
		.min_moves = 64,
	};

	third_run(r, &plan);
}

SCENARIO(third_fork) = {
	.name = "third-fork",
	.rows = "11,50",
	.what = "a CPU and the device meet in one page, copied by another thread",
	.run = fork_run,
	.hooks = PROT_PAGE | CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* --- copy on write of a file's pages ------------------------------ */

/* Pages of a private file mapping between those that stay. */
static void map_file(struct third *t)
{
	unsigned int i;
	void *at;

	t->file = memfd_create("third", MFD_CLOEXEC);
	if (t->file < 0 || ftruncate(t->file, THIRD_PAGES * PAGE))
		die("memfd: %s", strerror(errno));
	for (i = 0; i < THIRD_PAGES; i++) {
		at = shared_at(t, i);
		if (mmap(at, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_FIXED, t->file, i * PAGE) != at)
			die("mmap: %s", strerror(errno));
	}
}

/*
 * The file learns what the page says, and the page is given up: what is there
 * is the file's page, until somebody writes.
 */
static bool back_to_file(struct third *t, unsigned int page)
{
	struct shared *s = shared_at(t, page);
	bool ok;

	if (!third_try_lock(t, page, BY_MOVER))
		return false;
	third_enter(t, page, BY_MOVER, s->turn);
	s->turn = third_next(t, page);
	third_leave(t, page);
	ok = pwrite(t->file, s, sizeof(*s), page * PAGE) == sizeof(*s) &&
	     !madvise(s, PAGE, MADV_DONTNEED);
	if (!ok)
		fail(t->run, "back to the file: %s", strerror(errno));
	third_unlock(t, page);
	return ok;
}

/* All of them at once, and then the mover is who gets most of the copies. */
static bool move_by_copy(struct third *t, struct rng *g)
{
	unsigned int i, page, first = rnd(g), happened = 0;

	for (i = 0; i < THIRD_PAGES; i++)
		happened += back_to_file(t, i);
	third_count(t);
	usleep(below(g, 500));
	for (i = 0; i < THIRD_PAGES; i++) {
		page = (first + i) % THIRD_PAGES;
		if (!one_in(g, 4))
			third_add(t, page);
	}
	return happened;
}

static void copy_run(struct run *r)
{
	static const struct third_plan plan = {
		.move = move_by_copy,
		.prepare = map_file,
		.still = true,
		.min_moves = 64,
	};

	third_run(r, &plan);
}

SCENARIO(third_copy) = {
	.name = "third-copy",
	.rows = "11,50",
	.what = "a CPU and the device meet in a file's private page",
	.run = copy_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* --- mremap ------------------------------------------------------- */

static uint8_t *away;

static void find_away(struct third *t)
{
	(void)t;
	away = place(2 * PAGE);
}

static bool take_turn(struct third *t, unsigned int page, void *at)
{
	struct shared *s = at;

	third_enter(t, page, BY_MOVER, s->turn);
	s->turn = third_next(t, page);
	third_leave(t, page);
	return true;
}

static void remap(void *from, void *to)
{
	if (mremap(from, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		die("mremap: %s", strerror(errno));
}

/* The page goes elsewhere, is written to there, and comes back. */
static void away_and_back(struct third *t, unsigned int page)
{
	uint8_t *at = (uint8_t *)shared_at(t, page);

	remap(at, away);
	take_turn(t, page, away);
	remap(away, at);
	t->remaps++;
}

/* Another page takes its place, with the same words. */
static void replace(struct third *t, unsigned int page)
{
	uint8_t *at = (uint8_t *)shared_at(t, page);

	if (mmap(away, PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		 0) != away)
		die("mmap: %s", strerror(errno));
	madvise(away, PAGE, MADV_NOHUGEPAGE);
	memcpy(away, at, PAGE);
	remap(away, at);
	take_turn(t, page, at);
}

static bool move_by_remap(struct third *t, struct rng *g)
{
	unsigned int page = below(g, THIRD_PAGES), i;

	for (i = 0; !third_try_lock(t, page, BY_MOVER); i++) {
		if (i > 100)
			return false;
		page = below(g, THIRD_PAGES);
	}
	if (one_in(g, 2))
		away_and_back(t, page);
	else
		replace(t, page);
	third_unlock(t, page);
	return true;
}

static void remap_run(struct run *r)
{
	static const struct third_plan plan = {
		.move = move_by_remap,
		.prepare = find_away,
		.guarded = true,
		.min_moves = 200,
	};

	third_run(r, &plan);
}

SCENARIO(third_remap) = {
	.name = "third-remap",
	.rows = "20",
	.what = "... which goes away and comes back, or is replaced",
	.run = remap_run,
	.hooks = UNMAP,
	.flags = SC_OWN_TRAFFIC,
};

/* --- reclaim ------------------------------------------------------ */

static bool move_by_reclaim(struct third *t, struct rng *g)
{
	if (madvise(t->base, t->len, MADV_PAGEOUT))
		fail(t->run, "MADV_PAGEOUT: %s", strerror(errno));
	usleep(below(g, 2000));
	return true;
}

/*
 * To memory: a page on its way to a disk stays in the swap cache, whoever
 * faults finds it there, and no frame changes.
 */
static void reclaim_run(struct run *r)
{
	static const struct third_plan plan = { .move = move_by_reclaim,
						.min_moves = THIRD_PAGES / 2 };
	static struct zram zram;

	if (!zram_open(&zram, 64)) {
		skip(r, "there is no zram");
		return;
	}
	third_run(r, &plan);
	zram_close(&zram);
}

SCENARIO(third_reclaim) = {
	.name = "third-reclaim",
	.rows = "9",
	.what = "... which is swapped out all the time",
	.run = reclaim_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* --- migration ---------------------------------------------------- */

static bool two_nodes(void)
{
	return !access("/sys/devices/system/node/node1", F_OK);
}

/* Alternately to the one node and to the other; both pages of each pair. */
static bool move_by_node(struct third *t, struct rng *g)
{
	static void *pages[2 * THIRD_PAGES];
	static int nodes[2 * THIRD_PAGES], status[2 * THIRD_PAGES], to;
	unsigned int i;

	to = !to;
	for (i = 0; i < 2 * THIRD_PAGES; i++) {
		pages[i] = t->base + (i + 1) * PAGE;
		nodes[i] = to;
	}
	if (syscall(SYS_move_pages, 0, 2 * THIRD_PAGES, pages, nodes, status,
		    MPOL_MF_MOVE) < 0) {
		fail(t->run, "move_pages: %s", strerror(errno));
		return false;
	}
	usleep(below(g, 300));
	return true;
}

/* One node alone: compaction moves what is in its way. */
static bool move_by_compaction(struct third *t, struct rng *g)
{
	static uint8_t *holes;
	const size_t len = 16 << 20;
	size_t i;

	(void)t;
	if (!holes)
		holes = map_anon(len);
	/* Something to compact: every other page is free again. */
	for (i = 0; i < len; i += PAGE)
		holes[i] = 1;
	for (i = below(g, 2) * PAGE; i < len; i += 2 * PAGE)
		madvise(holes + i, PAGE, MADV_DONTNEED);
	return write_file("/proc/sys/vm/compact_memory", "1");
}

static void migrate_run(struct run *r)
{
	static const struct third_plan nodes = { .move = move_by_node,
						 .min_moves = 200 };
	/* Which pages are in the way is the kernel's choice. */
	static const struct third_plan one = { .move = move_by_compaction,
					       .min_moves = 1 };

	third_run(r, two_nodes() ? &nodes : &one);
}

SCENARIO(third_migrate) = {
	.name = "third-migrate",
	.rows = "24",
	.what = "... which is migrated, by move_pages if there are two nodes",
	.run = migrate_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* --- huge pages --------------------------------------------------- */

#define HUGE_STEP 15 /* 33 * 15 pages are nearly a huge page */

static void prepare_huge(struct third *t)
{
	size_t len = 512 * PAGE;

	if (mmap(t->base, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != t->base)
		die("mmap: %s", strerror(errno));
	t->len = len;
	memset(t->base, 0, len);
	/* Never by itself, always when asked. */
	if (madvise(t->base, len, MADV_COLLAPSE))
		skip(t->run, "MADV_COLLAPSE: %s", strerror(errno));
}

/* A page that nobody uses goes, and the huge page's mapping with it. */
static bool move_by_collapse(struct third *t, struct rng *g)
{
	uint8_t *last = t->base + 511 * PAGE;

	if (madvise(last, PAGE, MADV_DONTNEED))
		fail(t->run, "MADV_DONTNEED: %s", strerror(errno));
	usleep(below(g, 1000));
	*last = 0;
	return !madvise(t->base, 512 * PAGE, MADV_COLLAPSE);
}

static void collapse_run(struct run *r)
{
	static const struct third_plan plan = {
		.move = move_by_collapse,
		.prepare = prepare_huge,
		.step = HUGE_STEP,
		.min_moves = 100,
	};

	third_run(r, &plan);
}

static const char *no_huge(void)
{
	return access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) ?
		       "the kernel has no transparent huge pages" :
		       NULL;
}

SCENARIO(third_collapse) = {
	.name = "third-collapse",
	.rows = "22,23",
	.what = "... which becomes part of a huge page, and is split from it",
	.missing = no_huge,
	.run = collapse_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* --- same pages --------------------------------------------------- */

#define KSM "/sys/kernel/mm/ksm/"

static void prepare_ksm(struct third *t)
{
	if (madvise(t->base, t->len, MADV_MERGEABLE))
		die("MADV_MERGEABLE: %s", strerror(errno));
	if (!write_file(KSM "sleep_millisecs", "1") ||
	    !write_file(KSM "pages_to_scan", "500") ||
	    !write_file(KSM "run", "1"))
		skip(t->run, "ksm: %s", strerror(errno));
}

/* ksmd does; those that nobody writes to at the moment, and are the same. */
static bool move_by_ksm(struct third *t, struct rng *g)
{
	(void)t;
	usleep(5000 + below(g, 10000));
	return number_in(KSM "pages_sharing") > 0;
}

static void ksm_run(struct run *r)
{
	static const struct third_plan plan = {
		.move = move_by_ksm,
		.prepare = prepare_ksm,
		.guarded = true, /* or no two pages would be the same */
		.idle = true,
		.few = true,
		.min_moves = 20,
	};

	third_run(r, &plan);
	write_file(KSM "run", "2");
	write_file(KSM "run", "0");
}

static const char *no_ksm(void)
{
	return access(KSM "run", W_OK) ? "the kernel has no KSM" : NULL;
}

SCENARIO(third_ksm) = {
	.name = "third-ksm",
	.rows = "26",
	.what = "... which is merged with one that is the same",
	.missing = no_ksm,
	.run = ksm_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};
