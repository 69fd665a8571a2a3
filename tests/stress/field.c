// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Fields: mappings, their regions, and who disturbs them. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "stress.h"

#define HUGE (2UL << 20)

/* mmap() searches from the top; this is far below all that it ever finds. */
#define LOW_PLACES 0x100000000000UL

void *place(size_t bytes)
{
	static _Atomic uintptr_t next = LOW_PLACES;

	/* Never two beside each other: they might become one VMA. */
	bytes = (bytes + 2 * HUGE - 1) & ~(HUGE - 1);
	return (void *)atomic_fetch_add(&next, bytes + HUGE);
}

void *map_anon(size_t bytes)
{
	void *p = mmap(place(bytes), bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		       0);

	if (p == MAP_FAILED)
		die("mmap of %zu: %s", bytes, strerror(errno));
	madvise(p, bytes, MADV_NOHUGEPAGE);
	map_area(p, bytes);
	return p;
}

/* Not from the heap: that would grow and shrink while events run. */
static void *memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap of %zu: %s", bytes, strerror(errno));
	return p;
}

static void make_cells(struct field *f, unsigned int unit)
{
	unsigned int i;

	f->unit = unit;
	f->cells = f->pages * PAGE / unit;
	f->cell = memory(f->cells * sizeof(*f->cell));
	for (i = 0; i < f->cells; i++) {
		f->cell[i].sure = true;
		f->cell[i].loose = -1;
	}
}

struct field *field_over(struct run *r, const char *name, void *base,
			 unsigned int pages)
{
	struct field *f = memory(sizeof(*f));

	f->run = r;
	f->name = name;
	f->pages = pages;
	f->view = memory(MAX_VIEWS * sizeof(*f->view));
	f->nviews = 1;
	f->view[0].base = base;
	f->model = memory(pages * PAGE);
	f->old = memory(pages * PAGE);
	pthread_mutex_init(&f->alone, NULL);
	make_cells(f, PAGE);
	map_field(f);
	return f;
}

void field_split(struct field *f, unsigned int unit)
{
	if (unit < 64 || PAGE % unit)
		die("cells of %u bytes", unit);
	munmap(f->cell, f->cells * sizeof(*f->cell));
	make_cells(f, unit);
}

void field_load(struct field *f)
{
	memcpy(f->model, f->view[0].base, f->pages * PAGE);
}

void field_register(struct field *f, int access)
{
	f->view[0].mr = rd_reg(&f->run->dev, f->view[0].base, f->pages * PAGE,
			       access ?: RD_ALL | IBV_ACCESS_ON_DEMAND);
}

struct view *field_view(struct field *f, void *base, struct ibv_mr *mr)
{
	struct view *v;

	if (f->nviews == MAX_VIEWS)
		die("%s: more than %d views", f->name, MAX_VIEWS);
	v = &f->view[f->nviews++];
	v->base = base;
	v->mr = mr    ?:
			rd_reg(&f->run->dev, base, f->pages * PAGE,
			       RD_ALL | IBV_ACCESS_ON_DEMAND);
	return v;
}

struct field *field_anon(struct run *r, unsigned int pages)
{
	struct field *f = field_over(r, "anon", map_anon(pages * PAGE), pages);

	field_register(f, 0);
	return f;
}

struct field *field_pinned(struct run *r, unsigned int pages)
{
	struct field *f =
		field_over(r, "pinned", map_anon(pages * PAGE), pages);

	f->pinned = true;
	field_register(f, RD_ALL);
	return f;
}

void field_free(struct field *f)
{
	unsigned int i;
	int err;

	if (f->run->failures)
		field_show(f);
	unmap_field(f);
	for (i = 0; i < f->nviews; i++) {
		if (!f->view[i].mr)
			continue;
		err = ibv_dereg_mr(f->view[i].mr);
		if (err)
			fail(f->run, "%s: dereg_mr: %s", f->name,
			     strerror(err));
	}
	munmap(f->model, f->pages * PAGE);
	munmap(f->old, f->pages * PAGE);
	munmap(f->cell, f->cells * sizeof(*f->cell));
	munmap(f->view, MAX_VIEWS * sizeof(*f->view));
	munmap(f, sizeof(*f));
}

void disturb_begin(struct field *f, unsigned int first, unsigned int n,
		   unsigned int flags)
{
	unsigned int i, per_page = PAGE / f->unit;

	for (i = first * per_page; i < (first + n) * per_page; i++) {
		atomic_fetch_add(&f->cell[i].begun, 1);
		if (flags & EV_EMPTIES & ~EV_ZEROES)
			atomic_fetch_add(&f->cell[i].emptied, 1);
	}
}

void disturb_end(struct field *f, unsigned int first, unsigned int n)
{
	unsigned int i, per_page = PAGE / f->unit;

	for (i = first * per_page; i < (first + n) * per_page; i++)
		atomic_fetch_add(&f->cell[i].ended, 1);
}
