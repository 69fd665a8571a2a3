// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Those who inherit a region's descriptor, by fork or over a socket. */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "owner.h"
#include "passfd.h"
#include "uffdover.h"

#define PAGES 16

/* Everything that the parent made, and its child has by fork. */
struct estate {
	struct owner *o;
	struct rd_dev dev;
	struct rd_qp a, b;
	uint8_t *target, *buf;
	struct ibv_mr *mr, *buf_mr;
};

static void make_estate(struct estate *s, struct owner *o)
{
	s->o = o;
	owner_open(o, &s->dev);
	rd_pair(&s->a, &s->dev, &s->b, &s->dev, NULL);
	s->target = map_anon(PAGES * PAGE);
	s->buf = map_anon(PAGES * PAGE);
	memset(s->target, 1, (PAGES - 1) * PAGE);
	memset(s->buf, 2, PAGES * PAGE);
	s->mr = rd_reg(&s->dev, s->target, PAGES * PAGE,
		       RD_ALL | IBV_ACCESS_ON_DEMAND);
	s->buf_mr = rd_reg(&s->dev, s->buf, PAGES * PAGE, RD_ALL);
	o->base = s->target;
	o->lkey = s->mr->lkey;
	o->pd = s->dev.pd->handle;
}

static int estate_write(struct estate *s, unsigned int page)
{
	struct run *r = s->o->run;
	uint64_t start = now_ms();
	int status;

	status = rd_write(&s->a, (uintptr_t)s->buf + page * PAGE,
			  s->buf_mr->lkey, PAGE,
			  (uintptr_t)s->target + page * PAGE, s->mr->rkey,
			  10 * r->limit_ms);
	note_time(r, now_ms() - start, "an heir's WRITE");
	note_ops(r, OP_WRITE, 1);
	return status;
}

/* Whose memory the region is about, as seen by who has the descriptor. */
static int heir_prefetch(struct estate *s)
{
	note_ops(s->o->run, OP_PREFETCH, 1);
	return rd_prefetch(&s->dev, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			   IBV_ADVISE_MR_FLAG_FLUSH, (uintptr_t)s->target, PAGE,
			   s->mr->lkey);
}

/* A fault on its way out keeps the memory for a moment longer than its owner. */
static void until_gone(struct estate *s)
{
	struct run *r = s->o->run;
	uint64_t end = now_ms() + r->limit_ms;

	while (!heir_prefetch(s)) {
		if (now_ms() > end) {
			fail(r, "a prefetch of memory that is gone succeeds");
			return;
		}
		sleep_ms(1);
	}
}

/*
 * The child has the QPs; what was posted happens in its parent's memory, or
 * not at all when that is gone. The kernel lets nobody else ring the doorbell
 * (write() wants the credentials that opened the device), but completions and
 * ioctls are for whoever has them.
 */
static void heir_main(struct estate *s, pid_t parent)
{
	struct run *r = s->o->run;
	uint64_t start;
	int status;

	if (heir_prefetch(s))
		fail(r, "an heir's prefetch while its parent lives failed");
	atomic_store(&s->o->stage, OWNER_THERE);
	while (getppid() == parent)
		sleep_ms(1);
	/*
	 * The parent's last WRITE is still in its fault, which ends when the
	 * userfaultfd is closed: before the memory goes, because the fault has
	 * it. Then the WRITE may be carried out, and nobody will ever see it.
	 */
	start = now_ms();
	status = rd_wait(s->a.scq, NULL, 4 * r->limit_ms);
	note_time(r, now_ms() - start, "the last WRITE of who is gone");
	if (status < 0)
		fail(r, "the last WRITE of who is gone never ended");
	until_gone(s);
	if (s->target[3 * PAGE] != 1 || s->target[PAGE] != 1)
		fail(r, "an heir's memory was written to");
	atomic_store(&s->o->stage, OWNER_KNOWS);
	_exit(0);
}

/* Into a page that nobody will ever supply. */
static void post_last(struct estate *s)
{
	struct rd_op op = {
		.opcode = IBV_WR_RDMA_WRITE,
		.addr = (uintptr_t)s->buf,
		.len = PAGE,
		.lkey = s->buf_mr->lkey,
		.raddr = (uintptr_t)s->target + (PAGES - 1) * PAGE,
		.rkey = s->mr->rkey,
	};
	int err = rd_post(&s->a, &op);

	if (err)
		die("post_send: %s", strerror(err));
	note_ops(s->o->run, OP_WRITE, 1);
	sleep_ms(20);
}

