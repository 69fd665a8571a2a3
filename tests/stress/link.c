// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* One peer, one helper, step by step. */

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "link.h"

void link_open(struct link *l, struct run *r)
{
	struct rd_qp_opts opts = { .mtu = 4096 };

	l->run = r;
	l->rng.x = r->seed;
	rd_pair(&l->peer, &r->dev, &l->owner, &r->dev, &opts);
	l->buf = map_anon(LINK_BUF);
	l->mr = rd_reg(&r->dev, l->buf, LINK_BUF, RD_ALL);
}

void link_close(struct link *l)
{
	rd_qp_destroy(&l->peer);
	rd_qp_destroy(&l->owner);
	ibv_dereg_mr(l->mr);
	munmap(l->buf, LINK_BUF);
}

static void post(struct link *l, enum ibv_wr_opcode opcode, const void *at,
		 uint32_t rkey, uint32_t len)
{
	struct rd_op op = {
		.opcode = opcode,
		.addr = (uintptr_t)l->buf,
		.lkey = l->mr->lkey,
		.len = len,
		.raddr = (uintptr_t)at,
		.rkey = rkey,
	};
	int err = rd_post(&l->peer, &op);

	if (err)
		fail(l->run, "post_send: %s", strerror(err));
}

static int wait_for(struct link *l, enum op op)
{
	uint64_t since = now_ms();
	int status = rd_wait(l->peer.scq, NULL, 2 * l->run->limit_ms);

	note_time(l->run, now_ms() - since, op_names[op]);
	note_ops(l->run, op, 1);
	if (status)
		rd_reconnect(&l->peer, &l->owner);
	return status;
}

int link_write(struct link *l, const void *at, uint32_t rkey, uint32_t len)
{
	post(l, IBV_WR_RDMA_WRITE, at, rkey, len);
	return wait_for(l, OP_WRITE);
}

int link_read(struct link *l, const void *at, uint32_t rkey, uint32_t len)
{
	post(l, IBV_WR_RDMA_READ, at, rkey, len);
	return wait_for(l, OP_READ);
}

void link_put(struct link *l, uint64_t *at, uint32_t rkey, uint64_t word)
{
	int status;

	memcpy(l->buf, &word, 8);
	status = link_write(l, at, rkey, 8);
	if (status)
		fail(l->run, "WRITE: %s", rd_status(status));
}

uint64_t link_get(struct link *l, const uint64_t *at, uint32_t rkey)
{
	int status = link_read(l, at, rkey, 8);
	uint64_t word;

	if (status)
		fail(l->run, "READ: %s", rd_status(status));
	memcpy(&word, l->buf, 8);
	return word;
}

static void *helper_main(void *arg)
{
	struct helper *h = arg;

	for (;;) {
		sem_wait(&h->go);
		if (atomic_load(&h->stop))
			return NULL;
		h->fn(h);
		atomic_fetch_add(&h->did, 1);
		sem_post(&h->done);
	}
}

void helper_start(struct helper *h)
{
	sem_init(&h->go, 0, 0);
	sem_init(&h->done, 0, 0);
	if (pthread_create(&h->thread, NULL, helper_main, h))
		die("pthread_create");
}

void helper_tell(struct helper *h)
{
	h->told++;
	sem_post(&h->go);
}

bool helper_idle(struct helper *h)
{
	return h->told == atomic_load(&h->did);
}

void helper_wait(struct helper *h)
{
	for (; h->waited != h->told; h->waited++)
		sem_wait(&h->done);
}

void helper_stop(struct helper *h)
{
	helper_wait(h);
	atomic_store(&h->stop, true);
	sem_post(&h->go);
	pthread_join(h->thread, NULL);
}

void nap(struct rng *g, unsigned int us)
{
	uint64_t n = below(g, us);

	if (n > 50)
		usleep(n);
}

bool once_more(struct run *r, uint64_t end, unsigned int round)
{
	return !failed(r) && (now_ms() < end || round < 3);
}
