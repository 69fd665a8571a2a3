// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * One key for all memory, that of malloc() after the registration included:
 * nothing has to be registered before it is sent from or written to.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <softodp/softodp.h>

#include "common.h"

enum {
	ROUNDS = 8,
	LENGTH = 300000,
};

static struct ibv_mr *register_all(struct ex_end *end, unsigned int access)
{
	struct softodp_reg reg = {
		.size = sizeof(reg),
		.addr = NULL,
		.length = SIZE_MAX,
		.access = access,
		.want = SOFTODP_IMPLICIT,
	};
	struct ibv_mr *mr = softodp_register(end->pd, &reg);

	if (!mr)
		err(1, "%s", reg.text);
	if (reg.missing & SOFTODP_IMPLICIT)
		puts("not implicit, but as good: one region of all addresses");
	return mr;
}

static int check(const unsigned char *bytes, int round)
{
	for (size_t i = 0; i < LENGTH; i++)
		if (bytes[i] != (unsigned char)(i * 7 + round))
			return 1;
	return 0;
}

static int own(struct ex_end *end)
{
	struct ibv_mr *all = register_all(end, IBV_ACCESS_LOCAL_WRITE |
						       IBV_ACCESS_REMOTE_WRITE);
	int bad = 0;

	for (int round = 0; round < ROUNDS; round++) {
		/* New each time, and gone before the next. */
		unsigned char *bytes = malloc(LENGTH);
		struct ex_memory memory = { (uintptr_t)bytes, LENGTH,
					    all->rkey };

		if (!bytes)
			err(1, "malloc");
		ex_send(end->sock, &memory, sizeof(memory));
		ex_sync(end); /* the peer has written */
		bad += check(bytes, round);
		free(bytes);
	}
	printf("%d rounds of memory that was never registered, %d bad\n",
	       ROUNDS, bad);
	ibv_dereg_mr(all);
	return bad != 0;
}

static int write_to_it(struct ex_end *end)
{
	struct ibv_mr *all = register_all(end, 0);
	enum ibv_wc_status status = IBV_WC_SUCCESS;

	for (int round = 0; round < ROUNDS; round++) {
		unsigned char *bytes = malloc(LENGTH);
		struct ex_memory memory;

		if (!bytes)
			err(1, "malloc");
		for (size_t i = 0; i < LENGTH; i++)
			bytes[i] = (unsigned char)(i * 7 + round);
		ex_recv(end->sock, &memory, sizeof(memory));
		if (status == IBV_WC_SUCCESS)
			status = ex_rdma(end, IBV_WR_RDMA_WRITE, all, bytes,
					 LENGTH, memory.address, memory.rkey);
		free(bytes);
		ex_sync(end);
	}
	if (status != IBV_WC_SUCCESS)
		warnx("WRITE: %s", ibv_wc_status_str(status));
	ibv_dereg_mr(all);
	return status != IBV_WC_SUCCESS;
}

int main(int argc, char **argv)
{
	return ex_main(argc, argv, own, write_to_it);
}
