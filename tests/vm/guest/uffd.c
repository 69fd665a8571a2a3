// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Page faults that take long, or for ever, because a userfaultfd handler does.
 *
 *   uffd --dev D [--faults N] [--qps N] [--case NAME]...
 *
 *   slow       N faults under traffic, three of them 3 s long: no error, no
 *              time-out, nobody else is held up
 *   poster     the memory of the one who posts is slow
 *   rnr-limit  with rnr_retry = 1 a slow fault ends in an error, as it must
 *   dead       N QPs fault on memory that nobody will ever supply: others
 *              keep their rate, and kill -9 is quick
 *   users      one user has as many such faults as he may (uffd/users.c)
 */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "uffd/uffd.h"

#define WINDOW	8
#define WAIT_MS 60000
#define SLOW_MS 3000

static struct rd_dev dev;
static unsigned int num_faults = 10000, num_qps = 600;

static struct {
	uint64_t duplicates, out_of_seq, announced, timeouts, rnr, faults;
} before;

static uint64_t since(const char *name, uint64_t then)
{
	return counter(dev.name, name) - then;
}

static void counters_before(void)
{
	before.duplicates = counter(dev.name, "duplicate_request");
	before.out_of_seq = counter(dev.name, "out_of_seq_request");
	before.announced = counter(dev.name, "rnr_announced_drops");
	before.timeouts = counter(dev.name, "req_timeouts");
	before.rnr = counter(dev.name, "sent_rnr_fault");
	before.faults = counter(dev.name, "page_faults");
}

static void judge_counters(const char *what, uint64_t faults, bool rnr)
{
	uint64_t dup = since("duplicate_request", before.duplicates);
	uint64_t out = since("out_of_seq_request", before.out_of_seq);
	uint64_t sent = since("sent_rnr_fault", before.rnr);
	uint64_t seen = since("page_faults", before.faults);
	uint64_t timeouts = since("req_timeouts", before.timeouts);

	if (!counter_exists(dev.name, "sent_rnr_fault"))
		return;
	tap_note(
		"%s: %llu faults, %llu RNR NAKs, %llu packets dropped as announced",
		what, (unsigned long long)seen, (unsigned long long)sent,
		(unsigned long long)since("rnr_announced_drops",
					  before.announced));
	tap_result(
		!dup && !out,
		"%s: %llu duplicates and %llu out of sequence not announced by an RNR NAK",
		what, (unsigned long long)dup, (unsigned long long)out);
	tap_result(!timeouts, "%s: %llu time-outs", what,
		   (unsigned long long)timeouts);
	tap_result(seen >= faults, "%s: %llu faults, at least %llu expected",
		   what, (unsigned long long)seen, (unsigned long long)faults);
	if (rnr)
		tap_result(sent, "%s: slow faults were answered RNR", what);
}

/* --- slow
 * ---------------------------------------------------------------------- */

enum {
	DO_WRITE,
	DO_READ,
	DO_SEND,
	DO_ADD,
	DO_KINDS
};

struct slow {
	struct handler h;
	struct rd_qp peer, owner;
	struct ibv_mr *mr, *buf_mr;
	uint8_t *buf; /* a page for each outstanding operation */
	unsigned int wrong;
};

static void slow_post(struct slow *s, unsigned int n)
{
	static const enum ibv_wr_opcode opcodes[DO_KINDS] = {
		IBV_WR_RDMA_WRITE,
		IBV_WR_RDMA_READ,
		IBV_WR_SEND,
		IBV_WR_ATOMIC_FETCH_AND_ADD,
	};
	uint8_t *page = s->buf + n % WINDOW * PAGE;
	uint8_t *target = s->h.base + n * PAGE;
	struct ibv_sge sge = { (uintptr_t)target, PAGE, s->mr->lkey };
	struct rd_op op = {
		.opcode = opcodes[n % DO_KINDS],
		.id = n,
		.addr = (uintptr_t)page,
		.len = n % DO_KINDS == DO_ADD ? 8 : PAGE,
		.lkey = s->buf_mr->lkey,
		.raddr = (uintptr_t)target,
		.rkey = s->mr->rkey,
		.compare_add = 1ULL << 32,
	};
	int err;

	stamp(page, n, 2);
	if (n % DO_KINDS == DO_SEND && rd_post_recv(&s->owner, &sge, 1, n))
		die("post_recv: %s", strerror(errno));
	err = rd_post(&s->peer, &op);
	if (err)
		die("post_send: %s", strerror(err));
}

