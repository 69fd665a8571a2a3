// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Prefetch: which way it goes, its errors; jobs, their ends, threads, forks. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"

#define READ  IBV_ADVISE_MR_ADVICE_PREFETCH
#define WRITE IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE

enum {
	FLUSH = IBV_ADVISE_MR_FLAG_FLUSH,
	THREADS = 4,
	EACH = 50,
};

static const struct row {
	const char *name;
	int provider, kernel;
	bool foreign_abi;
	int ret;
	unsigned int calls;
} rows[] = {
	{ "by the kernel", EOPNOTSUPP, 0, false, 0, 1 },
	{ "by the kernel, the provider says ENOSYS", ENOSYS, 0, false, 0, 1 },
	{ "by the provider", 0, 0, false, 0, 1 },
	{ "by the provider of another ABI", 0, 0, true, 0, 1 },
	{ "another ABI", EOPNOTSUPP, 0, true, EOPNOTSUPP, 0 },
	{ "not there", EOPNOTSUPP, EOPNOTSUPP, false, EOPNOTSUPP, 0 },
	{ "pinned", EOPNOTSUPP, EINVAL, false, EINVAL, 1 },
	{ "no such key", EOPNOTSUPP, ENOENT, false, ENOENT, 1 },
	{ "no right", EOPNOTSUPP, EPERM, false, EPERM, 1 },
	{ "not inside", EOPNOTSUPP, EFAULT, false, EFAULT, 1 },
	{ "removed", EOPNOTSUPP, EIO, false, EIO, 1 },
	{ "a kernel without the command", EOPNOTSUPP, EPROTONOSUPPORT, false,
	  EOPNOTSUPP, 1 },
	{ "provider: no such key", ENOENT, 0, false, ENOENT, 1 },
};

/* @range: by softodp_prefetch_range(). */
static int check_row(const struct row *row, bool range)
{
	struct ibv_sge sge = { 0x1000, 4096, 1 };
	int ret;

	fake_reset();
	fake.provider_advise = row->provider;
	fake.kernel_advise = row->kernel;
	fake.foreign_abi = row->foreign_abi;
	errno = UNTOUCHED;
	ret = range ? softodp_prefetch_range(&fake.mr, 0x1000, 4096,
					     SOFTODP_PREFETCH_WAIT) :
		      softodp_prefetch(&fake.pd, READ, FLUSH, &sge, 1);
	if (ret == row->ret && errno == UNTOUCHED && fake.calls == row->calls)
		return covers(range ? "softodp_prefetch_range" :
				      "softodp_prefetch",
			      ret);
	printf("FAIL %s: %d, errno %d, %u calls\n", row->name, ret, errno,
	       fake.calls);
	return 1;
}

/* More ranges than a call takes, a range longer than an SGE. */
static int check_many(void)
{
	const uint32_t n = 10000;
	struct ibv_sge *list = calloc(n, sizeof(*list));
	struct ibv_sge none;
	int bad;

	if (!list)
		abort();
	for (uint32_t i = 0; i < n; i++)
		list[i] = (struct ibv_sge){ i * 4096ULL, 4096, 1 };
	fake_reset();
	bad = CHECK(!softodp_prefetch(&fake.pd, WRITE, 0, list, n)) +
	      CHECK(fake.ranges == n && fake.bytes == n * 4096ULL &&
		    fake.calls == 3);
	free(list);
	fake_reset();
	bad += CHECK(!softodp_prefetch_range(&fake.mr, 4096, (20ULL << 30) + 5,
					     SOFTODP_PREFETCH_WAIT)) +
	       CHECK(fake.bytes == (20ULL << 30) + 5 && fake.ranges == 21);
	bad += CHECK(softodp_prefetch_range(&fake.mr, 0, 1, 1U << 9) == EINVAL);
	bad += CHECK(softodp_prefetch(&fake.pd, READ, 0, &none, 0) == EINVAL);
	return bad;
}

/* --- jobs ------------------------------------------------------------------ */

static struct softodp_prefetch_job *start(uint32_t length, uint32_t n)
{
	struct ibv_sge list[8];

