// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * responder DEVICE: what a responder answers when it is not ready (no receive
 * posted, a slow page fault) and when it never will be. Statuses on both
 * sides, states, asynchronous events and counters.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "verbs.h"

enum {
	WAIT = 30000, /* ms; a guest without KVM is slow */
	LEN = 64 << 10,
};

static struct rd_dev dev;
static struct rd_qp a, b; /* a asks, b answers */
static struct ibv_mr *local; /* pinned, LEN */

/* --- pairs and completions --- */

static void pair(const struct rd_qp_opts *opts)
{
	rd_pair(&a, &dev, &b, &dev, opts);
}

static void drain_events(int *types, int max)
{
	struct pollfd pfd = { .fd = dev.ctx->async_fd, .events = POLLIN };
	struct ibv_async_event event;
	int n = 0;

	memset(types, -1, max * sizeof(*types));
	while (poll(&pfd, 1, 50) == 1 &&
	       !ibv_get_async_event(dev.ctx, &event)) {
		if (n < max)
			types[n++] = event.event_type;
		ibv_ack_async_event(&event);
	}
}

static void unpair(void)
{
	int types[8];

	drain_events(types, ARRAY_SIZE(types));
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
}

static void *map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	return p;
}

static int recv_into(struct rd_qp *q, void *addr, uint32_t len, uint32_t lkey,
		     uint64_t id)
{
	struct ibv_sge sge = { (uintptr_t)addr, len, lkey };

	return rd_post_recv(q, &sge, 1, id);
}

static struct rd_op op_to(enum ibv_wr_opcode opcode, uint32_t len, void *raddr,
			  uint32_t rkey)
{
	return (struct rd_op){
		.opcode = opcode,
		.addr = (uintptr_t)local->addr,
		.len = len,
		.lkey = local->lkey,
		.raddr = (uintptr_t)raddr,
		.rkey = rkey,
	};
}

/* --- counters --- */

static const char *const names[] = {
	"duplicate_request",
	"out_of_seq_request",
	"sent_rnr_err",
	"sent_rnr_fault",
	"rnr_announced_drops",
	"req_timeouts",
	"sent_invalid_request_err",
	"sent_remote_access_err",
	"sent_remote_operation_err",
	"page_faults",
};
enum {
	DUP,
	OOS,
	RNR,
	RNR_FAULT,
	RNR_DROPS,
	TIMEOUTS,
	INV,
	ACC,
	OP,
	FAULTS
};
static uint64_t before[ARRAY_SIZE(names)];

static void note_counters(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		before[i] = counter(dev.name, names[i]);
}

static uint64_t moved(int i)
{
	return counter(dev.name, names[i]) - before[i];
}

static bool nothing_lost(void)
{
	return !moved(DUP) && !moved(OOS) && !moved(TIMEOUTS);
}

/* --- no receive posted --- */

static void test_rnr_exhausted(void)
{
	struct rd_qp_opts opts = { .rnr_retry = 1, .rnr_timer = 14 };
	struct rd_op op;
	int status;

	pair(&opts);
	note_counters();
	op = op_to(IBV_WR_SEND, 100, NULL, 0);
	status = rd_do(&a, &op, WAIT);
	tap_result(status == IBV_WC_RNR_RETRY_EXC_ERR && moved(RNR) == 2,
		   "no receive, rnr_retry 1: %s, %ju RNR NAKs",
		   rd_status(status), (uintmax_t)moved(RNR));
	unpair();
}

static void *post_late(void *arg)
{
	sleep_ms(100);
	for (int i = 0; i < 20; i++)
		recv_into(&b, arg, LEN, local->lkey, i);
	return NULL;
}

static void test_rnr_late(void)
{
	struct rd_qp_opts opts = { .rnr_timer = 14 };
	pthread_t thread;
	struct ibv_wc wc;
	struct rd_op op;
	bool order = true;

	pair(&opts);
	note_counters();
	pthread_create(&thread, NULL, post_late, local->addr);
	for (int i = 0; i < 20; i++) {
		op = op_to(i & 1 ? IBV_WR_RDMA_WRITE_WITH_IMM : IBV_WR_SEND,
			   3000, local->addr, local->rkey);
		op.imm = htobe32(i);
		if (rd_post(&a, &op))
			die("post");
	}
	for (int i = 0; i < 20; i++) {
		if (rd_wait(a.scq, &wc, WAIT) != IBV_WC_SUCCESS ||
		    rd_wait(b.rcq, &wc, WAIT) != IBV_WC_SUCCESS)
			order = false;
		if (wc.wr_id != (uint64_t)i || wc.byte_len != 3000 ||
		    wc.opcode !=
			    (i & 1 ? IBV_WC_RECV_RDMA_WITH_IMM : IBV_WC_RECV) ||
		    ((i & 1) && be32toh(wc.imm_data) != (uint32_t)i))
			order = false;
	}
	pthread_join(thread, NULL);
	tap_result(
		order && moved(RNR) && nothing_lost(),
		"receives posted late: in order, %ju RNR NAKs, %ju drops announced, %ju duplicates, %ju out of sequence",
		(uintmax_t)moved(RNR), (uintmax_t)moved(RNR_DROPS),
		(uintmax_t)moved(DUP), (uintmax_t)moved(OOS));
	unpair();
}

