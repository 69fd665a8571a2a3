// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * advise DEVICE: prefetch by libsoftodp and by the ioctl itself. Each advice,
 * with FLUSH and without: which pages it makes ready and for what, by the
 * region's counters; errors; lists; a prefetch that never ends, and those who
 * must not wait for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

#include <softodp/softodp.h>

#include "case.h"
#include "prefetch.h"
#include "verbs.h"

enum {
	PAGES = 64,
	TOUCHED = 24, /* of them, by the CPU, before anything else */
	LISTED = 1000, /* ranges */
	WAIT_MS = 20000,
	FLUSH = IBV_ADVISE_MR_FLAG_FLUSH,
};

#define READ	 IBV_ADVISE_MR_ADVICE_PREFETCH
#define WRITE	 IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE
#define NO_FAULT IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT

#define LEN ((size_t)PAGES * PAGE)

static struct rd_dev dev;
static struct rd_qp peer, owner;
static uint8_t *buf; /* the peer's, LEN */
static struct ibv_mr *buf_mr;
static unsigned int slow = 1;

static int by_library(struct ibv_pd *pd, int advice, uint32_t flags,
		      struct ibv_sge *list, uint32_t n)
{
	return softodp_prefetch(pd, advice, flags, list, n);
}

static int by_ioctl(struct ibv_pd *pd, int advice, uint32_t flags,
		    struct ibv_sge *list, uint32_t n)
{
	return rd_advise(pd, advice, flags, list, n);
}

static const struct way {
	const char *name;
	int (*advise)(struct ibv_pd *pd, int advice, uint32_t flags,
		      struct ibv_sge *list, uint32_t n);
} ways[] = {
	{ "library", by_library },
	{ "ioctl", by_ioctl },
};

static uint8_t *map(size_t len, int protection)
{
	uint8_t *at =
		mmap(NULL, len, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED || madvise(at, len, MADV_NOHUGEPAGE))
		die("mmap: %s", strerror(errno));
	return at;
}

static struct softodp_mr_stats stats_of(struct ibv_mr *mr)
{
	struct softodp_mr_stats s;

	if (softodp_query_mr_stats(mr, &s))
		die("statistics: %s", strerror(errno));
	return s;
}

/* --- what it makes ready -------------------------------------------------- */

struct target {
	uint8_t *at;
	struct ibv_mr *mr;
};

static struct target new_target(int access)
{
	struct target t = { .at = map(LEN, PROT_READ | PROT_WRITE) };

	memset(t.at, 1, TOUCHED * PAGE);
	t.mr = rd_reg(&dev, t.at, LEN, access | IBV_ACCESS_ON_DEMAND);
	return t;
}

static void end_target(struct target *t)
{
	ibv_dereg_mr(t->mr);
	munmap(t->at, LEN);
}

/* In the background it comes when it comes, and no more than it should. */
static bool comes_to(struct ibv_mr *mr, uint64_t pages, bool wait)
{
	uint64_t end = now_ms() + (wait ? WAIT_MS * slow : 0);

	while (stats_of(mr).resident_pages < pages && now_ms() < end)
		sleep_ms(5);
	if (wait)
		sleep_ms(50);
	return stats_of(mr).resident_pages == pages;
}

/* Faults of a transfer of all of it, either way. */
static uint64_t faults_of(struct target *t, bool write)
{
	uint64_t before = stats_of(t->mr).page_faults;
	int status = write ? rd_write(&peer, (uintptr_t)buf, buf_mr->lkey, LEN,
				      (uintptr_t)t->at, t->mr->rkey, WAIT_MS) :
			     rd_read(&peer, (uintptr_t)buf, buf_mr->lkey, LEN,
				     (uintptr_t)t->at, t->mr->rkey, WAIT_MS);

	if (status)
		die("%s: %s", write ? "WRITE" : "READ", rd_status(status));
	return stats_of(t->mr).page_faults - before;
}

