/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The rings of the public user ABI, found in our own address space, to be
 * filled by hand; and the doorbell as the provider would ring it.
 */
#ifndef RINGMAP_H
#define RINGMAP_H

#include <infiniband/verbs.h>
#include <rdma/rdma_user_rxe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RING_MAX = 256,
};

/* Mappings of uverbs devices that there are now; how many. */
int ring_list(uintptr_t *starts, size_t *sizes);
/* One that is not among the @n @before, by the size of its elements. */
struct rxe_queue_buf *ring_new(uintptr_t *before, int n, bool largest,
			       size_t *size);
void *ring_slot(struct rxe_queue_buf *q, uint32_t index);
void ring_publish(struct rxe_queue_buf *q);
bool ring_doorbell(struct ibv_qp *qp);

#endif
