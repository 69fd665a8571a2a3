// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Prefetch: the same write to two halves of a region, of which one was made
 * ready before. It costs no page fault there.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include <softodp/softodp.h>

#include "common.h"

#define HALF (4UL << 20)

static uint64_t faults(struct ibv_mr *mr)
{
	struct softodp_mr_stats stats;

	if (softodp_query_mr_stats(mr, &stats))
		err(1, "softodp_query_mr_stats");
	return stats.page_faults;
}

static int own(struct ex_end *end)
{
	struct ex_memory memory;
	uint64_t start, cold, warm;
	struct ibv_mr *mr;
	char *base;

	base = mmap(NULL, 2 * HALF, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		err(1, "mmap");
	mr = softodp_reg_mr(end->pd, base, 2 * HALF,
			    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
			    SOFTODP_REG_NO_PIN, NULL);
	if (!mr)
		err(1, "softodp_reg_mr");
	errno = softodp_prefetch_range(mr, (uintptr_t)base + HALF, HALF,
				       SOFTODP_PREFETCH_WRITE |
					       SOFTODP_PREFETCH_WAIT);
	if (errno)
		err(1, "softodp_prefetch_range");

	memory = (struct ex_memory){ (uintptr_t)base, 2 * HALF, mr->rkey };
	start = faults(mr);
	ex_send(end->sock, &memory, sizeof(memory));
	ex_sync(end); /* the peer has written the first half */
	cold = faults(mr) - start;
	ex_sync(end); /* go on */
	ex_sync(end); /* the peer has written the second half */
	warm = faults(mr) - start - cold;

	printf("page faults: %llu without, %llu with prefetch\n",
	       (unsigned long long)cold, (unsigned long long)warm);
	ibv_dereg_mr(mr);
	return !cold || warm;
}

static enum ibv_wc_status write_half(struct ex_end *end, struct ibv_mr *mr,
				     const struct ex_memory *memory,
				     uint64_t offset)
{
	enum ibv_wc_status status = IBV_WC_SUCCESS;
	uint64_t done;

	for (done = 0; done < HALF && !status; done += mr->length)
		status = ex_rdma(end, IBV_WR_RDMA_WRITE, mr, mr->addr,
				 mr->length, memory->address + offset + done,
				 memory->rkey);
	return status;
}

static int write_to_it(struct ex_end *end)
{
	static char buffer[65536];
	enum ibv_wc_status first, second;
	struct ex_memory memory;
	struct ibv_mr *mr;

	mr = softodp_reg_mr(end->pd, buffer, sizeof(buffer), 0, 0, NULL);
	if (!mr)
		err(1, "softodp_reg_mr");
	ex_recv(end->sock, &memory, sizeof(memory));
	first = write_half(end, mr, &memory, 0);
	ex_sync(end);
	ex_sync(end); /* go on */
	second = write_half(end, mr, &memory, HALF);
	ex_sync(end);
	ibv_dereg_mr(mr);
	return first != IBV_WC_SUCCESS || second != IBV_WC_SUCCESS;
}

int main(int argc, char **argv)
{
	return ex_main(argc, argv, own, write_to_it);
}