static void one_effect(const struct way *w, int advice, uint32_t flags)
{
	const uint64_t ready = advice == NO_FAULT ? TOUCHED : PAGES;
	struct target t = new_target(RD_ALL);
	struct ibv_sge sge = { (uintptr_t)t.at, LEN, t.mr->lkey };
	struct softodp_mr_stats s;
	uint64_t reads, writes;
	int err = w->advise(dev.pd, advice, flags, &sge, 1);

	check(!err, "%s: advice %d, flags %#x: %s", w->name, advice, flags,
	      strerror(err));
	check(comes_to(t.mr, ready, !(flags & FLUSH)),
	      "%s: advice %d, flags %#x: %llu pages, not %llu", w->name, advice,
	      flags, (unsigned long long)stats_of(t.mr).resident_pages,
	      (unsigned long long)ready);
	s = stats_of(t.mr);
	check(s.page_prefetch == PAGES && !s.page_faults &&
		      s.page_faults_handled == ready,
	      "%s: advice %d, flags %#x: prefetch %llu, faults %llu, pages in %llu",
	      w->name, advice, flags, (unsigned long long)s.page_prefetch,
	      (unsigned long long)s.page_faults,
	      (unsigned long long)s.page_faults_handled);
	reads = faults_of(&t, false);
	writes = faults_of(&t, true);
	check(!reads == (advice != NO_FAULT) && !writes == (advice == WRITE),
	      "%s: advice %d, flags %#x: then %llu faults of a READ, %llu of a WRITE",
	      w->name, advice, flags, (unsigned long long)reads,
	      (unsigned long long)writes);
	end_target(&t);
}

static void effects(void)
{
	static const int advices[] = { READ, WRITE, NO_FAULT };

	for (size_t w = 0; w < ARRAY_SIZE(ways); w++)
		for (size_t a = 0; a < ARRAY_SIZE(advices); a++) {
			one_effect(&ways[w], advices[a], FLUSH);
			one_effect(&ways[w], advices[a], 0);
		}
}

/* A region that nobody may write, of memory that nobody may write. */
static void read_only(void)
{
	struct ibv_sge sge = { .length = LEN };
	struct ibv_mr *mr;
	uint8_t *at;

	for (size_t w = 0; w < ARRAY_SIZE(ways); w++) {
		at = map(LEN, PROT_READ);
		mr = rd_reg(&dev, at, LEN,
			    IBV_ACCESS_REMOTE_READ | IBV_ACCESS_ON_DEMAND);
		sge.addr = (uintptr_t)at;
		sge.lkey = mr->lkey;
		check(ways[w].advise(dev.pd, WRITE, FLUSH, &sge, 1) == EPERM,
		      "%s: for writing", ways[w].name);
		check(!stats_of(mr).resident_pages, "%s: refused, and done",
		      ways[w].name);
		check(!ways[w].advise(dev.pd, NO_FAULT, FLUSH, &sge, 1) &&
			      !stats_of(mr).resident_pages,
		      "%s: of nothing", ways[w].name);
		check(!ways[w].advise(dev.pd, READ, FLUSH, &sge, 1) &&
			      stats_of(mr).resident_pages == PAGES,
		      "%s: for reading", ways[w].name);
		ibv_dereg_mr(mr);
		munmap(at, LEN);
	}
}

