// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Anonymous memory that is given up and comes back. */

#include <sys/mman.h>

#include "stress.h"

static bool dontneed(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return !madvise(g->at, g->len, MADV_DONTNEED);
}

static void dontneed_run(struct run *r)
{
	static const struct event events[] = { { .name = "MADV_DONTNEED",
						 .fn = dontneed,
						 .flags = EV_EMPTIES },
					       {} };

	run_events(r, field_anon(r, 128), events);
}

SCENARIO(dontneed) = {
	.name = "dontneed",
	.rows = "5",
	.what = "zeros or what was written, never an old page",
	.run = dontneed_run,
	.hooks = CLEAR,
};
