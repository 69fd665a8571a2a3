// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Pages that change places. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe.h"
#include "wire.h"

/* What the event functions of this file need. */
struct remap {
	struct probe probe;
	uint8_t *away; /* a place for a field's pages */
	uint8_t *other; /* pages that take theirs; the field's origin */
	int fd; /* of the file: home pages, then as many others */
	unsigned int pages;
};

static void remap_open(struct remap *m, struct run *r, struct field *f)
{
	memset(m, 0, sizeof(*m));
	probe_open(&m->probe, r, 4);
	m->away = place(f->pages * PAGE);
	m->pages = f->pages;
	f->arg = m;
}

static bool move(void *from, void *to, size_t len)
{
	return mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to;
}

/* --- row 20 ------------------------------------------------------- */

static bool move_and_back(struct field *f, const struct range *g,
			  struct rng *rng)
{
	struct remap *m = f->arg;

	if (!move(g->at, m->away, g->len))
		return false;
	probe_refused(&m->probe, f->view[0].mr,
		      g->at + below(rng, g->len / 8) * 8, one_in(rng, 2),
		      "of memory that has moved away");
	unchanged(f->run, m->away, g->len, 1, "moved memory");
	return move(m->away, g->at, g->len);
}

/* The old address stays, empty; no access may find nothing there. */
static bool move_dontunmap(struct field *f, const struct range *g,
			   struct rng *rng)
{
	struct remap *m = f->arg;
	void *to = mremap(g->at, g->len, g->len,
			  MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
			  m->away);

	if (to != m->away)
		return false;
	unchanged(f->run, m->away, g->len, below(rng, 3), "moved memory");
	return !munmap(m->away, g->len);
}

static void mremap_run(struct run *r)
{
	static const struct event events[] = { { .name = "mremap, and back",
						 .fn = move_and_back,
						 .flags = EV_TAKES | EV_ALONE },
					       {} };
	struct field *f = field_anon(r, 128);
	struct remap m;

	remap_open(&m, r, f);
	run_events(r, f, events);
	probe_close(&m.probe);
}

SCENARIO(mremap_move) = {
	.name = "mremap-move",
	.rows = "20",
	.what = "refused where memory has left; what moved is left alone",
	.run = mremap_run,
	.hooks = UNMAP,
};

static void dontunmap_run(struct run *r)
{
	static const struct event events[] = { { .name = "MREMAP_DONTUNMAP",
						 .fn = move_dontunmap,
						 .flags = EV_EMPTIES |
							  EV_ALONE },
					       {} };
	struct field *f = field_anon(r, 128);
	struct remap m;

	remap_open(&m, r, f);
	run_events(r, f, events);
	probe_close(&m.probe);
}

SCENARIO(mremap_dontunmap) = {
	.name = "mremap-dontunmap",
	.rows = "20",
	.what = "zeros are left behind; what moved is left alone",
	.run = dontunmap_run,
	.hooks = UNMAP,
};

/* A huge page, whose page table entry moves as one. */
static void mremap_huge_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "mremap of 2 MB, and back",
		  .fn = move_and_back,
		  .flags = EV_TAKES | EV_ALONE | EV_WHOLE },
		{}
	};
	uint8_t *huge = map_anon(512 * PAGE);
	struct field *f = field_over(r, "huge", huge, 512);
	struct remap m;

	madvise(huge, 512 * PAGE, MADV_HUGEPAGE);
	memset(huge, 0, 512 * PAGE);
	field_register(f, 0);
	remap_open(&m, r, f);
	run_events(r, f, events);
	probe_close(&m.probe);
}

SCENARIO(mremap_huge) = {
	.name = "mremap-huge",
	.rows = "20",
	.what = "the same with a huge page",
	.run = mremap_huge_run,
	.hooks = UNMAP,
};

/* --- row 21 ------------------------------------------------------- */

static bool shrink_and_grow(struct field *f, const struct range *g,
			    struct rng *rng)
{
	struct remap *m = f->arg;
	uint8_t *base = f->view[0].base;
	const size_t full = f->pages * PAGE;

	if (mremap(base, full, full - g->len, 0) != base)
		return false;
	probe_refused(&m->probe, f->view[0].mr,
		      g->at + below(rng, g->len / 8) * 8, one_in(rng, 2),
		      "behind the end of a mapping");
	/* Over the end: refused, and what is before it is whole or old. */
	if (mremap(base, full - g->len, full, 0) != base)
		return false;
	return true;
}

static void mremap_resize_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "shrink and grow",
		  .fn = shrink_and_grow,
		  .flags = EV_TAKES | EV_EMPTIES | EV_ALONE | EV_TAIL },
		{}
	};
	struct field *f = field_anon(r, 64);
	struct remap m;

	remap_open(&m, r, f);
	run_events(r, f, events);
	probe_close(&m.probe);
}

SCENARIO(mremap_resize) = {
	.name = "mremap-resize",
	.rows = "21",
	.what = "nothing behind the end, zeros when it grows again",
	.run = mremap_resize_run,
	.hooks = UNMAP,
};

