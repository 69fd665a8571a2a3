// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Memory that is broken: an error for that page, and for no other. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guestsys.h"
#include "probe.h"

#define PAGES	  128
#define HUGE	  (2UL << 20)
#define MOST_HUGE 32 /* that are broken up for the sake of a broken page */

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
	int fd; /* of a file behind the pages, or -1 */
	bool disk; /* ... which is on one */
	unsigned int broken;
	unsigned int reloaded; /* from the disk, where a clean page was */
	unsigned int told; /* by fsync that something is lost */
	unsigned int lost; /* huge pages that the pool did not get rid of */
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
	unsigned int tries = 0;

	/* Where a page was lost, a file system says so once, here, too. */
	while (poison.fd >= 0 &&
	       fallocate(poison.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 g->first * PAGE, PAGE))
		if (!poison.disk || errno != EIO || ++tries == 5)
			return false;
	return !madvise(g->at, PAGE, MADV_DONTNEED);
}

/* Whoever has a file is told when a page of it was lost. */
static void sync_page(struct field *f, const struct range *g)
{
	if (!msync(g->at, PAGE, MS_SYNC))
		return;
	poison.told++;
	if (errno != EIO)
		fail(f->run, "msync: %s", strerror(errno));
}

/* It stays broken where it was mapped: a clean page of a file need not. */
static bool is_marked(const void *at)
{
	uint64_t word;

	pagemap_read(at, &word, 1);
	return (word & PM_SWAPPED) && !(word & PM_PRESENT);
}

static void judge_broken(struct field *f, const void *at, struct rng *rng)
{
	struct ibv_mr *mr = f->view[0].mr;

	if (poison.disk && !is_marked(at)) {
		probe_works(&poison.probe, mr, at, false,
			    "of a page that was broken, but clean");
		poison.reloaded++;
		return;
	}
	probe_refused(&poison.probe, mr, at, one_in(rng, 2),
		      "of a page that is broken");
	poison.broken++;
}

static bool break_page(struct field *f, const struct range *g, struct rng *rng)
{
	struct ibv_mr *mr = f->view[0].mr;

	/* A page of its own: not the one with zeros, which is everybody's. */
	if (madvise(g->at, PAGE, MADV_POPULATE_WRITE))
		fail(f->run, "MADV_POPULATE_WRITE: %s", strerror(errno));
	if (poison.disk && one_in(rng, 3))
		sync_page(f, g);
	if (!madvise(g->at, PAGE, MADV_HWPOISON)) {
		judge_broken(f, g->at, rng);
		probe_works(&poison.probe, mr, beside(f, g), false,
			    "of a page beside a broken one");
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

/*
 * A page that was written to is lost, and the file's owner told; one that was
 * not comes from the disk again.
 */
static void ext4_run(struct run *r)
{
	struct field *f;
	struct file file;

	if (!fs_mount(r, "ext4"))
		return;
	file = fs_file("field", PAGES * PAGE);
	poison.fd = file.fd;
	poison.disk = true;
	pagemap_open();
	f = field_file(r, file.fd, PAGES);
	field_register(f, 0);
	break_pages(r, f);
	if (fsync(file.fd) && errno == EIO)
		poison.told++;
	tap_note("%s: %u clean pages came from the disk again, %u times "
		 "somebody was told of a loss",
		 r->sc->name, poison.reloaded, poison.told);
	if (!failed(r) && !poison.told)
		fail(r, "pages of the file are lost, and fsync says nothing");
}

SCENARIO(poison_ext4) = {
	.name = "hwpoison-ext4",
	.run = ext4_run,
	POISON,
	.slack_s = 60,
};

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

/* --- huge pages from the pool -------------------------------------- */

/* So many are free beside those in use: to be given back, and to come next. */
static bool two_free(void)
{
	sys_set(HUGE_POOL "nr_hugepages", "%u", 4 + poison.lost);
	return sys_get(HUGE_POOL "free_hugepages", 0) >= 2 + poison.lost;
}

/* For one page's sake all of it, and nothing of the other huge page. */
static void break_in_huge(struct field *f, uint8_t *at, struct rng *rng)
{
	struct field *other = f->arg;

	if (!madvise(at, PAGE, MADV_HWPOISON)) {
		judge_broken(f, page_at(f, below(rng, HUGE / PAGE)), rng);
		probe_works(&poison.probe, other->view[0].mr,
			    page_at(other, below(rng, HUGE / PAGE)), false,
			    "of a huge page beside a broken one");
	} else if (errno == EBUSY || errno == EIO) {
		poison.lost++;
	} else {
		fail(f->run, "MADV_HWPOISON: %s", strerror(errno));
	}
}

/* Without one to spare it is only given up. */
static bool break_huge(struct field *f, const struct range *g, struct rng *rng)
{
	uint8_t *at = g->at + below(rng, HUGE / PAGE) * PAGE;

	if (madvise(at, PAGE, MADV_POPULATE_WRITE))
		fail(f->run, "MADV_POPULATE_WRITE: %s", strerror(errno));
	if (poison.broken < MOST_HUGE && two_free())
		break_in_huge(f, at, rng);
	if (madvise(g->at, HUGE, MADV_DONTNEED))
		fail(f->run, "MADV_DONTNEED: %s", strerror(errno));
	return true;
}

static void hugetlb_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "MADV_HWPOISON",
		  .fn = break_huge,
		  .flags = EV_TAKES | EV_EMPTIES | EV_ALONE | EV_WHOLE },
		{}
	};
	struct engine e = { .run = r, .events = events, .pause_us = 200000 };
	struct field *f[2];
	uint8_t *base;

	poison.fd = -1;
	if (!pool_of(r, 4))
		return;
	base = pool_map(2);
	for (unsigned int i = 0; i < 2; i++) {
		f[i] = field_over(r, i ? "second" : "first", base + i * HUGE,
				  HUGE / PAGE);
		field_register(f[i], 0);
		e.field[i] = f[i];
	}
	f[0]->arg = f[1];
	f[1]->arg = f[0];
	e.field[2] = field_pinned(r, 32);
	probe_open(&poison.probe, r, 0);
	engine_run(&e);
	probe_close(&poison.probe);
	tap_note("%s: %u huge pages broken", r->sc->name, poison.broken);
	if (!failed(r) && !poison.broken)
		fail(r, "no huge page could be broken");
	munmap(base, 2 * HUGE);
	sys_restore();
}

static const char *poison_pool_missing(void)
{
	return poison_missing() ?: pool_missing();
}

SCENARIO(poison_hugetlb) = {
	.name = "hwpoison-hugetlb",
	.rows = "28,37",
	.what = "an error for the huge page with a broken page, for no other",
	.missing = poison_pool_missing,
	.run = hugetlb_run,
	.hooks = CLEAR,
};
