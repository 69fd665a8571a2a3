// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * One rule of the fence each: the narrow race in which breaking it shows.
 * docs/testing.md says which broken rule each was seen to catch.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stress.h"

/* --- a peer of one thread ----------------------------------------- */

struct link {
	struct run *run;
	struct rd_qp peer, owner;
	uint8_t *buf;
	struct ibv_mr *mr;
	struct rng rng;
};

#define LINK_BUF (16 * PAGE)

static void link_open(struct link *l, struct run *r)
{
	struct rd_qp_opts opts = { .mtu = 4096 };

	l->run = r;
	l->rng.x = r->seed;
	rd_pair(&l->peer, &r->dev, &l->owner, &r->dev, &opts);
	l->buf = map_anon(LINK_BUF);
	l->mr = rd_reg(&r->dev, l->buf, LINK_BUF, RD_ALL);
}

static void link_close(struct link *l)
{
	rd_qp_destroy(&l->peer);
	rd_qp_destroy(&l->owner);
	ibv_dereg_mr(l->mr);
	munmap(l->buf, LINK_BUF);
}

static struct rd_op link_op(const struct link *l, enum ibv_wr_opcode opcode,
			    const void *at, uint32_t rkey, uint32_t len)
{
	return (struct rd_op){
		.opcode = opcode,
		.addr = (uintptr_t)l->buf,
		.lkey = l->mr->lkey,
		.len = len,
		.raddr = (uintptr_t)at,
		.rkey = rkey,
	};
}

static int link_wait(struct link *l, enum op op, uint64_t since)
{
	int status = rd_wait(l->peer.scq, NULL, 2 * l->run->limit_ms);

	note_time(l->run, now_ms() - since, op_names[op]);
	note_ops(l->run, op, 1);
	if (status)
		rd_reconnect(&l->peer, &l->owner);
	return status;
}

static void link_post(struct link *l, const struct rd_op *op)
{
	int err = rd_post(&l->peer, op);

	if (err)
		fail(l->run, "post_send: %s", strerror(err));
}

static int link_write(struct link *l, const void *at, uint32_t rkey,
		      uint32_t len)
{
	struct rd_op op = link_op(l, IBV_WR_RDMA_WRITE, at, rkey, len);
	uint64_t since = now_ms();

	link_post(l, &op);
	return link_wait(l, OP_WRITE, since);
}

static int link_read(struct link *l, const void *at, uint32_t rkey,
		     uint32_t len)
{
	struct rd_op op = link_op(l, IBV_WR_RDMA_READ, at, rkey, len);
	uint64_t since = now_ms();

	link_post(l, &op);
	return link_wait(l, OP_READ, since);
}

/* These must work. */
static void write_word(struct link *l, uint64_t *at, uint32_t rkey,
		       uint64_t word)
{
	int status;

	memcpy(l->buf, &word, 8);
	status = link_write(l, at, rkey, 8);
	if (status)
		fail(l->run, "WRITE: %s", rd_status(status));
}

static uint64_t read_word(struct link *l, const uint64_t *at, uint32_t rkey)
{
	int status = link_read(l, at, rkey, 8);
	uint64_t word;

	if (status)
		fail(l->run, "READ: %s", rd_status(status));
	memcpy(&word, l->buf, 8);
	return word;
}