	for (uint32_t i = 0; i < n; i++)
		list[i] = (struct ibv_sge){ 0x1000, length, 1 };
	return softodp_prefetch_start(&fake.pd, WRITE, list, n);
}

static bool readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

/* To the end, by either way; with an error. */
static int check_end(bool provider, int error)
{
	struct softodp_prefetch_job *job;
	int bad;

	fake_reset();
	fake.provider_advise = provider ? error : EOPNOTSUPP;
	fake.kernel_advise = error;
	errno = UNTOUCHED;
	job = start(100U << 20, 4);
	bad = CHECK(job);
	if (!job)
		return bad;
	bad += CHECK(softodp_prefetch_wait(job, -1) == error) +
	       CHECK(softodp_prefetch_wait(job, 0) == error) +
	       CHECK(readable(softodp_prefetch_fd(job)));
	if (!error)
		bad += CHECK(fake.bytes == 400ULL << 20);
	softodp_prefetch_end(job);
	softodp_prefetch_end(NULL);
	return bad + CHECK(errno == UNTOUCHED);
}

static bool same_file(int one, int other)
{
	struct stat a, b;

	return one != other && !fstat(one, &a) && !fstat(other, &b) &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static void await_kernel(void)
{
	while (!atomic_load(&fake.calls))
		usleep(1000);
}

/* While it waits in the kernel: time-outs, descriptor; then let go. */
static int check_waiting(void)
{
	const int cmd_fd = memfd_create("fake", MFD_CLOEXEC);
	struct softodp_prefetch_job *job;
	int bad;

	fake_reset();
	fake.verbs.context.cmd_fd = cmd_fd;
	fake.held = 1;
	job = start(4096, 1);
	bad = CHECK(job && softodp_prefetch_wait(job, 0) == ETIMEDOUT) +
	      covers("softodp_prefetch_wait", ETIMEDOUT) +
	      CHECK(softodp_prefetch_wait(job, 20) == ETIMEDOUT) +
	      CHECK(!readable(softodp_prefetch_fd(job)));
	await_kernel();
	/* The device may be closed while a thread is in the kernel with it. */
	bad += CHECK(same_file(fake.cmd_fd, cmd_fd));
	close(cmd_fd);
	fake.held = 0;
	bad += CHECK(!softodp_prefetch_wait(job, 10000));
	softodp_prefetch_end(job);
	return bad;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Ended in the middle: no wait for what it is at, and nothing more begun. */
static int check_cancel(void)
{
	struct softodp_prefetch_job *job;
	int bad, fd;

	fake_reset();
	fake.held = 1;
	job = start(1U << 30, 8);
	bad = CHECK(job);
	await_kernel();
	softodp_prefetch_end(job);
	bad += CHECK(fake.calls == 1);
	fake.held = 0;
	/* The thread has closed its copy of the device: it is gone. */
	fd = atomic_load(&fake.cmd_fd);
	for (int i = 0; i < 5000 && is_open(fd); i++)
		usleep(1000);
	return bad + CHECK(!is_open(fd)) + CHECK(fake.calls == 1);
}

/* What start needs and may not get: the next one fails with this. */
static int no_memory, no_eventfd, no_thread;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	return no_memory ? NULL : __real_calloc(n, size);
}

int __real_eventfd(unsigned int count, int flags);
int __wrap_eventfd(unsigned int count, int flags);
int __wrap_eventfd(unsigned int count, int flags)
{
	errno = no_eventfd;
	return no_eventfd ? -1 : __real_eventfd(count, flags);
}

typedef void *thread_fn(void *arg);

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  thread_fn *fn, void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  thread_fn *fn, void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  thread_fn *fn, void *arg)
{
	return no_thread ? no_thread :
			   __real_pthread_create(thread, attr, fn, arg);
}

