// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Every allocation of every call may fail: the n-th of this thread, for each n
 * until a call has no more. Each call either works or has a clean error, and
 * leaves nothing (which is checked after each scenario).
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe.h"

#define FAILSLAB "/sys/kernel/debug/failslab/"
#define FAILPAGE "/sys/kernel/debug/fail_page_alloc/"
#define MOST	 400 /* allocations of one call */

struct low {
	struct run *run;
	int nth; /* /proc/thread-self/fail-nth */
	uint8_t *at;
	struct probe p;
	unsigned int silent; /* posted, but the doorbell was not heard */
	bool hit; /* an allocation of the last call failed */
};

struct call {
	const char *name;
	/* 0 or an errno. What it makes it takes away again, uninjected. */
	int (*fn)(struct low *l);
};

static void arm(struct low *l, unsigned int n)
{
	unsigned int tries;
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	/* What is still armed may fail this very write. */
	for (tries = 0; tries < 3; tries++)
		if (pwrite(l->nth, text, strlen(text), 0) > 0)
			return;
	die("fail-nth: %s", strerror(errno));
}

/* The call is over: whether something of it has failed, and nothing more. */
static void called(struct low *l)
{
	char text[16] = "";

	/* Or else it is this read that fails. */
	l->hit = pread(l->nth, text, sizeof(text) - 1, 0) > 0 &&
		 atoi(text) == 0;
	arm(l, 0);
}

static int reg(struct low *l, int access)
{
	struct ibv_mr *mr;
	int err;

	mr = (ibv_reg_mr)(l->run->dev.pd, l->at, 16 * PAGE, access);
	err = mr ? 0 : errno;
	called(l);
	if (mr && ibv_dereg_mr(mr))
		fail(l->run, "dereg_mr: %s", strerror(errno));
	return err;
}

static int reg_on_demand(struct low *l)
{
	return reg(l, RD_ALL | IBV_ACCESS_ON_DEMAND);
}

static int reg_pinned(struct low *l)
{
	return reg(l, RD_ALL);
}

static int dereg(struct low *l)
{
	struct ibv_mr *mr = l->p.patch_mr;
	int err = ibv_dereg_mr(mr);

	called(l);
	if (!err)
		l->p.patch_mr = rd_reg(&l->run->dev, l->p.patch,
				       l->p.pages * PAGE,
				       RD_ALL | IBV_ACCESS_ON_DEMAND);
	return err;
}

static int create_cq(struct low *l)
{
	struct ibv_cq *cq = ibv_create_cq(l->run->dev.ctx, 64, NULL, NULL, 0);
	int err = cq ? 0 : errno;

	called(l);
	if (cq && ibv_destroy_cq(cq))
		fail(l->run, "destroy_cq: %s", strerror(errno));
	return err;
}

static int create_qp(struct low *l)
{
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_RC,
		.send_cq = l->p.peer.scq,
		.recv_cq = l->p.peer.scq,
		.cap = { 16, 16, 2, 2, 0 },
	};
	struct ibv_qp *qp = ibv_create_qp(l->run->dev.pd, &init);
	int err = qp ? 0 : errno;

	called(l);
	if (qp && ibv_destroy_qp(qp))
		fail(l->run, "destroy_qp: %s", strerror(errno));
	return err;
}

static int reconnect(struct low *l)
{
	int err = rd_to_state(&l->p.peer, IBV_QPS_RESET);

	if (!err)
		err = rd_to_init(&l->p.peer);
	called(l);
	rd_reconnect(&l->p.peer, &l->p.owner);
	return err;
}

static int advise(struct low *l)
{
	int err;

	madvise(l->p.patch, l->p.pages * PAGE, MADV_DONTNEED);
	err = rd_prefetch(&l->run->dev, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			  IBV_ADVISE_MR_FLAG_FLUSH, (uintptr_t)l->p.patch,
			  l->p.pages * PAGE, l->p.patch_mr->lkey);
	called(l);
	return err;
}

