// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Owners that go, each in its own way, while their peer reads and writes. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "owner.h"
#include "passfd.h"
#include "uffdover.h"

/* How an owner ends: in its process, when it is told to go; NULL: waits. */
struct ending {
	const char *name;
	void (*end)(struct owner *o);
	int sig; /* that it ends by; the peer sends it if there is no .end */
	bool held; /* a fault is held by a userfaultfd that nobody serves */
	bool stays; /* the process goes on without its memory */
};

static void *idle(void *arg)
{
	volatile uint64_t *word = arg;

	/* A thread that works in the memory that goes. */
	for (;;)
		(*word)++;
	return NULL;
}

static void by_exit(struct owner *o)
{
	(void)o;
	_exit(0);
}

static void by_exec(struct owner *o)
{
	(void)o;
	/* All its threads go, its memory goes, and it is still there. */
	execl("/bin/sleep", "sleep", "1", (char *)NULL);
	_exit(3);
}

static void by_core_dump(struct owner *o)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	(void)o;
	setrlimit(RLIMIT_CORE, &all);
	if (chdir("/run"))
		_exit(4);
	abort();
}

static void owner_main(struct owner *o, const struct ending *e)
{
	struct rd_dev dev;
	pthread_t thread;
	uint8_t *base;

	owner_open(o, &dev);
	base = map_anon(OWNER_PAGES * PAGE);
	memset(base, 1, OWNER_PAGES / 2 * PAGE);
	if (e->held)
		uffd_over(base + OWNER_PAGES / 2 * PAGE,
			  OWNER_PAGES / 2 * PAGE);
	owner_meet(o, &dev, base, NULL);
	for (int i = 0; i < 3; i++)
		if (pthread_create(&thread, NULL, idle, base + i * PAGE))
			_exit(5);
	owner_wait_go(o, 1);
	if (e->end)
		e->end(o);
	for (;;)
		pause();
}

static uint64_t faults_begun(struct run *r)
{
	return counter(r->dev_name, "page_faults");
}

static void one_end(struct owner *o, const struct ending *e, struct rng *g)
{
	struct run *r = o->run;
	struct assault a;
	char core[40];
	uint64_t before, limit;
	pid_t pid = fork();

	if (!pid)
		owner_main(o, e);
	if (pid < 0) {
		fail(r, "fork: %s", strerror(errno));
		return;
	}
	assault_open(&a, o);
	if (e->held)
		a.first = OWNER_PAGES / 2;
	a.n = OWNER_PAGES / 2;
	before = faults_begun(r);
	assault_start(&a);
	/* In the middle of it: some accesses later, or in its one fault. */
	limit = now_ms() + 2000 * r->slow;
	while (now_ms() < limit &&
	       (e->held ? faults_begun(r) == before : !atomic_load(&a.done)))
		sleep_ms(1);
	usleep(below(g, 30000));
	atomic_store(&o->go, 1);
	if (!e->end)
		kill(pid, e->sig);
	if (!e->stays)
		reap(r, pid, e->sig, e->name);
	assault_must_end(&a, e->name);
	if (e->stays)
		reap(r, pid, e->sig, e->name);
	snprintf(core, sizeof(core), "/run/core");
	unlink(core);
	snprintf(core, sizeof(core), "/run/core.%d", pid);
	unlink(core);
	note_events(r, 1);
}

static void ends_run(struct run *r, const struct ending *e, unsigned int n)
{
	struct owner *o = owner_alloc(r);
	struct rng g = { r->seed };
	uint64_t end = now_ms() + r->ms;
	unsigned int i;

	/* What the first one needs is not given back: caches. */
	rd_open(&r->dev, r->dev_name);
	one_end(o, &e[0], &g);
	rd_close(&r->dev);
	o->before = bytes_available();
	for (i = 0; (i < n || now_ms() < end) && !failed(r); i++) {
		rd_open(&r->dev, r->dev_name);
		one_end(o, &e[i % n], &g);
		if (!failed(r))
			rd_close(&r->dev);
	}
	if (!failed(r))
		check_available(o);
}

static void exit_run(struct run *r)
{
	static const struct ending ends[] = {
		{ .name = "exit", .end = by_exit },
		{ .name = "SIGKILL", .sig = SIGKILL },
		{ .name = "exec", .end = by_exec, .stays = true },
		{ .name = "core dump", .end = by_core_dump, .sig = SIGABRT },
	};

	ends_run(r, ends, ARRAY_SIZE(ends));
}

SCENARIO(owner_ends) = {
	.name = "owner-ends",
	.rows = "17",
	.what = "exit, kill, exec, core dump in the middle of WRITEs: an error",
	.run = exit_run,
	.hooks = RELEASE,
	.flags = SC_NO_DEVICE | SC_OWN_TRAFFIC,
};