/* --- slow faults --- */

static struct handler {
	int fd;
	unsigned int delay;
	pthread_t thread;
	volatile bool stop;
	unsigned int served;
} handler;

static void *serve(void *arg)
{
	struct pollfd pfd = { .fd = handler.fd, .events = POLLIN };
	struct uffd_msg msg;
	void *page = map(PAGE);

	memset(page, 0x5a, PAGE);
	while (!handler.stop) {
		struct uffdio_copy copy = { .src = (uintptr_t)page,
					    .len = PAGE };

		if (poll(&pfd, 1, 20) != 1 ||
		    read(handler.fd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		sleep_ms(handler.delay);
		copy.dst = msg.arg.pagefault.address & ~(PAGE - 1);
		ioctl(handler.fd, UFFDIO_COPY, &copy);
		handler.served++;
	}
	return arg;
}

static void handler_start(void *addr, size_t len, unsigned int delay)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)addr, len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	handler = (struct handler){ .delay = delay };
	handler.fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (handler.fd < 0 || ioctl(handler.fd, UFFDIO_API, &api) ||
	    ioctl(handler.fd, UFFDIO_REGISTER, &reg))
		die("userfaultfd: %s", strerror(errno));
	pthread_create(&handler.thread, NULL, serve, NULL);
}

static void handler_stop(void)
{
	handler.stop = true;
	pthread_join(handler.thread, NULL);
	close(handler.fd);
}

static const struct kind {
	const char *name;
	enum ibv_wr_opcode opcode;
	uint32_t len;
} kinds[] = {
	{ "WRITE", IBV_WR_RDMA_WRITE, 3 * PAGE },
	{ "READ", IBV_WR_RDMA_READ, 3 * PAGE },
	{ "SEND", IBV_WR_SEND, 3 * PAGE },
	{ "FETCH_ADD", IBV_WR_ATOMIC_FETCH_AND_ADD, 8 },
	{ "CMP_SWP", IBV_WR_ATOMIC_CMP_AND_SWP, 8 },
};

/* One operation on memory that is served page by page, each after @delay. */
static void test_slow_fault(const struct kind *kind, unsigned int delay,
			    unsigned int rnr_retry, int expect)
{
	struct rd_qp_opts opts = { .rnr_retry = rnr_retry,
				   .timeout = 18,
				   .rnr_timer = 14 };
	uint8_t *far = map(LEN);
	struct ibv_mr *mr =
		rd_reg(&dev, far, LEN, RD_ALL | IBV_ACCESS_ON_DEMAND);
	struct rd_op op = op_to(kind->opcode, kind->len, far, mr->rkey);
	uint64_t old = 0x5a5a5a5a5a5a5a5a;
	uint8_t *near = local->addr;
	bool good = true;
	int status;

	fill(near, LEN, delay);
	pair(&opts);
	if (kind->opcode == IBV_WR_SEND)
		recv_into(&b, far, LEN, mr->lkey, 1);
	op.compare_add = old;
	op.swap = 7;
	handler_start(far, LEN, delay);
	note_counters();
	status = rd_do(&a, &op, WAIT);
	handler_stop();
	if (expect == IBV_WC_SUCCESS) {
		good = moved(RNR_FAULT) && moved(RNR) == moved(RNR_FAULT);
		if (kind->len == 8)
			good &= !memcmp(near, &old, 8) &&
				*(uint64_t *)far ==
					(kind->opcode == IBV_WR_ATOMIC_CMP_AND_SWP ?
						 7 :
						 2 * old);
		else
			good &= !memcmp(near, far, kind->len);
	}
	tap_result(
		status == expect && good && nothing_lost(),
		"%s over faults of %u ms, rnr_retry %u: %s, %ju RNR NAKs, %u pages served, %ju duplicates, %ju out of sequence, %ju time-outs",
		kind->name, delay, rnr_retry, rd_status(status),
		(uintmax_t)moved(RNR_FAULT), handler.served,
		(uintmax_t)moved(DUP), (uintmax_t)moved(OOS),
		(uintmax_t)moved(TIMEOUTS));
	unpair();
	ibv_dereg_mr(mr);
	munmap(far, LEN);
}