/* Every other page of a long list, of two regions in turn. */
static void many_ranges(void)
{
	static struct ibv_sge list[LISTED];
	const size_t len = 2UL * LISTED * PAGE;

	for (size_t w = 0; w < ARRAY_SIZE(ways); w++) {
		uint8_t *at = map(len, PROT_READ | PROT_WRITE);
		struct softodp_residency r = { .size = sizeof(r) };
		static uint8_t pages[2 * LISTED];
		struct ibv_mr *mr[2];
		unsigned int wrong = 0;

		for (int i = 0; i < 2; i++)
			mr[i] = rd_reg(&dev, at + i * len / 2, len / 2,
				       RD_ALL | IBV_ACCESS_ON_DEMAND);
		for (int i = 0; i < LISTED; i++) {
			list[i].addr =
				(uintptr_t)mr[i % 2]->addr + i / 2 * 2 * PAGE;
			list[i].length = PAGE;
			list[i].lkey = mr[i % 2]->lkey;
		}
		check(!ways[w].advise(dev.pd, WRITE, FLUSH, list, LISTED),
		      "%s: a list", ways[w].name);
		for (int i = 0; i < 2; i++) {
			check(!softodp_query_residency(mr[i], mr[i]->addr,
						       len / 2, pages, &r) &&
				      r.device == LISTED / 2,
			      "%s: %llu pages", ways[w].name,
			      (unsigned long long)r.device);
			for (int k = 0; k < LISTED; k++)
				wrong += !(pages[k] & SOFTODP_PAGE_DEVICE) ==
					 !(k % 2);
			ibv_dereg_mr(mr[i]);
		}
		check(!wrong, "%s: %u pages are not as listed", ways[w].name,
		      wrong);
		munmap(at, len);
	}
}

/* --- what it refuses ------------------------------------------------------ */

static struct {
	struct ibv_pd *pd; /* another one */
	struct target good;
	struct ibv_mr *pinned, *foreign, *no_write, *protected, *hole;
	uint32_t gone;
} x;

static void set_up_errors(void)
{
	const int odp = RD_ALL | IBV_ACCESS_ON_DEMAND;
	uint8_t *at = map(3 * PAGE, PROT_READ | PROT_WRITE);
	struct ibv_mr *mr;

	x.pd = ibv_alloc_pd(dev.ctx);
	if (!x.pd)
		die("a protection domain: %s", strerror(errno));
	x.good = new_target(RD_ALL);
	x.pinned = rd_reg(&dev, buf, PAGE, RD_ALL);
	x.foreign = ibv_reg_mr(x.pd, x.good.at, LEN, odp);
	x.no_write = rd_reg(&dev, x.good.at, LEN,
			    IBV_ACCESS_REMOTE_READ | IBV_ACCESS_ON_DEMAND);
	x.protected = rd_reg(&dev, map(LEN, PROT_READ), LEN, odp);
	x.hole = rd_reg(&dev, at, 3 * PAGE, odp);
	mr = rd_reg(&dev, x.good.at, LEN, odp);
	x.gone = mr->lkey;
	if (!x.foreign || ibv_dereg_mr(mr) || munmap(at + PAGE, PAGE))
		die("set-up: %s", strerror(errno));
}

static void end_errors(void)
{
	ibv_dereg_mr(x.pinned);
	ibv_dereg_mr(x.foreign);
	ibv_dereg_mr(x.no_write);
	ibv_dereg_mr(x.protected);
	ibv_dereg_mr(x.hole);
	end_target(&x.good);
	ibv_dealloc_pd(x.pd);
}

/* What can be seen @before is seen before anything of a list is done. */
static void refused(const struct way *w, const char *what, int wanted,
		    bool before, int advice, uint32_t flags, uint64_t at,
		    size_t len, uint32_t lkey)
{
	struct ibv_sge list[3] = {
		{ (uintptr_t)x.good.at, PAGE, x.good.mr->lkey },
		{ at, len, lkey },
		{ (uintptr_t)x.good.at, PAGE, x.good.mr->lkey },
	};
	uint64_t asked = stats_of(x.good.mr).page_prefetch;
	int one = w->advise(dev.pd, advice, flags, list + 1, 1);
	int all = w->advise(dev.pd, advice, flags, list, 3);

	check(one == wanted, "%s: %s: %s", w->name, what, strerror(one));
	check(all == wanted, "%s: %s, in a list: %s", w->name, what,
	      strerror(all));
	check(!before || stats_of(x.good.mr).page_prefetch == asked,
	      "%s: %s, in a list: others were prefetched", w->name, what);
}

