/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The peer takes orders over the socket, moves data over RDMA and reports. It
 * does not see the owner's memory in any other way.
 *
 * Data is a pattern: byte at offset o of seed s is known without being stored.
 * Seed 0 is all zeros, as in memory that nobody wrote.
 */
#ifndef DEMO_TRAFFIC_H
#define DEMO_TRAFFIC_H

#include <stddef.h>
#include <stdint.h>

#include "common.h"

enum {
	TRAFFIC_QPS = 2, /* the second may be broken by what it is used for */
	TRAFFIC_MAX_LENGTH = 65536,
	TRAFFIC_NO_ANSWER = 255, /* instead of a completion status */
};

enum order_kind {
	ORDER_WRITE,
	ORDER_READ, /* and compare with the pattern */
	ORDER_CHURN, /* write all, read all, with another seed each pass */
	ORDER_QUIT,
};

struct order {
	uint32_t kind;
	uint32_t qp;
	uint64_t address; /* of the first message */
	uint64_t stride; /* from one to the next */
	uint32_t count; /* messages */
	uint32_t length; /* of each */
	uint32_t rkey;
	uint32_t passes; /* ORDER_CHURN */
	uint64_t origin; /* where the pattern's offset 0 is */
	uint64_t seed; /* ORDER_CHURN: of the first pass; then one more each */
};

struct report {
	uint32_t status; /* enum ibv_wc_status of the first that failed */
	uint32_t completed; /* messages */
	uint64_t wrong; /* bytes */
};

/* What the two processes share beside the socket: for the progress bar. */
struct traffic_progress {
	volatile uint64_t done, total;
};

void pattern_fill(void *buffer, size_t length, uint64_t seed, uint64_t offset);
uint64_t pattern_wrong(const void *buffer, size_t length, uint64_t seed,
		       uint64_t offset);

/* The peer's whole life. */
void traffic_serve(struct ex_end ends[TRAFFIC_QPS],
		   struct traffic_progress *progress);

/* The owner's side: order, then wait with a bar, doing @meanwhile often. */
void traffic_order(const struct ex_end *end, const struct order *order);
struct report traffic_wait(const struct ex_end *end, const char *what,
			   struct traffic_progress *progress,
			   void (*meanwhile)(void *arg), void *arg);

#endif
