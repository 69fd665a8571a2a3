// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A server that forks a child for each request, as servers have done since
 * there are any. Requests arrive by RDMA WRITE in memory of the parent; the
 * child has a copy of that moment, works on it, and tells the parent, which
 * puts the answer where the peer READs it. Nobody calls ibv_fork_init().
 */
#include <err.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <softodp/softodp.h>

#include "common.h"

enum {
	REQUESTS = 20,
	WORDS = 5000
};

struct desk {
	uint32_t request[WORDS];
	uint64_t answer;
};

static uint64_t work_on(const struct desk *desk)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < WORDS; i++)
		sum = sum * 31 + desk->request[i];
	return sum;
}

/* The answer of a child that sees the request as it is now. */
static uint64_t serve(const struct desk *desk)
{
	uint64_t answer;
	int channel[2], status;
	pid_t child;

	if (pipe(channel))
		err(1, "pipe");
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (!child) {
		answer = work_on(desk);
		_exit(write(channel[1], &answer, sizeof(answer)) !=
		      sizeof(answer));
	}
	if (read(channel[0], &answer, sizeof(answer)) != sizeof(answer) ||
	    waitpid(child, &status, 0) != child || status)
		errx(1, "the child failed");
	close(channel[0]);
	close(channel[1]);
	return answer;
}

static int own(struct ex_end *end)
{
	struct desk *desk = mmap(NULL, sizeof(*desk), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ex_memory memory = { (uintptr_t)desk, sizeof(*desk), 0 };
	struct ibv_mr *mr;

	if (desk == MAP_FAILED)
		err(1, "mmap");
	mr = softodp_reg_mr(end->pd, desk, sizeof(*desk),
			    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
				    IBV_ACCESS_REMOTE_READ,
			    SOFTODP_REG_NO_PIN, NULL);
	if (!mr)
		err(1, "softodp_reg_mr");
	memory.rkey = mr->rkey;
	ex_send(end->sock, &memory, sizeof(memory));
	for (int i = 0; i < REQUESTS; i++) {
		ex_sync(end); /* the request is here */
		desk->answer = serve(desk);
		ex_sync(end); /* and so is the answer */
	}
	ex_sync(end); /* the last answer was read */
	printf("%d requests, a child for each\n", REQUESTS);
	ibv_dereg_mr(mr);
	return 0;
}

static int ask(struct ex_end *end)
{
	static struct desk desk;
	struct ex_memory memory;
	struct ibv_mr *mr;
	int bad = 0;

	mr = softodp_reg_mr(end->pd, &desk, sizeof(desk),
			    IBV_ACCESS_LOCAL_WRITE, 0, NULL);
	if (!mr)
		err(1, "softodp_reg_mr");
	ex_recv(end->sock, &memory, sizeof(memory));
	for (uint32_t i = 0; i < REQUESTS; i++) {
		uint64_t want;

		for (uint32_t k = 0; k < WORDS; k++)
			desk.request[k] = i * 7919 + k;
		want = work_on(&desk);
		bad += ex_rdma(end, IBV_WR_RDMA_WRITE, mr, desk.request,
			       sizeof(desk.request), memory.address,
			       memory.rkey) != IBV_WC_SUCCESS;
		ex_sync(end);
		ex_sync(end);
		bad += ex_rdma(end, IBV_WR_RDMA_READ, mr, &desk.answer,
			       sizeof(desk.answer),
			       memory.address + offsetof(struct desk, answer),
			       memory.rkey) != IBV_WC_SUCCESS;
		bad += desk.answer != want;
	}
	ex_sync(end);
	printf("%d answers, %d wrong\n", REQUESTS, bad);
	ibv_dereg_mr(mr);
	return bad != 0;
}

int main(int argc, char **argv)
{
	return ex_main(argc, argv, own, ask);
}