static void held_run(struct run *r)
{
	static const struct ending ends[] = {
		{ .name = "SIGKILL in a fault", .sig = SIGKILL, .held = true },
		{ .name = "exit in a fault", .end = by_exit, .held = true },
	};

	ends_run(r, ends, ARRAY_SIZE(ends));
}

SCENARIO(owner_held) = {
	.name = "owner-ends-in-fault",
	.rows = "17,34",
	.what = "the owner goes while a fault waits for ever: quickly",
	.missing = uffd_missing,
	.run = held_run,
	.hooks = RELEASE,
	.flags = SC_NO_DEVICE | SC_OWN_TRAFFIC,
};

/* --- out of memory ------------------------------------------------ */

#define GROUP	  "/sys/fs/cgroup/sodp-oom"
#define GROUP_MAX (24 << 20)

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static const char *no_group(void)
{
	const char *lacks = uffd_missing();
	char text[20];

	if (lacks)
		return lacks;
	put("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		return "no control groups";
	snprintf(text, sizeof(text), "%d", GROUP_MAX);
	if (!put(GROUP "/memory.max", text))
		return "no memory controller";
	put(GROUP "/memory.swap.max", "0");
	return NULL;
}

static unsigned int kills(void)
{
	unsigned int n = 0;
	char line[80];
	FILE *f = fopen(GROUP "/memory.events", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "oom_kill %u", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

static void oom_owner(struct owner *o, int sock)
{
	struct rd_dev dev;
	uint8_t *base, *more;

	owner_open(o, &dev);
	if (!put(GROUP "/cgroup.procs", "0"))
		die("cgroup.procs: %s", strerror(errno));
	base = map_anon(OWNER_PAGES * PAGE);
	memset(base, 1, OWNER_PAGES / 2 * PAGE);
	/* Elsewhere, too: closing it with the owner would end the fault. */
	pass_fd(sock, uffd_over(base + OWNER_PAGES / 2 * PAGE,
				OWNER_PAGES / 2 * PAGE));
	owner_meet(o, &dev, base, NULL);
	owner_wait_go(o, 1);
	more = map_anon(4 * GROUP_MAX);
	for (size_t i = 0; i < 4UL * GROUP_MAX; i += PAGE)
		more[i] = 1;
	_exit(6);
}

/* From pages that are there to those that never come; what worked till then. */
static uint64_t into_the_hole(struct assault *a)
{
	struct run *r = a->o->run;
	uint64_t end = now_ms() + 2 * r->limit_ms, done;

	while (!atomic_load(&a->done) && now_ms() < end)
		sleep_ms(1);
	atomic_store(&a->first, OWNER_PAGES / 2);
	do {
		done = atomic_load(&a->done);
		sleep_ms(200 * r->slow);
	} while (atomic_load(&a->done) != done && now_ms() < end);
	return done;
}

static void one_oom(struct owner *o)
{
	unsigned int before = kills();
	struct run *r = o->run;
	struct assault a;
	uint64_t done;
	int sock[2], fd;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sock))
		die("socketpair: %s", strerror(errno));
	pid = fork();
	if (!pid)
		oom_owner(o, sock[1]);
	close(sock[1]);
	fd = take_fd(sock[0]);
	assault_open(&a, o);
	a.n = OWNER_PAGES / 2;
	assault_start(&a);
	done = into_the_hole(&a);
	atomic_store(&o->go, 1);
	reap(r, pid, SIGKILL, "OOM kill");
	if (kills() == before)
		fail(r, "it was killed, but not by the OOM killer");
	/*
	 * The fault still holds the memory, and the memory the rings and with
	 * them the QPs: the reaper's turn, after two seconds.
	 */
	sleep_ms(2500);
	if (atomic_load(&a.done) != done)
		fail(r, "an access of a page that never came succeeded");
	close(fd);
	assault_must_end(&a, "OOM kill");
	close(sock[0]);
	note_events(r, 1);
}

static void oom_run(struct run *r)
{
	struct owner *o = owner_alloc(r);
	uint64_t end = now_ms() + r->ms;

	r->limit_ms += 4000; /* the reaper comes after two seconds */
	o->before = bytes_available();
	do {
		rd_open(&r->dev, r->dev_name);
		one_oom(o);
		if (!failed(r))
			rd_close(&r->dev);
	} while (now_ms() < end && !failed(r));
	if (!failed(r))
		check_available(o);
	rmdir(GROUP);
}

SCENARIO(owner_oom) = {
	.name = "owner-oom",
	.rows = "18",
	.what = "the OOM killer takes an owner in a fault that never ends",
	.missing = no_group,
	.run = oom_run,
	.hooks = RELEASE | NONBLOCK,
	.flags = SC_NO_DEVICE | SC_OWN_TRAFFIC,
	.slack_s = 60,
};
