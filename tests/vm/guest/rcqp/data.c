// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Packet sizes, packet numbers, limits of what may be outstanding. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rcqp/rcqp.h"

static uint64_t seed;

/* One of each through this pair, @len bytes, data compared. */
static void all_operations(struct rd_qp *a, struct rd_qp *b, uint32_t len,
			   const char *what)
{
	struct ibv_sge sge = { (uintptr_t)bufs.far, len, bufs.far_mr->lkey };
	struct rd_op op;
	uint64_t old, *counter = (uint64_t *)bufs.far;
	int status;

	fill(bufs.near, len, ++seed);
	op = op_of(IBV_WR_RDMA_WRITE, len);
	status = rd_do(a, &op, WAIT_MS);
	check(!status && !memcmp(bufs.near, bufs.far, len), "%s: WRITE: %s",
	      what, rd_status(status));
	fill(bufs.far, len, ++seed);
	op = op_of(IBV_WR_RDMA_READ, len);
	status = rd_do(a, &op, WAIT_MS);
	check(!status && !memcmp(bufs.near, bufs.far, len), "%s: READ: %s",
	      what, rd_status(status));
	fill(bufs.near, len, ++seed);
	rd_post_recv(b, &sge, 1, 1);
	op = op_of(IBV_WR_SEND, len);
	status = rd_do(a, &op, WAIT_MS) ?: rd_wait(b->rcq, NULL, WAIT_MS);
	check(!status && !memcmp(bufs.near, bufs.far, len), "%s: SEND: %s",
	      what, rd_status(status));
	*counter = 41;
	op = op_of(IBV_WR_ATOMIC_FETCH_AND_ADD, 8);
	op.compare_add = 1;
	status = rd_do(a, &op, WAIT_MS);
	memcpy(&old, bufs.near, 8);
	check(!status && old == 41 && *counter == 42, "%s: FETCH_ADD: %s", what,
	      rd_status(status));
}

static void packet_sizes(void)
{
	static const unsigned int lens[] = { 10001, 4096, 256, 255 };
	struct rd_qp_opts opts = {};
	uint64_t packets;
	struct rd_qp a, b;
	unsigned int l;
	char what[32];

	for (opts.mtu = 256; opts.mtu <= 4096; opts.mtu *= 2) {
		rd_pair(&a, &dev, &b, &dev, &opts);
		strcpy(what, "mtu xxxx");
		what[4] = '0' + opts.mtu / 1000;
		what[5] = '0' + opts.mtu / 100 % 10;
		what[6] = '0' + opts.mtu / 10 % 10;
		what[7] = '0' + opts.mtu % 10;
		for (l = 0; l < ARRAY_SIZE(lens); l++)
			all_operations(&a, &b, lens[l], what);
		packets = counter(dev.name, "sent_pkts");
		all_operations(&a, &b, 64 * 1024, what);
		packets = counter(dev.name, "sent_pkts") - packets;
		/* Three messages of data, and a few packets around them. */
		check(packets >= 3 * 65536 / opts.mtu &&
			      packets < 4 * 65536 / opts.mtu + 64,
		      "%s: %llu packets", what, (unsigned long long)packets);
		rd_qp_destroy(&a);
		rd_qp_destroy(&b);
	}
}

static void psn_wrap(void)
{
	struct rd_qp_opts opts = { .mtu = 256, .psn = 0xfffff0 };
	struct rd_qp a, b;
	int i;

	rd_pair(&a, &dev, &b, &dev, &opts);
	for (i = 0; i < 3; i++)
		all_operations(&a, &b, 3000 + i, "around 2^24");
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
	/* A single READ whose responses wrap, and atomics around it. */
	opts.psn = 0xfffffe;
	rd_pair(&a, &dev, &b, &dev, &opts);
	all_operations(&a, &b, 64 * 1024, "over 2^24");
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
}

/* @depth READs and atomics at once, @allowed on the wire; all in order. */
static void outstanding(unsigned int allowed, unsigned int depth)
{
	struct rd_qp_opts opts = { .rd_atomic = allowed };
	uint64_t *counter = (uint64_t *)(bufs.far + BUF - 8);
	struct rd_qp a, b;
	struct ibv_wc wc;
	struct rd_op op;
	unsigned int i;
	uint64_t old;
	int status;

	*counter = 0;
	fill(bufs.far, BUF - PAGE, ++seed);
	memset(bufs.near, 0, BUF);
	rd_pair(&a, &dev, &b, &dev, &opts);
	for (i = 0; i < depth; i++) {
		if (i % 4 == 3) {
			op = op_of(IBV_WR_ATOMIC_FETCH_AND_ADD, 8);
			op.raddr = (uintptr_t)counter;
			op.compare_add = 1;
		} else {
			op = op_of(IBV_WR_RDMA_READ, 3000);
			op.raddr += i * 3000;
		}
		op.addr += i * 3000;
		op.id = i;
		check(!rd_post(&a, &op), "post_send");
	}
	for (i = 0; i < depth; i++) {
		status = rd_wait(a.scq, &wc, WAIT_MS);
		check(!status && wc.wr_id == i, "%u of %u allowed: %s, id %d",
		      depth, allowed, rd_status(status), (int)wc.wr_id);
		if (status)
			break;
		memcpy(&old, bufs.near + i * 3000, 8);
		if (i % 4 == 3)
			check(old == i / 4, "FETCH_ADD %u found %llu", i,
			      (unsigned long long)old);
		else
			check(!memcmp(bufs.near + i * 3000, bufs.far + i * 3000,
				      3000),
			      "READ %u brought something else", i);
	}
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
}