static uint64_t load(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static void store(uint64_t *at, uint64_t word)
{
	__atomic_store_n(at, word, __ATOMIC_SEQ_CST);
}

/* --- somebody who does something each time he is told to ---------- */

struct helper {
	void (*fn)(struct helper *h);
	uint8_t *at;
	size_t len;
	int fd;
	struct rng rng;
	_Atomic unsigned int told, did;
	_Atomic bool stop;
	pthread_t thread;
};

static void *helper_main(void *arg)
{
	struct helper *h = arg;

	while (!atomic_load(&h->stop)) {
		if (atomic_load(&h->told) == atomic_load(&h->did)) {
			sched_yield();
			continue;
		}
		h->fn(h);
		atomic_fetch_add(&h->did, 1);
	}
	return NULL;
}

static void helper_start(struct helper *h)
{
	if (pthread_create(&h->thread, NULL, helper_main, h))
		die("pthread_create");
}

static void helper_tell(struct helper *h)
{
	atomic_fetch_add(&h->told, 1);
}

static void helper_wait(struct helper *h)
{
	while (atomic_load(&h->told) != atomic_load(&h->did))
		sched_yield();
}

static void helper_stop(struct helper *h)
{
	helper_wait(h);
	atomic_store(&h->stop, true);
	pthread_join(h->thread, NULL);
}

static void nap(struct rng *g, unsigned int us)
{
	uint64_t n = below(g, us);

	if (n > 50)
		usleep(n);
}

/* For the run's time, and a few times at least. */
static bool once_more(struct run *r, uint64_t end, unsigned int round)
{
	return !failed(r) && (now_ms() < end || round < 3);
}

/* --- a range is recorded before anybody looks for regions --------- */

#define HOLE_PAGES 8

static void punch(struct helper *h)
{
	nap(&h->rng, 300);
	fallocate(h->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, h->len);
}

static void region_in_hook(struct link *l, struct helper *h, uint64_t word)
{
	struct run *r = l->run;
	uint64_t *at, got;
	struct ibv_mr *mr;
	unsigned int i;

	for (i = 0; i < HOLE_PAGES; i++)
		store((uint64_t *)(h->at + i * PAGE), word);
	at = (uint64_t *)(h->at + below(&l->rng, HOLE_PAGES) * PAGE) + 1;
	helper_tell(h);
	nap(&l->rng, 1000);
	mr = rd_reg(&r->dev, h->at, h->len, RD_ALL | IBV_ACCESS_ON_DEMAND);
	write_word(l, at, mr->rkey, word);
	helper_wait(h);
	/* The page that is there now, whichever it is, is the device's too. */
	store(at, ~word);
	got = read_word(l, at, mr->rkey);
	if (!failed(r) && got != ~word)
		fail(r, "%#llx was stored, the device reads %#llx",
		     (unsigned long long)~word, (unsigned long long)got);
	note_events(r, 1);
	ibv_dereg_mr(mr);
}

static void range_first_run(struct run *r)
{
	struct helper h = { .fn = punch, .len = HOLE_PAGES * PAGE };
	uint64_t end = now_ms() + r->ms;
	struct ibv_mr *keeps_notifier;
	struct link l = {};
	unsigned int n;

	link_open(&l, r);
	keeps_notifier = rd_reg(&r->dev, map_anon(PAGE), PAGE,
				RD_ALL | IBV_ACCESS_ON_DEMAND);
	h.rng.x = ~r->seed;
	h.fd = memfd_create("hole", 0);
	if (h.fd < 0 || ftruncate(h.fd, h.len))
		die("memfd: %s", strerror(errno));
	h.at = mmap(place(h.len), h.len, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED_NOREPLACE, h.fd, 0);
	if (h.at == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	helper_start(&h);
	hooks_begin(r);
	for (n = 0; once_more(r, end, n); n++)
		region_in_hook(&l, &h, n + 1);
	hooks_sample(r);
	helper_stop(&h);
	ibv_dereg_mr(keeps_notifier);
	link_close(&l);
	close(h.fd);
}

SCENARIO(range_first) = {
	.name = "rule-range-first",
	.rows = "43",
	.what = "a region that comes between the hooks gets no old page",
	.run = range_first_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* --- a page goes from under two who use it ------------------------ */

static void drop(struct helper *h)
{
	madvise(h->at, h->len, MADV_DONTNEED);
	nap(&h->rng, 3000);
}

/* A word stored is what the device reads, and the other way; or zero. */
static void store_and_read(struct link *l, uint64_t *at, uint32_t rkey,
			   uint64_t word)
{
	uint64_t got;

	store(at, word);
	got = read_word(l, at, rkey);
	if (!failed(l->run) && got && got != word)
		fail(l->run, "%#llx was stored, the device reads %#llx",
		     (unsigned long long)word, (unsigned long long)got);
	write_word(l, at, rkey, word + 1);
	got = load(at);
	if (!failed(l->run) && got && got != word + 1)
		fail(l->run, "the device wrote %#llx, a load gives %#llx",
		     (unsigned long long)word + 1, (unsigned long long)got);
}

static void third_thread_run(struct run *r)
{
	struct helper h = { .fn = drop, .len = PAGE };
	uint64_t end = now_ms() + r->ms;
	struct link l = {};
	struct ibv_mr *mr;
	unsigned int n;

	link_open(&l, r);
	h.at = map_anon(PAGE);
	h.rng.x = ~r->seed;
	mr = rd_reg(&r->dev, h.at, PAGE, RD_ALL | IBV_ACCESS_ON_DEMAND);
	helper_start(&h);
	hooks_begin(r);
	for (n = 0; once_more(r, end, n); n++) {
		if (atomic_load(&h.told) == atomic_load(&h.did)) {
			helper_tell(&h);
			note_events(r, 1);
		}
		store_and_read(&l, (uint64_t *)h.at, mr->rkey, 2 * n + 2);
	}
	helper_wait(&h);
	hooks_sample(r);
	helper_stop(&h);
	ibv_dereg_mr(mr);
	link_close(&l);
}

SCENARIO(third_thread_drop) = {
	.name = "rule-third-thread",
	.rows = "5",
	.what = "a CPU thread and the device meet in the same page",
	.run = third_thread_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* --- hooks over hooks, and a table that comes and goes ------------ */

static bool dontneed(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return !madvise(g->at, g->len, MADV_DONTNEED);
}

static const struct event drop_all[] = {
	{ .name = "MADV_DONTNEED",
	  .fn = dontneed,
	  .flags = EV_ZEROES | EV_WHOLE },
	{}
};

/* Whoever frees the pages: not while another still waits for a transfer. */
static void two_hooks_run(struct run *r)
{
	struct engine e = {
		.run = r,
		.field = { field_anon(r, 2) },
		.events = drop_all,
		.event_threads = 3,
		.pause_us = 3000,
	};

	engine_run(&e);
}

SCENARIO(two_hooks) = {
	.name = "rule-two-hooks",
	.rows = "6",
	.what = "each hook waits for the transfer, not only the first",
	.run = two_hooks_run,
	.hooks = CLEAR,
};

/* The only leaf goes each time. */
static void leaf_run(struct run *r)
{
	struct engine e = {
		.run = r,
		.field = { field_anon(r, 8) },
		.events = drop_all,
		.pause_us = 1500,
	};

	engine_run(&e);
}

SCENARIO(leaf) = {
	.name = "rule-leaf",
	.what = "a table's leaf outlives those who look into it",
	.run = leaf_run,
	.hooks = CLEAR,
};
