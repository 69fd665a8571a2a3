// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What a field's bytes may be, and what can be said of those that are wrong. */

#include <stdio.h>
#include <string.h>

#include "stress.h"

void cell_stamp(const struct field *f, void *to, unsigned int cell,
		uint32_t version)
{
	const uint32_t head[2] = { cell, version };

	if (f->unit == PAGE) {
		stamp(to, cell, version);
		return;
	}
	memcpy(to, head, 8);
	fill((uint8_t *)to + 8, f->unit - 8, (uint64_t)cell << 32 | version);
}

static uint8_t origin_of(const struct field *f, size_t off)
{
	return f->origin ? f->origin[off] : 0;
}

static bool byte_right(const struct field *f, size_t off, uint8_t got,
		       bool loose)
{
	const struct cell *c = &f->cell[off / f->unit];
	size_t in = off % f->unit;

	return got == f->model[off] || (c->two && got == f->old[off]) ||
	       (loose && (f->may_zero || f->may_detour) &&
		got == origin_of(f, off)) ||
	       (c->loose >= 0 && in / 8 == (size_t)c->loose / 8);
}

ssize_t field_judge(const struct field *f, size_t off, size_t len,
		    const uint8_t *got, const bool *loose)
{
	size_t first = off / f->unit, end = off + len, at, here;

	for (at = off; at < end; at += here) {
		here = f->unit - at % f->unit;
		if (here > end - at)
			here = end - at;
		if (!memcmp(got + (at - off), f->model + at, here))
			continue;
		for (size_t i = at; i < at + here; i++)
			if (!byte_right(f, i, got[i - off],
					loose[i / f->unit - first]))
				return i - off;
	}
	return -1;
}

/* What a wrong cell looks like: an older version, zeros, somebody else's. */
static void describe(const struct field *f, unsigned int cell,
		     const uint8_t *got, size_t bad, char *text, size_t room)
{
	const struct cell *c = &f->cell[cell];
	uint8_t was[PAGE];
	uint64_t word;
	uint32_t head[2], back;

	memcpy(&word, got + (bad & ~7UL), 8);
	if (all_zero(got, f->unit)) {
		snprintf(text, room, "zeros");
		return;
	}
	if ((word ^ CANARY_TAG) << 8 == 0) {
		snprintf(text, room, "a page of the canary");
		return;
	}
	for (back = 1; back <= 32 && back <= c->version; back++) {
		cell_stamp(f, was, cell, c->version - back);
		if (!memcmp(got + bad, was + bad,
			    f->unit - bad < 8 ? f->unit - bad : 8)) {
			snprintf(text, room, "version %u there",
				 c->version - back);
			return;
		}
	}
	memcpy(head, got, 8);
	snprintf(text, room, "%#018llx there; begins as cell %u, version %u",
		 (unsigned long long)word, head[0], head[1]);
}

static void describe_cell(struct field *f, unsigned int cell,
			  const uint8_t *got, size_t bad)
{
	const struct cell *c = &f->cell[cell];
	char text[120];
	size_t last = f->unit;

	describe(f, cell, got, bad, text, sizeof(text));
	while (last > bad + 1 &&
	       got[last - 1] == f->model[cell * f->unit + last - 1])
		last--;
	tap_note("  %s, cell %u, bytes %zu-%zu: version %u expected, %s; "
		 "%u disturbances, %u under way%s%s",
		 f->name, cell, bad, last - 1, c->version, text, c->begun,
		 c->begun - c->ended, c->sure ? "" : ", not sure",
		 c->two ? ", after an error" : "");
}

void field_report(struct field *f, size_t off, const uint8_t *got,
		  const char *what)
{
	unsigned int cell = off / f->unit;
	uint64_t want = 0, found = 0;
	size_t n = f->pages * PAGE - off;

	memcpy(&want, f->model + off, n < 8 ? n : 8);
	memcpy(&found, got, n < 8 ? n : 8);
	fail(f->run, "%s: %s, cell %u at byte %zu: %#llx instead of %#llx",
	     what, f->name, cell, off % f->unit, (unsigned long long)found,
	     (unsigned long long)want);
	tap_note("  version %u expected; %u disturbances, %u under way",
		 f->cell[cell].version, f->cell[cell].begun,
		 f->cell[cell].begun - f->cell[cell].ended);
}

static ssize_t cell_bad(const struct field *f, unsigned int i,
			const uint8_t *got)
{
	const struct cell *c = &f->cell[i];
	bool loose = f->may_zero && (!c->sure || c->begun != c->seen);

	return field_judge(f, (size_t)i * f->unit, f->unit,
			   got + (size_t)i * f->unit, &loose);
}

unsigned int field_wrong(const struct field *f, const uint8_t *got)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < f->cells; i++)
		wrong += cell_bad(f, i, got) >= 0;
	return wrong;
}

void field_map(struct field *f, const uint8_t *got, const char *state)
{
	unsigned int i, shown = 0;
	char row[65], there;
	ssize_t bad;

	tap_note("%s, %u cells of %u bytes from %p: . right, z origin, X "
		 "wrong; of pages that are not there: - nothing, s swapped out",
		 f->name, f->cells, f->unit, f->view[0].base);
	for (i = 0; i < f->cells; i++) {
		bad = cell_bad(f, i, got);
		there = state[i / (PAGE / f->unit)];
		row[i % 64] = there != 'p' && there != 'P' ? there :
			      bad >= 0			   ? 'X' :
			      memcmp(got + (size_t)i * f->unit,
				     f->model + (size_t)i * f->unit, f->unit) ?
					 'z' :
					 '.';
		if (i % 64 == 63 || i == f->cells - 1) {
			row[i % 64 + 1] = 0;
			tap_note("  %6u %s", i & ~63U, row);
		}
	}
	for (i = 0; i < f->cells && shown < 12; i++) {
		bad = cell_bad(f, i, got);
		if (bad < 0)
			continue;
		shown++;
		describe_cell(f, i, got + (size_t)i * f->unit, bad);
	}
}
