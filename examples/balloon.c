// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Memory given back under traffic: MADV_DONTNEED on half of a registered
 * region while a peer writes all of it, as a balloon driver or an allocator
 * does. The region stays as it is; pages come back where the peer writes.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <softodp/softodp.h>

#include "common.h"

enum {
	PAGES = 1024,
	PAGE = 4096,
	ROUNDS = 6
};

static size_t resident(void *at)
{
	static unsigned char map[PAGES];
	size_t n = 0;

	if (mincore(at, PAGES * PAGE, map))
		err(1, "mincore");
	for (size_t i = 0; i < PAGES; i++)
		n += map[i] & 1;
	return n;
}

static unsigned char byte_of(size_t i)
{
	return 1 + i % 251;
}

/* A byte is zero, or what the peer writes there. */
static size_t strange(const unsigned char *bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < PAGES * PAGE; i++)
		n += bytes[i] && bytes[i] != byte_of(i);
	return n;
}

static int own(struct ex_end *end)
{
	void *at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ex_memory memory = { (uintptr_t)at, PAGES * PAGE, 0 };
	struct ibv_mr *mr;
	size_t bad = 0;

	if (at == MAP_FAILED)
		err(1, "mmap");
	mr = softodp_reg_mr(end->pd, at, PAGES * PAGE,
			    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
			    SOFTODP_REG_NO_PIN, NULL);
	if (!mr)
		err(1, "softodp_reg_mr");
	memory.rkey = mr->rkey;
	ex_send(end->sock, &memory, sizeof(memory));
	for (int i = 0; i < ROUNDS; i++) {
		char *half = (char *)at + (i & 1) * PAGES / 2 * PAGE;
		size_t before;

		usleep(100000);
		before = resident(at);
		if (madvise(half, PAGES / 2 * PAGE, MADV_DONTNEED))
			err(1, "MADV_DONTNEED");
		printf("%4zu pages, of which half were given back: %4zu\n",
		       before, resident(at));
		fflush(stdout);
		bad += strange(at);
	}
	ex_send(end->sock, "e", 1); /* it may end, with one write of all */
	ex_sync(end);
	bad += strange(at) + (resident(at) != PAGES) +
	       (*(unsigned char *)at != byte_of(0));
	printf("%zu pages in the end, %zu bytes wrong\n", resident(at), bad);
	ibv_dereg_mr(mr);
	return bad != 0;
}

static int write_on_and_on(struct ex_end *end)
{
	static unsigned char bytes[PAGES * PAGE];
	enum ibv_wc_status status;
	struct ex_memory memory;
	struct ibv_mr *mr;
	bool last;

	for (size_t i = 0; i < PAGES * PAGE; i++)
		bytes[i] = byte_of(i);
	mr = softodp_reg_mr(end->pd, bytes, sizeof(bytes), 0, 0, NULL);
	if (!mr)
		err(1, "softodp_reg_mr");
	ex_recv(end->sock, &memory, sizeof(memory));
	do {
		last = ex_has_come(end->sock);
		status = ex_rdma(end, IBV_WR_RDMA_WRITE, mr, bytes,
				 sizeof(bytes), memory.address, memory.rkey);
	} while (status == IBV_WC_SUCCESS && !last);
	if (status != IBV_WC_SUCCESS)
		errx(1, "WRITE: %s", ibv_wc_status_str(status));
	ex_recv(end->sock, &(char){ 0 }, 1);
	ex_sync(end);
	ibv_dereg_mr(mr);
	return 0;
}

int main(int argc, char **argv)
{
	return ex_main(argc, argv, own, write_on_and_on);
}
