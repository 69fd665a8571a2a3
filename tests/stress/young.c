// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What only the device uses counts as used: of two halves of a region that
 * were filled at the same time, that which a peer goes on reading stays in
 * memory, and the other one goes.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "group.h"
#include "guestsys.h"
#include "probe.h"

enum {
	HALF = 2048, /* pages */
	STEP_KB = 512, /* taken away at a time */
	LAST_KB = HALF * 4, /* ... and at once in the end, half of all */
};

struct halves {
	struct run *run;
	struct probe probe;
	struct ibv_mr *mr;
	uint8_t *at; /* used, then idle */
};

static void read_half(struct halves *h, unsigned int half)
{
	uint8_t *at = h->at + half * HALF * PAGE;
	unsigned int i;

	for (i = 0; i < HALF && !failed(h->run); i += PROBE_PAGES)
		if (probe_read(&h->probe, h->mr, at + i * PAGE,
			       PROBE_PAGES * PAGE))
			fail(h->run, "a READ failed");
}

static unsigned int missing(struct halves *h, unsigned int half)
{
	static unsigned char map[HALF];
	unsigned int i, n = 0;

	if (mincore(h->at + half * HALF * PAGE, HALF * PAGE, map))
		fail(h->run, "mincore: %s", strerror(errno));
	for (i = 0; i < HALF; i++)
		n += !(map[i] & 1);
	return n;
}

static void squeeze_by(struct halves *h, unsigned int kb)
{
	sys_set(GROUP_DIR "/memory.reclaim", "%uK", kb);
	note_events(h->run, 1);
}

/* Of each page that is reclaimed the kernel has asked twice. */
static void squeeze(struct halves *h, unsigned int *used, unsigned int *idle)
{
	unsigned int i;

	for (i = 0; i < 200 && *idle < HALF / 2 && !failed(h->run); i++) {
		read_half(h, 0);
		squeeze_by(h, STEP_KB);
		*used += missing(h, 0);
		*idle = missing(h, 1);
	}
	tap_note("%s: of %u pages each, out of memory: %u that nobody used; "
		 "and %u times one that the peer did",
		 h->run->sc->name, HALF, *idle, *used);
}

static void judge(struct halves *h, unsigned int used, unsigned int idle)
{
	if (failed(h->run))
		return;
	if (idle < HALF / 2)
		fail(h->run, "only %u pages were reclaimed", idle);
	else if (used > idle / 2)
		fail(h->run, "what the device uses goes like what it does not");
}

/* What is left of each half when as much as one of them has to go. */
static void share(struct halves *h)
{
	unsigned int used, idle;

	if (failed(h->run))
		return;
	read_half(h, 1);
	read_half(h, 0);
	squeeze_by(h, STEP_KB); /* looks at all, and clears what it sees */
	read_half(h, 0);
	squeeze_by(h, LAST_KB);
	used = HALF - missing(h, 0);
	idle = HALF - missing(h, 1);
	tap_note(
		"%s: resident after the pressure: %u %% of what the peer used, %u %% of what nobody did",
		h->run->sc->name, used * 100 / HALF, idle * 100 / HALF);
}

static void young_run(struct run *r)
{
	unsigned int used = 0, idle = 0;
	struct halves h = { .run = r, .at = map_anon(2 * HALF * PAGE) };
	struct group group = {};

	group_join(&group);
	memset(h.at, 1, 2 * HALF * PAGE);
	h.mr = rd_reg(&r->dev, h.at, 2 * HALF * PAGE,
		      RD_ALL | IBV_ACCESS_ON_DEMAND);
	probe_open(&h.probe, r, 0);
	hooks_begin(r);
	read_half(&h, 0);
	read_half(&h, 1);
	squeeze(&h, &used, &idle);
	share(&h);
	hooks_sample(r);
	judge(&h, used, idle);
	if (!failed(r))
		probe_close(&h.probe);
	ibv_dereg_mr(h.mr);
	munmap(h.at, 2 * HALF * PAGE);
	group_leave(&group);
}

SCENARIO(young) = {
	.name = "young",
	.what = "reclaim takes what the device does not use",
	.missing = group_missing,
	.run = young_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};