static void rd_atomic(void)
{
	outstanding(1, 16);
	outstanding(2, 64);
	outstanding(16, 64);
	outstanding(128, 64);
}

static void inline_data(void)
{
	struct rd_qp_opts opts = { .inline_data = 200 };
	struct rd_op op = op_of(IBV_WR_RDMA_WRITE, 0);
	uint8_t want[1024];
	struct rd_qp a, b;
	uint32_t len;
	int status;

	rd_pair(&a, &dev, &b, &dev, &opts);
	check(a.max_inline >= 200 && a.max_inline <= sizeof(want),
	      "max_inline %u", a.max_inline);
	op.flags = IBV_SEND_INLINE;
	op.lkey = 0; /* not looked at */
	for (len = 1; len <= a.max_inline; len += len / 3 + 1) {
		fill(want, len, ++seed);
		memcpy(bufs.near, want, len);
		op.len = len;
		check(!rd_post(&a, &op), "post_send");
		/* The buffer is ours again as soon as it was posted. */
		memset(bufs.near, 0xee, len);
		status = rd_wait(a.scq, NULL, WAIT_MS);
		check(!status && !memcmp(bufs.far, want, len),
		      "inline WRITE of %u: %s", len, rd_status(status));
	}
	op.len = a.max_inline + 1;
	check(rd_post(&a, &op), "inline data over the limit");
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
}

/* The receive is too small: errors on both sides, nothing behind its end. */
static void too_long(void)
{
	struct ibv_sge sge = { (uintptr_t)bufs.far, 50, bufs.far_mr->lkey };
	struct rd_op op = op_of(IBV_WR_SEND, 3000);
	struct rd_qp a, b;
	int status;

	rd_pair(&a, &dev, &b, &dev, NULL);
	memset(bufs.far, 0, PAGE);
	rd_post_recv(&b, &sge, 1, 1);
	status = rd_do(&a, &op, WAIT_MS);
	check(status == IBV_WC_REM_INV_REQ_ERR, "SEND too long: %s",
	      rd_status(status));
	status = rd_wait(b.rcq, NULL, WAIT_MS);
	check(status == IBV_WC_LOC_LEN_ERR, "receive too small: %s",
	      rd_status(status));
	check(!bufs.far[50] && !memcmp(bufs.far + 50, bufs.far + 51, 3000),
	      "bytes behind the receive were written");
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
}

#define MANY	   200
#define MANY_DEBUG 60 /* each takes a fifth of a second there */

static void many(void)
{
	const char *kernel = getenv("SD_KERNEL");
	const bool slow = kernel && (!strcmp(kernel, "debug") ||
				     !strcmp(kernel, "kcsan"));
	const unsigned int n = slow ? MANY_DEBUG : MANY;
	const struct rd_qp_opts opts = { .sq = 8, .rq = 8, .cqe = 16 };
	struct rd_qp *a = calloc(n, sizeof(*a));
	struct rd_qp *b = calloc(n, sizeof(*b));
	struct ibv_sge sge;
	struct rd_op op;
	unsigned int i;
	int status;

	for (i = 0; i < n; i++)
		rd_pair(&a[i], &dev, &b[i], &dev, &opts);
	fill(bufs.near, n * 1000, ++seed);
	memset(bufs.far, 0, n * 1000);
	for (i = 0; i < n; i++) {
		sge = (struct ibv_sge){ (uintptr_t)bufs.far + i * 1000, 1000,
					bufs.far_mr->lkey };
		rd_post_recv(&b[i], &sge, 1, i);
		op = op_of(i % 2 ? IBV_WR_RDMA_WRITE : IBV_WR_SEND, 1000);
		op.addr += i * 1000;
		op.raddr += i * 1000;
		check(!rd_post(&a[i], &op), "post_send");
	}
	for (i = 0; i < n; i++) {
		status = rd_wait(a[i].scq, NULL, WAIT_MS);
		check(!status, "QP %u: %s", i, rd_status(status));
		if (i % 2)
			continue;
		status = rd_wait(b[i].rcq, NULL, WAIT_MS);
		check(!status, "QP %u, receive: %s", i, rd_status(status));
	}
	check(!memcmp(bufs.near, bufs.far, n * 1000), "data differ");
	for (i = 0; i < n; i++) {
		rd_qp_destroy(&a[i]);
		rd_qp_destroy(&b[i]);
	}
	free(a);
	free(b);
}

const struct test data_tests[] = { { .name = "packet-sizes",
				     .run = packet_sizes },
				   { .name = "psn-wrap", .run = psn_wrap },
				   { .name = "rd-atomic", .run = rd_atomic },
				   { .name = "inline", .run = inline_data },
				   { .name = "too-long", .run = too_long },
				   { .name = "many", .run = many },
				   {} };
