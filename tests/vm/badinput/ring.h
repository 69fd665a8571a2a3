/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A pair of queue pairs whose rings are filled by hand. */
#ifndef RING_H
#define RING_H

#include "badinput.h"
#include "ringmap.h"

struct pair {
	struct dut *dut;
	struct ibv_cq *cq[2];
	struct ibv_qp *qp[2]; /* 0 sends, 1 receives */
	struct rxe_queue_buf *sq, *rq; /* 0's send ring, 1's receive ring */
	struct rxe_queue_buf *cq_ring; /* of cq[0] */
	size_t sq_size, rq_size;
};

void pair_open(struct pair *p, struct dut *dut);
void pair_close(struct pair *p);
void bell(struct ibv_qp *qp);
/* A good WRITE of 64 bytes, for rows to spoil. */
struct rxe_send_wqe *good_wqe(struct pair *p);
/* The first completion within @ms, or -1. */
int wait_status(struct ibv_cq *cq, int ms);

#endif
