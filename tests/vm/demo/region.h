/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The region of the demo: what the kernel and the device say about it. */
#ifndef DEMO_REGION_H
#define DEMO_REGION_H

#include <stdint.h>

#include <softodp/softodp.h>

#include "screen.h"
#include "traffic.h"

#define PAGE 4096ULL
#define MIB  (1ULL << 20)
#define GIB  (1ULL << 30)

struct region {
	struct ex_end ends[TRAFFIC_QPS];
	struct traffic_progress *progress;
	char *base;
	uint64_t length;
	struct ibv_mr *mr;
};

/* Everything that claims are measured by, at one moment. */
struct moment {
	struct softodp_mr_stats mr;
	uint64_t access_naks; /* device: remote access errors that it sent */
	uint64_t failed_faults;
	uint64_t swapped_out, swapped_in; /* machine: pages */
	uint64_t cpu_faults; /* of this process */
};

struct moment moment(const struct region *region);

/* Reserved address space at @where (NULL: anywhere) without a page in it. */
char *reserve(void *where, uint64_t length);

/* The peer obeys; its report. @meanwhile is called while we wait for it. */
struct report peer_does(const struct region *region, const struct order *order,
			void (*meanwhile)(void *), void *arg);
/* The peer does it; the report comes back. @seed 0 with a READ: zeros. */
struct report peer_write(const struct region *region, const char *at,
			 uint64_t length, uint64_t seed);
struct report peer_read(const struct region *region, const char *at,
			uint64_t length, uint64_t seed);
/* Success, all messages, no wrong byte. */
bool fine(const struct report *report);
/* A message's status in words. */
const char *status_text(uint32_t status);

/* Pages in memory, by mincore(2); with the picture of it if @draw. */
uint64_t resident(const struct region *region, bool draw);
/* Pages of a window that are on swap, by pagemap; with the picture if @draw. */
uint64_t swapped(const char *window, uint64_t length, bool draw);

/* A number (kB) from /proc/self/status. */
uint64_t self_status(const char *name);

#endif
