// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * fork() of a process that has written to 1 GiB, without and with a region over
 * it, and WRITEs to it before, and after while the child lives. Each WRITE goes
 * to a page of its own.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum {
	WRITES = 2048,
	MTU = 1024,
};

#define SIZE GIB

struct child {
	pid_t pid;
	int alive; /* it ends when this is closed */
};

/* Microseconds that fork() took. */
static double child_start(struct child *c)
{
	uint64_t start, ns;
	int ends[2];
	char byte;

	if (pipe(ends))
		die("pipe: %s", strerror(errno));
	start = bench_ns();
	c->pid = fork();
	ns = bench_ns() - start;
	if (c->pid < 0)
		die("fork: %s", strerror(errno));
	if (!c->pid) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) != 0);
	}
	close(ends[0]);
	c->alive = ends[1];
	return ns / 1e3;
}

static void child_end(struct child *c)
{
	int status;

	close(c->alive);
	if (waitpid(c->pid, &status, 0) != c->pid || status)
		die("the child ended with %d", status);
}

static double writes(struct lanes *l, uint8_t *at, struct ibv_mr *mr,
		     size_t from)
{
	struct stream s = {
		.lanes = l,
		.opcode = IBV_WR_RDMA_WRITE,
		.len = PAGE,
		.depth = 1,
		.count = WRITES,
		.source = at,
		.source_mr = mr,
		.target = at + from,
		.target_mr = mr,
		.step = PAGE,
		.span = WRITES * PAGE,
	};

	return 1e9 / stream_run(&s);
}

/* On one device: the source is in the same region. */
void part_fork(void)
{
	uint8_t *at = fresh(SIZE);
	struct child child;
	struct ibv_mr *mr;
	struct lanes l;

	if (bench.asked != &bench.asks)
		die("fork: on one device only");
	touch(at, SIZE);
	result(child_start(&child), "us", "fork_0");
	child_end(&child);
	touch(at, SIZE); /* no page is shared any more */

	lanes_open(&l, 1, MTU);
	mr = reg_asked(at, SIZE);
	if (bench.on_demand)
		prefetch(mr, at, SIZE);
	writes(&l, at, mr, MIB);
	result(writes(&l, at, mr, MIB), "op/s", "fork_write_before");
	result(child_start(&child), "us", "fork_1g");
	result(writes(&l, at, mr, SIZE / 2), "op/s", "fork_write_after");
	child_end(&child);
	dereg(mr);
	lanes_close(&l);
	munmap(at, SIZE);
}
