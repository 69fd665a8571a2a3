// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* One key for the whole address space: what is there, and what will be. */

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <softodp/softodp.h>

#include "probe.h"

#define PAGES	  128
#define SMALL	  2048 /* bytes of an allocation of the heap */
#define WIDE	  (4UL << 30)
#define STRIDE	  (2UL << 20)
#define LONG_RUN  10000 /* ms */
#define TABLE_MAX (1U << 20) /* bytes, when nothing is mapped any more */

static const char *implicit_missing(struct run *r)
{
	struct ibv_device_attr_ex attr;

	if (ibv_query_device_ex(r->dev.ctx, NULL, &attr))
		return "the device does not answer";
	return attr.odp_caps.general_caps & IBV_ODP_SUPPORT_IMPLICIT ?
		       NULL :
		       "the device has no implicit regions";
}

static bool unmap_and_map(struct field *f, const struct range *g,
			  struct rng *rng)
{
	void *p;

	(void)f;
	(void)rng;
	if (munmap(g->at, g->len))
		return false;
	p = mmap(g->at, g->len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (p == g->at)
		madvise(p, g->len, MADV_NOHUGEPAGE);
	return p == g->at;
}

static bool drop(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return !madvise(g->at, g->len, MADV_DONTNEED);
}

/* What came after the registration is reached, both ways, while it is there. */
static bool use_new(struct field *f, uint8_t *at, size_t len, struct rng *rng)
{
	struct probe *p = f->arg;
	uint8_t fill = rnd(rng);

	memset(at, fill, len);
	if (probe_read(p, f->view[0].mr, at, len))
		fail(p->run, "READ of new memory failed");
	else if (memcmp(p->buf, at, len))
		fail(p->run, "a READ of new memory shows something else");
	memset(p->buf, ~fill, len);
	if (probe_write(p, f->view[0].mr, at, len))
		fail(p->run, "WRITE to new memory failed");
	else if (memcmp(p->buf, at, len))
		fail(p->run, "a WRITE to new memory was lost");
	return true;
}

static bool map_new(struct field *f, const struct range *g, struct rng *rng)
{
	size_t len = (1 + below(rng, 16)) * PAGE;
	uint8_t *at = map_anon(len);
	struct probe *p = f->arg;

	(void)g;
	use_new(f, at, len, rng);
	munmap(at, len);
	probe_refused(p, f->view[0].mr, at + below(rng, len / 8) * 8,
		      one_in(rng, 2), "of what was unmapped");
	return true;
}

/* The heap grows and shrinks; neighbours in a page belong to others. */
static bool churn_heap(struct field *f, const struct range *g, struct rng *rng)
{
	uint8_t *piece[32];
	unsigned int i, n = 1 + below(rng, ARRAY_SIZE(piece));

	(void)g;
	for (i = 0; i < n; i++) {
		piece[i] = malloc(SMALL);
		if (!piece[i])
			return false;
		memset(piece[i], i, SMALL);
	}
	i = below(rng, n);
	use_new(f, piece[i], SMALL, rng);
	for (i = 0; i < n; i++)
		free(piece[i]);
	malloc_trim(0);
	return true;
}

static uint64_t table_bytes(struct run *r, struct ibv_mr *mr)
{
	struct softodp_mr_stats stats = {};

	if (softodp_query_mr_stats(mr, &stats))
		fail(r, "statistics: %s", strerror(errno));
	return stats.table_bytes;
}

/* A page here and a page there, until the table is large; then none. */
static void spread(struct run *r, struct probe *p, struct ibv_mr *mr)
{
	uint8_t *at = mmap(NULL, WIDE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t bytes = 0;
	size_t i;

	if (at == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	madvise(at, WIDE, MADV_NOHUGEPAGE);
	for (i = 0; i < WIDE && bytes <= 2 * TABLE_MAX && !failed(r);
	     i += STRIDE) {
		memset(p->buf, i / STRIDE, 64);
		if (probe_write(p, mr, at + i, 64) ||
		    memcmp(p->buf, at + i, 64))
			fail(r, "a WRITE to page %zu was lost", i / PAGE);
		bytes = table_bytes(r, mr);
	}
	if (!failed(r) && bytes <= TABLE_MAX)
		fail(r, "the table has only %llu bytes",
		     (unsigned long long)bytes);
	tap_note("%s: %zu pages far from each other, %llu bytes of tables",
		 r->sc->name, i / STRIDE, (unsigned long long)bytes);
	munmap(at, WIDE);
}

/* Nothing of it is mapped any more: its leaves are gone, too. */
static void check_shrunk(struct run *r, struct ibv_mr *mr)
{
	struct softodp_mr_stats stats = {};

	if (softodp_query_mr_stats(mr, &stats))
		fail(r, "statistics: %s", strerror(errno));
	else if (stats.table_bytes > TABLE_MAX)
		fail(r, "%llu pages are resident, the table holds %llu bytes",
		     (unsigned long long)stats.resident_pages,
		     (unsigned long long)stats.table_bytes);
	else
		tap_note("%s: in the end %llu pages resident, %llu bytes of "
			 "tables",
			 r->sc->name, (unsigned long long)stats.resident_pages,
			 (unsigned long long)stats.table_bytes);
}

static void implicit_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "munmap",
		  .fn = unmap_and_map,
		  .flags = EV_TAKES | EV_EMPTIES | EV_ALONE },
		{ .name = "MADV_DONTNEED", .fn = drop, .flags = EV_EMPTIES },
		{ .name = "mmap",
		  .fn = map_new,
		  .flags = EV_NO_PAGES | EV_ALONE },
		{ .name = "malloc",
		  .fn = churn_heap,
		  .flags = EV_NO_PAGES | EV_ALONE },
		{}
	};
	const char *why = implicit_missing(r);
	struct engine e = { .run = r, .events = events };
	struct field *f;
	struct ibv_mr *mr;
	struct probe p;

	if (why) {
		skip(r, "%s", why);
		return;
	}
	probe_open(&p, r, 0);
	f = field_over(r, "anon", map_anon(PAGES * PAGE), PAGES);
	mr = rd_reg(&r->dev, NULL, SIZE_MAX, RD_ALL | IBV_ACCESS_ON_DEMAND);
	f->view[0].mr = mr;
	/* cppcheck-suppress autoVariables ; the field does not outlive this */
	f->arg = &p;
	e.field[0] = f;
	engine_start(&e);
	while (engine_goes_on(&e))
		;
	engine_stop(&e);
	engine_check(&e);
	if (r->ms >= LONG_RUN)
		spread(r, &p, mr);
	munmap(f->view[0].base, PAGES * PAGE);
	check_shrunk(r, mr);
	engine_free(&e);
	probe_close(&p);
}

SCENARIO(implicit) = {
	.name = "implicit",
	.what = "one key reaches all that is mapped, then and later, no more",
	.run = implicit_run,
	.hooks = UNMAP | CLEAR,
	.weight = 2,
};