/* A stream behind a slow fault, and another QP that must not notice. */
static void test_stream(void)
{
	struct rd_qp_opts opts = { .timeout = 18, .rnr_timer = 14 };
	uint8_t *far = map(LEN), *warm = map(LEN);
	struct ibv_mr *mr =
		rd_reg(&dev, far, LEN, RD_ALL | IBV_ACCESS_ON_DEMAND);
	struct ibv_mr *warm_mr = rd_reg(&dev, warm, LEN, RD_ALL);
	uint64_t start, worst = 0, n = 0;
	struct rd_qp c, d;
	struct ibv_wc wc;
	bool good = true;

	pair(&opts);
	rd_pair(&c, &dev, &d, &dev, &opts);
	handler_start(far, LEN, 500);
	note_counters();
	for (int i = 0; i < 48; i++) {
		struct rd_op op = op_to(
			i % 3 == 2 ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE, 1500,
			i ? warm : far, i ? warm_mr->rkey : mr->rkey);
		op.id = i;
		if (rd_post(&a, &op))
			die("post");
	}
	start = now_ms();
	for (;;) {
		uint64_t t = now_ms();
		struct rd_op op =
			op_to(IBV_WR_RDMA_WRITE, 64, warm, warm_mr->rkey);

		good &= rd_do(&c, &op, WAIT) == IBV_WC_SUCCESS;
		t = now_ms() - t;
		worst = t > worst ? t : worst;
		n++;
		if (now_ms() - start > 400)
			break;
	}
	for (int i = 0; i < 48; i++)
		good &= rd_wait(a.scq, &wc, WAIT) == IBV_WC_SUCCESS &&
			wc.wr_id == (uint64_t)i;
	handler_stop();
	tap_result(
		good && nothing_lost() && moved(RNR_FAULT) && worst < 1500,
		"48 requests behind a fault: %ju RNR NAKs, %ju drops announced, %ju duplicates, %ju out of sequence; the other QP did %ju WRITEs, %ju ms at worst",
		(uintmax_t)moved(RNR_FAULT), (uintmax_t)moved(RNR_DROPS),
		(uintmax_t)moved(DUP), (uintmax_t)moved(OOS), (uintmax_t)n,
		(uintmax_t)worst);
	unpair();
	rd_qp_destroy(&c);
	rd_qp_destroy(&d);
	ibv_dereg_mr(mr);
	ibv_dereg_mr(warm_mr);
	munmap(far, LEN);
	munmap(warm, LEN);
}

/* --- faults and requests that can never succeed --- */

static bool has_event(const int *types, int n, int type)
{
	for (int i = 0; i < n; i++)
		if (types[i] == type)
			return true;
	return false;
}

static void test_hole(const struct kind *kind)
{
	bool send = kind->opcode == IBV_WR_SEND;
	uint8_t *far = map(LEN);
	struct ibv_mr *mr =
		rd_reg(&dev, far, LEN, RD_ALL | IBV_ACCESS_ON_DEMAND);
	struct rd_op op = op_to(kind->opcode, kind->len, far, mr->rkey);
	struct ibv_wc wc = { 0 };
	int status, recv = -1, types[8];
	bool event;

	pair(NULL);
	munmap(far + PAGE, PAGE);
	if (kind->len == 8)
		op.raddr += PAGE;
	if (send)
		recv_into(&b, far, LEN, mr->lkey, 1);
	note_counters();
	status = rd_do(&a, &op, WAIT);
	if (send)
		recv = rd_wait(b.rcq, &wc, WAIT);
	drain_events(types, ARRAY_SIZE(types));
	event = has_event(types, ARRAY_SIZE(types), IBV_EVENT_QP_ACCESS_ERR);
	tap_result(status == (send ? IBV_WC_REM_OP_ERR :
				     IBV_WC_REM_ACCESS_ERR) &&
			   (!send || recv == IBV_WC_LOC_PROT_ERR) &&
			   event == !send && moved(send ? OP : ACC) == 1 &&
			   rd_state(&a) == IBV_QPS_ERR &&
			   rd_state(&b) == IBV_QPS_ERR,
		   "%s over a hole: %s, receiver %s, event %d", kind->name,
		   rd_status(status), send ? rd_status(recv) : "-", event);
	unpair();
	ibv_dereg_mr(mr);
	munmap(far, LEN);
}

