// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Work requests in a ring's slot: right, and then perhaps not. */
#include <string.h>

#include "rings.h"

/* That of the key, or another. */
static const struct plot *plot_of(struct rng *r, const struct ground *g,
				  uint32_t key)
{
	for (int id = 0; id < PLOTS && !one_in(r, PLOTS); id++)
		if (g->plots[id].key == key)
			return &g->plots[id];
	return &g->plots[below(r, PLOTS)];
}

/* Any; often the one whose key has just come to its end. */
static const struct plot *some_other(struct rng *r, const struct ground *g)
{
	return &g->plots[one_in(r, 3) ? PLOT_STALE : below(r, PLOTS)];
}

static uint64_t edge(struct rng *r, const struct plot *p, uint32_t len)
{
	static const int at[] = { -8, -1, 1, PLOT_LEN - 1, PLOT_LEN };

	if (one_in(r, 2)) /* one byte over the end */
		return (uintptr_t)p->mem + PLOT_LEN - len + 1;
	return (uintptr_t)p->mem + at[below(r, ARRAY_SIZE(at))];
}

static uint64_t anywhere(struct rng *r, const struct ground *g)
{
	switch (below(r, 4)) {
	case 0:
		return rnd(r);
	case 1:
		return UINT64_MAX - below(r, 64);
	case 2:
		return 0xffff888000000000 + rnd(r) % (1ul << 32);
	default:
		return (uintptr_t)g->plots[below(r, PLOTS)].map +
		       below(r, PLOT_PAGES * PAGE);
	}
}

static uint32_t some_number(struct rng *r, uint32_t right)
{
	static const uint32_t odd[] = { 0,	    1,		8,
					32,	    33,		4096,
					0x7fffffff, 0x80000000, 0x80000001,
					0xffffffff };

	if (one_in(r, 2))
		return right + below(r, 3) - 1;
	return odd[below(r, ARRAY_SIZE(odd))];
}

/* --- requests that are right --- */

/* Room for the SGEs is in the slot; more are not written. */
static void good_sges(struct rng *r, struct rxe_dma_info *dma,
		      const struct plot *p, uint32_t most, uint32_t len)
{
	uint32_t n = 1 + below(r, most), left = len;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t part = i == n - 1 ? left : below(r, left + 1);

		dma->sge[i] = (struct rxe_sge){
			.addr = (uintptr_t)p->mem +
				below(r, PLOT_LEN - part + 1),
			.length = part,
			.lkey = p->key,
		};
		left -= part;
	}
	dma->num_sge = n;
	dma->length = dma->resid = len;
}

static void good_remote(struct rng *r, const struct ground *g,
			struct rxe_send_wqe *w)
{
	static const enum plot_id some[] = {
		PLOT_OPEN,   PLOT_OPEN,	  PLOT_COLD, PLOT_COLD,
		PLOT_PINNED, PLOT_PINNED, PLOT_HOLE, PLOT_COLD,
	};
	enum plot_id id = some[below(r, ARRAY_SIZE(some))];
	const struct plot *p = &g->plots[id];
	uint32_t len = w->dma.length;

	if (w->wr.opcode == IBV_WR_ATOMIC_CMP_AND_SWP ||
	    w->wr.opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
		p = &g->plots[PLOT_ATOMIC];
		w->wr.wr.atomic.remote_addr =
			((uintptr_t)p->mem + below(r, PLOT_LEN - 8)) & ~7ull;
		w->wr.wr.atomic.rkey = p->key;
		w->wr.wr.atomic.compare_add = rnd(r);
		w->wr.wr.atomic.swap = rnd(r);
		return;
	}
	w->wr.wr.rdma.remote_addr =
		(uintptr_t)p->mem + below(r, PLOT_LEN - len + 1);
	w->wr.wr.rdma.rkey = p->key;
}

static void good_send(struct couple *c, const struct half *h,
		      struct rxe_send_wqe *w, struct rng *r)
{
	static const enum ibv_wr_opcode opcodes[] = {
		IBV_WR_RDMA_WRITE,
		IBV_WR_RDMA_WRITE,
		IBV_WR_RDMA_READ,
		IBV_WR_RDMA_READ,
		IBV_WR_SEND,
		IBV_WR_RDMA_WRITE_WITH_IMM,
		IBV_WR_SEND_WITH_IMM,
		IBV_WR_ATOMIC_CMP_AND_SWP,
		IBV_WR_ATOMIC_FETCH_AND_ADD,
	};
	enum ibv_wr_opcode op = opcodes[below(r, ARRAY_SIZE(opcodes))];
	bool back = op == IBV_WR_RDMA_READ || op >= IBV_WR_ATOMIC_CMP_AND_SWP;
	bool atomic = op >= IBV_WR_ATOMIC_CMP_AND_SWP;
	uint32_t len = atomic ? 8 : below(r, one_in(r, 4) ? PLOT_LEN : 300);
	enum plot_id id = back ? PLOT_SINK : PLOT_SOURCE;

	memset(w, 0, sizeof(*w));
	w->wr.wr_id = rnd(r);
	w->wr.opcode = op;
	w->wr.send_flags = one_in(r, 4) ? 0 : IBV_SEND_SIGNALED;
	good_sges(r, &w->dma, &c->ground->plots[id], h->sge, len);
	good_remote(r, c->ground, w);
	if (!back && len <= h->room && one_in(r, 4)) {
		w->wr.send_flags |= IBV_SEND_INLINE;
		memset(w->dma.inline_data, 0x40 + below(r, 32), len);
	}
}

