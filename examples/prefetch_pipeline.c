// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A stream out of memory that is not there yet: while one block is sent, the
 * next is prefetched in the background. Then the same without, for comparison:
 * the faults are counted.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <softodp/softodp.h>

#include "common.h"

enum {
	BLOCK = 256 * 1024,
	BLOCKS = 16
};

static struct softodp_prefetch_job *prefetch(struct ex_end *end,
					     struct ibv_mr *mr, char *block)
{
	struct ibv_sge sge = { (uintptr_t)block, BLOCK, mr->lkey };
	struct softodp_prefetch_job *job = softodp_prefetch_start(
		end->pd, IBV_ADVISE_MR_ADVICE_PREFETCH, &sge, 1);

	if (!job)
		err(1, "softodp_prefetch_start");
	return job;
}

static void await(struct softodp_prefetch_job *job)
{
	int error = softodp_prefetch_wait(job, -1);

	if (error)
		errx(1, "prefetch: %s", strerror(error));
	softodp_prefetch_end(job);
}

static void send_block(struct ex_end *end, struct ibv_mr *mr, char *block,
		       const struct ex_memory *to)
{
	enum ibv_wc_status status = ex_rdma(end, IBV_WR_RDMA_WRITE, mr, block,
					    BLOCK, to->address, to->rkey);

	if (status != IBV_WC_SUCCESS)
		errx(1, "WRITE: %s", ibv_wc_status_str(status));
}

/* Out of new memory, each time. Returns the page faults of the device. */
static uint64_t stream(struct ex_end *end, const struct ex_memory *to,
		       bool ahead)
{
	char *from = mmap(NULL, (size_t)BLOCKS * BLOCK, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct softodp_prefetch_job *job = NULL;
	struct softodp_mr_stats stats;
	struct ibv_mr *mr;

	if (from == MAP_FAILED)
		err(1, "mmap");
	mr = softodp_reg_mr(end->pd, from, (size_t)BLOCKS * BLOCK,
			    IBV_ACCESS_LOCAL_WRITE, SOFTODP_REG_NO_PIN, NULL);
	if (!mr)
		err(1, "softodp_reg_mr");
	if (ahead)
		job = prefetch(end, mr, from);
	for (int i = 0; i < BLOCKS; i++) {
		if (job)
			await(job);
		job = ahead && i + 1 < BLOCKS ?
			      prefetch(end, mr, from + (i + 1) * BLOCK) :
			      NULL;
		send_block(end, mr, from + i * BLOCK, to);
	}
	if (softodp_query_mr_stats(mr, &stats))
		err(1, "softodp_query_mr_stats");
	ibv_dereg_mr(mr);
	munmap(from, (size_t)BLOCKS * BLOCK);
	return stats.page_faults;
}

static int send_all(struct ex_end *end)
{
	uint64_t with, without;
	struct ex_memory to;

	ex_recv(end->sock, &to, sizeof(to));
	with = stream(end, &to, true);
	without = stream(end, &to, false);
	printf("%d blocks: %llu page faults in the stream, and %llu without prefetch\n",
	       BLOCKS, (unsigned long long)with, (unsigned long long)without);
	ex_sync(end);
	return with != 0 || without < BLOCKS;
}

static int receive(struct ex_end *end)
{
	static char to[BLOCK];
	struct ibv_mr *mr = softodp_reg_mr(
		end->pd, to, sizeof(to),
		IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE, 0, NULL);
	struct ex_memory memory = { (uintptr_t)to, sizeof(to), 0 };

	if (!mr)
		err(1, "softodp_reg_mr");
	memory.rkey = mr->rkey;
	ex_send(end->sock, &memory, sizeof(memory));
	ex_sync(end);
	ibv_dereg_mr(mr);
	return 0;
}

int main(int argc, char **argv)
{
	return ex_main(argc, argv, send_all, receive);
}
