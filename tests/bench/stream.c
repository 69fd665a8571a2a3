// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Messages, as many in flight as is wanted, of one or more pairs. Who has
 * nothing to poll gives the CPU away: there is but one, and the device's
 * workers need it.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

enum {
	SILENCE_S = 60, /* without a completion: an error */
	RECEIVES = 64, /* of each pair, posted ahead */
	POLL = 16,
};

const char *const op_names[3] = { "write", "read", "send" };
static const enum ibv_wr_opcode opcodes[] = { IBV_WR_RDMA_WRITE,
					      IBV_WR_RDMA_READ, IBV_WR_SEND };

static struct ibv_cq *cq_create(struct rd_dev *dev)
{
	struct ibv_cq *cq =
		ibv_create_cq(dev->ctx, LANES_MOST * RECEIVES, NULL, NULL, 0);

	if (!cq)
		die("%s: create_cq: %s", dev->name, strerror(errno));
	return cq;
}

void lanes_open(struct lanes *l, unsigned int n, unsigned int mtu)
{
	struct rd_qp_opts a = { .mtu = mtu, .sq = RECEIVES, .rq = RECEIVES };
	struct rd_qp_opts b = a;
	struct rd_addr to_a, to_b;

	l->n = n;
	l->scq = cq_create(&bench.asks);
	l->rcq = cq_create(bench.asked);
	a.scq = a.rcq = l->scq;
	b.scq = b.rcq = l->rcq;
	for (unsigned int i = 0; i < n; i++) {
		rd_qp_create(&l->a[i], &bench.asks, &a);
		rd_qp_create(&l->b[i], bench.asked, &b);
		to_a = rd_qp_addr(&l->a[i]);
		to_b = rd_qp_addr(&l->b[i]);
		rd_connect(&l->a[i], &to_b);
		rd_connect(&l->b[i], &to_a);
	}
}

void lanes_close(struct lanes *l)
{
	for (unsigned int i = 0; i < l->n; i++) {
		rd_qp_destroy(&l->a[i]);
		rd_qp_destroy(&l->b[i]);
	}
	if (ibv_destroy_cq(l->scq) || ibv_destroy_cq(l->rcq))
		die("destroy_cq: %s", strerror(errno));
}

struct run {
	const struct stream *s;
	unsigned int posted, done; /* messages */
	unsigned int receives, received;
	unsigned int idle; /* polls in a row that found nothing */
	uint64_t since; /* it has been silent since about then */
};

static size_t place(const struct stream *s, unsigned int i)
{
	return i * s->step % s->span;
}

static void post(struct run *r, unsigned int lane)
{
	const struct stream *s = r->s;
	struct rd_op op = {
		.opcode = s->opcode,
		.id = lane,
		.addr = (uintptr_t)s->source,
		.len = s->len,
		.lkey = s->source_mr->lkey,
		.raddr = (uintptr_t)s->target + place(s, r->posted),
		.rkey = s->target_mr->rkey,
	};
	int err = rd_post(&s->lanes->a[lane], &op);

	if (err)
		die("post_send: %s", strerror(err));
	r->posted++;
}

static void post_receive(struct run *r, unsigned int lane)
{
	const struct stream *s = r->s;
	struct ibv_sge sge = {
		(uintptr_t)s->target + place(s, r->receives),
		s->len,
		s->target_mr->lkey,
	};
	int err = rd_post_recv(&s->lanes->b[lane], &sge, 1, lane);

	if (err)
		die("post_recv: %s", strerror(err));
	r->receives++;
}

/* As many as there are; the first that failed ends the program. */
static int reap(struct ibv_cq *cq, struct ibv_wc *wc)
{
	int n = ibv_poll_cq(cq, POLL, wc);

	if (n < 0)
		die("poll_cq failed");
	for (int i = 0; i < n; i++)
		if (wc[i].status)
			die("%s: a message failed: %s", bench.config,
			    ibv_wc_status_str(wc[i].status));
	return n;
}

static void nothing_came(struct run *r)
{
	if (++r->idle == 1024)
		r->since = bench_ns();
	else if (r->idle % 1024 == 0 &&
		 bench_ns() - r->since > SILENCE_S * 1000000000ULL)
		die("%s: no completion in %d s", bench.config, SILENCE_S);
	sched_yield();
}

