// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The third thread: what the device does, in chains of many requests. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "third.h"

#define BATCH 8 /* pages of a round */
#define SLOT  128 /* of the buffer: one for each request of a chain */

/* What a READ brings. */
struct seen {
	struct before b;
	struct shared s;
};

void third_device_open(struct third_device *d, struct third *t, uint64_t seed)
{
	const struct rd_qp_opts opts = { .sq = 128, .rq = 4 };
	size_t len = ARRAY_SIZE(d->wr) * SLOT;

	d->t = t;
	d->rng.x = seed;
	rd_pair(&d->peer, &t->run->dev, &d->owner, &t->run->dev, &opts);
	d->buf = mmap(NULL, len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (d->buf == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	d->mr = rd_reg(&t->run->dev, d->buf, len, RD_ALL);
}

void third_device_close(struct third_device *d)
{
	rd_qp_destroy(&d->peer);
	rd_qp_destroy(&d->owner);
	if (ibv_dereg_mr(d->mr))
		fail(d->t->run, "dereg_mr: %s", strerror(errno));
	munmap(d->buf, ARRAY_SIZE(d->wr) * SLOT);
}

/* --- chains ------------------------------------------------------- */

/* Appends a request; its local bytes. */
static void *add(struct third_device *d, enum ibv_wr_opcode opcode, void *at,
		 size_t len)
{
	unsigned int n = d->n++;
	struct ibv_send_wr *wr = &d->wr[n];
	uint8_t *mine = d->buf + n * SLOT;

	if (n >= ARRAY_SIZE(d->wr) || len > SLOT)
		die("third thread: a chain too long");
	d->sge[n] = (struct ibv_sge){ (uintptr_t)mine, len, d->mr->lkey };
	memset(wr, 0, sizeof(*wr));
	wr->wr_id = n;
	wr->sg_list = &d->sge[n];
	wr->num_sge = 1;
	wr->opcode = opcode;
	if (opcode == IBV_WR_ATOMIC_CMP_AND_SWP ||
	    opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
		wr->wr.atomic.remote_addr = (uintptr_t)at;
		wr->wr.atomic.rkey = d->t->mr->rkey;
	} else {
		wr->wr.rdma.remote_addr = (uintptr_t)at;
		wr->wr.rdma.rkey = d->t->mr->rkey;
	}
	if (n)
		d->wr[n - 1].next = wr;
	return mine;
}

static uint64_t *add_swap(struct third_device *d, unsigned int page,
			  uint64_t from, uint64_t to)
{
	uint64_t *mine = add(d, IBV_WR_ATOMIC_CMP_AND_SWP,
			     &before_at(d->t, page)->lock, 8);

	d->wr[d->n - 1].wr.atomic.compare_add = from;
	d->wr[d->n - 1].wr.atomic.swap = to;
	return mine;
}

static void add_write(struct third_device *d, uint64_t *at, uint64_t value)
{
	memcpy(add(d, IBV_WR_RDMA_WRITE, at, 8), &value, 8);
}

static void count(struct third_device *d)
{
	struct run *r = d->t->run;
	unsigned int i;

	for (i = 0; i < d->n; i++) {
		switch (d->wr[i].opcode) {
		case IBV_WR_RDMA_WRITE:
			note_ops(r, OP_WRITE, 1);
			break;
		case IBV_WR_RDMA_READ:
			note_ops(r, OP_READ, 1);
			break;
		case IBV_WR_ATOMIC_FETCH_AND_ADD:
			note_ops(r, OP_ADD, 1);
			break;
		default:
			note_ops(r, OP_SWAP, 1);
		}
	}
	d->accesses += d->n;
}

/* Posts the chain and waits for its end. */
static bool go(struct third_device *d)
{
	struct run *r = d->t->run;
	struct ibv_send_wr *bad;
	uint64_t start = now_ms();
	struct ibv_wc wc = {};
	int status, err;

	if (!d->n)
		return true;
	d->wr[d->n - 1].send_flags = IBV_SEND_SIGNALED;
	err = ibv_post_send(d->peer.qp, d->wr, &bad);
	if (err) {
		fail(r, "post_send: %s", strerror(err));
		return false;
	}
	status = rd_wait(d->peer.scq, &wc, 4 * r->limit_ms);
	if (status) {
		fail(r, "request %llu of %u, opcode %d: %s",
		     (unsigned long long)wc.wr_id, d->n,
		     d->wr[wc.wr_id % ARRAY_SIZE(d->wr)].opcode,
		     rd_status(status));
		return false;
	}
	note_time(r, now_ms() - start, "a chain of accesses");
	count(d);
	d->n = 0;
	return true;
}

/* --- rounds ------------------------------------------------------- */

static void judge(struct third_device *d, unsigned int page,
		  const struct seen *x, uint64_t least)
{
	struct third *t = d->t;

	if (x->s.cpu < least)
		fail(t->run,
		     "split: page %u, the peer READs the CPU's %llu, "
		     "%llu was stored",
		     page, (unsigned long long)x->s.cpu,
		     (unsigned long long)least);
	/* Read first, and stored last. A torn one does not come twice. */
	if (x->b.told[0] == x->b.told[1] && x->s.cpu < x->b.told[0])
		fail(t->run,
		     "split: page %u, the peer READs %llu and then "
		     "the CPU's older %llu",
		     page, (unsigned long long)x->b.told[0],
		     (unsigned long long)x->s.cpu);
}

static void *add_look(struct third_device *d, unsigned int page)
{
	return add(d, IBV_WR_RDMA_READ, before_at(d->t, page),
		   sizeof(struct seen));
}

/* READs alone: with entries that may only be read. */
static void look_round(struct third_device *d, const unsigned int *pages)
{
	const struct seen *x[BATCH * 4];
	uint64_t least[BATCH];
	unsigned int i;

	for (i = 0; i < BATCH; i++)
		least[i] = atomic_load(&d->t->is[pages[i]].cpu);
	for (i = 0; i < ARRAY_SIZE(x); i++)
		x[i] = add_look(d, pages[i % BATCH]);
	if (!go(d))
		return;
	for (i = 0; i < ARRAY_SIZE(x); i++)
		judge(d, pages[i % BATCH], x[i], least[i % BATCH]);
}

/* One WRITE, one add and one READ of each page, and locks. */
static void first_leg(struct third_device *d, const unsigned int *pages,
		      bool *got)
{
	struct third *t = d->t;
	const struct seen *x[BATCH] = {};
	uint64_t least[BATCH], *locks[BATCH], next;
	unsigned int i, p;

	for (i = 0; i < BATCH; i++) {
		p = pages[i];
		least[i] = atomic_load(&t->is[p].cpu);
		locks[i] = add_swap(d, p, FREE, BY_DEVICE);
		if (t->plan->guarded)
			continue;
		x[i] = t->plan->still ? add_look(d, p) : NULL;
		if (t->plan->still)
			continue;
		next = atomic_load(&t->is[p].done) + 1;
		add_write(d, &shared_at(t, p)->device, next);
		add(d, IBV_WR_ATOMIC_FETCH_AND_ADD, &shared_at(t, p)->both, 8);
		d->wr[d->n - 1].wr.atomic.compare_add = 1;
		x[i] = add_look(d, p);
	}
	if (!go(d))
		return;
	for (i = 0; i < BATCH; i++) {
		p = pages[i];
		got[i] = *locks[i] == FREE;
		if (*locks[i] > BY_MOVER)
			fail(t->run, "split: page %u, the lock is %#llx", p,
			     (unsigned long long)*locks[i]);
		if (!x[i])
			continue;
		judge(d, p, x[i], least[i]);
		if (t->plan->still)
			continue;
		next = atomic_load(&t->is[p].done) + 1;
		if (x[i]->s.device != next)
			fail(t->run, "split: page %u, WRITE %llu is %llu then",
			     p, (unsigned long long)next,
			     (unsigned long long)x[i]->s.device);
		atomic_store(&t->is[p].done, next);
		t->is[p].adds[1]++;
	}
}

/* Under the locks that it got: READ the turn, WRITE the next, unlock. */
static void second_leg(struct third_device *d, const unsigned int *pages,
		       const bool *got)
{
	struct third *t = d->t;
	const uint64_t *at[BATCH], *back[BATCH] = {};
	uint64_t turn[BATCH];
	unsigned int i;

	for (i = 0; i < BATCH; i++)
		if (got[i])
			at[i] = add(d, IBV_WR_RDMA_READ,
				    &shared_at(t, pages[i])->turn, 8);
	if (!go(d))
		return;
	/* The next chain uses the same buffer. */
	for (i = 0; i < BATCH; i++)
		turn[i] = got[i] ? *at[i] : 0;
	for (i = 0; i < BATCH; i++) {
		if (!got[i])
			continue;
		t->device_locks++;
		third_enter(t, pages[i], BY_DEVICE, turn[i]);
		add_write(d, &shared_at(t, pages[i])->turn,
			  third_next(t, pages[i]));
		third_leave(t, pages[i]);
		if (one_in(&d->rng, 2))
			back[i] = add_swap(d, pages[i], BY_DEVICE, FREE);
		else
			add_write(d, &before_at(t, pages[i])->lock, FREE);
	}
	if (!go(d))
		return;
	for (i = 0; i < BATCH; i++)
		if (back[i] && *back[i] != BY_DEVICE)
			fail(t->run,
			     "split: page %u, the device's lock is %llu",
			     pages[i], (unsigned long long)*back[i]);
}

void third_device_round(struct third_device *d)
{
	unsigned int pages[BATCH], i, k;
	bool got[BATCH] = {};

	for (i = 0; i < BATCH; i++) {
		pages[i] = third_pick(d->t, &d->rng);
		for (k = 0; k < i && pages[k] != pages[i]; k++)
			;
		/* Each once; of few pages it would be long till all came. */
		if (k < i)
			pages[i--] = 0;
	}
	if (!d->t->plan->guarded && one_in(&d->rng, 2)) {
		look_round(d, pages);
		return;
	}
	first_leg(d, pages, got);
	if (!failed(d->t->run))
		second_leg(d, pages, got);
}

void third_device_turn(struct third_device *d, unsigned int page)
{
	struct third *t = d->t;
	uint64_t *turn = add(d, IBV_WR_RDMA_READ, &shared_at(t, page)->turn, 8);

	if (!go(d))
		return;
	third_enter(t, page, BY_CPU, *turn);
	add_write(d, &shared_at(t, page)->turn, third_next(t, page));
	third_leave(t, page);
	go(d);
}
