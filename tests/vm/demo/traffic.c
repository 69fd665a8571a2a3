// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <err.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <softodp/softodp.h>

#include "screen.h"
#include "traffic.h"

enum {
	DEPTH = 16, /* messages in flight */
	PEER_PATIENCE_S = 30, /* for one completion */
	OWNER_PATIENCE_S = 90, /* for one order */
	DRAW_MS = 100,
	MEANWHILE_MS = 50,
};

/* --- pattern -------------------------------------------------------------- */

static uint64_t word(uint64_t seed, uint64_t index)
{
	uint64_t x = (index + 1) * 0x9e3779b97f4a7c15 ^
		     seed * 0xd6e8feb86659fd93;

	x ^= x >> 32;
	return seed ? x * 0xd6e8feb86659fd93 : 0;
}

void pattern_fill(void *buffer, size_t length, uint64_t seed, uint64_t offset)
{
	unsigned char *p = buffer;

	while (length) {
		const uint64_t w = word(seed, offset / 8);
		const size_t skip = offset % 8;
		const size_t n = length < 8 - skip ? length : 8 - skip;

		memcpy(p, (const char *)&w + skip, n);
		p += n;
		offset += n;
		length -= n;
	}
}

uint64_t pattern_wrong(const void *buffer, size_t length, uint64_t seed,
		       uint64_t offset)
{
	const unsigned char *p = buffer;
	uint64_t wrong = 0;

	while (length) {
		const uint64_t w = word(seed, offset / 8);
		const unsigned char *want = (const unsigned char *)&w;
		const size_t skip = offset % 8;
		const size_t n = length < 8 - skip ? length : 8 - skip;

		if (memcmp(p, want + skip, n))
			for (size_t i = 0; i < n; i++)
				wrong += p[i] != want[skip + i];
		p += n;
		offset += n;
		length -= n;
	}
	return wrong;
}

/* --- the peer ------------------------------------------------------------- */

struct peer {
	struct ex_end *ends;
	struct ibv_mr *mr; /* pinned: DEPTH slots */
	char *slots;
	struct traffic_progress *progress;
};

static uint64_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static char *slot(const struct peer *peer, uint32_t i)
{
	return peer->slots + (size_t)(i % DEPTH) * TRAFFIC_MAX_LENGTH;
}

static void post(const struct peer *peer, const struct order *order, uint32_t i,
		 bool write)
{
	const uint64_t address = order->address + i * order->stride;
	struct ibv_sge sge = { .addr = (uintptr_t)slot(peer, i),
			       .length = order->length,
			       .lkey = peer->mr->lkey };
	struct ibv_send_wr wr = {
		.wr_id = i,
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = write ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_READ,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = address, .rkey = order->rkey },
	};
	struct ibv_send_wr *bad;

	if (write)
		pattern_fill(slot(peer, i), order->length, order->seed,
			     address - order->origin);
	else
		memset(slot(peer, i), 0x5a, order->length);
	if (ibv_post_send(peer->ends[order->qp].qp, &wr, &bad))
		err(1, "ibv_post_send");
}

static bool next_completion(struct ibv_cq *cq, struct ibv_wc *wc)
{
	const uint64_t limit = seconds() + PEER_PATIENCE_S;

	for (;;) {
		const int n = ibv_poll_cq(cq, 1, wc);

		if (n < 0)
			errx(1, "ibv_poll_cq");
		if (n)
			return true;
		if (seconds() > limit)
			return false;
	}
}

/* One pass over the order's messages. */
static void move(const struct peer *peer, const struct order *order, bool write,
		 struct report *report)
{
	uint32_t posted = 0, done = 0;
	struct ibv_wc wc;

	while (done < posted || (posted < order->count && !report->status)) {
		while (posted < order->count && posted - done < DEPTH &&
		       !report->status)
			post(peer, order, posted++, write);
		if (!next_completion(peer->ends[order->qp].cq, &wc)) {
			report->status = TRAFFIC_NO_ANSWER;
			return;
		}
		done++;
		if (wc.status) {
			if (!report->status)
				report->status = wc.status;
			continue;
		}
		report->completed++;
		peer->progress->done++;
		if (!write)
			report->wrong += pattern_wrong(
				slot(peer, wc.wr_id), order->length,
				order->seed,
				order->address + wc.wr_id * order->stride -
					order->origin);
	}
}

static struct report obey(const struct peer *peer, struct order order)
{
	struct report report = { .status = IBV_WC_SUCCESS };

	if (order.kind != ORDER_CHURN) {
		move(peer, &order, order.kind == ORDER_WRITE, &report);
		return report;
	}
	for (uint32_t pass = 0; pass < order.passes; pass++, order.seed++) {
		move(peer, &order, true, &report);
		move(peer, &order, false, &report);
	}
	return report;
}

void traffic_serve(struct ex_end ends[TRAFFIC_QPS],
		   struct traffic_progress *progress)
{
	const size_t size = (size_t)DEPTH * TRAFFIC_MAX_LENGTH;
	struct peer peer = { .ends = ends, .progress = progress };
	struct order order;

	peer.slots = aligned_alloc(4096, size);
	if (!peer.slots)
		err(1, "no memory");
	memset(peer.slots, 0, size);
	peer.mr = softodp_reg_mr(ends[0].pd, peer.slots, size,
				 IBV_ACCESS_LOCAL_WRITE, SOFTODP_REG_NO_ODP,
				 NULL);
	if (!peer.mr)
		err(1, "peer's buffer");
	for (;;) {
		struct report report;

		ex_recv(ends[0].sock, &order, sizeof(order));
		if (order.kind == ORDER_QUIT)
			break;
		report = obey(&peer, order);
		ex_send(ends[0].sock, &report, sizeof(report));
	}
	ibv_dereg_mr(peer.mr);
	free(peer.slots);
}

/* --- the owner ------------------------------------------------------------ */

void traffic_order(const struct ex_end *end, const struct order *order)
{
	ex_send(end->sock, order, sizeof(*order));
}

struct report traffic_wait(const struct ex_end *end, const char *what,
			   struct traffic_progress *shared,
			   void (*meanwhile)(void *arg), void *arg)
{
	const uint64_t limit = seconds() + OWNER_PATIENCE_S;
	struct pollfd pollfd = { .fd = end->sock, .events = POLLIN };
	struct report report = { .status = TRAFFIC_NO_ANSWER };

	while (!poll(&pollfd, 1, meanwhile ? MEANWHILE_MS : DRAW_MS)) {
		if (seconds() > limit)
			return report;
		progress(what, shared->done, shared->total);
		if (meanwhile)
			meanwhile(arg);
	}
	progress(what, 0, 0);
	ex_recv(end->sock, &report, sizeof(report));
	return report;
}