/* --- remap flood -------------------------------------------------- */

/* As it was after the last event: device writes may have gone there. */
static void refill(struct field *f, uint8_t *to, const struct range *g)
{
	memcpy(to + g->first * PAGE, f->origin + g->first * PAGE, g->len);
}

static bool put_file_page(struct remap *m, uint8_t *at, unsigned int page,
			  bool nonlinear)
{
	if (nonlinear)
		return !remap_file_pages(at, PAGE, 0, page, 0);
	return mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		    m->fd, page * PAGE) == at;
}

/*
 * Each page of the range becomes another page of the file and its own again,
 * by remap_file_pages(), which the discussion of 2008 had in mind, or by
 * mmap() over it.
 */
static bool flood_file(struct field *f, const struct range *g, struct rng *rng)
{
	struct remap *m = f->arg;
	bool nonlinear = one_in(rng, 2);
	unsigned int i;

	refill(f, m->other, g);
	for (i = 0; i < g->n; i++)
		if (!put_file_page(m, g->at + i * PAGE, m->pages + g->first + i,
				   nonlinear))
			return false;
	for (i = 0; i < g->n; i++)
		if (!put_file_page(m, g->at + i * PAGE, g->first + i,
				   one_in(rng, 8) ? !nonlinear : nonlinear))
			return false;
	return true;
}

static void remap_flood_run(struct run *r)
{
	static const struct event events[] = { { .name = "remap",
						 .fn = flood_file,
						 .flags = EV_DETOUR | EV_ALONE,
						 .max = 6 },
					       {} };
	const unsigned int pages = 64;
	const size_t len = pages * PAGE;
	uint8_t *map = place(len), *origin = map_anon(len);
	struct field *f = field_over(r, "memfd", map, pages);
	struct engine e = {
		.run = r,
		.field = { f, field_pinned(r, 32) },
		.events = events,
		.pause_us = 500,
		.event_threads = 1,
	};
	struct remap m;

	remap_open(&m, r, f);
	m.fd = memfd_create("flood", MFD_CLOEXEC);
	if (m.fd < 0 || ftruncate(m.fd, 2 * len))
		die("memfd: %s", strerror(errno));
	if (mmap(map, len, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED_NOREPLACE, m.fd, 0) != map)
		die("mmap: %s", strerror(errno));
	m.other =
		mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, m.fd, len);
	if (m.other == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	fill(origin, len, 77);
	f->origin = origin;
	field_register(f, 0);
	engine_run(&e);
	close(m.fd);
	probe_close(&m.probe);
}

SCENARIO(remap_flood) = {
	.name = "remap-flood",
	.what = "nonlinear remapping: the page that is mapped is the one",
	.run = remap_flood_run,
	.hooks = UNMAP,
	.weight = 2,
};

static void netem_remap_run(struct run *r)
{
	wire_run(r, remap_flood_run);
}

SCENARIO(netem_remap) = {
	.name = "netem-remap-flood",
	.what = "remap-flood over a bad wire: no page but the one that is mapped",
	.missing = wire_missing,
	.run = netem_remap_run,
	.hooks = UNMAP,
	.slack_s = 60,
};

/* Present pages change places: the field's goes away, another one comes. */
static bool flood_anon(struct field *f, const struct range *g, struct rng *rng)
{
	struct remap *m = f->arg;
	unsigned int i, k;
	uint8_t *at, *other;

	(void)rng;
	refill(f, m->other, g);
	for (i = 0; i < g->n; i++) {
		at = g->at + i * PAGE;
		other = m->other + (g->first + i) * PAGE;
		if (!move(at, m->away, PAGE) || !move(other, at, PAGE))
			return false;
		for (k = below(rng, 50); k; k--)
			sched_yield();
		if (!move(at, other, PAGE) || !move(m->away, at, PAGE))
			return false;
	}
	return true;
}

static void remap_flood_anon_run(struct run *r)
{
	static const struct event events[] = { { .name = "mremap",
						 .fn = flood_anon,
						 .flags = EV_DETOUR | EV_TAKES |
							  EV_ALONE,
						 .max = 4 },
					       {} };
	const unsigned int pages = 64;
	struct field *f = field_anon(r, pages);
	uint8_t *origin = map_anon(pages * PAGE);
	struct engine e = {
		.run = r,
		.field = { f, field_pinned(r, 32) },
		.events = events,
		.pause_us = 500,
	};
	struct remap m;

	remap_open(&m, r, f);
	m.other = map_anon(pages * PAGE);
	fill(origin, pages * PAGE, 78);
	f->origin = origin;
	engine_run(&e);
	probe_close(&m.probe);
}

SCENARIO(remap_flood_anon) = {
	.name = "remap-flood-anon",
	.what = "mremap of present pages: the page that is mapped is the one",
	.run = remap_flood_anon_run,
	.hooks = UNMAP,
	.weight = 2,
};
