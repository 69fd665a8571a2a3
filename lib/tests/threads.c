// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Every call of the library from several threads at once, for one device, under
 * TSan; with an argument also from children that were forked in the middle of
 * that, and make threads of their own: TSan cannot follow those.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"

enum {
	THREADS = 4,
	ROUNDS = 30,
	FORKS = 5,
	PAGES = 16,
	SIZE = PAGES * 4096,
};

static uint8_t states[PAGES];
static char *memory;

/* What makes regions, each in a domain of the thread's own. */
static int register_some(struct ibv_pd *pd)
{
	struct softodp_reg reg = {
		.size = sizeof(reg),
		.addr = memory,
		.length = SIZE,
		.access = RW,
		.want = SOFTODP_PREFETCH | SOFTODP_STATS,
	};
	struct softodp_reg_result why;
	struct ibv_mr *mr[4] = {
		softodp_register(pd, &reg),
		softodp_reg_mr(pd, memory, SIZE, RW, 0, &why),
		softodp_reg_mr_iova(pd, memory, SIZE, 4096, RW, 0, NULL),
		softodp_reg_dmabuf_mr(pd, 0, SIZE, 0, 0, RW),
	};
	int bad = 0;

	for (int i = 0; i < 4; i++)
		bad += CHECK(mr[i]) || CHECK(!ibv_dereg_mr(mr[i]));
	return bad + CHECK(*softodp_reason_str(why.reason) &&
			   reg.kind == SOFTODP_KIND_ON_DEMAND);
}

/* What is done with a region. */
static int use(struct ibv_mr *mr)
{
	struct softodp_residency residency = { .size = sizeof(residency) };
	struct ibv_sge sge = { (uintptr_t)memory, SIZE, mr->lkey };
	struct softodp_prefetch_job *job;
	struct softodp_mr_stats stats;
	uint64_t value;
	int bad;

	bad = CHECK(!softodp_prefetch(mr->pd, IBV_ADVISE_MR_ADVICE_PREFETCH, 0,
				      &sge, 1)) +
	      CHECK(!softodp_prefetch_range(mr, sge.addr, SIZE, 0)) +
	      CHECK(!softodp_query_mr_stats(mr, &stats)) +
	      CHECK(!softodp_query_residency(mr, memory, SIZE, NULL,
					     &residency) &&
		    residency.device == PAGES / 2);
	/* There is no such device in this kernel. */
	bad += CHECK(softodp_query_dev_counter(mr->context, "x", &value));
	job = softodp_prefetch_start(mr->pd, IBV_ADVISE_MR_ADVICE_PREFETCH,
				     &sge, 1);
	bad += CHECK(job && softodp_prefetch_fd(job) >= 0 &&
		     !softodp_prefetch_wait(job, -1));
	softodp_prefetch_end(job);
	return bad + CHECK(!softodp_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS,
					     NULL, NULL, 0, RW, NULL));
}

static int all_calls(void)
{
	struct softodp_device_attr attr = { .size = sizeof(attr) };
	struct ibv_pd *pd = ibv_alloc_pd(&fake.verbs.context);
	struct ibv_mr *mr = softodp_reg_mr(pd, memory, SIZE, RW, 0, NULL);
	int bad = CHECK(!softodp_query_device(&fake.verbs.context, &attr) &&
			attr.features & SOFTODP_ON_DEMAND) +
		  CHECK(mr) + register_some(pd);

	if (mr)
		bad += use(mr) + CHECK(!ibv_dereg_mr(mr));
	ibv_dealloc_pd(pd);
	return bad;
}

static void *many(void *arg)
{
	for (int i = 0; i < ROUNDS; i++)
		*(int *)arg += all_calls();
	return NULL;
}

int main(int argc, char **argv)
{
	const int forks = argc > 1 ? FORKS : 0;
	pthread_t thread[THREADS];
	int bad[THREADS] = { 0 };
	int failed = 0, status;
	pid_t child;

	(void)argv;
	fake_reset();
	for (int i = 0; i < PAGES; i += 2)
		states[i] = 1; /* SOFTODP_PAGE_PRESENT */
	fake.states = states;
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 2;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, many, &bad[i]))
			abort();
	for (int i = 0; i < forks; i++) {
		child = fork();
		if (!child)
			_exit(all_calls() != 0);
		failed += CHECK(waitpid(child, &status, 0) == child && !status);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		failed += bad[i];
	}
	failed += CHECK(!fake.pds && !fake.mrs);
	printf("%d failed\n", failed);
	return failed != 0;
}