static void parent_main(struct owner *o)
{
	static struct estate s;
	pid_t self = getpid(), child;
	int uffd;

	make_estate(&s, o);
	uffd = uffd_over(s.target + (PAGES - 1) * PAGE, PAGE);
	child = fork();
	if (!child) {
		/* Or the fault would have reason to wait on. */
		close(uffd);
		heir_main(&s, self);
	}
	if (child < 0)
		_exit(2);
	owner_stage_wait(o, OWNER_THERE);
	if (estate_write(&s, 3) || s.target[3 * PAGE] != 2)
		fail(o->run, "a WRITE while a child has the device failed");
	post_last(&s);
	_exit(0);
}

static void heirs_run(struct run *r)
{
	struct owner *o = owner_alloc(r);
	uint64_t end = now_ms() + r->ms;
	pid_t pid;

	do {
		atomic_store(&o->stage, 0);
		pid = fork();
		if (!pid)
			parent_main(o);
		if (pid < 0) {
			fail(r, "fork: %s", strerror(errno));
			return;
		}
		reap(r, pid, 0, "a parent whose child has its device");
		if (!failed(r))
			owner_stage_wait(o, OWNER_KNOWS);
		note_events(r, 1);
	} while (now_ms() < end && !failed(r));
}

SCENARIO(heirs) = {
	.name = "heirs",
	.rows = "16",
	.what = "a child has the QPs, its parent goes first: a clean error",
	.missing = uffd_missing,
	.run = heirs_run,
	.hooks = RELEASE,
	.flags = SC_NO_DEVICE | SC_OWN_TRAFFIC,
};

/* --- by a socket -------------------------------------------------- */

static void giver_main(struct owner *o, int sock)
{
	static struct estate s;

	make_estate(&s, o);
	if (estate_write(&s, 3) || s.target[3 * PAGE] != 2)
		fail(o->run, "a WRITE before all failed");
	pass_fd(sock, s.dev.ctx->cmd_fd);
	owner_stage_wait(o, OWNER_KNOWS);
	_exit(0);
}

/* Who got the descriptor, and has no more than that. */
static int stranger_prefetch(struct owner *o, int fd)
{
	struct ibv_context ctx = { .cmd_fd = fd };
	struct ibv_pd pd = { .context = &ctx, .handle = o->pd };
	struct rd_dev dev = { .ctx = &ctx, .pd = &pd };

	return rd_prefetch(&dev, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			   IBV_ADVISE_MR_FLAG_FLUSH, (uintptr_t)o->base, PAGE,
			   o->lkey);
}

static void one_gift(struct owner *o)
{
	struct run *r = o->run;
	int sock[2], fd, err;
	uint64_t end;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sock))
		die("socketpair: %s", strerror(errno));
	atomic_store(&o->stage, 0);
	pid = fork();
	if (!pid)
		giver_main(o, sock[1]);
	fd = take_fd(sock[0]);
	err = stranger_prefetch(o, fd);
	if (err)
		fail(r, "a prefetch by who got the descriptor: %s",
		     strerror(err));
	note_ops(r, OP_PREFETCH, 2);
	atomic_store(&o->stage, OWNER_KNOWS);
	reap(r, pid, 0, "who gave its device away");
	end = now_ms() + r->limit_ms;
	while (!stranger_prefetch(o, fd)) {
		if (now_ms() > end) {
			fail(r, "a prefetch of memory that is gone succeeds");
			break;
		}
		sleep_ms(1);
	}
	close(fd);
	close(sock[0]);
	close(sock[1]);
	note_events(r, 1);
}

static void gifts_run(struct run *r)
{
	struct owner *o = owner_alloc(r);
	uint64_t end = now_ms() + r->ms;

	do {
		one_gift(o);
	} while (now_ms() < end && !failed(r));
}

SCENARIO(gifts) = {
	.name = "fd-passed",
	.rows = "16",
	.what = "the descriptor outlives the owner, in another process",
	.run = gifts_run,
	.hooks = RELEASE,
	.flags = SC_NO_DEVICE | SC_OWN_TRAFFIC,
};
