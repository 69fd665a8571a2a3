/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef GUEST_UFFD_H
#define GUEST_UFFD_H

#include <pthread.h>

#include "stamp.h"
#include "verbs.h"

/*
 * Memory whose pages a thread of ours supplies, one at a time: page n holds
 * stamp(n, 1). Page numbers that are multiples of @slow_every (not 0) wait
 * for @slow_ms first. Without the thread nobody ever supplies any.
 */
struct handler {
	uint8_t *base;
	unsigned int pages;
	unsigned int slow_every, slow_ms;
	int fd;
	pthread_t thread;
	volatile bool stop;
	volatile bool sleeping;
	unsigned int served, slept;
};

/* False when the kernel has no userfaultfd for us. */
bool handler_start(struct handler *h, unsigned int pages, bool dead);
void handler_stop(struct handler *h);

/* An unrelated pair of QPs that writes pages, as fast as it goes. */
struct rate {
	struct rd_qp a, b;
	uint8_t *buf;
	struct ibv_mr *mr;
	pthread_t thread;
	volatile bool stop;
	unsigned int done, errors;
	uint64_t worst_ms; /* slowest since it was last set to 0 */
};

void rate_start(struct rate *r, struct rd_dev *dev);
/* Completions in the best of three windows of @ms. */
unsigned int rate_measure(struct rate *r, unsigned int ms);
void rate_stop(struct rate *r);

/* The limit of faults at work for one user; as root. */
void users_test(struct rd_dev *dev);

#endif
