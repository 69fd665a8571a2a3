/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Allocations that fail: what the scenarios lowmem and lowmem-faults share.
 */
#ifndef STRESS_LOWMEM_H
#define STRESS_LOWMEM_H

#include "probe.h"

#define FAILSLAB "/sys/kernel/debug/failslab/"
#define FAILPAGE "/sys/kernel/debug/fail_page_alloc/"
#define MOST	 400 /* allocations of one call, unless it says otherwise */

struct low {
	struct run *run;
	int nth; /* /proc/thread-self/fail-nth */
	uint8_t *at;
	struct probe p;
	unsigned int silent; /* posted, but the doorbell was not heard */
	bool hit; /* an allocation of the last call failed */

	/* What a call's before() made for it. */
	struct ibv_cq *cq;
	struct ibv_srq *srq;
	struct ibv_mr *mr;
	uint32_t handle;
	uint64_t offset;
	size_t length;
	int netlink;
};

struct call {
	const char *name;
	/* What it needs is made, uninjected. May be NULL. */
	void (*before)(struct low *l);
	/*
	 * 0 or an errno; called() when the call is over. What it and before()
	 * have made it takes away again, uninjected.
	 */
	int (*fn)(struct low *l);
	/* The library gives an errno of its own when the kernel has none. */
	bool library;
	/* So many allocations are expected at most; 0: MOST. */
	unsigned int most;
	/* Only each so many-th, another one in each pass; 0: all. */
	unsigned int stride;
};

/* The call is over: whether something of it has failed, and nothing more. */
void called(struct low *l);
/* Ends with one without fn. */
extern const struct call more_calls[];
/* Takes away what they have needed. */
void calls_end(struct low *l);

/* Why no allocation can be made to fail, or NULL. */
const char *no_injection(void);
/* Writes @text to a file of debugfs, if it is there. */
void inject_set(const char *path, const char *text);
/* Allocations that may sleep fail as well, and single pages. */
void inject_all_kinds(void);

#endif
