// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* fork, copy on write, and who owns a region. */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mmevents/bench.h"

#define N 64

/* A child that does @what when told, and says what came out. */
struct child {
	pid_t pid;
	int sock;
};

static struct child child_start(unsigned int (*what)(void *), void *arg)
{
	struct child c;
	unsigned int result;
	int pair[2];
	char go;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		die("socketpair: %s", strerror(errno));
	c.pid = fork();
	if (c.pid < 0)
		die("fork: %s", strerror(errno));
	c.sock = pair[!c.pid];
	close(pair[!!c.pid]);
	if (c.pid)
		return c;
	while (sock_recv(c.sock, &go, 1, 60000) && go != 'q') {
		result = what(arg);
		sock_send(c.sock, &result, sizeof(result));
	}
	_exit(0);
}

static unsigned int child_ask(struct child *c)
{
	unsigned int result = -1;

	sock_send(c->sock, "g", 1);
	if (!sock_recv(c->sock, &result, sizeof(result), 20000))
		check(false, "the child does not answer");
	return result;
}

static void child_end(struct child *c)
{
	int status;

	/* Younger children may hold the socket open. */
	sock_send(c->sock, "q", 1);
	close(c->sock);
	if (waitpid(c->pid, &status, 0) != c->pid || status)
		check(false, "the child ended with %#x", status);
}

static unsigned int count_wrong_1(void *base)
{
	return stamps_wrong(base, N, 1);
}

static unsigned int write_version_7(void *base)
{
	cpu_stamp(base, N, 7);
	return 0;
}

static unsigned int count_wrong_7(void *base)
{
	return stamps_wrong(base, N, 7);
}

static unsigned int count_not_zero(void *base)
{
	return !all_zero(base, N * PAGE);
}

static void fork_parent(void)
{
	uint8_t *p = map_anon(N * PAGE);
	struct ibv_mr *mr = reg_odp(p, N * PAGE);
	struct child c;
	struct watch w;
	int round;

	for (round = 0; round < 4; round++) {
		peer_stamp(mr, p, 0, N, 1);
		watch_start(&w);
		c = child_start(count_wrong_1, p);
		if (round == 1) /* the CPU breaks half of the sharing first */
			cpu_stamp(p, N / 2, 5);
		peer_stamp(mr, p, 0, N, 2);
		check(!child_ask(&c), "the child sees the parent's data");
		check(!stamps_wrong(p, N, 2), "the parent lacks its own data");
		watch_faults(&w, N);
		watch_invalidations(&w, N);
		if (round == 2) /* the pages are the parent's alone again */
			child_end(&c);
		peer_stamp(mr, p, 0, N, 3);
		check(!stamps_wrong(p, N, 3), "the parent lacks its own data");
		if (round != 2) {
			check(!child_ask(&c), "the child saw a later write");
			child_end(&c);
		}
	}
	munmap(p, N * PAGE);
	dereg(mr);
}

static void fork_child_writes(void)
{
	uint8_t *p = map_anon(N * PAGE);
	struct ibv_mr *mr = reg_odp(p, N * PAGE);
	struct child c;
	struct watch w;

	watch_start(&w);
	peer_stamp(mr, p, 0, N, 1);
	c = child_start(write_version_7, p);
	child_ask(&c);
	check(!peer_read(mr, p, N * PAGE) && !stamps_wrong(bench.pbuf, N, 1),
	      "the child's writes reached the parent");
	peer_stamp(mr, p, 0, N, 2);
	check(!stamps_wrong(p, N, 2), "the parent lacks its own data");
	child_end(&c);
	watch_faults(&w, 2 * N);
	watch_invalidations(&w, N);
	munmap(p, N * PAGE);
	dereg(mr);
}

/* The child keeps what it wrote, whatever the device does to the parent. */
static void fork_both_write(void)
{
	uint8_t *p = map_anon(N * PAGE);
	struct ibv_mr *mr = reg_odp(p, N * PAGE);
	struct child c, d;
	struct watch w;

	peer_stamp(mr, p, 0, N, 7);
	watch_start(&w);
	c = child_start(count_wrong_7, p);
	d = child_start(count_wrong_7, p);
	peer_stamp(mr, p, 0, N, 2);
	check(!child_ask(&c) && !child_ask(&d), "a child saw the parent");
	child_end(&c);
	peer_stamp(mr, p, 0, N, 3);
	check(!child_ask(&d), "the second child saw the parent");
	child_end(&d);
	check(!stamps_wrong(p, N, 3), "the parent lacks its own data");
	watch_faults(&w, N);
	watch_invalidations(&w, N);
	munmap(p, N * PAGE);
	dereg(mr);
}

static void fork_read_only(void)
{
	uint8_t *p = map_anon(N * PAGE);
	struct ibv_mr *mr = reg_odp(p, N * PAGE);
	struct child c;
	struct watch w;

	cpu_stamp(p, N, 1);
	c = child_start(count_wrong_1, p);
	watch_start(&w);
	/* The device knows the shared pages for reading only ... */
	check(!peer_read(mr, p, N * PAGE) && !stamps_wrong(bench.pbuf, N, 1),
	      "READ");
	/* ... and must not write to them. */
	peer_stamp(mr, p, 0, N, 2);
	check(!child_ask(&c), "the device wrote to a shared page");
	check(!stamps_wrong(p, N, 2), "the parent lacks its own data");
	child_end(&c);
	watch_faults(&w, 2 * N);
	watch_invalidations(&w, N);
	munmap(p, N * PAGE);
	dereg(mr);
}

