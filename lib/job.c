// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Prefetch in the background. The kernel says nothing when a prefetch without
 * FLUSH is done, so a thread waits in one with it.
 *
 * The thread has copies of all that it needs, the device's descriptor included:
 * it may be in the kernel for as long as a fault takes, and neither the end of
 * the job nor that of the device shall wait for that. (A provider is called
 * with its own structures, so there the end of the job does wait.)
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "prefetch.h"
#include "uverbs.h"

enum {
	RUNNING = -1, /* a result that is not there yet */
	/* So much is asked for at a time: what an end may still bring in. */
	SLICE = 16U << 20,
	BATCH = 64,
	STACK = 256 << 10,
};

struct softodp_prefetch_job {
	atomic_uint refs; /* the caller's and the thread's */
	atomic_bool stop;
	atomic_int result;
	pid_t owner;
	pthread_t thread;
	int done_fd;
	int cmd_fd;
	uint32_t pd_handle;
	struct ibv_pd *pd; /* NULL: by the kernel */
	enum ibv_advise_mr_advice advice;
	uint32_t num_sge;
	struct ibv_sge sge[];
};

static void free_job(struct softodp_prefetch_job *job)
{
	if (job->done_fd >= 0)
		close(job->done_fd);
	if (job->cmd_fd >= 0)
		close(job->cmd_fd);
	free(job);
}

static void put(struct softodp_prefetch_job *job)
{
	if (atomic_fetch_sub(&job->refs, 1) == 1)
		free_job(job);
}

/* --- the thread ------------------------------------------------------------ */

/* Takes the next slices off the list, a SLICE of bytes in all. */
static uint32_t next_slices(struct softodp_prefetch_job *job, uint32_t *at,
			    struct ibv_sge *slices)
{
	uint32_t room = SLICE, n = 0;

	while (*at < job->num_sge && room && n < BATCH) {
		struct ibv_sge *sge = &job->sge[*at];
		const uint32_t length = sge->length < room ? sge->length : room;

		slices[n++] = (struct ibv_sge){ sge->addr, length, sge->lkey };
		sge->addr += length;
		sge->length -= length;
		room -= length;
		if (!sge->length)
			++*at;
	}
	return n;
}

static int advise(struct softodp_prefetch_job *job, struct ibv_sge *slices,
		  uint32_t n)
{
	if (job->pd)
		return ibv_advise_mr(job->pd, job->advice,
				     IBV_ADVISE_MR_FLAG_FLUSH, slices, n);
	return uverbs_advise(job->cmd_fd, job->pd_handle, job->advice,
			     IBV_ADVISE_MR_FLAG_FLUSH, slices, n);
}

static void *run(void *arg)
{
	struct softodp_prefetch_job *job = arg;
	struct ibv_sge slices[BATCH];
	uint32_t at = 0;
	int ret = 0;

	while (at < job->num_sge && !ret && !atomic_load(&job->stop))
		ret = advise(job, slices, next_slices(job, &at, slices));
	if (ret == ENOSYS)
		ret = EOPNOTSUPP;
	atomic_store(&job->result, ret);
	eventfd_write(job->done_fd, 1);
	put(job);
	return NULL;
}

/* The program's signals are not for this thread. 0 or an errno value. */
static int start_thread(struct softodp_prefetch_job *job)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int ret;

	ret = pthread_attr_init(&attr);
	if (ret)
		return ret;
	pthread_attr_setstacksize(&attr, STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&job->thread, &attr, run, job);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return ret;
}

/* --- the caller ------------------------------------------------------------ */

static int open_fds(struct softodp_prefetch_job *job, struct ibv_pd *pd)
{
	job->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (job->done_fd < 0)
		return errno;
	if (prefetch_way(pd) == SOFTODP_WAY_PROVIDER) {
		job->pd = pd;
		return 0;
	}
	job->cmd_fd = fcntl(pd->context->cmd_fd, F_DUPFD_CLOEXEC, 0);
	return job->cmd_fd < 0 ? errno : 0;
}

struct softodp_prefetch_job *
softodp_prefetch_start(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
		       const struct ibv_sge *sg_list, uint32_t num_sge)
{
	const size_t bytes = num_sge * sizeof(*sg_list);
	struct softodp_prefetch_job *job;
	const int saved = errno;
	int ret;

	if (!num_sge) {
		errno = EINVAL;
		return NULL;
	}
	job = calloc(1, sizeof(*job) + bytes);
	if (!job) {
		errno = ENOMEM;
		return NULL;
	}
	atomic_init(&job->refs, 2);
	atomic_init(&job->result, RUNNING);
	job->owner = getpid();
	job->done_fd = -1;
	job->cmd_fd = -1;
	job->pd_handle = pd->handle;
	job->advice = advice;
	job->num_sge = num_sge;
	memcpy(job->sge, sg_list, bytes);

	ret = open_fds(job, pd);
	if (!ret)
		ret = start_thread(job);
	if (ret) {
		free_job(job);
		errno = ret;
		return NULL;
	}
	errno = saved;
	return job;
}

int softodp_prefetch_wait(struct softodp_prefetch_job *job, int timeout_ms)
{
	struct pollfd done = { .fd = job->done_fd, .events = POLLIN };
	const int saved = errno;
	int ret;

	/* The thread is the parent's, and what the descriptor tells, too. */
	if (job->owner != getpid()) {
		ret = atomic_load(&job->result);
		return ret == RUNNING ? ECANCELED : ret;
	}
	/* Not by the result alone: whoever polls shall see the same. */
	ret = poll(&done, 1, timeout_ms);
	if (ret < 0)
		ret = errno;
	else
		ret = ret ? atomic_load(&job->result) : ETIMEDOUT;
	errno = saved;
	return ret;
}

int softodp_prefetch_fd(struct softodp_prefetch_job *job)
{
	return job->done_fd;
}

void softodp_prefetch_end(struct softodp_prefetch_job *job)
{
	const int saved = errno;

	if (!job)
		return;
	if (job->owner != getpid()) {
		free_job(job);
	} else {
		atomic_store(&job->stop, true);
		if (job->pd)
			pthread_join(job->thread, NULL);
		else
			pthread_detach(job->thread);
		put(job);
	}
	errno = saved;
}
