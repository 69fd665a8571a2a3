// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rings.h"

#include <errno.h>
#include <rdma/ib_user_verbs.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Where the provider maps the rings of the file @fd: it calls this, as we are
 * before the C library. Ours can be found in /proc/self/maps too, but not
 * some thousand times.
 */
static struct {
	int fd;
	unsigned int n;
	struct {
		struct rxe_queue_buf *ring;
		size_t size;
		off_t offset;
	} maps[2];
} seen = { .fd = -1 };

void *mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
	void *map =
		(void *)syscall(SYS_mmap, addr, size, prot, flags, fd, offset);

	if (fd >= 0 && fd == seen.fd && map != MAP_FAILED &&
	    seen.n < ARRAY_SIZE(seen.maps)) {
		seen.maps[seen.n].ring = map;
		seen.maps[seen.n].size = size;
		seen.maps[seen.n++].offset = offset;
	}
	return map;
}

void *mmap64(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
	__attribute__((alias("mmap")));

static void take_ring(struct shared_ring *s, unsigned int i)
{
	const struct rxe_queue_buf *ring = seen.maps[i].ring;
	void *again = (void *)syscall(SYS_mmap, NULL, seen.maps[i].size,
				      PROT_READ | PROT_WRITE, MAP_SHARED,
				      seen.fd, seen.maps[i].offset);

	if (again == MAP_FAILED)
		die("a ring's second mapping: %s", strerror(errno));
	s->size = (seen.maps[i].size + PAGE - 1) & ~(PAGE - 1);
	s->mask = ring->index_mask;
	s->log2_elem = ring->log2_elem_size;
	s->index = 0;
	s->buf = again;
}

static void take_cq(struct half *h, struct ground *g, struct rng *r)
{
	seen.n = 0;
	h->cq = ibv_create_cq(g->dev->ctx, 20 + below(r, 200), NULL, NULL, 0);
	if (!h->cq)
		die("create a CQ: %s", strerror(errno));
	if (seen.n != 1)
		die("the provider maps %u rings for a CQ", seen.n);
	take_ring(&h->rings[CQ_RING], 0);
}

static void take_qp(struct half *h, struct ground *g,
		    const struct rd_qp_opts *opts)
{
	unsigned int send;

	seen.n = 0;
	rd_qp_create(&h->q, g->dev, opts);
	if (seen.n != 2)
		die("the provider maps %u rings for a QP", seen.n);
	/* a send request is larger */
	send = seen.maps[1].ring->log2_elem_size >
	       seen.maps[0].ring->log2_elem_size;
	take_ring(&h->rings[SEND_RING], send);
	take_ring(&h->rings[RECV_RING], !send);
}

static void open_half(struct half *h, struct ground *g, struct rng *r)
{
	struct rd_qp_opts opts = {
		.sq = 1 + below(r, 40),
		.rq = 1 + below(r, 40),
		.sge = 1 + below(r, 8),
		.inline_data = below(r, 200),
		.mtu = one_in(r, 2) ? 1024 : 4096,
		.timeout = 12,
		.rd_atomic = 1 + below(r, 16),
		/* Or six that wait for receives take all of the processors. */
		.rnr_timer = 14 + below(r, 8), /* 1.3 to 15 ms */
		.rnr_retry = 1 + below(r, 7),
	};

	seen.fd = g->dev->ctx->cmd_fd;
	take_cq(h, g, r);
	opts.scq = opts.rcq = h->cq;
	take_qp(h, g, &opts);
	seen.fd = -1;
	h->sge = opts.sge;
	h->room = (1u << h->rings[SEND_RING].log2_elem) -
		  sizeof(struct rxe_send_wqe);
}

void couple_open(struct couple *c, struct ground *g, struct rng *r)
{
	*c = (struct couple){ .ground = g };
	for (int i = 0; i < 2; i++)
		open_half(&c->h[i], g, r);
	couple_connect(c);
}

void couple_close(struct couple *c)
{
	for (int i = 0; i < 2; i++) {
		rd_qp_destroy(&c->h[i].q);
		if (ibv_destroy_cq(c->h[i].cq))
			die("destroy a CQ: %s", strerror(errno));
	}
}

void couple_forget(struct couple *c)
{
	for (int i = 0; i < 2; i++)
		for (int k = 0; k < RINGS; k++)
			munmap(c->h[i].rings[k].buf, c->h[i].rings[k].size);
}

/* RESET takes the indices over as they are: they have to be ours again. */
static void restore(struct half *h)
{
	for (int k = 0; k < CQ_RING; k++)
		h->rings[k].buf->producer_index = h->rings[k].index;
}

void couple_connect(struct couple *c)
{
	for (int i = 0; i < 2; i++) {
		restore(&c->h[i]);
		if (rd_to_state(&c->h[i].q, IBV_QPS_RESET))
			die("to RESET: %s", strerror(errno));
	}
	c->failed = false;
	for (int i = 0; i < 2; i++) {
		struct rd_addr peer = rd_qp_addr(&c->h[!i].q);
		struct rd_qp *q = &c->h[i].q;

		/* what the other one sent may have ended it already */
		if (rd_to_init(q) || rd_to_rtr(q, &peer) || rd_to_rts(q))
			c->failed = true;
	}
}

static void poll_half(struct couple *c, struct half *h)
{
	struct shared_ring *cq = &h->rings[CQ_RING];
	uint32_t end = cq->buf->producer_index & cq->mask;

	while (cq->index != end) {
		const struct ib_uverbs_wc *wc = shared_slot(cq, cq->index);

		c->failed |= wc->status != IBV_WC_SUCCESS;
		cq->index = (cq->index + 1) & cq->mask;
	}
	cq->buf->consumer_index = end;
}

void couple_poll(struct couple *c)
{
	for (int i = 0; i < 2; i++)
		poll_half(c, &c->h[i]);
}
