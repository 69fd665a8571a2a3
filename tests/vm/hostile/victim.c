// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "victim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	WRS = 16,
	CQE = 16384, /* more than all of them can have at once */
};

static const unsigned int mtus[] = { 1024, 256, 4096, 1024 };

static int to_init(struct victim *v, struct rng *r)
{
	struct ibv_qp_attr a = { .qp_state = IBV_QPS_INIT,
				 .port_num = 1,
				 .qp_access_flags = RD_ALL };

	if (one_in(r, 8)) /* some right is missing */
		a.qp_access_flags &= ~(1 << below(r, 4));
	return ibv_modify_qp(v->q.qp, &a,
			     IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
				     IBV_QP_ACCESS_FLAGS);
}

static void set_options(struct victim *v, struct rng *r)
{
	struct rd_qp_opts *o = &v->q.opts;

	o->mtu = v->mtu = mtus[v->index % ARRAY_SIZE(mtus)];
	o->rd_atomic = one_in(r, 8) ? 1 + below(r, 16) : 4;
	o->timeout = 11 + below(r, 6); /* 8 to 268 ms */
	o->retry = one_in(r, 8) ? below(r, 8) : 7;
	o->rnr_retry = one_in(r, 8) ? below(r, 8) : 7;
	o->zero_retry = o->zero_rnr_retry = true;
	o->rnr_timer = 1 + below(r, 12);
	/* often near the end of the numbers */
	o->psn = one_in(r, 2) ? 0xffffff - below(r, 64) : below(r, 1 << 24);
}

void victim_post_recv(struct victims *all, struct victim *v, struct rng *r)
{
	struct plot *sink = &all->ground->plots[PLOT_SINK];
	struct ibv_sge sge[2] = {
		{ (uintptr_t)sink->mem + below(r, PLOT_LEN - RECV_LEN),
		  RECV_LEN, sink->key },
		{ (uintptr_t)sink->mem + PLOT_LEN - RECV_LEN, RECV_LEN,
		  sink->key },
	};
	int n = 1 + below(r, 2);

	if (one_in(r, 24)) /* it must fail */
		sge[0].lkey = all->ground->plots[PLOT_STALE].key;
	else if (one_in(r, 24))
		sge[0].length = PLOT_LEN + 1;

	/* full is fine */
	rd_post_recv(&v->q, sge, n, (uint64_t)v->life << 8 | v->index);
}

void victim_post(struct victims *all, struct victim *v, struct rng *r)
{
	static const enum ibv_wr_opcode opcodes[] = {
		IBV_WR_SEND,	      IBV_WR_RDMA_WRITE,
		IBV_WR_RDMA_READ,     IBV_WR_RDMA_READ,
		IBV_WR_SEND_WITH_IMM, IBV_WR_ATOMIC_FETCH_AND_ADD,
	};
	struct rd_op op = {
		.opcode = opcodes[below(r, ARRAY_SIZE(opcodes))],
		.len = 1 + below(r, one_in(r, 4) ? 5000 : 600),
		.raddr = 0x10000,
		.rkey = 0x5151,
		.id = (uint64_t)v->life << 8 | v->index,
	};
	bool back = op.opcode == IBV_WR_RDMA_READ ||
		    op.opcode == IBV_WR_ATOMIC_FETCH_AND_ADD;
	struct plot *plot = &all->ground->plots[back ? PLOT_SINK : PLOT_SOURCE];

	if (op.opcode == IBV_WR_ATOMIC_FETCH_AND_ADD)
		op.len = 8;
	op.addr = (uintptr_t)plot->mem + below(r, PLOT_LEN - op.len + 1);
	op.lkey = plot->key;
	if (one_in(r, 48)) /* it must fail */
		op.addr = (uintptr_t)plot->mem + PLOT_LEN - op.len + 1;
	/* full is fine, so is one that has just ended */
	rd_post(&v->q, &op);
}