/* Each child checks that its snapshot holds whole pages that do not change. */
static unsigned int snapshot_torn(void *base)
{
	int64_t before[8], after;
	unsigned int i, torn = 0;

	for (i = 0; i < 8; i++)
		before[i] = stamp_version((uint8_t *)base + i * PAGE, i);
	sleep_ms(5);
	for (i = 0; i < 8; i++) {
		after = stamp_version((uint8_t *)base + i * PAGE, i);
		torn += before[i] < 0 || after != before[i];
	}
	return torn;
}

#define FORKS 20

static void fork_under_stream(void)
{
	uint8_t *p = map_anon(8 * PAGE);
	struct ibv_mr *mr = reg_odp(p, 8 * PAGE);
	struct stream s = { .read_back = true };
	unsigned int i, torn = 0;
	struct child c;
	struct watch w;

	watch_start(&w);
	stream_start(&s, mr, p, 8);
	stream_wait(&s, 16);
	for (i = 0; i < FORKS; i++) { /* a debug kernel forks slowly */
		c = child_start(snapshot_torn, p);
		torn += child_ask(&c);
		child_end(&c);
		stream_wait(&s, 4);
	}
	stream_stop(&s);
	check(!torn, "%u pages of snapshots torn or changed", torn);
	check(!s.errors && !s.torn, "%u errors, %u read back wrong", s.errors,
	      s.torn);
	check(!stream_lost(&s), "%u pages lost", stream_lost(&s));
	watch_faults(&w, FORKS);
	watch_invalidations(&w, FORKS);
	munmap(p, 8 * PAGE);
	dereg(mr);
}

static void zero_page(void)
{
	uint8_t *p = map_anon(N * PAGE), *other = map_anon(N * PAGE);
	struct ibv_mr *mr = reg_odp(p, N * PAGE);
	struct child c = child_start(count_not_zero, other);
	struct watch w;

	watch_start(&w);
	check(!peer_read(mr, p, N * PAGE) && all_zero(bench.pbuf, N * PAGE),
	      "fresh memory is not zero");
	peer_stamp(mr, p, 0, N, 1);
	check(!stamps_wrong(p, N, 1), "the writes are lost");
	check(all_zero(other, N * PAGE) && !child_ask(&c),
	      "the shared zero page was written to");
	child_end(&c);
	watch_faults(&w, 2 * N);
	watch_invalidations(&w, N);
	munmap(p, N * PAGE);
	munmap(other, N * PAGE);
	dereg(mr);
}

/* A region's owner: opens, registers, leaves its descriptors to a child. */
static void owner_main(const char *dev, int sock)
{
	struct rd_qp_opts opts = {};
	struct rd_addr peer, mine;
	struct rd_dev d;
	struct rd_qp q;
	struct {
		uint64_t addr;
		uint32_t rkey;
	} where;
	void *p = map_anon(PAGE);
	char go;

	rd_open(&d, dev);
	rd_qp_create(&q, &d, &opts);
	mine = rd_qp_addr(&q);
	sock_send(sock, &mine, sizeof(mine));
	if (!sock_recv(sock, &peer, sizeof(peer), 20000))
		_exit(1);
	rd_connect(&q, &peer);
	where.addr = (uintptr_t)p;
	where.rkey = rd_reg(&d, p, PAGE, RD_ALL | IBV_ACCESS_ON_DEMAND)->rkey;
	sock_send(sock, &where, sizeof(where));
	if (!sock_recv(sock, &go, 1, 20000))
		_exit(1);
	if (fork())
		_exit(0);
	/* Lives until the other end of the socket closes. */
	sock_recv(sock, &go, 1, 20000);
	_exit(0);
}

static void owner_exits(void)
{
	struct {
		uint64_t addr;
		uint32_t rkey;
	} where;
	struct rd_addr mine, theirs;
	int pair[2], status;
	struct watch w;
	struct rd_qp q;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		die("socketpair: %s", strerror(errno));
	pid = fork();
	if (!pid) {
		close(pair[0]);
		owner_main(bench.dev.name, pair[1]);
	}
	close(pair[1]);
	rd_qp_create(&q, &bench.dev, NULL);
	mine = rd_qp_addr(&q);
	if (!sock_recv(pair[0], &theirs, sizeof(theirs), 20000))
		die("no owner");
	sock_send(pair[0], &mine, sizeof(mine));
	rd_connect(&q, &theirs);
	if (!sock_recv(pair[0], &where, sizeof(where), 20000))
		die("no owner");
	watch_start(&w);
	status = rd_write(&q, (uintptr_t)bench.pbuf, bench.pmr->lkey, 100,
			  where.addr, where.rkey, bench.limit_ms);
	check(!status, "WRITE while the owner lives: %s", rd_status(status));
	sock_send(pair[0], "x", 1);
	waitpid(pid, &status, 0);
	watch_faults(&w, 1);
	watch_invalidations(&w, 1);
	status = rd_write(&q, (uintptr_t)bench.pbuf, bench.pmr->lkey, 100,
			  where.addr, where.rkey, bench.limit_ms);
	check(status == IBV_WC_REM_ACCESS_ERR,
	      "WRITE after the owner, not its QP, has gone: %s",
	      rd_status(status));
	close(pair[0]);
	rd_qp_destroy(&q);
}

const struct test fork_tests[] = {
	{ "fork-parent", fork_parent, "the child keeps its snapshot" },
	{ "fork-child-first", fork_child_writes, "the parent keeps its data" },
	{ "fork-two-children", fork_both_write, "all three differ" },
	{ "fork-read-only", fork_read_only, "a WRITE unshares a shared page" },
	{ "fork-stream", fork_under_stream, "snapshots are whole" },
	{ "zero-page", zero_page, "a WRITE replaces it" },
	{ "owner-exits", owner_exits, "a region dies with its mm" },
	{}
};