/* --- twists --- */

static void twist_sge(struct couple *c, const struct half *h,
		      struct rxe_dma_info *dma, struct rng *r, enum wqe_twist t)
{
	const struct plot *any = some_other(r, c->ground);
	struct rxe_sge *sge = &dma->sge[below(r, h->sge)];

	switch (t) {
	case WQE_NUM_SGE:
		dma->num_sge = some_number(r, dma->num_sge);
		break;
	case WQE_LENGTH:
		dma->length = some_number(r, dma->length);
		break;
	case WQE_SGE_EDGE:
		any = plot_of(r, c->ground, sge->lkey);
		sge->lkey = any->key;
		sge->addr = edge(r, any, sge->length);
		break;
	case WQE_SGE_ANY:
		sge->addr = anywhere(r, c->ground);
		if (one_in(r, 2))
			sge->length = some_number(r, sge->length);
		break;
	default:
		sge->lkey = one_in(r, 2) ? any->key : (uint32_t)rnd(r);
		if (one_in(r, 2)) /* it would be right otherwise */
			sge->addr = (uintptr_t)any->mem;
		break;
	}
}

static void twist_remote(struct couple *c, struct rxe_send_wqe *w,
			 struct rng *r, enum wqe_twist t)
{
	const struct plot *any = some_other(r, c->ground);
	bool atomic = w->wr.opcode == IBV_WR_ATOMIC_CMP_AND_SWP ||
		      w->wr.opcode == IBV_WR_ATOMIC_FETCH_AND_ADD;
	uint32_t *rkey = atomic ? &w->wr.wr.atomic.rkey : &w->wr.wr.rdma.rkey;

	switch (t) {
	case WQE_REMOTE_EDGE:
		any = plot_of(r, c->ground, *rkey);
		*rkey = any->key;
		w->wr.wr.rdma.remote_addr = edge(r, any, w->dma.length);
		break;
	case WQE_REMOTE_ANY:
		w->wr.wr.rdma.remote_addr = anywhere(r, c->ground);
		break;
	default:
		*rkey = one_in(r, 2) ? any->key : (uint32_t)rnd(r);
		if (one_in(r, 2)) /* it would be right otherwise */
			w->wr.wr.rdma.remote_addr = (uintptr_t)any->mem;
		break;
	}
}

static void twist_send(struct couple *c, const struct half *h,
		       struct rxe_send_wqe *w, struct rng *r)
{
	static const enum wqe_twist edges[] = { WQE_SGE_EDGE, WQE_REMOTE_EDGE };
	enum wqe_twist t = one_in(r, 3) ? edges[below(r, 2)] :
					  below(r, WQE_TWISTS_NUM);
	uint32_t *words = (uint32_t *)w;

	count_kind(t);
	switch (t) {
	case WQE_OPCODE:
		w->wr.opcode = one_in(r, 4) ? (uint32_t)rnd(r) : below(r, 16);
		break;
	case WQE_FLAGS:
		w->wr.send_flags = one_in(r, 4) ? (uint32_t)rnd(r) :
						  below(r, 64);
		break;
	case WQE_REMOTE_EDGE:
	case WQE_REMOTE_ANY:
	case WQE_RKEY:
		twist_remote(c, w, r, t);
		break;
	case WQE_PROGRESS: /* status, state, iova, PSNs, cur_sge, offset */
		w->status = rnd(r);
		w->state = rnd(r);
		w->iova = rnd(r);
		w->first_psn = w->last_psn = rnd(r);
		w->has_rd_atomic = rnd(r);
		w->dma.resid = rnd(r);
		w->dma.cur_sge = rnd(r);
		w->dma.sge_offset = rnd(r);
		break;
	case WQE_RANDOM:
		for (int i = 0; i < 6; i++)
			words[below(r, sizeof(*w) / 4)] = rnd(r);
		break;
	default:
		twist_sge(c, h, &w->dma, r, t);
		break;
	}
}

void wqe_send(struct couple *c, struct half *h, void *slot, struct rng *r)
{
	static const uint8_t often[] = { 0, 0, 0, 0, 0, 0, 0, 0,
					 0, 0, 0, 0, 0, 1, 1, 2 };
	int twists = often[below(r, ARRAY_SIZE(often))];

	good_send(c, h, slot, r);
	while (twists--)
		twist_send(c, h, slot, r);
}

void wqe_recv(struct couple *c, struct half *h, void *slot, struct rng *r)
{
	struct rxe_recv_wqe *w = slot;
	static const enum wqe_twist some[] = { WQE_NUM_SGE, WQE_LENGTH,
					       WQE_SGE_EDGE, WQE_SGE_ANY,
					       WQE_LKEY };

	memset(w, 0, sizeof(*w));
	w->wr_id = rnd(r);
	good_sges(r, &w->dma, &c->ground->plots[PLOT_SINK], h->sge,
		  below(r, PLOT_LEN + 1));
	if (one_in(r, 16))
		twist_sge(c, h, &w->dma, r, some[below(r, ARRAY_SIZE(some))]);
}