static void live(struct group *g, struct victim *v)
{
	struct victims *all = g->all;
	struct rd_addr peer = { .gid = all->peer,
				.qpn = VICTIM_QPN + v->index };
	struct rng *r = &g->rng;

	set_options(v, r);
	peer.psn = v->psn = below(r, 2) ? below(r, 1 << 24) :
					  0xffffff - below(r, 64);
	/* some packet may have ended it already */
	if (to_init(v, r) || rd_to_rtr(&v->q, &peer) || rd_to_rts(&v->q))
		return;
	v->sq_psn = v->q.opts.psn;
	v->message = IDLE;
	v->num_asked = 0;
	v->life++;
	g->lives++;
	for (int n = below(r, 5); n; n--)
		victim_post_recv(all, v, r);
	for (int n = below(r, 3); n; n--)
		victim_post(all, v, r);
	v->dead = false; /* fair game */
}

static void complete(struct group *g, const struct ibv_wc *wc)
{
	struct victim *v = victim(g->all, wc->wr_id & 0xff);

	g->completions++;
	g->successes += !wc->status;
	if (wc->wr_id >> 8 != v->life)
		return; /* flushed in an earlier life */
	if (wc->status)
		v->dead = true;
	else if (wc->opcode & IBV_WC_RECV)
		victim_post_recv(g->all, v, &g->rng);
}

static void take_completions(struct group *g)
{
	struct ibv_wc wc[32];
	int n;

	do {
		n = ibv_poll_cq(g->cq, ARRAY_SIZE(wc), wc);
		if (n < 0)
			die("poll");
		for (int i = 0; i < n; i++) {
			if ((wc[i].wr_id & 0xff) >= VICTIMS)
				accuse("a completion that nobody asked for");
			else
				complete(g, &wc[i]);
		}
	} while (n == ARRAY_SIZE(wc));
}

/* Those that came to their end live once more. */
static void *revive(void *arg)
{
	struct group *g = arg;

	while (!g->all->stop) {
		bool any = false;

		for (int i = 0; i < GROUP; i++) {
			struct victim *v = &g->v[i];

			take_completions(g);
			if (!v->dead)
				continue;
			any = true;
			if (rd_to_state(&v->q, IBV_QPS_RESET))
				die("a victim to RESET");
			live(g, v);
		}
		if (!any)
			usleep(500);
	}
	return NULL;
}

static void open_group(struct group *g, unsigned int first)
{
	struct rd_dev *dev = g->all->ground->dev;

	g->cq = ibv_create_cq(dev->ctx, CQE, NULL, NULL, 0);
	if (!g->cq)
		die("create a CQ: %s", strerror(errno));
	for (unsigned int i = 0; i < GROUP; i++) {
		struct rd_qp_opts opts = { .sq = WRS,
					   .rq = WRS,
					   .scq = g->cq,
					   .rcq = g->cq,
					   .sq_sig_all = true };

		g->v[i].index = first + i;
		g->v[i].dead = true;
		rd_qp_create(&g->v[i].q, dev, &opts);
		live(g, &g->v[i]);
	}
	if (pthread_create(&g->thread, NULL, revive, g))
		die("pthread_create");
}

void victims_open(struct victims *all, struct ground *g, const char *peer_ip,
		  uint64_t seed)
{
	uint32_t addr = inet_addr(peer_ip);

	*all = (struct victims){ .ground = g };
	memcpy(all->peer.raw, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
	memcpy(all->peer.raw + 12, &addr, 4);
	for (int i = 0; i < GROUPS; i++) {
		all->groups[i].all = all;
		all->groups[i].rng.x = seed + i;
		open_group(&all->groups[i], i * GROUP);
	}
}

void victims_close(struct victims *all)
{
	all->stop = true;
	for (int k = 0; k < GROUPS; k++) {
		struct group *g = &all->groups[k];

		pthread_join(g->thread, NULL);
		for (int i = 0; i < GROUP; i++)
			rd_qp_destroy(&g->v[i].q);
		if (ibv_destroy_cq(g->cq))
			die("destroy the CQ: %s", strerror(errno));
	}
}