/*
 * The manual has EPERM for what is outside of the caller's scope; whose key it
 * is is told to nobody here, so another domain's is one that does not exist.
 */
static void errors_of(const struct way *w)
{
	const uint64_t at = (uintptr_t)x.good.at, end = at + LEN;
	const uint64_t protected = (uintptr_t)x.protected->addr;
	const uint64_t hole = (uintptr_t)x.hole->addr;
	const uint32_t key = x.good.mr->lkey;
	struct ibv_sge sge = { at, PAGE, key };

	refused(w, "pinned", EINVAL, true, READ, FLUSH, (uintptr_t)buf, PAGE,
		x.pinned->lkey);
	refused(w, "no such key", ENOENT, true, READ, FLUSH, at, PAGE,
		key ^ 0x5a5a00);
	refused(w, "deregistered", ENOENT, true, READ, FLUSH, at, PAGE, x.gone);
	refused(w, "another domain's", ENOENT, true, READ, FLUSH, at, PAGE,
		x.foreign->lkey);
	refused(w, "begins before", EFAULT, true, READ, FLUSH, at - 1, PAGE,
		key);
	refused(w, "ends behind", EFAULT, true, READ, FLUSH, at + 1, LEN, key);
	refused(w, "is behind", EFAULT, true, READ, 0, end, 1, key);
	refused(w, "wraps", EFAULT, true, READ, FLUSH, -8ULL, 16, key);
	refused(w, "no right", EPERM, true, WRITE, 0, at, PAGE,
		x.no_write->lkey);
	refused(w, "unknown advice", EOPNOTSUPP, true, 77, FLUSH, at, PAGE,
		key);
	refused(w, "unknown flag", EINVAL, true, READ, 1 << 9, at, PAGE, key);
	refused(w, "not mapped", EFAULT, false, READ, FLUSH, hole, 3 * PAGE,
		x.hole->lkey);
	refused(w, "may not be written", EFAULT, false, WRITE, FLUSH, protected,
		PAGE, x.protected->lkey);
	check(w->advise(dev.pd, READ, FLUSH, &sge, 0) == EINVAL, "%s: no range",
	      w->name);
	sge = (struct ibv_sge){ hole, 3 * PAGE, x.hole->lkey };
	check(!w->advise(dev.pd, READ, 0, &sge, 1),
	      "%s: not mapped, in the background", w->name);
}

static void errors(void)
{
	set_up_errors();
	for (size_t w = 0; w < ARRAY_SIZE(ways); w++)
		errors_of(&ways[w]);
	end_errors();
}

/* --- one that never ends -------------------------------------------------- */

/* Memory that nobody will ever supply. Until the descriptor is closed. */
static int never(const uint8_t *at)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)at, LEN },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &range))
		die("userfaultfd: %s", strerror(errno));
	return fd;
}

struct waiter {
	struct ibv_mr *mr;
	_Atomic int result; /* -1: none yet */
};

static void *wait_for_it(void *arg)
{
	struct waiter *w = arg;

	w->result = softodp_prefetch_range(w->mr, (uintptr_t)w->mr->addr, LEN,
					   SOFTODP_PREFETCH_WRITE |
						   SOFTODP_PREFETCH_WAIT);
	return NULL;
}

static struct softodp_prefetch_job *start_job(struct ibv_mr *mr)
{
	const struct ibv_sge sge = { (uintptr_t)mr->addr, LEN, mr->lkey };

	return softodp_prefetch_start(mr->pd, WRITE, &sge, 1);
}

static void check_soon(uint64_t since, const char *what)
{
	uint64_t took = now_ms() - since;

	check(took < 1000 * slow, "%s took %llu ms", what,
	      (unsigned long long)took);
}

