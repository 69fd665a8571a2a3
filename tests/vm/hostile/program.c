// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A hostile program: an ordinary user's, which writes anything anywhere into
 * the rings that it shares with the driver, at any time, and rings the bell.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "census.h"
#include "rings.h"

enum {
	COUPLES = 6,
	CHECK_EVERY = 256, /* turns */
	GATHER =
		10, /* a couple that failed hears so many states more at most */
};

/* S(enum suffix, what) */
#define STATES(S)                                                 \
	S(SEND, "state: a send request")                          \
	S(SENDS, "state: several, then the doorbell")             \
	S(RECV, "state: a receive")                               \
	S(RECVS, "state: several receives")                       \
	S(CHANGE, "state: a published request is changed")        \
	S(PRODUCER, "state: a producer index from anywhere")      \
	S(CONSUMER, "state: a consumer index from anywhere")      \
	S(HEADER, "state: size and mask of a ring")               \
	S(WORDS, "state: random words")                           \
	S(BLOCK, "state: a whole page of a ring")                 \
	S(CQ, "state: indices and entries of a completion queue") \
	S(BELLS, "state: doorbells")                              \
	S(ARM, "state: asks for events")                          \
	S(MODIFY, "state: any state of the queue pair")           \
	S(MEMORY, "state: pages that go")                         \
	S(SCRIBBLES, "(by another thread meanwhile: words)")      \
	S(CONNECTS, "(connected anew)")                           \
	S(CREATES, "(made anew)")

enum state {
	STATE_FIRST = WQE_TWISTS_NUM,
	STATE_BEFORE = STATE_FIRST - 1,
#define S(id, text) STATE_##id,
	STATES(S)
#undef S
};

static const char *const kinds[] = {
#define W(id, text) "request: " text,
	WQE_TWISTS(W)
#undef W
#define S(id, text) text,
		STATES(S)
#undef S
			NULL,
};

struct program {
	struct rng rng;
	struct ground ground;
	unsigned int age[COUPLES]; /* states since it failed */
	_Atomic bool stop;
	pthread_mutex_t lock; /* where the mappings are */
	struct couple couples[COUPLES];
	struct couple old; /* its rings are gone, its mappings are not */
	bool have_old;
};

/* --- scribbling --- */

static uint32_t some_word(struct rng *r)
{
	switch (below(r, 4)) {
	case 0:
		return below(r, 64);
	case 1:
		return 0 - below(r, 4);
	default:
		return rnd(r);
	}
}

static struct shared_ring *any_ring(struct couple *c, struct rng *r,
				    unsigned int n)
{
	return &c->h[below(r, 2)].rings[below(r, n)];
}

static void scribble_words(struct shared_ring *ring, struct rng *r, int n)
{
	uint32_t *words = (uint32_t *)ring->buf;
	uint32_t at = below(r, ring->size / 4);

	for (; n && at < ring->size / 4; n--, at++)
		__atomic_store_n(&words[at], some_word(r), __ATOMIC_RELAXED);
}

/* In the slots that are in use just now, field by field. */
static void scribble_slot(struct shared_ring *ring, struct rng *r)
{
	uint32_t index = ring->index - 1 - below(r, 4);
	uint32_t *words = shared_slot(ring, index);

	words += below(r, (1u << ring->log2_elem) / 4);
	__atomic_store_n(words, some_word(r), __ATOMIC_RELAXED);
}

static void scribble_some(struct program *p, struct rng *r)
{
	unsigned int i = below(r, COUPLES + p->have_old);
	struct couple *c = i < COUPLES ? &p->couples[i] : &p->old;

	/* the CQ's entries are written by the driver: not all the time */
	if (one_in(r, 8))
		scribble_words(any_ring(c, r, CQ_RING), r, 1);
	else
		scribble_slot(any_ring(c, r, CQ_RING), r);
}

/* All the time, while the driver reads. */
static void *scribble(void *arg)
{
	struct program *p = arg;
	struct rng r = { p->rng.x + 7 };

	while (!p->stop) {
		pthread_mutex_lock(&p->lock);
		for (int i = 0; i < 16; i++)
			scribble_some(p, &r);
		pthread_mutex_unlock(&p->lock);
		atomic_fetch_add(&board->kinds[STATE_SCRIBBLES], 16);
		/* mostly what is read is what was written */
		usleep(500);
	}
	return NULL;
}

/* --- states --- */

