// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Reliable connections as verbs describe them: states, queries, flushing,
 * limits, events, completion queues, packet sizes.
 *
 *   rcqp --dev D [--case NAME]
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "rcqp/rcqp.h"

struct rd_dev dev;
struct buffers bufs;
struct rd_op op_of(enum ibv_wr_opcode opcode, uint32_t len)
{
	return (struct rd_op){
		.opcode = opcode,
		.addr = (uintptr_t)bufs.near,
		.len = len,
		.lkey = bufs.near_mr->lkey,
		.raddr = (uintptr_t)bufs.far,
		.rkey = bufs.far_mr->rkey,
	};
}

int next_event(unsigned int ms)
{
	struct pollfd p = { .fd = dev.ctx->async_fd, .events = POLLIN };
	struct ibv_async_event event;

	if (poll(&p, 1, ms) != 1 || ibv_get_async_event(dev.ctx, &event))
		return -1;
	ibv_ack_async_event(&event);
	return event.event_type;
}

static uint8_t *map_buffer(void)
{
	void *p = mmap(NULL, BUF, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	return p;
}

static void set_up(const char *name)
{
	rd_open(&dev, name);
	bufs.near = map_buffer();
	bufs.far = map_buffer();
	bufs.near_mr = rd_reg(&dev, bufs.near, BUF, RD_ALL);
	bufs.far_mr = rd_reg(&dev, bufs.far, BUF, RD_ALL);
	fcntl(dev.ctx->async_fd, F_SETFL,
	      fcntl(dev.ctx->async_fd, F_GETFL) | O_NONBLOCK);
}

static void run(const struct test *t)
{
	while (next_event(0) >= 0)
		; /* of the one before */
	case_run(t);
}

int main(int argc, char **argv)
{
	static const struct test *const groups[] = { state_tests, data_tests,
						     event_tests };
	static const struct option options[] = {
		{ "dev", required_argument, NULL, 'd' },
		{ "case", required_argument, NULL, 'c' },
		{}
	};
	const char *name = NULL, *only = NULL;
	const struct test *t;
	unsigned int i;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'd')
			name = optarg;
		else if (c == 'c')
			only = optarg;
		else
			return 2;
	}
	if (!name)
		die("usage: rcqp --dev DEVICE [--case NAME]");
	set_up(name);
	for (i = 0; i < ARRAY_SIZE(groups); i++)
		for (t = groups[i]; t->name; t++)
			if (!only || !strcmp(only, t->name))
				run(t);
	if (ibv_dereg_mr(bufs.near_mr) || ibv_dereg_mr(bufs.far_mr))
		die("dereg_mr: %s", strerror(errno));
	rd_close(&dev);
	return tap_done();
}
