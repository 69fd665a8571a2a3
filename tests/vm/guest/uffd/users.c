// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Faults of one user that nobody answers: as many as he may have at work, in
 * several processes. The next one of his waits in line, that of another user
 * does not, and when one of the processes is gone the line moves.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "uffd/uffd.h"

enum {
	PER_MM =
		16, /* RUNNING_PER_MM, RUNNING_PER_USER of driver/mem/fault.c */
	PER_USER = 64,
	DEAD = PER_USER / PER_MM, /* processes */
	COLD = 64, /* pages of a round */
	BLOCKER = 65534, /* users */
	OTHER = 65533,
	SET_UP_MS = 60000,
	STUCK_MS = 1500,
};

struct member {
	pid_t pid;
	int sock;
};

static const char *device;

/* What comes back after each "g". */
struct report {
	int status; /* the first that is not 0 */
	uint32_t ms;
};

static void become(uid_t uid)
{
	if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		die("user %u: %s", uid, strerror(errno));
	/* Changing users has cleared it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static uint8_t *map(unsigned int pages)
{
	uint8_t *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
	return p;
}

/* PER_MM faults that stay. Root's userfaultfd: it sees the kernel's faults. */
static void dead_member(int sock, uid_t uid)
{
	struct rd_qp a[PER_MM], b[PER_MM];
	struct handler h = {};
	struct ibv_mr *mr, *never;
	struct rd_dev d;
	uint8_t *buf;
	int i;

	if (!handler_start(&h, PER_MM, true))
		die("no userfaultfd");
	become(uid);
	rd_open(&d, device);
	never = rd_reg(&d, h.base, PER_MM * PAGE,
		       RD_ALL | IBV_ACCESS_ON_DEMAND);
	buf = map(1);
	mr = rd_reg(&d, buf, PAGE, RD_ALL);
	for (i = 0; i < PER_MM; i++)
		rd_pair(&a[i], &d, &b[i], &d, NULL);
	for (i = 0; i < PER_MM; i++) {
		struct rd_op op = {
			.opcode = IBV_WR_RDMA_WRITE,
			.addr = (uintptr_t)buf,
			.len = 8,
			.lkey = mr->lkey,
			.raddr = (uintptr_t)h.base + i * PAGE,
			.rkey = never->rkey,
		};

		if (rd_post(&a[i], &op))
			die("post_send");
	}
	sock_send(sock, "r", 1);
	for (;;)
		pause();
}

/* COLD faults that end at once, if they are let. */
static struct report cold_round(struct rd_qp *a, const struct ibv_mr *mr,
				const struct ibv_mr *cold)
{
	struct report report = {};
	uint64_t start = now_ms();
	uint8_t *at = cold->addr;
	int i;

	madvise(at, COLD * PAGE, MADV_DONTNEED);
	for (i = 0; i < COLD && !report.status; i++)
		report.status = rd_write(a, (uintptr_t)mr->addr, mr->lkey, 8,
					 (uintptr_t)at + i * PAGE, cold->rkey,
					 SET_UP_MS);
	report.ms = now_ms() - start;
	return report;
}

static void cold_member(int sock, uid_t uid)
{
	struct ibv_mr *mr, *cold;
	struct report report;
	struct rd_qp a, b;
	struct rd_dev d;
	char c;

	become(uid);
	rd_open(&d, device);
	rd_pair(&a, &d, &b, &d, NULL);
	mr = rd_reg(&d, map(1), PAGE, RD_ALL);
	cold = rd_reg(&d, map(COLD), COLD * PAGE,
		      RD_ALL | IBV_ACCESS_ON_DEMAND);
	sock_send(sock, "r", 1);
	while (sock_recv(sock, &c, 1, 10 * SET_UP_MS)) {
		report = cold_round(&a, mr, cold);
		sock_send(sock, &report, sizeof(report));
	}
	_exit(0);
}

static struct member join(void (*fn)(int sock, uid_t uid), uid_t uid)
{
	struct member m;
	int pair[2];
	char c;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		die("socketpair: %s", strerror(errno));
	m.pid = fork();
	if (!m.pid) {
		close(pair[0]);
		fn(pair[1], uid);
		_exit(0);
	}
	close(pair[1]);
	m.sock = pair[0];
	if (m.pid < 0 || !sock_recv(m.sock, &c, 1, SET_UP_MS))
		die("a process of user %u did not get ready", uid);
	return m;
}

static void leave(struct member *m)
{
	kill(m->pid, SIGKILL);
	waitpid(m->pid, NULL, 0);
	close(m->sock);
	m->pid = 0;
}

static bool go(const struct member *m, struct report *report)
{
	sock_send(m->sock, "g", 1);
	return sock_recv(m->sock, report, sizeof(*report), SET_UP_MS);
}

/* The best of some rounds; 0 after an error. */
static unsigned int best_ms(const struct member *m)
{
	unsigned int i, best = -1;
	struct report report;

	for (i = 0; i < 5; i++) {
		if (!go(m, &report) || report.status)
			return 0;
		if (report.ms < best)
			best = report.ms;
	}
	return best ?: 1;
}

static uint64_t delayed(void)
{
	return counter(device, "page_faults_delayed");
}

/* False if they do not come. */
static bool faults_reach(uint64_t n)
{
	uint64_t end = now_ms() + SET_UP_MS;

	while (counter(device, "page_faults") < n)
		if (now_ms() > end)
			return false;
		else
			sleep_ms(20);
	sleep_ms(300);
	return true;
}

static void judge_others(const struct member *other, unsigned int alone,
			 uint64_t before)
{
	unsigned int beside = best_ms(other);

	tap_note("users: %d faults of another user: %u ms alone, %u ms beside "
		 "%d that nobody answers",
		 COLD, alone, beside, PER_USER);
	tap_result(alone && beside && beside <= 4 * alone + 50,
		   "users: another user's faults keep their rate");
	tap_result(delayed() == before,
		   "users: none of another user's faults waits in line");
}

/* Of the user who has as many as he may. */
static void judge_next(struct member *next, struct member *dead)
{
	uint64_t before = delayed();
	struct report report;
	bool silent;

	sock_send(next->sock, "g", 1);
	silent = !sock_recv(next->sock, &report, sizeof(report), STUCK_MS);
	tap_result(silent, "users: the fault after %d waits", PER_USER);
	tap_result(delayed() > before,
		   "users: page_faults_delayed says so: %llu more",
		   (unsigned long long)(delayed() - before));
	if (!silent)
		return;
	leave(dead);
	tap_result(sock_recv(next->sock, &report, sizeof(report), SET_UP_MS) &&
			   !report.status,
		   "users: it goes on when a process of that user has gone");
}

void users_test(struct rd_dev *dev)
{
	struct member other, next, dead[DEAD];
	uint64_t before, faults;
	unsigned int alone;
	int i;

	device = dev->name;
	if (!counter_exists(device, "page_faults_delayed") || getuid()) {
		tap_skip("users", "not softodp, or not root");
		return;
	}
	other = join(cold_member, OTHER);
	next = join(cold_member, BLOCKER);
	alone = best_ms(&other);
	before = delayed();
	faults = counter(device, "page_faults");
	for (i = 0; i < DEAD; i++)
		dead[i] = join(dead_member, BLOCKER);
	tap_result(faults_reach(faults + PER_USER) && delayed() == before,
		   "users: %d faults of %d processes of one user, none waits "
		   "in line: %llu",
		   PER_USER, DEAD, (unsigned long long)(delayed() - before));
	judge_others(&other, alone, before);
	judge_next(&next, &dead[0]);
	for (i = 0; i < DEAD; i++)
		if (dead[i].pid)
			leave(&dead[i]);
	leave(&next);
	leave(&other);
}
