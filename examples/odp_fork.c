// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * fork() while a peer writes, with nothing done about it: no ibv_fork_init(),
 * no MADV_DONTFORK.
 *
 * The region belongs to the process that registered it. After the fork the
 * peer's writes go to the parent; the child keeps what was there before.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <softodp/softodp.h>

#include "common.h"

#define LENGTH 4096
static const char before[] = "written before the fork";
static const char after[] = "written after the fork";

/* In the child: when the parent says so, does the page hold the old text? */
static void look(const char *page, int go)
{
	char c;

	if (read(go, &c, 1) != 1)
		_exit(1);
	printf("child  sees: %s\n", page);
	fflush(stdout);
	_exit(strcmp(page, before) != 0);
}

static int own(struct ex_end *end)
{
	struct ex_memory memory;
	int go[2], status, good;
	struct ibv_mr *mr;
	char *page;
	pid_t child;

	page = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || pipe(go))
		err(1, "mmap");
	mr = softodp_reg_mr(end->pd, page, LENGTH,
			    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
			    SOFTODP_REG_NO_PIN, NULL);
	if (!mr)
		err(1, "softodp_reg_mr");
	memory = (struct ex_memory){ (uintptr_t)page, LENGTH, mr->rkey };
	ex_send(end->sock, &memory, sizeof(memory));
	ex_sync(end); /* the peer has written the first text */

	child = fork();
	if (!child)
		look(page, go[0]);
	ex_sync(end); /* forked */
	ex_sync(end); /* the peer has written the second text */

	printf("parent sees: %s\n", page);
	fflush(stdout);
	good = !strcmp(page, after);
	if (write(go[1], "g", 1) != 1 || waitpid(child, &status, 0) != child)
		err(1, "child");
	ibv_dereg_mr(mr);
	return !good || status;
}

static int write_to_it(struct ex_end *end)
{
	static char buffer[LENGTH];
	struct ex_memory memory;
	enum ibv_wc_status first, second;
	struct ibv_mr *mr;

	mr = softodp_reg_mr(end->pd, buffer, sizeof(buffer), 0, 0, NULL);
	if (!mr)
		err(1, "softodp_reg_mr");
	ex_recv(end->sock, &memory, sizeof(memory));
	memcpy(buffer, before, sizeof(before));
	first = ex_rdma(end, IBV_WR_RDMA_WRITE, mr, buffer, sizeof(before),
			memory.address, memory.rkey);
	ex_sync(end);
	ex_sync(end); /* forked */
	memcpy(buffer, after, sizeof(after));
	second = ex_rdma(end, IBV_WR_RDMA_WRITE, mr, buffer, sizeof(after),
			 memory.address, memory.rkey);
	ex_sync(end);
	ibv_dereg_mr(mr);
	return first != IBV_WC_SUCCESS || second != IBV_WC_SUCCESS;
}

int main(int argc, char **argv)
{
	return ex_main(argc, argv, own, write_to_it);
}