static void publish(struct shared_ring *ring)
{
	ring->index = (ring->index + 1) & ring->mask;
	__atomic_store_n(&ring->buf->producer_index, ring->index,
			 __ATOMIC_RELEASE);
}

static void bell(struct half *h)
{
	/* refused where there is no connection */
	ring_doorbell(h->q.qp);
}

static void put_send(struct couple *c, struct half *h, struct rng *r)
{
	struct shared_ring *ring = &h->rings[SEND_RING];

	wqe_send(c, h, shared_slot(ring, ring->index), r);
	publish(ring);
}

static void put_recv(struct couple *c, struct half *h, struct rng *r)
{
	struct shared_ring *ring = &h->rings[RECV_RING];

	wqe_recv(c, h, shared_slot(ring, ring->index), r);
	publish(ring);
}

static uint32_t some_index(const struct shared_ring *ring, struct rng *r)
{
	switch (below(r, 4)) {
	case 0:
		return ring->index + below(r, 5) - 2;
	case 1:
		return ring->mask + below(r, 3);
	case 2:
		return below(r, ring->mask + 1);
	default:
		return rnd(r);
	}
}

static void spoil_header(struct shared_ring *ring, struct rng *r)
{
	ring->buf->log2_elem_size = some_word(r);
	ring->buf->index_mask = some_word(r);
	ring->buf->pad_1[below(r, 30)] = some_word(r);
}

static void spoil_page(struct shared_ring *ring, struct rng *r)
{
	uint32_t pages = ring->size / PAGE;
	uint8_t *page = (uint8_t *)ring->buf + below(r, pages) * PAGE;

	if (one_in(r, 2))
		memset(page, one_in(r, 2) ? 0xff : 0, PAGE);
	else
		fill(page, PAGE, rnd(r));
}

static void spoil_cq(struct couple *c, struct half *h, struct rng *r)
{
	struct shared_ring *ring = &h->rings[CQ_RING];

	switch (below(r, 4)) {
	case 0: /* full, as it seems */
		ring->buf->consumer_index = ring->buf->producer_index + 1;
		c->spoiled = true;
		break;
	case 1:
		ring->buf->consumer_index = some_index(ring, r);
		break;
	case 2:
		ring->buf->producer_index = some_index(ring, r);
		break;
	default:
		scribble_words(ring, r, 8);
	}
}

static void some_state(struct half *h, struct rng *r)
{
	static const enum ibv_qp_state states[] = {
		IBV_QPS_RESET, IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS,
		IBV_QPS_SQD,   IBV_QPS_SQE,  IBV_QPS_ERR, IBV_QPS_ERR,
	};

	rd_to_state(&h->q, states[below(r, ARRAY_SIZE(states))]);
}

static enum state some_kind(struct rng *r)
{
	static const enum state often[] = {
		STATE_SEND, STATE_SENDS, STATE_SENDS, STATE_SENDS,
		STATE_RECV, STATE_RECVS, STATE_RECVS, STATE_CHANGE,
	};
	enum state seldom =
		STATE_PRODUCER + below(r, STATE_SCRIBBLES - STATE_PRODUCER);

	return one_in(r, 8) ? seldom : often[below(r, ARRAY_SIZE(often))];
}

/* What is not the way to use a ring at all. */
static void spoil(struct program *p, struct couple *c, struct half *h,
		  enum state s)
{
	struct rng *r = &p->rng;
	struct shared_ring *ring = any_ring(c, r, CQ_RING);

	switch (s) {
	case STATE_CHANGE:
		scribble_slot(ring, r);
		break;
	case STATE_PRODUCER:
		ring->buf->producer_index = some_index(ring, r);
		break;
	case STATE_CONSUMER:
		ring->buf->consumer_index = some_index(ring, r);
		break;
	case STATE_HEADER:
		spoil_header(any_ring(c, r, RINGS), r);
		break;
	case STATE_WORDS:
		scribble_words(ring, r, 1 + below(r, 16));
		break;
	case STATE_BLOCK:
		spoil_page(ring, r);
		break;
	case STATE_CQ:
		spoil_cq(c, h, r);
		break;
	case STATE_BELLS:
		bell(&c->h[0]);
		bell(&c->h[1]);
		break;
	case STATE_ARM:
		ibv_req_notify_cq(h->cq, below(r, 2));
		break;
	case STATE_MODIFY:
		some_state(h, r);
		c->failed = true;
		break;
	default:
		ground_shake(&p->ground, r);
		break;
	}
}

