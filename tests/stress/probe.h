/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What an event function needs to look for itself: a connection of its own,
 * and a patch of memory that traffic leaves alone.
 */
#ifndef STRESS_PROBE_H
#define STRESS_PROBE_H

#include "pages.h"
#include "stress.h"

#define PROBE_PAGES 64

struct probe {
	struct run *run;
	struct rd_qp peer, owner;
	uint8_t *buf; /* PROBE_PAGES, the peer's */
	struct ibv_mr *mr;
	pthread_mutex_t lock; /* of the patch, too, if several threads use it */
	uint8_t *patch;
	unsigned int pages;
	struct ibv_mr *patch_mr; /* on demand */
	uint32_t version; /* of the patch's stamps */
	void *arg; /* the scenario's own */
};

/* With a patch of so many pages; 0: none. */
void probe_open(struct probe *p, struct run *r, unsigned int patch_pages);
void probe_close(struct probe *p);
/* run_events() with a probe, open as long as that, as the field's arg. */
void run_probed(struct run *r, struct field *f, const struct event *events,
		unsigned int patch_pages);

/*
 * The peer's buffer, from its beginning, to or from @at. The status of the
 * completion; -1 for silence, which is a failure. After an error the next one
 * works again.
 */
int probe_write(struct probe *p, const struct ibv_mr *mr, const void *at,
		size_t len);
int probe_read(struct probe *p, const struct ibv_mr *mr, const void *at,
	       size_t len);
/* That must be refused, and that must not be. */
void probe_refused(struct probe *p, const struct ibv_mr *mr, const void *at,
		   bool write, const char *when);
void probe_works(struct probe *p, const struct ibv_mr *mr, const void *at,
		 bool write, const char *when);
/* The peer stamps the whole patch with its next version. */
void patch_stamp(struct probe *p);
/* ... which the peer reads, and a CPU loads. */
void patch_check(struct probe *p, const char *when);

/*
 * Pages that have nothing to do with a region any more must not change: false
 * and a failure if they do within @ms.
 */
bool unchanged(struct run *r, const void *at, size_t len, unsigned int ms,
	       const char *what);

#endif