static void slow_done(struct slow *s, unsigned int n)
{
	const uint8_t *page = s->buf + n % WINDOW * PAGE;
	const uint8_t *target = s->h.base + n * PAGE;
	uint32_t head[2];
	struct ibv_wc wc;

	switch (n % DO_KINDS) {
	case DO_SEND:
		if (rd_wait(s->owner.rcq, &wc, WAIT_MS) || wc.wr_id != n)
			die("receive %u: %s", n, ibv_wc_status_str(wc.status));
		/* fall through */
	case DO_WRITE:
		s->wrong += stamp_version(target, n) != 2;
		break;
	case DO_READ:
		s->wrong += stamp_version(page, n) != 1;
		break;
	case DO_ADD:
		memcpy(head, page, 8);
		s->wrong += head[0] != n || head[1] != 1;
		memcpy(head, target, 8);
		s->wrong += head[0] != n || head[1] != 2;
		break;
	}
}

static void slow_run(struct slow *s, unsigned int n)
{
	unsigned int posted = 0, done = 0;
	struct ibv_wc wc = {};
	int status;

	while (done < n) {
		while (posted < n && posted - done < WINDOW)
			slow_post(s, posted++);
		status = rd_wait(s->peer.scq, &wc, WAIT_MS);
		if (status || wc.wr_id != done) {
			tap_result(false, "slow: operation %u: %s", done,
				   rd_status(status));
			return;
		}
		slow_done(s, done++);
	}
}

/* Watches that the others move while the handler sleeps. */
struct others {
	struct slow *slow;
	struct rate *rate;
	volatile bool stop;
	unsigned int windows, still, least;
};

static void *watch_others(void *arg)
{
	struct others *o = arg;
	unsigned int from, n;

	o->least = -1;
	while (!o->stop) {
		from = __atomic_load_n(&o->rate->done, __ATOMIC_RELAXED);
		if (!o->slow->h.sleeping) {
			sleep_ms(20);
			continue;
		}
		sleep_ms(500);
		n = __atomic_load_n(&o->rate->done, __ATOMIC_RELAXED) - from;
		if (!o->slow->h.sleeping)
			continue;
		o->windows++;
		o->still += !n;
		if (n < o->least)
			o->least = n;
	}
	return NULL;
}

