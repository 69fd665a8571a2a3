// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "owner.h"

#define LEAK_BYTES (24ULL << 20) /* of all rounds: the machine does more */

struct owner *owner_alloc(struct run *r)
{
	struct owner *o = mmap(NULL, sizeof(*o), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (o == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	o->run = r;
	return o;
}

/* --- the owner ---------------------------------------------------- */

void owner_open(struct owner *o, struct rd_dev *dev)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rd_open(dev, o->run->dev_name);
}

void owner_stage_wait(struct owner *o, int stage)
{
	uint64_t end = now_ms() + 30000 * o->run->slow;

	while (atomic_load(&o->stage) < stage) {
		if (now_ms() > end)
			die("nobody came to stage %d", stage);
		sleep_ms(1);
	}
}

struct ibv_mr *owner_meet(struct owner *o, struct rd_dev *dev, uint8_t *base,
			  struct ibv_mr *mr)
{
	static struct rd_qp q;

	rd_qp_create(&q, dev, NULL);
	if (!mr)
		mr = rd_reg(dev, base, OWNER_PAGES * PAGE,
			    RD_ALL | IBV_ACCESS_ON_DEMAND);
	o->base = base;
	o->rkey = mr->rkey;
	o->lkey = mr->lkey;
	o->pd = dev->pd->handle;
	o->owner_addr = rd_qp_addr(&q);
	atomic_store(&o->stage, OWNER_THERE);
	owner_stage_wait(o, OWNER_KNOWS);
	rd_connect(&q, &o->peer_addr);
	atomic_store(&o->stage, OWNER_READY);
	return mr;
}

void owner_wait_go(struct owner *o, int go)
{
	while (atomic_load(&o->go) < go)
		sleep_ms(1);
}

/* --- the peer ----------------------------------------------------- */

void peer_meet(struct owner *o, struct rd_qp *q, struct rd_dev *dev)
{
	/* An owner that is gone does not answer: 3 time-outs of 67 ms. */
	const struct rd_qp_opts opts = { .timeout = 14, .retry = 3 };

	owner_stage_wait(o, OWNER_THERE);
	rd_qp_create(q, dev, &opts);
	o->peer_addr = rd_qp_addr(q);
	rd_connect(q, &o->owner_addr);
	atomic_store(&o->stage, OWNER_KNOWS);
	owner_stage_wait(o, OWNER_READY);
}

void assault_open(struct assault *a, struct owner *o)
{
	struct run *r = o->run;

	memset(a, 0, sizeof(*a));
	a->o = o;
	a->rng.x = r->seed + o->rounds++;
	a->n = OWNER_PAGES;
	a->status = -1;
	peer_meet(o, &a->q, &r->dev);
	a->buf = map_anon(16 * PAGE);
	memset(a->buf, 0x5a, 16 * PAGE);
	a->mr = rd_reg(&r->dev, a->buf, 16 * PAGE, RD_ALL);
}

static void *assault_main(void *arg)
{
	struct assault *a = arg;
	struct run *r = a->o->run;
	uint64_t start, at;
	unsigned int n;
	int status;
	bool write;

	while (!atomic_load(&a->stop)) {
		n = 1 + below(&a->rng, 16);
		at = (uintptr_t)a->o->base +
		     (a->first + below(&a->rng, a->n - n + 1)) * PAGE;
		write = !one_in(&a->rng, 4);
		start = now_ms();
		status = (write ? rd_write : rd_read)(&a->q, (uintptr_t)a->buf,
						      a->mr->lkey, n * PAGE, at,
						      a->o->rkey,
						      10 * r->limit_ms);
		note_time(r, now_ms() - start, "an access of a dying owner");
		/* Where each fault is held, the one that ends in an error. */
		if (status >= 0)
			note_ops(r, write ? OP_WRITE : OP_READ, 1);
		if (status) {
			atomic_store(&a->status, status < 0 ? 1000 : status);
			break;
		}
		atomic_fetch_add(&a->done, 1);
	}
	return NULL;
}

void assault_start(struct assault *a)
{
	if (pthread_create(&a->thread, NULL, assault_main, a))
		die("pthread_create");
}

void assault_must_end(struct assault *a, const char *when)
{
	struct run *r = a->o->run;
	uint64_t end = now_ms() + 2 * r->limit_ms;

	while (atomic_load(&a->status) < 0 && now_ms() < end)
		sleep_ms(1);
	if (atomic_load(&a->status) < 0)
		fail(r, "%s, and the peer's accesses still succeed", when);
	atomic_store(&a->stop, true);
	pthread_join(a->thread, NULL);
	if (a->status == 1000)
		fail(r, "%s, and an access never ended", when);
	else if (rd_state(&a->q) != IBV_QPS_ERR)
		fail(r, "%s: %s, but the QP is in state %d", when,
		     rd_status(a->status), rd_state(&a->q));
	assault_close(a);
}

void assault_close(struct assault *a)
{
	rd_qp_destroy(&a->q);
	if (ibv_dereg_mr(a->mr))
		fail(a->o->run, "dereg_mr: %s", strerror(errno));
	munmap(a->buf, 16 * PAGE);
	atomic_store(&a->o->stage, 0);
	atomic_store(&a->o->go, 0);
}

/* --- what is left ------------------------------------------------- */

uint64_t bytes_available(void)
{
	unsigned long long kb = 0;
	char line[100];
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu kB", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb << 10;
}

void check_available(struct owner *o)
{
	uint64_t end = now_ms() + 3000, now;

	/* What is freed by workers and grace periods comes back later. */
	do {
		now = bytes_available();
		if (now + LEAK_BYTES > o->before)
			return;
		sleep_ms(100);
	} while (now_ms() < end);
	fail(o->run, "%llu MB are gone after %u owners",
	     (unsigned long long)(o->before - now) >> 20, o->rounds);
}

void reap(struct run *r, pid_t pid, int sig, const char *what)
{
	uint64_t start = now_ms();
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (now_ms() - start > 2 * r->limit_ms) {
			fail(r, "%s: still there after %u ms", what,
			     2 * r->limit_ms);
			return;
		}
		sleep_ms(1);
	}
	note_time(r, now_ms() - start, what);
	if (sig ? !WIFSIGNALED(status) || WTERMSIG(status) != sig : status != 0)
		fail(r, "%s: ended with status %#x", what, status);
}