static int open_files(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* It fails with @error, and nothing of it is left. */
static int start_fails(uint32_t n, int error)
{
	const int before = open_files();

	return CHECK(!start(4096, n) && errno == error) ||
	       CHECK(open_files() == before) ||
	       covers("softodp_prefetch_start", error);
}

static int check_arguments(void)
{
	int bad;

	fake_reset();
	bad = start_fails(0, EINVAL);
	no_memory = 1;
	bad += start_fails(1, ENOMEM);
	no_memory = 0;
	no_eventfd = EMFILE;
	bad += start_fails(1, EMFILE);
	no_eventfd = ENFILE;
	bad += start_fails(1, ENFILE);
	no_eventfd = 0;
	no_thread = EAGAIN;
	bad += start_fails(1, EAGAIN);
	no_thread = 0;
	fake.verbs.context.cmd_fd = -1;
	return bad + start_fails(1, EBADF);
}

static void *many(void *arg)
{
	for (int i = 0; i < EACH; i++) {
		struct softodp_prefetch_job *job = start(4096, 2);

		if (!job)
			abort();
		if (i % 2 && softodp_prefetch_wait(job, -1))
			*(int *)arg = 1;
		softodp_prefetch_end(job);
	}
	return NULL;
}

/* Several threads start, and wait for one. */
static void *wait_for(void *job)
{
	return softodp_prefetch_wait(job, -1) ? job : NULL;
}

static int check_threads(void)
{
	struct softodp_prefetch_job *job;
	int results[THREADS] = { 0 }, bad = 0;
	pthread_t thread[THREADS];
	void *result;

	fake_reset();
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, many, &results[i]))
			abort();
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		bad += results[i];
	}
	fake.held = 1;
	job = start(4096, 1);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, wait_for, job))
			abort();
	fake.held = 0;
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &result);
		bad += CHECK(!result);
	}
	softodp_prefetch_end(job);
	return bad;
}

/* The child has no thread: it hears so, and frees its copy. */
static int check_fork(void)
{
	struct softodp_prefetch_job *job, *done;
	int status, bad = 0;
	pid_t child;

	fake_reset();
	done = start(4096, 1);
	bad += CHECK(!softodp_prefetch_wait(done, -1));
	fake.held = 1;
	job = start(4096, 1);
	child = fork();
	if (!child) {
		bad += CHECK(softodp_prefetch_wait(job, -1) == ECANCELED) +
		       CHECK(!softodp_prefetch_wait(done, -1));
		softodp_prefetch_end(job);
		softodp_prefetch_end(done);
		_exit(bad);
	}
	bad += CHECK(waitpid(child, &status, 0) == child && !status) ||
	       covers("softodp_prefetch_wait", ECANCELED);
	fake.held = 0;
	bad += CHECK(!softodp_prefetch_wait(job, -1));
	softodp_prefetch_end(job);
	softodp_prefetch_end(done);
	return bad;
}

/* A signal ends the wait; none comes to the library's thread. */
static atomic_int handled;

static void note(int number)
{
	(void)number;
	atomic_store(&handled, 1);
}

static int check_signal(void)
{
	const struct itimerval soon = { .it_value.tv_usec = 50000 };
	const struct sigaction action = { .sa_handler = note };
	struct softodp_prefetch_job *job;
	sigset_t set;
	int bad;

	fake_reset();
	sigaction(SIGALRM, &action, NULL);
	fake.held = 1;
	job = start(4096, 1);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGALRM);
	usleep(20000);
	bad = CHECK(!atomic_load(&handled));
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	bad += CHECK(atomic_load(&handled));
	setitimer(ITIMER_REAL, &soon, NULL);
	bad += CHECK(softodp_prefetch_wait(job, 10000) == EINTR) ||
	       covers("softodp_prefetch_wait", EINTR);
	fake.held = 0;
	bad += CHECK(!softodp_prefetch_wait(job, 10000));
	softodp_prefetch_end(job);
	return bad;
}

int main(void)
{
	int failed = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		failed +=
			check_row(&rows[i], false) + check_row(&rows[i], true);
	failed += check_many() + check_arguments();
	for (int provider = 0; provider < 2; provider++)
		failed += check_end(provider, 0) + check_end(provider, ENOENT) +
			  check_end(provider, EFAULT);
	failed += check_waiting() + check_cancel() + check_threads() +
		  check_fork() + check_signal();
	printf("%d failed\n", failed);
	return failed != 0;
}
