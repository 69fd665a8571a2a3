// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Traffic and page faults until the device goes away, for the tests of removal.
 *
 *   traffic --dev D --ready FILE [--pairs N] [--dead] [--hold | --close]
 *
 * Creates FILE when everything runs. When the device is removed, says so and
 * ends with status 0; with --hold it first keeps its descriptors and mappings,
 * and goes on using them, until SIGTERM. With --close it closes the device at
 * SIGTERM, with everything alive and work posted, then waits for another one.
 * --dead: some faults wait for a userfaultfd handler that never answers.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "verbs.h"

#define PAGES	  32
#define MAX_PAIRS 64

static struct rd_dev dev;
static volatile sig_atomic_t told;
static volatile bool removed, stop;
static unsigned int completions;

struct pair {
	struct rd_qp a, b;
	uint8_t *mem; /* source, then target */
	struct ibv_mr *mr;
	pthread_t thread;
};

static struct pair pairs[MAX_PAIRS];

static void on_term(int sig)
{
	(void)sig;
	told++;
}

static void create_pair(struct pair *p)
{
	rd_pair(&p->a, &dev, &p->b, &dev, NULL);
	p->mem = mmap(NULL, 2 * PAGES * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->mem == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	p->mr = rd_reg(&dev, p->mem, 2 * PAGES * PAGE,
		       RD_ALL | (dev.odp ? IBV_ACCESS_ON_DEMAND : 0));
}

/* One of a few kinds; false when it did not succeed. */
static bool one_operation(struct pair *p, unsigned int n)
{
	const unsigned int page = n / 4 % (PAGES - 4);
	struct ibv_sge sge = { (uintptr_t)p->mem + (PAGES + page) * PAGE,
			       3 * PAGE, p->mr->lkey };
	struct rd_op op = {
		.addr = (uintptr_t)p->mem + page * PAGE,
		.len = 3 * PAGE,
		.lkey = p->mr->lkey,
		.raddr = sge.addr,
		.rkey = p->mr->rkey,
	};

	switch (n % 4) {
	case 0:
		op.opcode = IBV_WR_RDMA_WRITE;
		break;
	case 1:
		op.opcode = IBV_WR_RDMA_READ;
		break;
	case 2:
		op.opcode = IBV_WR_SEND;
		if (rd_post_recv(&p->b, &sge, 1, n))
			return false;
		break;
	case 3:
		op.opcode = IBV_WR_ATOMIC_FETCH_AND_ADD;
		op.len = 8;
		break;
	}
	if (rd_post(&p->a, &op))
		return false;
	if (rd_wait(p->a.scq, NULL, 10000))
		return false;
	return op.opcode != IBV_WR_SEND || !rd_wait(p->b.rcq, NULL, 10000);
}

static void *run_pair(void *arg)
{
	struct pair *p = arg;
	unsigned int n;

	for (n = 0; !stop; n++) {
		/* So that some fault is always on its way. */
		if (n % 8 == 0)
			madvise(p->mem, 2 * PAGES * PAGE, MADV_DONTNEED);
		if (!one_operation(p, n))
			break;
		__atomic_add_fetch(&completions, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* A WRITE whose target will never come. */
static void start_dead(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	static struct pair p;
	struct rd_op op;
	int i, fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	create_pair(&p);
	reg.range.start = (uintptr_t)p.mem + PAGES * PAGE;
	reg.range.len = PAGES * PAGE;
	madvise(p.mem, 2 * PAGES * PAGE, MADV_DONTNEED);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &reg))
		die("userfaultfd: %s", strerror(errno));
	for (i = 0; i < 4; i++) {
		op = (struct rd_op){
			.opcode = IBV_WR_RDMA_WRITE,
			.addr = (uintptr_t)p.mem,
			.len = PAGE,
			.lkey = p.mr->lkey,
			.raddr = reg.range.start + i * PAGE,
			.rkey = p.mr->rkey,
		};
		if (rd_post(&p.a, &op))
			die("post_send");
	}
}

/* The device's end: its event, or that nothing works any more. */
static bool device_gone(void)
{
	struct pollfd pfd = { .fd = dev.ctx->async_fd, .events = POLLIN };
	struct ibv_async_event event;
	struct ibv_port_attr port;

	while (poll(&pfd, 1, 0) == 1) {
		if (ibv_get_async_event(dev.ctx, &event))
			return true;
		ibv_ack_async_event(&event);
		if (event.event_type == IBV_EVENT_DEVICE_FATAL)
			return true;
	}
	return ibv_query_port(dev.ctx, 1, &port) != 0;
}

/*
 * Closes the device in the middle of work, everything on it alive. A mapping of
 * a queue keeps the descriptor's file open, so they go first.
 */
static void close_device(unsigned int n)
{
	struct rd_op op = { .opcode = IBV_WR_RDMA_WRITE, .len = 16 * PAGE };
	unsigned long start, end;
	unsigned int i, k;
	char line[256];
	FILE *maps;

	stop = true;
	for (i = 0; i < n; i++)
		pthread_join(pairs[i].thread, NULL);
	for (i = 0; i < n; i++) {
		op.addr = (uintptr_t)pairs[i].mem;
		op.raddr = op.addr + PAGES * PAGE;
		op.lkey = pairs[i].mr->lkey;
		op.rkey = pairs[i].mr->rkey;
		for (k = 0; k < 32; k++)
			rd_post(&pairs[i].a, &op);
	}
	maps = fopen("/proc/self/maps", "r");
	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "/uverbs") &&
		    sscanf(line, "%lx-%lx", &start, &end) == 2)
			munmap((void *)start, end - start);
	fclose(maps);
	close(dev.ctx->cmd_fd);
	close(dev.ctx->async_fd);
	printf("closed\n");
	fflush(stdout);
}

