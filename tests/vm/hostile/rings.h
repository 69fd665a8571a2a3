/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Two queue pairs connected to each other, whose rings are written by hand
 * through mappings of our own: they stay when the rings are gone, and the
 * provider's view is never used again.
 */
#ifndef HOSTILE_RINGS_H
#define HOSTILE_RINGS_H

#include "ground.h"
#include "ringmap.h"

enum ring_id {
	SEND_RING,
	RECV_RING,
	CQ_RING,
	RINGS
};

struct shared_ring {
	struct rxe_queue_buf *_Atomic buf; /* ours to scribble on */
	size_t size;
	/* as they were before anybody wrote there */
	uint32_t mask, log2_elem;
	uint32_t index; /* where we are: producer, of a CQ consumer */
};

struct half {
	struct ibv_cq *cq;
	struct rd_qp q;
	struct shared_ring rings[RINGS];
	uint32_t sge, room; /* bytes behind a send request's header */
};

struct couple {
	struct ground *ground;
	struct half h[2];
	bool failed; /* some completion was an error */
	bool spoiled; /* its completion queues are of no more use */
};

void couple_open(struct couple *c, struct ground *g, struct rng *r);
/* The mappings of its rings stay: couple_forget(). */
void couple_close(struct couple *c);
void couple_forget(struct couple *c);
/* Both to RESET and to RTS again. */
void couple_connect(struct couple *c);
/* Takes what the CQ seems to hold. */
void couple_poll(struct couple *c);

static inline void *shared_slot(const struct shared_ring *ring, uint32_t index)
{
	return ring->buf->data +
	       ((size_t)(index & ring->mask) << ring->log2_elem);
}

/* --- wqe.c: what goes into the slots --- */

/* W(enum suffix, what is wrong) */
#define WQE_TWISTS(W)                                   \
	W(OPCODE, "an opcode of any kind")              \
	W(FLAGS, "any flags, inline among them")        \
	W(NUM_SGE, "any number of SGEs")                \
	W(LENGTH, "a length that the SGEs do not have") \
	W(SGE_EDGE, "an SGE at an edge of its region")  \
	W(SGE_ANY, "an SGE anywhere")                   \
	W(LKEY, "a local key of something else")        \
	W(REMOTE_EDGE, "a remote address at an edge")   \
	W(REMOTE_ANY, "a remote address anywhere")      \
	W(RKEY, "a remote key of something else")       \
	W(PROGRESS, "the provider's fields: any")       \
	W(RANDOM, "random words all over it")

enum wqe_twist {
#define W(id, text) WQE_##id,
	WQE_TWISTS(W)
#undef W
	WQE_TWISTS_NUM
};

void wqe_send(struct couple *c, struct half *h, void *slot, struct rng *r);
void wqe_recv(struct couple *c, struct half *h, void *slot, struct rng *r);

#endif
