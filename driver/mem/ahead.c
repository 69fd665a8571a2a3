// SPDX-License-Identifier: GPL-2.0
/*
 * What else a fault may bring in: the next pages of a stream, and the
 * neighbours of a page that fork took the right to write from.
 *
 * Guesses, all of them. The numbers are read and written without a lock; a
 * wrong one brings in a few pages for nothing, never a wrong byte. What is
 * brought in for a guess waits for nothing: see sodp_populate.nowait.
 */
#include "internal.h"

enum {
	AHEAD_FIRST = 16, /* pages, at the second fault of a stream */
	AHEAD_MOST = SODP_FAULT_PAGES,
	AROUND = 16, /* pages, a power of two */
};

#define AROUND_MASK (~(u64)(AROUND - 1))

/* That which goes on here: in what was read ahead for it, or just behind. */
static struct sodp_stream *find_stream(struct sodp_region *region, u64 first)
{
	struct sodp_stream *s = region->streams;

	for (; s < region->streams + SODP_STREAMS; s++)
		if (READ_ONCE(s->asked) <= first &&
		    first <= READ_ONCE(s->next) && READ_ONCE(s->next))
			return s;
	return NULL;
}

static u64 follow(struct sodp_region *region, u64 first, u64 count)
{
	struct sodp_stream *s = find_stream(region, first);
	u64 window = 0;
	u32 turn;

	if (s) {
		window = min_t(u64, 2 * (u64)READ_ONCE(s->window), AHEAD_MOST);
		window = max(window, (u64)AHEAD_FIRST);
	} else {
		turn = READ_ONCE(region->turn);
		WRITE_ONCE(region->turn, turn + 1);
		s = &region->streams[turn % SODP_STREAMS];
	}
	window = min(window, region->npages - (first + count));
	WRITE_ONCE(s->window, window);
	WRITE_ONCE(s->asked, first + count);
	WRITE_ONCE(s->next, first + count + window);
	return window;
}

/* Of the pages that fork has made read-only some are still to be asked for. */
static bool around(struct sodp_region *region)
{
	return atomic64_read(&region->protected) > 0 &&
	       atomic64_sub_return(AROUND, &region->protected) > -AROUND;
}

void sodp_ahead_plan(struct sodp_region *region, u64 first, u64 count,
		     bool write, struct sodp_ahead *ahead)
{
	u64 window = follow(region, first, count);

	ahead->first = first + count;
	ahead->count = window;
	if (!window && write && around(region)) {
		ahead->first = first & AROUND_MASK;
		ahead->count = min((first + count + AROUND - 1) & AROUND_MASK,
				   region->npages) -
			       ahead->first;
	}
}

/* A hook has found @pages that may only be read from now on. */
void sodp_ahead_protected(struct sodp_region *region, unsigned long pages)
{
	/* Less than this is writeback, or somebody's mprotect. */
	if (pages >= AROUND)
		atomic64_set(&region->protected, pages);
}
