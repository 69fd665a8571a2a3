/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A process that owns a region, and its peer: another process, which goes on
 * when the owner goes. What the two know of each other is in shared memory.
 */
#ifndef STRESS_OWNER_H
#define STRESS_OWNER_H

#include "stress.h"

#define OWNER_PAGES 1024

struct owner {
	struct run *run;
	/* Shared. */
	struct rd_addr peer_addr, owner_addr;
	uint8_t *base; /* in the owner's process */
	uint32_t rkey, lkey, pd;
	_Atomic int stage; /* enum */
	_Atomic int go; /* what the peer tells the owner */
	uint64_t before; /* bytes available before the first owner */
	unsigned int rounds;
};

enum {
	OWNER_THERE = 1, /* the owner has its region */
	OWNER_KNOWS, /* the peer has its QP */
	OWNER_READY, /* both are connected */
};

/* In shared memory; zeros. */
struct owner *owner_alloc(struct run *r);
/*
 * In the owner's process. owner_open() opens the device; owner_meet() waits
 * for the peer, with a region over @base: OWNER_PAGES on demand, or @mr.
 */
void owner_open(struct owner *o, struct rd_dev *dev);
struct ibv_mr *owner_meet(struct owner *o, struct rd_dev *dev, uint8_t *base,
			  struct ibv_mr *mr);
/* Blocks until the peer says @go. */
void owner_wait_go(struct owner *o, int go);

/* In the peer's process: waits for the owner and connects to it. */
void peer_meet(struct owner *o, struct rd_qp *q, struct rd_dev *dev);
void owner_stage_wait(struct owner *o, int stage);

/* The peer's traffic into the owner's pages: a thread of its own. */
struct assault {
	struct owner *o;
	struct rd_qp q;
	uint8_t *buf;
	struct ibv_mr *mr;
	struct rng rng;
	pthread_t thread;
	_Atomic unsigned int first; /* page */
	unsigned int n;
	_Atomic uint64_t done;
	_Atomic int status; /* of the access that ended it; -1: none yet */
	_Atomic bool stop;
};

void assault_open(struct assault *a, struct owner *o);
void assault_start(struct assault *a);
/*
 * The owner is gone: the traffic must end by itself, in an error. Then the
 * connection goes.
 */
void assault_must_end(struct assault *a, const char *when);
void assault_close(struct assault *a);

/* Of the machine, what is free or soon could be. */
uint64_t bytes_available(void);
/* Not much less than before @o's first owner. */
void check_available(struct owner *o);

/*
 * Waits for a child: a failure if it is still there after the run's limit, or
 * if it did not end as it should, by @sig (0: exit with 0).
 */
void reap(struct run *r, pid_t pid, int sig, const char *what);

#endif
