// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A snapshot by fork() while a peer never stops writing, as databases in
 * memory save themselves: the child's memory stands still, the parent's goes
 * on, and neither waits for the other.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <softodp/softodp.h>

#include "common.h"

enum {
	PAGES = 256,
	PAGE = 4096,
	SNAPSHOTS = 5
};

/* The peer writes its round's number over all of the table, page by page. */
struct table {
	_Atomic uint64_t round; /* ends with this */
	uint64_t words[(PAGES * PAGE - 8) / 8];
};

static uint64_t sum(const struct table *t)
{
	uint64_t all = t->round;

	for (size_t i = 0; i < sizeof(t->words) / 8; i++)
		all = all * 31 + t->words[i];
	return all;
}

/* Until the peer has come @n rounds further. */
static void wait_for_rounds(const struct table *t, uint64_t n)
{
	const uint64_t from = t->round;

	while (t->round < from + n)
		usleep(1000);
}

/* In the child: what it saw at first it must see later. */
static void save(const struct table *t, int go)
{
	const uint64_t first = sum(t);
	char c;

	if (read(go, &c, 1) != 1)
		_exit(2);
	_exit(sum(t) != first);
}

static int take_snapshot(const struct table *t)
{
	uint64_t before = t->round;
	int go[2], status;
	pid_t child;

	if (pipe(go))
		err(1, "pipe");
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (!child)
		save(t, go[0]);
	wait_for_rounds(t, 2); /* all of it is written, after the fork */
	if (write(go[1], "g", 1) != 1 || waitpid(child, &status, 0) != child)
		err(1, "child");
	close(go[0]);
	close(go[1]);
	printf("snapshot %s; the peer came from round %llu to %llu meanwhile\n",
	       status ? "CHANGED" : "stood still", (unsigned long long)before,
	       (unsigned long long)t->round);
	fflush(stdout);
	return status != 0;
}

static int own(struct ex_end *end)
{
	struct table *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ex_memory memory = { (uintptr_t)t, sizeof(*t), 0 };
	struct ibv_mr *mr;
	int bad = 0;

	if (t == MAP_FAILED)
		err(1, "mmap");
	mr = softodp_reg_mr(end->pd, t, sizeof(*t),
			    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
			    SOFTODP_REG_NO_PIN, NULL);
	if (!mr)
		err(1, "softodp_reg_mr");
	memory.rkey = mr->rkey;
	ex_send(end->sock, &memory, sizeof(memory));
	wait_for_rounds(t, 1);
	for (int i = 0; i < SNAPSHOTS; i++)
		bad += take_snapshot(t);
	ex_send(end->sock, "e", 1); /* it may end */
	ex_sync(end);
	ibv_dereg_mr(mr);
	return bad != 0;
}

static int write_on_and_on(struct ex_end *end)
{
	static struct table t;
	struct ex_memory memory;
	enum ibv_wc_status status = IBV_WC_SUCCESS;
	struct ibv_mr *mr;

	mr = softodp_reg_mr(end->pd, &t, sizeof(t), 0, 0, NULL);
	if (!mr)
		err(1, "softodp_reg_mr");
	ex_recv(end->sock, &memory, sizeof(memory));
	for (uint64_t round = 1;
	     status == IBV_WC_SUCCESS && !ex_has_come(end->sock); round++) {
		for (size_t i = 0; i < sizeof(t.words) / 8; i++)
			t.words[i] = round * 1000003 + i;
		status = ex_rdma(end, IBV_WR_RDMA_WRITE, mr, t.words,
				 sizeof(t.words), memory.address + 8,
				 memory.rkey);
		t.round = round;
		if (status == IBV_WC_SUCCESS)
			status = ex_rdma(end, IBV_WR_RDMA_WRITE, mr, &t, 8,
					 memory.address, memory.rkey);
	}
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
