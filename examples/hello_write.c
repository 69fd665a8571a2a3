// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A remote WRITE into memory that the CPU never touched.
 *
 * The owner registers 1 TiB of address space. Not one page of it exists until
 * the peer writes into the middle; then the pages of that one message do.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <softodp/softodp.h>

#include "common.h"

#define LENGTH (1ULL << 40)
static const char greeting[] = "hello from afar";

static void print_counters(struct ibv_mr *mr, const char *when)
{
	struct softodp_mr_stats stats;

	if (softodp_query_mr_stats(mr, &stats))
		err(1, "softodp_query_mr_stats");
	printf("%-7s page_faults %llu, pages that the device can reach %llu, table %llu bytes\n",
	       when, (unsigned long long)stats.page_faults,
	       (unsigned long long)stats.resident_pages,
	       (unsigned long long)stats.table_bytes);
}

static int own(struct ex_end *end)
{
	struct softodp_reg_result why;
	struct ex_memory memory;
	struct ibv_mr *mr;
	char *base;
	int good;

	base = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		err(1, "mmap");
	mr = softodp_reg_mr(end->pd, base, LENGTH,
			    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
			    SOFTODP_REG_NO_PIN, &why);
	if (!mr)
		err(1, "%s", softodp_reason_str(why.reason));
	print_counters(mr, "before:");

	memory = (struct ex_memory){ (uintptr_t)base, LENGTH, mr->rkey };
	ex_send(end->sock, &memory, sizeof(memory));
	ex_sync(end); /* the peer has written */

	print_counters(mr, "after:");
	good = !strcmp(base + LENGTH / 2 - 4, greeting);
	printf("%s\n", good ? base + LENGTH / 2 - 4 : "nothing arrived");
	ibv_dereg_mr(mr);
	munmap(base, LENGTH);
	return !good;
}

static int write_to_it(struct ex_end *end)
{
	char buffer[sizeof(greeting)];
	struct ex_memory memory;
	enum ibv_wc_status status;
	struct ibv_mr *mr;

	memcpy(buffer, greeting, sizeof(greeting));
	mr = softodp_reg_mr(end->pd, buffer, sizeof(buffer), 0, 0, NULL);
	if (!mr)
		err(1, "softodp_reg_mr");
	ex_recv(end->sock, &memory, sizeof(memory));
	/* Across a page boundary in the middle of it. */
	status = ex_rdma(end, IBV_WR_RDMA_WRITE, mr, buffer, sizeof(buffer),
			 memory.address + memory.length / 2 - 4, memory.rkey);
	if (status != IBV_WC_SUCCESS)
		warnx("WRITE: %s", ibv_wc_status_str(status));
	ex_sync(end);
	ibv_dereg_mr(mr);
	return status != IBV_WC_SUCCESS;
}

int main(int argc, char **argv)
{
	return ex_main(argc, argv, own, write_to_it);
}