static void step(struct run *r, bool two_sided)
{
	struct ibv_wc wc[POLL];
	int n, m = 0;

	n = reap(r->s->lanes->scq, wc);
	for (int i = 0; i < n; i++) {
		r->done++;
		if (r->posted < r->s->count)
			post(r, wc[i].wr_id);
	}
	if (two_sided) {
		m = reap(r->s->lanes->rcq, wc);
		for (int i = 0; i < m; i++) {
			r->received++;
			if (r->receives < r->s->count)
				post_receive(r, wc[i].wr_id);
		}
	}
	if (n + m)
		r->idle = 0;
	else
		nothing_came(r);
}

double stream_run(const struct stream *s)
{
	bool two_sided = s->opcode == IBV_WR_SEND;
	struct run r = { .s = s };
	unsigned int i, lane;
	uint64_t start;

	/* More than are in flight: nobody is told to come again. */
	for (i = 0; two_sided && i < RECEIVES; i++)
		for (lane = 0; lane < s->lanes->n; lane++)
			if (r.receives < s->count)
				post_receive(&r, lane);
	start = bench_ns();
	for (i = 0; i < s->depth; i++)
		for (lane = 0; lane < s->lanes->n; lane++)
			if (r.posted < s->count)
				post(&r, lane);
	while (r.done < s->count || (two_sided && r.received < s->count))
		step(&r, two_sided);
	return (double)(bench_ns() - start) / s->count;
}

/* --- warm buffers ------------------------------------------------ */

/* On both sides, in the way that is measured. */
void traffic_open(struct traffic *t, struct lanes *lanes, uint32_t len,
		  unsigned int depth)
{
	size_t step = len < PAGE ? PAGE : len;
	int access = RD_ALL | (bench.on_demand ? IBV_ACCESS_ON_DEMAND : 0);

	memset(t, 0, sizeof(*t));
	t->lanes = lanes;
	t->room = step * depth * lanes->n;
	t->source = fresh(step);
	t->target = fresh(t->room);
	touch(t->source, step);
	touch(t->target, t->room);
	t->source_mr = rd_reg(&bench.asks, t->source, step, access);
	t->target_mr = reg_asked(t->target, t->room);
	t->stream = (struct stream){
		.lanes = lanes,
		.len = len,
		.depth = depth,
		.source = t->source,
		.source_mr = t->source_mr,
		.target = t->target,
		.target_mr = t->target_mr,
		.step = step,
		.span = t->room,
	};
}

void traffic_close(struct traffic *t)
{
	dereg(t->source_mr);
	dereg(t->target_mr);
	munmap(t->source, t->stream.step);
	munmap(t->target, t->room);
}

/* A READ's bytes come from the target: all places hold the same. */
static void look(struct traffic *t, unsigned int op, const uint8_t *sent,
		 const char *name)
{
	size_t step = t->stream.step, wrong = 0;
	uint32_t len = t->stream.len;

	if (op == 1)
		wrong = memcmp(t->source, sent, len) != 0;
	for (size_t at = 0; op != 1 && at < t->room; at += step)
		wrong += memcmp(t->target + at, sent, len) != 0;
	if (wrong)
		printf("wrong %s %s\n", name, bench.config);
}

static uint8_t *set_up(struct traffic *t, unsigned int op)
{
	static uint64_t seed;
	uint8_t *sent = fresh(t->stream.len);

	fill(sent, t->stream.len, ++seed);
	if (op == 1) {
		memset(t->source, 0, t->stream.len);
		for (size_t at = 0; at < t->room; at += t->stream.step)
			memcpy(t->target + at, sent, t->stream.len);
	} else {
		memset(t->target, 0, t->room);
		memcpy(t->source, sent, t->stream.len);
	}
	return sent;
}

double traffic_run(struct traffic *t, unsigned int op, unsigned int count,
		   const char *name)
{
	struct stream *s = &t->stream;
	uint8_t *sent;
	double ns;

	s->opcode = opcodes[op];
	/* Each place once, and what a first message costs. */
	s->count = s->depth * s->lanes->n + 16;
	stream_run(s);
	sent = set_up(t, op);
	s->count = count;
	ns = stream_run(s);
	look(t, op, sent, name);
	munmap(sent, s->len);
	return ns;
}