/* The doorbell: what it cannot do at once is done later. */
static int post(struct low *l)
{
	struct rd_op op = {
		.opcode = IBV_WR_RDMA_WRITE,
		.addr = (uintptr_t)l->p.buf,
		.len = 3 * PAGE,
		.lkey = l->p.mr->lkey,
		.raddr = (uintptr_t)l->p.patch,
		.rkey = l->p.patch_mr->rkey,
	};
	int err, status;

	madvise(l->p.patch, l->p.pages * PAGE, MADV_DONTNEED);
	err = rd_post(&l->p.peer, &op);
	called(l);
	/* It is in the ring, and goes with the next one. */
	if (err) {
		l->silent++;
		return err;
	}
	do {
		status = rd_wait(l->p.peer.scq, NULL, 10 * l->run->limit_ms);
	} while (!status && l->silent--);
	l->silent = 0;
	if (status < 0)
		fail(l->run, "a WRITE without memory never ended");
	if (status)
		rd_reconnect(&l->p.peer, &l->p.owner);
	else if (first_difference(l->p.buf, l->p.patch, 3 * PAGE) >= 0)
		fail(l->run, "a WRITE without memory was not what it said");
	return 0;
}

static const struct call calls[] = {
	{ "reg_mr on demand", reg_on_demand },
	{ "reg_mr", reg_pinned },
	{ "dereg_mr", dereg },
	{ "create_cq", create_cq },
	{ "create_qp", create_qp },
	{ "modify_qp", reconnect },
	{ "advise_mr", advise },
	{ "post_send", post },
};

static bool clean(int err)
{
	return !err || err == ENOMEM || err == EAGAIN || err == EFAULT ||
	       err == EINTR;
}

/* All of its allocations, one after another. */
static void sweep(struct low *l, const struct call *c)
{
	unsigned int n, refused = 0;
	struct run *r = l->run;
	int err;

	l->hit = true;
	for (n = 1; n < MOST && l->hit && !failed(r); n++) {
		arm(l, n);
		err = c->fn(l);
		if (!clean(err))
			fail(r, "%s, allocation %u failed: %s", c->name, n,
			     strerror(err));
		refused += err != 0;
	}
	if (n < 3)
		fail(r, "%s: no allocation of it ever failed", c->name);
	tap_note("%s: %s: %u tries, %u refused", r->sc->name, c->name, n - 1,
		 refused);
	arm(l, 0);
	if (c->fn(l))
		fail(r, "%s fails with all the memory in the world", c->name);
	patch_stamp(&l->p);
	patch_check(&l->p, c->name);
	note_events(r, 1);
}

static const char *no_injection(void)
{
	if (access("/proc/thread-self/fail-nth", W_OK))
		return "the kernel has no fault injection (the debug kernel "
		       "has)";
	return NULL;
}

static void set(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		tap_note("%s: %s", path, strerror(errno));
	close(fd);
}

static void lowmem_run(struct run *r)
{
	struct low l = { .run = r, .at = map_anon(16 * PAGE) };
	uint64_t end = now_ms() + r->ms;
	unsigned int i;

	set(FAILSLAB "ignore-gfp-wait", "N");
	set(FAILPAGE "ignore-gfp-wait", "N");
	set(FAILPAGE "min-order", "0");
	l.nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (l.nth < 0)
		die("fail-nth: %s", strerror(errno));
	memset(l.at, 1, 16 * PAGE);
	probe_open(&l.p, r, 8);
	hooks_begin(r);
	do {
		for (i = 0; i < ARRAY_SIZE(calls) && !failed(r); i++)
			sweep(&l, &calls[i]);
	} while (now_ms() < end && !failed(r));
	hooks_sample(r);
	close(l.nth);
	if (!failed(r))
		probe_close(&l.p);
}

SCENARIO(lowmem) = {
	.name = "lowmem",
	.rows = "47",
	.what = "each allocation of each call fails once: a clean error",
	.missing = no_injection,
	.run = lowmem_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
	.slack_s = 60,
};