static void test_slow(void)
{
	const struct rd_qp_opts opts = { .timeout = 18, .rnr_timer = 12 };
	struct slow s = {
		.h = { .slow_every = num_faults / 3 + 1, .slow_ms = SLOW_MS },
	};
	struct rate rate;
	struct others o = { .slow = &s, .rate = &rate };
	unsigned int alone;
	pthread_t thread;

	if (!handler_start(&s.h, num_faults, false)) {
		tap_skip("slow", "no userfaultfd");
		return;
	}
	rd_pair(&s.peer, &dev, &s.owner, &dev, &opts);
	s.mr = rd_reg(&dev, s.h.base, num_faults * PAGE,
		      RD_ALL | IBV_ACCESS_ON_DEMAND);
	s.buf = mmap(NULL, WINDOW * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	s.buf_mr = rd_reg(&dev, s.buf, WINDOW * PAGE, RD_ALL);
	rate_start(&rate, &dev);
	alone = rate_measure(&rate, 500);
	counters_before();
	pthread_create(&thread, NULL, watch_others, &o);
	slow_run(&s, num_faults);
	o.stop = true;
	pthread_join(thread, NULL);
	judge_counters("slow", num_faults, true);
	tap_result(!s.wrong, "slow: %u of %u operations wrong", s.wrong,
		   num_faults);
	tap_result(s.h.slept >= 3, "slow: the handler slept %u times",
		   s.h.slept);
	tap_note(
		"unrelated QP: %u writes in 0.5 s alone, at least %u while the handler slept (%u windows)",
		alone, o.least, o.windows);
	tap_result(o.windows && !o.still && !rate.errors &&
			   o.least >= alone / 8,
		   "slow: an unrelated QP keeps moving");
	rate_stop(&rate);
	rd_qp_destroy(&s.peer);
	rd_qp_destroy(&s.owner);
	ibv_dereg_mr(s.mr);
	ibv_dereg_mr(s.buf_mr);
	handler_stop(&s.h);
}

/* --- poster
 * -------------------------------------------------------------------- */

static void test_poster(void)
{
	const struct rd_qp_opts opts = { .timeout = 14 };
	struct handler h = { .slow_every = 3, .slow_ms = SLOW_MS };
	struct ibv_mr *slow_mr, *mr;
	struct rd_qp a, b;
	uint64_t start;
	uint8_t *buf;
	int status;

	if (!handler_start(&h, 6, false)) {
		tap_skip("poster", "no userfaultfd");
		return;
	}
	rd_pair(&a, &dev, &b, &dev, &opts);
	slow_mr = rd_reg(&dev, h.base, 6 * PAGE, RD_ALL | IBV_ACCESS_ON_DEMAND);
	buf = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mr = rd_reg(&dev, buf, 3 * PAGE, RD_ALL);
	counters_before();
	start = now_ms();
	status = rd_write(&a, (uintptr_t)h.base, slow_mr->lkey, 3 * PAGE,
			  (uintptr_t)buf, mr->rkey, WAIT_MS);
	tap_result(!status && !stamps_wrong(buf, 3, 1) &&
			   now_ms() - start >= SLOW_MS,
		   "poster: WRITE out of slow memory: %s, %llu ms",
		   rd_status(status), (unsigned long long)(now_ms() - start));
	stamp(buf, 3, 5);
	stamp(buf + PAGE, 4, 5);
	stamp(buf + 2 * PAGE, 5, 5);
	start = now_ms();
	status = rd_read(&a, (uintptr_t)h.base + 3 * PAGE, slow_mr->lkey,
			 3 * PAGE, (uintptr_t)buf, mr->rkey, WAIT_MS);
	tap_result(!status && stamp_version(h.base + 3 * PAGE, 3) == 5 &&
			   stamp_version(h.base + 5 * PAGE, 5) == 5 &&
			   now_ms() - start >= SLOW_MS,
		   "poster: READ into slow memory: %s, %llu ms",
		   rd_status(status), (unsigned long long)(now_ms() - start));
	judge_counters("poster", 2, false);
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
	ibv_dereg_mr(slow_mr);
	ibv_dereg_mr(mr);
	handler_stop(&h);
}

/* --- rnr-limit
 * ------------------------------------------------------------------- */

static void test_rnr_limit(void)
{
	const struct rd_qp_opts opts = { .timeout = 18,
					 .rnr_retry = 1,
					 .rnr_timer = 12 };
	struct handler h = { .slow_every = 1, .slow_ms = SLOW_MS };
	struct ibv_mr *slow_mr, *mr;
	struct rd_qp a, b;
	uint64_t start;
	uint8_t *buf;
	int status;

	if (!handler_start(&h, 1, false)) {
		tap_skip("rnr-limit", "no userfaultfd");
		return;
	}
	rd_pair(&a, &dev, &b, &dev, &opts);
	slow_mr = rd_reg(&dev, h.base, PAGE, RD_ALL | IBV_ACCESS_ON_DEMAND);
	buf = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mr = rd_reg(&dev, buf, PAGE, RD_ALL);
	start = now_ms();
	status = rd_write(&a, (uintptr_t)buf, mr->lkey, PAGE, (uintptr_t)h.base,
			  slow_mr->rkey, WAIT_MS);
	tap_result(status == IBV_WC_RNR_RETRY_EXC_ERR,
		   "rnr-limit: %s after %llu ms", rd_status(status),
		   (unsigned long long)(now_ms() - start));
	tap_result(rd_state(&a) == IBV_QPS_ERR, "rnr-limit: state %d",
		   rd_state(&a));
	/* None of them may wait for the fault. */
	start = now_ms();
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
	ibv_dereg_mr(slow_mr);
	ibv_dereg_mr(mr);
	tap_result(now_ms() - start < SLOW_MS / 2,
		   "rnr-limit: destroyed in %llu ms, the fault still pending",
		   (unsigned long long)(now_ms() - start));
	handler_stop(&h);
}

/* --- dead
 * ------------------------------------------------------------------------ */

/* Never returns: many QPs whose peers fault on memory that never comes. */
static void dead_process(const char *name, int sock)
{
	const struct rd_qp_opts opts = {
		.timeout = 18, .rnr_timer = 12, .sq = 4, .rq = 4, .cqe = 8
	};
	struct rd_qp *a = calloc(num_qps, sizeof(*a));
	struct rd_qp *b = calloc(num_qps, sizeof(*b));
	struct handler h = {};
	struct ibv_mr *mr, *slow_mr;
	struct rd_dev d;
	unsigned int i;
	uint8_t *buf;

	rd_open(&d, name);
	if (!handler_start(&h, num_qps, true))
		die("no userfaultfd");
	slow_mr = rd_reg(&d, h.base, num_qps * PAGE,
			 RD_ALL | IBV_ACCESS_ON_DEMAND);
	buf = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mr = rd_reg(&d, buf, PAGE, RD_ALL);
	for (i = 0; i < num_qps; i++)
		rd_pair(&a[i], &d, &b[i], &d, &opts);
	for (i = 0; i < num_qps; i++) {
		struct rd_op op = {
			.opcode = IBV_WR_RDMA_WRITE,
			.addr = (uintptr_t)buf,
			.len = PAGE,
			.lkey = mr->lkey,
			.raddr = (uintptr_t)h.base + i * PAGE,
			.rkey = slow_mr->rkey,
		};

		if (rd_post(&a[i], &op))
			die("post_send");
	}
	sock_send(sock, "r", 1);
	for (;;)
		sleep_ms(1000);
}

static void test_dead(void)
{
	unsigned int alone, with, after;
	struct rate rate;
	uint64_t start;
	int pair[2];
	pid_t pid;
	char c;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		die("socketpair: %s", strerror(errno));
	/* A process of its own, in an mm of its own. */
	pid = fork();
	if (!pid) {
		close(pair[0]);
		if (!sock_recv(pair[1], &c, 1, WAIT_MS))
			_exit(2);
		dead_process(dev.name, pair[1]);
	}
	close(pair[1]);
	rate_start(&rate, &dev);
	alone = rate_measure(&rate, 1000);
	counters_before();
	sock_send(pair[0], "g", 1);
	if (!sock_recv(pair[0], &c, 1, 2 * WAIT_MS)) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		tap_result(false, "dead: %u QPs were not set up", num_qps);
		rate_stop(&rate);
		return;
	}
	sleep_ms(1000);
	rate.worst_ms = 0;
	with = rate_measure(&rate, 1000);
	tap_note(
		"dead: %u writes/s alone, %u/s beside %u dead QPs, slowest %llu ms",
		alone, with, num_qps, (unsigned long long)rate.worst_ms);
	tap_result(with >= alone / 2, "dead: another process keeps its rate");
	tap_result(since("page_faults", before.faults) > 0,
		   "dead: %llu faults, %llu RNR NAKs",
		   (unsigned long long)since("page_faults", before.faults),
		   (unsigned long long)since("sent_rnr_fault", before.rnr));
	start = now_ms();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	tap_result(now_ms() - start < 5000, "dead: kill -9 took %llu ms",
		   (unsigned long long)(now_ms() - start));
	after = rate_measure(&rate, 1000);
	tap_result(after >= alone / 2 && !rate.errors,
		   "dead: %u writes/s afterwards", after);
	rate_stop(&rate);
	close(pair[0]);
}

static void test_users(void)
{
	users_test(&dev);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "rnr-limit", test_rnr_limit }, { "poster", test_poster },
	{ "slow", test_slow },		 { "dead", test_dead },
	{ "users", test_users },
};

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dev", required_argument, NULL, 'd' },
		{ "faults", required_argument, NULL, 'f' },
		{ "qps", required_argument, NULL, 'q' },
		{ "case", required_argument, NULL, 'c' },
		{}
	};
	const char *name = NULL, *only = NULL;
	unsigned int i;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'd')
			name = optarg;
		else if (c == 'f')
			num_faults = atoi(optarg);
		else if (c == 'q')
			num_qps = atoi(optarg);
		else if (c == 'c')
			only = optarg;
		else
			return 2;
	}
	if (!name)
		die("usage: uffd --dev DEVICE [--faults N] [--qps N] [--case NAME]");
	rd_open(&dev, name);
	if (!dev.odp) {
		tap_skip("uffd", "the device has no on-demand paging");
		return tap_done();
	}
	for (i = 0; i < ARRAY_SIZE(tests); i++)
		if (!only || !strcmp(only, tests[i].name))
			tests[i].run();
	rd_close(&dev);
	return tap_done();
}
