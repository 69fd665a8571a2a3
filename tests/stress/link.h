/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* For scenarios that say step by step who does what. */
#ifndef STRESS_LINK_H
#define STRESS_LINK_H

#include <semaphore.h>

#include "stress.h"

/* A peer that accesses what it is told, one access at a time. */
struct link {
	struct run *run;
	struct rd_qp peer, owner;
	uint8_t *buf; /* its own memory, pinned */
	struct ibv_mr *mr;
	struct rng rng;
};

#define LINK_BUF (16 * PAGE)

void link_open(struct link *l, struct run *r);
void link_close(struct link *l);
/* With the beginning of l->buf; the status, when it has ended. */
int link_write(struct link *l, const void *at, uint32_t rkey, uint32_t len);
int link_read(struct link *l, const void *at, uint32_t rkey, uint32_t len);
/* Words; it is a failure of the run if they do not work. */
void link_put(struct link *l, uint64_t *at, uint32_t rkey, uint64_t word);
uint64_t link_get(struct link *l, const uint64_t *at, uint32_t rkey);

static inline uint64_t load(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static inline void store(uint64_t *at, uint64_t word)
{
	__atomic_store_n(at, word, __ATOMIC_SEQ_CST);
}

/* A thread that does something each time it is told to. */
struct helper {
	void (*fn)(struct helper *h);
	uint8_t *at, *own;
	size_t len;
	int fd;
	struct rng rng;
	unsigned int told, waited;
	_Atomic unsigned int did;
	_Atomic bool stop;
	sem_t go, done;
	pthread_t thread;
};

void helper_start(struct helper *h);
void helper_tell(struct helper *h);
bool helper_idle(struct helper *h);
void helper_wait(struct helper *h);
void helper_stop(struct helper *h);

/* Up to so long; short ones do not sleep at all. */
void nap(struct rng *g, unsigned int us);
/* For the run's time, and a few times at least. */
bool once_more(struct run *r, uint64_t end, unsigned int round);

#endif
