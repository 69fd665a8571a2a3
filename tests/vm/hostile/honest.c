// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Traffic as programs make it, over queue pairs of its own: volleys of messages
 * between two arenas whose shadows say what every byte must be, those around
 * the messages included.
 */
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "hostile.h"

enum {
	PAIRS = HONEST_QPS / 2,
	LANES = 3, /* messages of a volley */
	LANE = 64 * 1024, /* bytes: more than a message and its guards */
	MAX_LEN = 12000,
	PAUSE_MS = 2,
	LIE_AFTER = 20, /* messages */
	/* Slower than this is as bad as never: nobody else may hold it up. */
	PATIENCE_MS = 60000,
};

enum kind {
	WRITE,
	READ,
	SEND,
	FETCH_ADD,
	KINDS
};

struct message {
	enum kind kind;
	size_t from, to, len;
	uint64_t add, before;
};

struct party {
	struct rd_dev dev;
	struct rd_qp a[PAIRS], b[PAIRS];
	struct arena near, far; /* @far changes on demand */
	struct honest_score *score;
	struct rng rng;
	uint64_t round;
	bool lie;
};

static void open_party(struct party *p, const char *name)
{
	static const enum arena_kind kinds[] = { ARENA_COLD, ARENA_COLD_FILE,
						 ARENA_COLD_IOVA, ARENA_WARM };
	/* No timer of ours is to run out because the machine is busy. */
	struct rd_qp_opts opts = { .timeout = 19 };

	rd_open(&p->dev, name);
	for (int i = 0; i < PAIRS; i++) {
		opts.mtu = i ? 4096 : 1024;
		rd_pair(&p->a[i], &p->dev, &p->b[i], &p->dev, &opts);
		p->score->qpn[2 * i] = p->a[i].qp->qp_num;
		p->score->qpn[2 * i + 1] = p->b[i].qp->qp_num;
	}
	arena_create(&p->near, &p->dev, ARENA_WARM, LANES * LANE);
	arena_create(&p->far, &p->dev, kinds[below(&p->rng, ARRAY_SIZE(kinds))],
		     LANES * LANE);
}

static void close_party(struct party *p)
{
	arena_destroy(&p->near);
	arena_destroy(&p->far);
	for (int i = 0; i < PAIRS; i++) {
		rd_qp_destroy(&p->a[i]);
		rd_qp_destroy(&p->b[i]);
	}
	rd_close(&p->dev);
}

static void plan(struct party *p, struct message *m, size_t lane)
{
	m->kind = below(&p->rng, KINDS);
	m->len = 1 + below(&p->rng, one_in(&p->rng, 4) ? MAX_LEN : 1500);
	m->from = lane + PAGE + below(&p->rng, PAGE);
	m->to = lane + PAGE + below(&p->rng, PAGE);
	if (m->kind == FETCH_ADD) {
		m->len = 8;
		m->to &= ~7ul;
		m->add = rnd(&p->rng);
	}
	arena_prepare(&p->near, m->from, m->len, ++p->round);
	arena_prepare(&p->far, m->to, m->len, ++p->round);
}

static bool post(struct party *p, const struct message *m, int pair)
{
	static const enum ibv_wr_opcode opcodes[KINDS] = {
		IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_SEND,
		IBV_WR_ATOMIC_FETCH_AND_ADD
	};
	struct ibv_sge recv = { arena_iova(&p->far, m->to), m->len,
				p->far.mr->lkey };
	struct rd_op op = {
		.opcode = opcodes[m->kind],
		.addr = arena_iova(&p->near, m->from),
		.len = m->len,
		.lkey = p->near.mr->lkey,
		.raddr = arena_iova(&p->far, m->to),
		.rkey = p->far.mr->rkey,
		.compare_add = m->add,
	};

	if (m->kind == SEND && rd_post_recv(&p->b[pair], &recv, 1, 0))
		return false;
	return !rd_post(&p->a[pair], &op);
}

/* What the message has done if all is well. */
static void expect(struct party *p, struct message *m)
{
	uint8_t *near = arena_shadow(&p->near, m->from);
	uint8_t *far = arena_shadow(&p->far, m->to);
	uint64_t value;

	if (m->kind == READ) {
		memcpy(near, far, m->len);
	} else if (m->kind == FETCH_ADD) {
		memcpy(near, far, 8);
		memcpy(&value, far, 8);
		value += m->add;
		memcpy(far, &value, 8);
	} else {
		memcpy(far, near, m->len);
	}
}

/* As rd_wait(), but it sleeps: the processors are for those who attack. */
static int sleep_until(struct ibv_cq *cq)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	struct ibv_wc wc;
	int n;

	for (;;) {
		n = ibv_poll_cq(cq, 1, &wc);
		if (n < 0)
			die("poll_cq failed");
		if (n)
			return wc.status;
		if (now_ms() > end)
			return -1;
		usleep(200);
	}
}

static bool finish(struct party *p, const struct message *m, int pair)
{
	int status = sleep_until(p->a[pair].scq);

	if (!status && m->kind == SEND)
		status = sleep_until(p->b[pair].rcq);
	if (status)
		accuse("honest traffic ended with: %s", rd_status(status));
	return !status;
}

static bool judge(struct party *p, const struct message *m)
{
	ssize_t near = arena_check(&p->near, m->from, m->len);
	ssize_t far = arena_check(&p->far, m->to, m->len);

	if (near >= 0)
		accuse("honest traffic: byte %zd of the near side is wrong",
		       near);
	if (far >= 0)
		accuse("honest traffic: byte %zd of the far side is wrong",
		       far);
	return near < 0 && far < 0;
}

static bool volley(struct party *p)
{
	int pair = below(&p->rng, PAIRS), n = 1 + below(&p->rng, LANES);
	struct message m[LANES];
	uint64_t started, ms;

	for (int i = 0; i < n; i++)
		plan(p, &m[i], (size_t)i * LANE);
	started = now_ms();
	for (int i = 0; i < n; i++)
		if (!post(p, &m[i], pair)) {
			accuse("honest traffic could not be posted");
			return false;
		}
	for (int i = 0; i < n; i++) {
		if (!finish(p, &m[i], pair))
			return false;
		expect(p, &m[i]);
	}
	if (p->lie && p->score->ops > LIE_AFTER)
		p->far.map[m[n - 1].to + PAGE - 1]++; /* the byte before */
	ms = now_ms() - started;
	if (ms > p->score->worst_ms)
		p->score->worst_ms = ms;
	for (int i = 0; i < n; i++) {
		if (!judge(p, &m[i]))
			return false;
		p->score->bytes += m[i].len;
	}
	p->score->ops += n;
	return true;
}

void honest_run(const char *dev, struct honest_score *score, uint64_t seed,
		bool lie)
{
	struct party p = { .score = score, .rng = { seed }, .lie = lie };

	open_party(&p, dev);
	score->running = true;
	while (!board->stop && volley(&p))
		sleep_ms(PAUSE_MS);
	score->running = false;
	close_party(&p);
}
