// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "ringmap.h"

#include <err.h>
#include <rdma/ib_user_verbs.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The mappings of uverbs character devices that we have now. */
int ring_list(uintptr_t *starts, size_t *sizes)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	int n = 0;

	if (!f)
		err(2, "/proc/self/maps");
	while (fgets(line, sizeof(line), f) && n < RING_MAX) {
		unsigned long start, end;

		if (strstr(line, "uverbs") &&
		    sscanf(line, "%lx-%lx", &start, &end) == 2) {
			starts[n] = start;
			sizes[n++] = end - start;
		}
	}
	fclose(f);
	return n;
}

/* The newest mapping: those in @now that are not in @before, by element size. */
struct rxe_queue_buf *ring_new(uintptr_t *before, int n, bool largest,
			       size_t *size)
{
	uintptr_t now[RING_MAX];
	size_t sizes[RING_MAX];
	struct rxe_queue_buf *best = NULL;
	int m = ring_list(now, sizes);

	for (int i = 0; i < m; i++) {
		struct rxe_queue_buf *q = (void *)now[i];
		bool old = false;

		for (int j = 0; j < n; j++)
			old |= before[j] == now[i];
		if (old)
			continue;
		if (!best ||
		    (largest ? q->log2_elem_size > best->log2_elem_size :
			       q->log2_elem_size < best->log2_elem_size)) {
			best = q;
			if (size)
				*size = sizes[i];
		}
	}
	if (!best)
		errx(2, "no ring found");
	return best;
}

void *ring_slot(struct rxe_queue_buf *q, uint32_t index)
{
	return q->data + ((size_t)(index & q->index_mask) << q->log2_elem_size);
}

void ring_publish(struct rxe_queue_buf *q)
{
	uint32_t next = (q->producer_index + 1) & q->index_mask;

	__atomic_store_n(&q->producer_index, next, __ATOMIC_RELEASE);
}

bool ring_doorbell(struct ibv_qp *qp)
{
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_post_send cmd;
	} ring = {};
	struct ib_uverbs_post_send_resp resp;

	ring.hdr.command = IB_USER_VERBS_CMD_POST_SEND;
	ring.hdr.in_words = sizeof(ring) / 4;
	ring.hdr.out_words = sizeof(resp) / 4;
	ring.cmd.response = (uintptr_t)&resp;
	ring.cmd.qp_handle = qp->handle;
	ring.cmd.wqe_size = sizeof(struct ibv_send_wr);
	return write(qp->context->cmd_fd, &ring, sizeof(ring)) >= 0;
}
