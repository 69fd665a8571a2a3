/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Queue pairs that are connected to the raw peer, and what the peer believes
 * to know of each: which PSN it expects, what it has asked for. Threads of the
 * victims' program connect those anew that came to their end.
 */
#ifndef HOSTILE_VICTIM_H
#define HOSTILE_VICTIM_H

#include <pthread.h>

#include "ground.h"

enum {
	GROUPS = 4,
	GROUP = 8, /* victims that one thread connects anew */
	VICTIMS = GROUPS * GROUP,
	VICTIM_QPN = 0xab0000, /* of the peer's end, and up */
	ASKED = 16, /* requests of a victim that are remembered */
	RECV_LEN = 1400,
};

/* A request that a victim has sent and the peer may answer. */
struct asked {
	uint8_t op;
	bool ack; /* asks for one */
	uint32_t psn, len;
};

struct victim {
	struct rd_qp q;
	unsigned int index;
	unsigned int mtu;
	unsigned int life;
	_Atomic bool dead;
	/* as responder */
	uint32_t psn; /* expected */
	enum {
		IDLE,
		IN_SEND,
		IN_WRITE
	} message;
	uint32_t resid; /* of a WRITE */
	/* as requester */
	uint32_t sq_psn; /* the first of this life */
	struct asked asked[ASKED];
	unsigned int num_asked;
};

struct victims;

struct group {
	struct victims *all;
	struct ibv_cq *cq;
	struct victim v[GROUP];
	struct rng rng; /* of the thread */
	pthread_t thread;
	unsigned long lives, completions, successes;
};

struct victims {
	struct ground *ground;
	union ibv_gid peer;
	struct group groups[GROUPS];
	_Atomic bool stop;
};

void victims_open(struct victims *all, struct ground *g, const char *peer_ip,
		  uint64_t seed);
void victims_close(struct victims *all);
/* Some of what a program may post. */
void victim_post(struct victims *all, struct victim *v, struct rng *r);
void victim_post_recv(struct victims *all, struct victim *v, struct rng *r);

static inline struct victim *victim(struct victims *all, unsigned int n)
{
	return &all->groups[n / GROUP].v[n % GROUP];
}

static inline uint32_t psn_add(uint32_t psn, int32_t n)
{
	return (psn + n) & 0xffffff;
}

/* How far @a is behind @b, -2^23 to 2^23 - 1. */
static inline int32_t psn_diff(uint32_t a, uint32_t b)
{
	return (int32_t)((a - b) << 8) >> 8;
}

#endif
