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

#include "lowmem.h"

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

void called(struct low *l)
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

static const struct call calls[] = { { .name = "reg_mr on demand",
				       .fn = reg_on_demand },
				     { .name = "reg_mr", .fn = reg_pinned },
				     { .name = "dereg_mr", .fn = dereg },
				     { .name = "create_cq", .fn = create_cq },
				     { .name = "create_qp", .fn = create_qp },
				     { .name = "modify_qp", .fn = reconnect },
				     { .name = "advise_mr", .fn = advise },
				     { .name = "post_send", .fn = post },
				     {} };

static bool clean(const struct call *c, int err)
{
	return !err || err == ENOMEM || err == EAGAIN || err == EFAULT ||
	       err == EINTR || c->library;
}

static int once(struct low *l, const struct call *c, unsigned int n)
{
	int err;

	if (c->before)
		c->before(l);
	if (failed(l->run))
		return 0;
	arm(l, n);
	err = c->fn(l);
	if (!clean(c, err))
		fail(l->run, "%s, allocation %u failed: %s", c->name, n,
		     strerror(err));
	return err;
}

/* All of its allocations, one after another, until it has no more. */
static void sweep(struct low *l, const struct call *c, unsigned int pass)
{
	unsigned int stride = c->stride ?: 1, most = c->most ?: MOST;
	unsigned int n = 1 + pass % stride, tries = 0, refused = 0;
	struct run *r = l->run;

	for (l->hit = true; n < most && !failed(r); n += stride) {
		refused += once(l, c, n) != 0;
		if (!l->hit)
			break;
		tries++;
	}
	if (failed(r))
		return;
	if (tries < 2)
		fail(r, "%s: no allocation of it ever failed", c->name);
	if (n >= most)
		fail(r, "%s: its allocation %u still failed: not all were met",
		     c->name, n - stride);
	tap_note("%s: %s: %u tries, %u refused", r->sc->name, c->name, tries,
		 refused);
	if (once(l, c, 0))
		fail(r, "%s fails with all the memory in the world", c->name);
	patch_stamp(&l->p);
	patch_check(&l->p, c->name);
	note_events(r, 1);
}

static void sweep_all(struct low *l, const struct call *c, unsigned int pass)
{
	for (; c->fn && !failed(l->run); c++)
		sweep(l, c, pass);
}

const char *no_injection(void)
{
	if (access("/proc/thread-self/fail-nth", W_OK))
		return "the kernel has no fault injection (the debug kernel "
		       "has)";
	return NULL;
}

void inject_set(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		tap_note("%s: %s", path, strerror(errno));
	close(fd);
}

void inject_all_kinds(void)
{
	inject_set(FAILSLAB "ignore-gfp-wait", "N");
	inject_set(FAILPAGE "ignore-gfp-wait", "N");
	inject_set(FAILPAGE "min-order", "0");
}

static void lowmem_run(struct run *r)
{
	struct low l = { .run = r, .at = map_anon(16 * PAGE), .netlink = -1 };
	uint64_t end = now_ms() + r->ms;
	unsigned int pass = 0;

	inject_all_kinds();
	l.nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (l.nth < 0)
		die("fail-nth: %s", strerror(errno));
	memset(l.at, 1, 16 * PAGE);
	probe_open(&l.p, r, 8);
	hooks_begin(r);
	do {
		sweep_all(&l, calls, pass);
		sweep_all(&l, more_calls, pass);
		pass++;
	} while (now_ms() < end && !failed(r));
	hooks_sample(r);
	close(l.nth);
	calls_end(&l);
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
	.slack_s = 180,
};
