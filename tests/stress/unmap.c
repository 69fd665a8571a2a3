// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Mappings that go away, or that others are put over. */

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "probe.h"

static bool map_again(void *at, size_t len)
{
	void *p = mmap(at, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == at)
		madvise(at, len, MADV_NOHUGEPAGE);
	return p == at;
}

/* --- rows 1 and 2 ------------------------------------------------- */

static bool unmap_range(struct field *f, const struct range *g, struct rng *rng)
{
	struct probe *p = f->arg;

	if (munmap(g->at, g->len))
		return false;
	probe_refused(p, f->view[0].mr, g->at + below(rng, g->len / 8) * 8,
		      one_in(rng, 2), "of what is not mapped");
	return map_again(g->at, g->len);
}

static void munmap_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "munmap",
		  .fn = unmap_range,
		  .flags = EV_TAKES | EV_EMPTIES | EV_ALONE | EV_WHOLE },
		{}
	};
	struct field *f = field_anon(r, 64);

	run_probed(r, f, events, 0);
}

SCENARIO(munmap) = {
	.name = "munmap",
	.rows = "1",
	.what = "refused from then on, no page touched",
	.run = munmap_run,
	.hooks = UNMAP,
};

/* A WRITE that begins before a hole in three pages and ends behind it. */
static bool hole_in_patch(struct field *f, const struct range *g,
			  struct rng *rng)
{
	struct probe *p = f->arg;
	int status;

	(void)g;
	(void)rng;
	patch_stamp(p);
	if (munmap(p->patch + PAGE, PAGE))
		return false;
	stamp(p->buf + 2 * PAGE, 2, p->version + 1);
	status = probe_write(p, p->patch_mr, p->patch, 3 * PAGE);
	if (status != IBV_WC_REM_ACCESS_ERR)
		fail(p->run, "WRITE over a hole: %s", rd_status(status));
	if (stamp_version(p->patch + 2 * PAGE, 2) != p->version)
		fail(p->run, "a WRITE skipped a hole");
	if (!map_again(p->patch + PAGE, PAGE))
		return false;
	status = probe_read(p, p->patch_mr, p->patch + PAGE, PAGE);
	if (status || !all_zero(p->buf, PAGE))
		fail(p->run, "what closes a hole is not empty: %s",
		     rd_status(status));
	return true;
}

static void munmap_hole_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "munmap",
		  .fn = unmap_range,
		  .flags = EV_TAKES | EV_EMPTIES | EV_ALONE,
		  .max = 4 },
		{ .name = "hole",
		  .fn = hole_in_patch,
		  .flags = EV_NO_PAGES | EV_ALONE },
		{}
	};
	struct field *f = field_anon(r, 128);

	run_probed(r, f, events, 3);
}

SCENARIO(munmap_hole) = {
	.name = "munmap-hole",
	.rows = "2",
	.what = "a message never skips a hole; pages beside are well",
	.run = munmap_hole_run,
	.hooks = UNMAP,
};

/* --- rows 3 and 4 ------------------------------------------------- */

/* Something else, and empty, at @at. */
static bool map_other(void *at, size_t len, unsigned int kind)
{
	int fd, id;
	void *p;

	switch (kind) {
	case 0:
		return map_again(at, len);
	case 1:
		fd = memfd_create("other", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, len))
			return false;
		p = mmap(at, len, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 0);
		close(fd);
		return p == at;
	default:
		id = shmget(IPC_PRIVATE, len, 0600);
		if (id < 0)
			return false;
		p = shmat(id, at, SHM_REMAP);
		shmctl(id, IPC_RMID, NULL);
		return p == at;
	}
}

static bool unmap_and_map(struct field *f, const struct range *g,
			  struct rng *rng)
{
	(void)f;
	return !munmap(g->at, g->len) &&
	       map_other(g->at, g->len, below(rng, 2));
}

/*
 * A region on demand follows the address, a pinned one keeps the pages: both
 * over the same patch, whose mapping is exchanged.
 */
static bool exchange_patch(struct field *f, const struct range *g,
			   struct rng *rng)
{
	struct probe *p = f->arg;
	struct ibv_mr *pinned;
	uint32_t before;

	(void)g;
	patch_stamp(p);
	before = p->version;
	pinned = rd_reg(&p->run->dev, p->patch, p->pages * PAGE, RD_ALL);
	if (munmap(p->patch, p->pages * PAGE) ||
	    !map_other(p->patch, p->pages * PAGE, below(rng, 3)))
		return false;
	patch_stamp(p);
	patch_check(p, "after the mapping was exchanged");
	if (probe_read(p, pinned, p->patch, p->pages * PAGE) ||
	    stamps_wrong(p->buf, p->pages, before))
		fail(p->run, "the pinned region lost its pages");
	if (ibv_dereg_mr(pinned))
		fail(p->run, "dereg_mr: %s", strerror(errno));
	return map_again(p->patch, p->pages * PAGE);
}

static void munmap_mmap_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "munmap, mmap",
		  .fn = unmap_and_map,
		  .flags = EV_TAKES | EV_EMPTIES | EV_ALONE,
		  .weight = 4 },
		{ .name = "exchange",
		  .fn = exchange_patch,
		  .flags = EV_NO_PAGES | EV_ALONE },
		{}
	};
	struct field *f = field_anon(r, 128);

	run_probed(r, f, events, 4);
}

SCENARIO(munmap_mmap) = {
	.name = "munmap-mmap",
	.rows = "3",
	.what = "only the new pages are seen; a pinned region keeps the old",
	.run = munmap_mmap_run,
	.hooks = UNMAP,
};

/* At one stroke: no access may find nothing there. */
static bool map_over(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	return map_other(g->at, g->len, below(rng, 3));
}

static void mmap_over_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "mmap over", .fn = map_over, .flags = EV_EMPTIES }, {}
	};

	run_events(r, field_anon(r, 128), events);
}

SCENARIO(mmap_over) = {
	.name = "mmap-over",
	.rows = "4",
	.what = "only the new pages are seen, and always some",
	.run = mmap_over_run,
	.hooks = UNMAP,
};

static bool shrink_and_grow(struct field *f, const struct range *g,
			    struct rng *rng)
{
	struct probe *p = f->arg;

	if (brk(g->at))
		return false;
	probe_refused(p, f->view[0].mr, g->at + below(rng, g->len / 8) * 8,
		      one_in(rng, 2), "beyond the break");
	return !brk(g->at + g->len);
}

static void brk_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "brk",
		  .fn = shrink_and_grow,
		  .flags = EV_TAKES | EV_EMPTIES | EV_ALONE | EV_TAIL },
		{}
	};
	const size_t len = 64 * PAGE;
	struct field *f;
	uint8_t *at;

	/* What malloc() will need, before its heap is shut in by ours. */
	mallopt(M_TOP_PAD, 8 << 20);
	free(malloc(1 << 16));
	at = sbrk(0);
	at = (uint8_t *)(((uintptr_t)at + PAGE - 1) & ~(PAGE - 1));
	if (brk(at + len))
		die("brk: %s", strerror(errno));
	madvise(at, len, MADV_NOHUGEPAGE);
	f = field_over(r, "heap", at, len / PAGE);
	field_register(f, 0);
	run_probed(r, f, events, 0);
}

SCENARIO(brk) = {
	.name = "brk",
	.rows = "4",
	.what = "nothing beyond the break, zeros when it comes back",
	.run = brk_run,
	.hooks = UNMAP,
};