/* Three are stuck: in a call, in a job, in the background. The region goes. */
static void dereg_of_stuck(void)
{
	uint8_t *at = map(LEN, PROT_READ | PROT_WRITE);
	struct waiter w = { .result = -1 };
	struct softodp_prefetch_job *job;
	int uffd = never(at);
	pthread_t thread;
	uint64_t start;

	w.mr = rd_reg(&dev, at, LEN, RD_ALL | IBV_ACCESS_ON_DEMAND);
	if (pthread_create(&thread, NULL, wait_for_it, &w))
		die("no thread");
	check(!softodp_prefetch_range(w.mr, (uintptr_t)at, LEN, 0),
	      "in the background");
	job = start_job(w.mr);
	check(job && softodp_prefetch_wait(job, 300) == ETIMEDOUT,
	      "the job has ended");
	check(w.result == -1, "the call has returned: %d", w.result);
	start = now_ms();
	softodp_prefetch_end(job);
	check_soon(start, "the end of a job that is stuck");
	start = now_ms();
	check(!ibv_dereg_mr(w.mr), "dereg: %s", strerror(errno));
	check_soon(start, "the deregistration of what is prefetched");
	close(uffd);
	pthread_join(thread, NULL);
	check(w.result == EFAULT || w.result == ENOENT,
	      "the call that was stuck: %d", w.result);
	munmap(at, LEN);
}

static void stuck_child(int ready)
{
	struct waiter w = { .result = -1 };
	uint8_t *at = map(LEN, PROT_READ | PROT_WRITE);
	struct rd_dev own;
	pthread_t thread;

	rd_open(&own, dev.name);
	never(at);
	w.mr = rd_reg(&own, at, LEN, RD_ALL | IBV_ACCESS_ON_DEMAND);
	if (softodp_prefetch_range(w.mr, (uintptr_t)at, LEN, 0) ||
	    !start_job(w.mr) || pthread_create(&thread, NULL, wait_for_it, &w))
		_exit(2);
	sleep_ms(200);
	if (write(ready, w.result == -1 ? "y" : "n", 1) != 1)
		_exit(2);
	pause();
	_exit(2);
}

static void exit_of_stuck(void)
{
	int ready[2], status = 0;
	uint64_t start;
	char c = 'n';
	pid_t child;

	if (pipe(ready))
		die("pipe: %s", strerror(errno));
	child = fork();
	if (!child)
		stuck_child(ready[1]);
	close(ready[1]);
	if (child < 0 || read(ready[0], &c, 1) != 1)
		die("the child");
	check(c == 'y', "its prefetch was not stuck");
	start = now_ms();
	kill(child, SIGKILL);
	if (waitpid(child, &status, 0) != child)
		die("waitpid: %s", strerror(errno));
	check_soon(start, "kill -9");
	check(WIFSIGNALED(status), "status %#x", status);
	close(ready[0]);
}

static const struct test tests[] = {
	{ "effects", effects, "what each advice makes ready, and for what" },
	{ "read-only", read_only, "regions that nobody may write" },
	{ "many", many_ranges, "1000 ranges of two regions" },
	{ "errors", errors, "which errors, and nothing done before" },
	{ "dereg", dereg_of_stuck, "nobody waits for one that hangs" },
	{ "exit", exit_of_stuck, "nor does the end of its process" },
};

int main(int argc, char **argv)
{
	const char *times = getenv("SD_SLOW");

	if (argc != 2)
		die("usage: advise DEVICE");
	if (times && atoi(times) > 0)
		slow = atoi(times);
	rd_open(&dev, argv[1]);
	rd_pair(&peer, &dev, &owner, &dev, NULL);
	buf = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (buf == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	buf_mr = rd_reg(&dev, buf, LEN, RD_ALL);
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		case_run(&tests[i]);
	ibv_dereg_mr(buf_mr);
	rd_qp_destroy(&peer);
	rd_qp_destroy(&owner);
	rd_close(&dev);
	return tap_done();
}
