// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Memory that is broken: an error for that page, and for no other. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guestsys.h"
#include "probe.h"

#define PAGES 128
#define HUGE  (2UL << 20)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static const char *poison_missing(void)
{
	return access("/proc/sys/vm/memory_failure_recovery", F_OK) ?
		       "a kernel without memory failure handling" :
		       NULL;
}

static struct {
	struct probe probe;
	int fd; /* of shared memory, or -1 */
	unsigned int broken;
} poison;

/* A page beside it, of which nothing is changed. */
static const uint8_t *beside(const struct field *f, const struct range *g)
{
	return page_at(f,
		       g->first + 1 < f->pages ? g->first + 1 : g->first - 1);
}

/* Its place in the page table has to be emptied, too, in a shared mapping. */
static bool give_new_page(const struct range *g)
{
	if (poison.fd >= 0 &&
	    fallocate(poison.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      g->first * PAGE, PAGE))
		return false;
	return !madvise(g->at, PAGE, MADV_DONTNEED);
}

static bool break_page(struct field *f, const struct range *g, struct rng *rng)
{
	struct ibv_mr *mr = f->view[0].mr;

	/* A page of its own: not the one with zeros, which is everybody's. */
	if (madvise(g->at, PAGE, MADV_POPULATE_WRITE))
		fail(f->run, "MADV_POPULATE_WRITE: %s", strerror(errno));
	if (!madvise(g->at, PAGE, MADV_HWPOISON)) {
		probe_refused(&poison.probe, mr, g->at, one_in(rng, 2),
			      "of a page that is broken");
		probe_works(&poison.probe, mr, beside(f, g), false,
			    "of a page beside a broken one");
		poison.broken++;
	} else if (errno != EBUSY && errno != EIO) {
		fail(f->run, "MADV_HWPOISON: %s", strerror(errno));
	}
	if (!give_new_page(g))
		fail(f->run, "a new page: %s", strerror(errno));
	return true;
}

static void break_pages(struct run *r, struct field *f)
{
	static const struct event events[] = { { .name = "MADV_HWPOISON",
						 .fn = break_page,
						 .flags = EV_TAKES |
							  EV_EMPTIES | EV_ALONE,
						 .max = 1 },
					       {} };
	struct engine e = {
		.run = r,
		.field = { f, field_pinned(r, 32) },
		.events = events,
		/* Slowly: a frame is lost each time. */
		.pause_us = 200000,
	};

	probe_open(&poison.probe, r, 0);
	engine_run(&e);
	probe_close(&poison.probe);
	tap_note("%s: %u pages broken", r->sc->name, poison.broken);
	if (!failed(r) && !poison.broken)
		fail(r, "no page could be broken");
}

static void anon_run(struct run *r)
{
	poison.fd = -1;
	break_pages(r, field_anon(r, PAGES));
}

#define POISON                                                              \
	.rows = "37", .what = "an error for the broken page, for no other", \
	.missing = poison_missing, .hooks = CLEAR

SCENARIO(poison_anon) = { .name = "hwpoison-anon", .run = anon_run, POISON };

static void memfd_run(struct run *r)
{
	struct field *f;

	poison.fd = memfd_create("stress", MFD_CLOEXEC);
	if (poison.fd < 0 || ftruncate(poison.fd, PAGES * PAGE))
		die("memfd: %s", strerror(errno));
	f = field_file(r, poison.fd, PAGES);
	field_register(f, 0);
	break_pages(r, f);
}

SCENARIO(poison_memfd) = { .name = "hwpoison-memfd", .run = memfd_run, POISON };

/* The huge page is broken up first: 511 of its pages are still good. */
static void thp_run(struct run *r)
{
	uint8_t *p = mmap(place(HUGE), HUGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			  0);
	struct field *f;

	if (p == MAP_FAILED || madvise(p, HUGE, MADV_HUGEPAGE))
		die("huge page: %s", strerror(errno));
	poison.fd = -1;
	*(volatile uint8_t *)p = 0;
	f = field_over(r, "huge", p, HUGE / PAGE);
	field_register(f, 0);
	break_pages(r, f);
}

SCENARIO(poison_thp) = { .name = "hwpoison-thp", .run = thp_run, POISON };