/* How many states it was. */
static unsigned int do_state(struct program *p, struct couple *c,
			     struct half *h)
{
	struct rng *r = &p->rng;
	enum state s = some_kind(r);
	unsigned int n = 1;

	count_kind(s);
	if (s == STATE_SENDS || s == STATE_RECVS)
		n += below(r, 8);
	if (s == STATE_RECV || s == STATE_RECVS) {
		for (unsigned int i = 0; i < n; i++)
			put_recv(c, h, r);
		return n; /* no doorbell for these */
	}
	if (s == STATE_SEND || s == STATE_SENDS)
		for (unsigned int i = 0; i < n; i++)
			put_send(c, h, r);
	else
		spoil(p, c, h, s);
	if (!one_in(r, 4))
		bell(h);
	return n;
}

/* --- lives --- */

static void make_anew(struct program *p, struct couple *c)
{
	struct couple fresh;

	count_kind(STATE_CREATES);
	couple_close(c);
	couple_open(&fresh, &p->ground, &p->rng);
	pthread_mutex_lock(&p->lock);
	if (p->have_old)
		couple_forget(&p->old);
	p->old = *c;
	p->have_old = true;
	*c = fresh;
	pthread_mutex_unlock(&p->lock);
}

static void look_after(struct program *p, unsigned int i)
{
	struct couple *c = &p->couples[i];

	couple_poll(c);
	/* an overflow of its CQ ends a queue pair without a word */
	if (one_in(&p->rng, 32) && (rd_state(&c->h[0].q) == IBV_QPS_ERR ||
				    rd_state(&c->h[1].q) == IBV_QPS_ERR))
		c->failed = c->spoiled = true;
	if (!c->failed || ++p->age[i] < below(&p->rng, GATHER))
		return;
	p->age[i] = 0;
	if (c->spoiled || one_in(&p->rng, 64)) {
		make_anew(p, c);
	} else {
		count_kind(STATE_CONNECTS);
		couple_connect(c);
	}
}

static void run(const struct options *o)
{
	struct program *p = calloc(1, sizeof(*p));
	unsigned long turn = 0;
	struct rd_dev dev;
	pthread_t thread;

	if (!p)
		die("out of memory");
	p->rng.x = o->seed;
	pthread_mutex_init(&p->lock, NULL);
	rd_open(&dev, o->dev);
	ground_open(&p->ground, &dev, false, o->lie);
	for (int i = 0; i < COUPLES; i++)
		couple_open(&p->couples[i], &p->ground, &p->rng);
	if (pthread_create(&thread, NULL, scribble, p))
		die("pthread_create");
	while (board->done < o->count && !board->harms) {
		unsigned int i = below(&p->rng, COUPLES);
		struct couple *c = &p->couples[i];

		board->done += do_state(p, c, &c->h[below(&p->rng, 2)]);
		look_after(p, i);
		if (turn++ % CHECK_EVERY == 0)
			ground_check(&p->ground);
	}
	p->stop = true;
	pthread_join(thread, NULL);
	if (p->have_old)
		couple_forget(&p->old);
	for (int i = 0; i < COUPLES; i++) {
		couple_close(&p->couples[i]);
		couple_forget(&p->couples[i]);
	}
	ground_check(&p->ground);
	ground_close(&p->ground);
	rd_close(&dev);
	free(p);
}

/* Every one of these must have been met. */
static const char *const met[] = {
	"ring_rejects",
	"cq_overflows",
	"sent_remote_access_err",
	"rcvd_remote_err",
	"sent_remote_operation_err",
	"resp_parks",
	"page_faults_failed",
};

static void judge(const struct options *o)
{
	uint64_t rejects = census_delta("ring_rejects");

	tap_result(rejects >= o->count / 50,
		   "program: %llu requests were refused by the driver "
		   "(%lu must be)",
		   (unsigned long long)rejects, o->count / 50);
	if (o->count < 50000)
		return; /* too few for each to be met */
	for (size_t i = 0; i < ARRAY_SIZE(met); i++)
		if (!census_delta(met[i]))
			tap_result(false, "program: %s was never met", met[i]);
}

const struct villain villain_program = {
	.mode = "program",
	.unit = "states",
	.run = run,
	.kinds = kinds,
	.judge = judge,
	.unprivileged = true,
	.beside = true,
};
