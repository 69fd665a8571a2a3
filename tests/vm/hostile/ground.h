/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The memory that a villain may reach, or must not: plots. A plot is a region
 * that begins and ends inside a page; what is around it belongs to nobody and
 * holds secrets. Some plots may be written or read by a peer and some not.
 *
 * By bytes: secrets are 0xf0 to 0xff. What may not be read by a peer is 0xe0 to
 * 0xef, what may be is 0x40 to 0x5f, and so is all that the raw peer sends.
 */
#ifndef HOSTILE_GROUND_H
#define HOSTILE_GROUND_H

#include "hostile.h"
#include "verbs.h"

enum plot_id {
	PLOT_OPEN, /* read and write, on demand */
	PLOT_COLD, /* as before, and its pages go now and then */
	PLOT_PINNED, /* read and write */
	PLOT_READ, /* read only */
	PLOT_WRITE, /* write only */
	PLOT_ATOMIC, /* atomics only */
	PLOT_SOURCE, /* local only: what the owner sends */
	PLOT_SINK, /* local only: what it receives */
	PLOT_FOREIGN, /* of another protection domain */
	PLOT_STALE, /* deregistered */
	PLOT_HOLE, /* a page of it is not mapped */
	PLOT_RDONLY, /* write rights over memory that is read-only */
	PLOTS
};

enum {
	PLOT_PAGES = 4,
	PLOT_BEGIN = PAGE + 328, /* of the region in the plot */
	PLOT_LEN = PAGE + 1500,
	PLOT_LIE = 16, /* bytes that the judge is not told of */
};

struct plot {
	uint8_t *map; /* PLOT_PAGES */
	uint8_t *mem; /* of the region */
	struct ibv_mr *mr;
	uint32_t key;
};

struct ground {
	struct rd_dev *dev;
	struct ibv_pd *other_pd;
	struct plot plots[PLOTS];
	uint8_t *neat; /* what a plot's bytes were, by plot */
	/* Bytes of writable plots come from the raw peer, not from anywhere. */
	bool strict;
};

void ground_open(struct ground *g, struct rd_dev *dev, bool strict, bool lie);
void ground_close(struct ground *g);
/* All bytes that must not change, and those that must not have come. */
void ground_check(struct ground *g);
/* Takes pages from the device, and gives others back. */
void ground_shake(struct ground *g, struct rng *r);

static inline bool is_forbidden(uint8_t byte)
{
	return byte >= 0xe0;
}

#endif