static void announce(const char *file)
{
	int fd;

	while (completions < 200)
		sleep_ms(10);
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	if (fd < 0)
		die("%s: %s", file, strerror(errno));
	close(fd);
}

static void hold(unsigned int n)
{
	struct rd_op op = { .opcode = IBV_WR_RDMA_WRITE };
	unsigned int i;

	while (!told) {
		for (i = 0; i < n; i++) {
			rd_wait(pairs[i].a.scq, NULL, 0);
			rd_wait(pairs[i].b.rcq, NULL, 0);
			rd_post(&pairs[i].a, &op);
		}
		sleep_ms(20);
	}
}

static struct {
	const char *dev, *ready;
	unsigned int pairs;
	bool dead, holds, closes;
} options = { .pairs = 4 };

static void parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "dev", required_argument, NULL, 'd' },
		{ "ready", required_argument, NULL, 'r' },
		{ "pairs", required_argument, NULL, 'n' },
		{ "dead", no_argument, NULL, 'D' },
		{ "hold", no_argument, NULL, 'h' },
		{ "close", no_argument, NULL, 'c' },
		{}
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'd')
			options.dev = optarg;
		else if (c == 'r')
			options.ready = optarg;
		else if (c == 'n')
			options.pairs = atoi(optarg);
		else if (c == 'D')
			options.dead = true;
		else if (c == 'h')
			options.holds = true;
		else if (c == 'c')
			options.closes = true;
		else
			exit(2);
	}
	if (!options.dev || !options.ready || options.pairs > MAX_PAIRS)
		die("usage: traffic --dev DEVICE --ready FILE ...");
}

static void start(void)
{
	unsigned int i;

	rd_open(&dev, options.dev);
	for (i = 0; i < options.pairs; i++)
		create_pair(&pairs[i]);
	if (options.dead)
		start_dead();
	for (i = 0; i < options.pairs; i++)
		if (pthread_create(&pairs[i].thread, NULL, run_pair, &pairs[i]))
			die("pthread_create");
	announce(options.ready);
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	signal(SIGTERM, on_term);
	start();
	while (!removed && !told) {
		removed = device_gone();
		sleep_ms(20);
	}
	if (options.closes && told) {
		close_device(options.pairs);
		while (told < 2)
			sleep_ms(20);
		return 0;
	}
	printf("%s after %u completions\n", removed ? "removed" : "told to end",
	       completions);
	fflush(stdout);
	if (options.holds)
		hold(options.pairs);
	stop = true;
	_exit(removed ? 0 : 3);
}