/* Refused as an invalid request; the receiver's completion, if any. */
static void test_invalid(const char *name, struct rd_op op,
			 const struct rd_qp_opts *opts, uint32_t recv_len,
			 int recv_status)
{
	int status, recv = -1;
	struct ibv_wc wc;

	pair(opts);
	if (recv_len)
		recv_into(&b, local->addr, recv_len, local->lkey, 1);
	note_counters();
	status = rd_do(&a, &op, WAIT);
	if (recv_len)
		recv = rd_wait(b.rcq, &wc, WAIT);
	tap_result(status == IBV_WC_REM_INV_REQ_ERR && moved(INV) == 1 &&
			   (!recv_len || recv == recv_status) &&
			   rd_state(&b) == IBV_QPS_ERR,
		   "%s: %s, receiver %s", name, rd_status(status),
		   recv_len ? rd_status(recv) : "-");
	unpair();
}

static void test_refusals(void)
{
	struct rd_op op = op_to(IBV_WR_SEND, 5000, NULL, 0);

	test_invalid("SEND longer than the receive", op, NULL, 4999,
		     IBV_WC_LOC_LEN_ERR);
	op = op_to(IBV_WR_SEND, 5000, NULL, 0);
	op.flags = IBV_SEND_SOLICITED;
	test_invalid("SEND longer than a receive of one packet", op, NULL, 100,
		     IBV_WC_LOC_LEN_ERR);
}

static void test_empty(void)
{
	struct rd_op op;
	int w, r;

	pair(NULL);
	op = op_to(IBV_WR_RDMA_WRITE, 0, (void *)1, 0xdead);
	w = rd_do(&a, &op, WAIT);
	op = op_to(IBV_WR_RDMA_READ, 0, (void *)1, 0xdead);
	r = rd_do(&a, &op, WAIT);
	tap_result(w == IBV_WC_SUCCESS && r == IBV_WC_SUCCESS,
		   "empty WRITE and READ need no key: %s, %s", rd_status(w),
		   rd_status(r));
	unpair();
}

static void test_flush(void)
{
	struct ibv_wc wc;
	bool good = true;
	int i;

	pair(NULL);
	for (i = 0; i < 10; i++)
		recv_into(&b, local->addr, 100, local->lkey, i);
	rd_to_state(&b, IBV_QPS_ERR);
	for (i = 10; i < 20; i++)
		recv_into(&b, local->addr, 100, local->lkey, i);
	for (i = 0; i < 20; i++)
		good &= rd_wait(b.rcq, &wc, WAIT) == IBV_WC_WR_FLUSH_ERR &&
			wc.wr_id == (uint64_t)i;
	sleep_ms(300);
	recv_into(&b, local->addr, 100, local->lkey, 77);
	good &= rd_wait(b.rcq, &wc, WAIT) == IBV_WC_WR_FLUSH_ERR &&
		wc.wr_id == 77;
	tap_result(good, "receives before and after the error are flushed");
	/* And the way back. */
	rd_to_state(&b, IBV_QPS_RESET);
	tap_result(rd_state(&b) == IBV_QPS_RESET &&
			   rd_wait(b.rcq, &wc, 200) == -1,
		   "reset leads out of it");
	unpair();
}

int main(int argc, char **argv)
{
	if (argc != 2)
		die("usage: %s DEVICE", argv[0]);
	rd_open(&dev, argv[1]);
	fcntl(dev.ctx->async_fd, F_SETFL, O_NONBLOCK);
	local = rd_reg(&dev, map(LEN), LEN, RD_ALL);

	test_rnr_exhausted();
	test_rnr_late();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		test_slow_fault(&kinds[i], 100, 7, IBV_WC_SUCCESS);
	test_slow_fault(&kinds[0], 3000, 7, IBV_WC_SUCCESS);
	test_slow_fault(&kinds[1], 1000, 1, IBV_WC_RNR_RETRY_EXC_ERR);
	test_stream();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		test_hole(&kinds[i]);
	test_refusals();
	test_empty();
	test_flush();

	ibv_dereg_mr(local);
	rd_close(&dev);
	return tap_done();
}
