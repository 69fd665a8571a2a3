// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A user ring scribbled over.
 */
#include "ring.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void bell(struct ibv_qp *qp)
{
	if (!ring_doorbell(qp))
		die("doorbell");
}

void pair_open(struct pair *p, struct dut *dut)
{
	uintptr_t before[RING_MAX];
	size_t sizes[RING_MAX];
	int n = ring_list(before, sizes);

	p->dut = dut;
	p->cq[0] = ibv_create_cq(dut->ctx, 63, NULL, NULL, 0);
	p->cq_ring = ring_new(before, n, true, NULL);
	p->cq[1] = ibv_create_cq(dut->ctx, 63, NULL, NULL, 0);
	n = ring_list(before, sizes);
	p->qp[0] = rc_qp(dut->pd, p->cq[0], 15, 2, 64);
	p->sq = ring_new(before, n, true, &p->sq_size);
	n = ring_list(before, sizes);
	p->qp[1] = rc_qp(dut->pd, p->cq[1], 15, 2, 64);
	p->rq = ring_new(before, n, false, &p->rq_size);
	for (int i = 0; i < 2; i++)
		if (rc_connect(p->qp[i], &dut->gid, dut->gid_index,
			       p->qp[!i]->qp_num, 7, 7,
			       IBV_ACCESS_REMOTE_WRITE |
				       IBV_ACCESS_REMOTE_READ |
				       IBV_ACCESS_REMOTE_ATOMIC,
			       4))
			die("pair");
}

void pair_close(struct pair *p)
{
	for (int i = 0; i < 2; i++)
		if (ibv_destroy_qp(p->qp[i]) || ibv_destroy_cq(p->cq[i]))
			die("pair's end");
}

struct rxe_send_wqe *good_wqe(struct pair *p)
{
	struct rxe_send_wqe *w = ring_slot(p->sq, p->sq->producer_index);
	struct region *r = &p->dut->good_region;

	memset(w, 0, sizeof(*w));
	w->wr.wr_id = 77;
	w->wr.opcode = IBV_WR_RDMA_WRITE;
	w->wr.send_flags = IBV_SEND_SIGNALED;
	w->wr.wr.rdma.remote_addr = (uintptr_t)r->buf + 8192;
	w->wr.wr.rdma.rkey = r->mr->rkey;
	w->iova = w->wr.wr.rdma.remote_addr;
	w->dma.length = w->dma.resid = 64;
	w->dma.num_sge = 1;
	w->dma.sge[0] = (struct rxe_sge){ .addr = (uintptr_t)r->buf,
					  .length = 64,
					  .lkey = r->mr->lkey };
	return w;
}

/* --- send ring rows
 * ------------------------------------------------------------------ */

typedef void (*spoil_fn)(struct pair *p, struct rxe_send_wqe *w);

static void s_nothing(struct pair *p, struct rxe_send_wqe *w)
{
	(void)p, (void)w;
}

static void s_opcode(struct pair *p, struct rxe_send_wqe *w)
{
	(void)p;
	w->wr.opcode = 0xff;
}

static void s_opcode_bind(struct pair *p, struct rxe_send_wqe *w)
{
	(void)p;
	w->wr.opcode = IBV_WR_BIND_MW;
}

/* Of a region that is neither a window nor a fast registration. */
static void s_invalidate(struct pair *p, struct rxe_send_wqe *w)
{
	(void)p;
	w->wr.opcode = IBV_WR_LOCAL_INV;
	w->wr.ex.invalidate_rkey = w->wr.wr.rdma.rkey;
}

static void s_opcode_reg(struct pair *p, struct rxe_send_wqe *w)
{
	(void)p;
	w->wr.opcode = 32; /* IB_WR_REG_MR, which has a pointer of the kernel */
}

static void s_num_sge(struct pair *p, struct rxe_send_wqe *w)
{
	(void)p;
	w->dma.num_sge = 33;
}

static void s_num_sge_max(struct pair *p, struct rxe_send_wqe *w)
{
	(void)p;
	w->dma.num_sge = 0xffffffff;
}

static void s_length_long(struct pair *p, struct rxe_send_wqe *w)
{
	(void)p;
	w->dma.length = w->dma.resid = 128;
}

static void s_length_short(struct pair *p, struct rxe_send_wqe *w)
{
	(void)p;
	w->dma.length = w->dma.resid = 8;
}

static void s_length_huge(struct pair *p, struct rxe_send_wqe *w)
{
	(void)p;
	w->dma.length = w->dma.resid = w->dma.sge[0].length = 0x80000001;
}

static void s_inline_long(struct pair *p, struct rxe_send_wqe *w)
{
	(void)p;
	w->wr.send_flags |= IBV_SEND_INLINE;
	w->dma.length = w->dma.resid = 100000;
}

static void s_inline_read(struct pair *p, struct rxe_send_wqe *w)
{
	(void)p;
	w->wr.send_flags |= IBV_SEND_INLINE;
	w->wr.opcode = IBV_WR_RDMA_READ;
}

static void s_atomic_short(struct pair *p, struct rxe_send_wqe *w)
{
	struct region *r = &p->dut->good_region;

	w->wr.opcode = IBV_WR_ATOMIC_FETCH_AND_ADD;
	w->wr.wr.atomic.remote_addr = (uintptr_t)r->buf;
	w->wr.wr.atomic.rkey = r->mr->rkey;
	w->dma.length = w->dma.resid = w->dma.sge[0].length = 4;
}

static void s_lkey(struct pair *p, struct rxe_send_wqe *w)
{
	(void)p;
	w->dma.sge[0].lkey = 0x7fffff00;
}

static void s_lkey_pd(struct pair *p, struct rxe_send_wqe *w)
{
	struct region *r = &p->dut->regions[K_OTHER_PD];

	w->dma.sge[0].lkey = r->mr->lkey;
	w->dma.sge[0].addr = (uintptr_t)r->buf;
}

static void s_sge_end(struct pair *p, struct rxe_send_wqe *w)
{
	w->dma.sge[0].addr = (uintptr_t)p->dut->good_region.buf + BUF_LEN - 63;
}

static void s_sge_wrap(struct pair *p, struct rxe_send_wqe *w)
{
	(void)p;
	w->dma.sge[0].addr = UINT64_MAX - 15;
}

static void s_progress(struct pair *p, struct rxe_send_wqe *w)
{
	(void)p;
	w->state = w->status = w->mask = 0xdeadbeef;
	w->first_psn = w->last_psn = w->ssn = w->ack_length = 0xdeadbeef;
	w->has_rd_atomic = 1;
	w->dma.resid = w->dma.cur_sge = w->dma.sge_offset = 0xdeadbeef;
}

static void s_inline_offset(struct pair *p, struct rxe_send_wqe *w)
{
	(void)p;
	w->wr.send_flags |= IBV_SEND_INLINE;
	w->dma.sge_offset = 0x7fff0000;
	memset(w->dma.inline_data, 0x77, 64);
}

static void s_header(struct pair *p, struct rxe_send_wqe *w)
{
	(void)w;
	/* what user space may use of the header is no business of the kernel */
	p->sq->consumer_index = 0xfffffff0;
}

static const struct {
	const char *name;
	spoil_fn spoil;
	int want; /* completion status */
	const char *counter;
} send_rows[] = {
	{ "good WRITE by hand", s_nothing, IBV_WC_SUCCESS, NULL },
	{ "opcode 0xff", s_opcode, IBV_WC_LOC_QP_OP_ERR, "ring_rejects" },
	{ "memory window bind", s_opcode_bind, IBV_WC_MW_BIND_ERR, NULL },
	{ "fast registration, of kernel users only", s_opcode_reg,
	  IBV_WC_LOC_QP_OP_ERR, "ring_rejects" },
	{ "invalidation of a registered region", s_invalidate,
	  IBV_WC_LOC_QP_OP_ERR, NULL },
	{ "33 SGEs", s_num_sge, IBV_WC_LOC_QP_OP_ERR, "ring_rejects" },
	{ "2^32-1 SGEs", s_num_sge_max, IBV_WC_LOC_QP_OP_ERR, "ring_rejects" },
	{ "length longer than the SGEs", s_length_long, IBV_WC_LOC_LEN_ERR,
	  "ring_rejects" },
	{ "length shorter than the SGEs", s_length_short, IBV_WC_LOC_LEN_ERR,
	  "ring_rejects" },
	{ "length over 2^31", s_length_huge, IBV_WC_LOC_LEN_ERR,
	  "ring_rejects" },
	{ "inline, longer than the slot", s_inline_long, IBV_WC_LOC_LEN_ERR,
	  "ring_rejects" },
	{ "inline READ", s_inline_read, IBV_WC_LOC_QP_OP_ERR, "ring_rejects" },
	{ "atomic of 4 bytes", s_atomic_short, IBV_WC_LOC_LEN_ERR,
	  "ring_rejects" },
	{ "lkey of nobody", s_lkey, IBV_WC_LOC_PROT_ERR, NULL },
	{ "lkey of another protection domain", s_lkey_pd, IBV_WC_LOC_PROT_ERR,
	  NULL },
	{ "SGE one byte over the end", s_sge_end, IBV_WC_LOC_PROT_ERR, NULL },
	{ "SGE wraps at 2^64", s_sge_wrap, IBV_WC_LOC_PROT_ERR, NULL },
	{ "progress fields scribbled over", s_progress, IBV_WC_SUCCESS, NULL },
	{ "inline with a wild sge_offset", s_inline_offset, IBV_WC_SUCCESS,
	  NULL },
	{ "consumer index scribbled over", s_header, IBV_WC_SUCCESS, NULL },
};

int wait_status(struct ibv_cq *cq, int ms)
{
	struct ibv_wc wc;

	while (ms-- > 0) {
		if (ibv_poll_cq(cq, 1, &wc) == 1)
			return wc.status;
		usleep(1000);
	}
	return -1;
}

static void run_send_rows(struct dut *dut)
{
	for (size_t i = 0; i < ARRAY_SIZE(send_rows); i++) {
		uint64_t before = 0;
		struct pair p;
		int got;

		if (send_rows[i].counter)
			before = dut_counter(dut, send_rows[i].counter);
		pair_open(&p, dut);
		send_rows[i].spoil(&p, good_wqe(&p));
		ring_publish(p.sq);
		bell(p.qp[0]);
		got = wait_status(p.cq[0], 3000);
		pair_close(&p);
		usleep(20000);
		if (got == send_rows[i].want && send_rows[i].counter &&
		    dut_counter(dut, send_rows[i].counter) == before) {
			report_f(false, "send ring", send_rows[i].name,
				 "counter %s did not move",
				 send_rows[i].counter);
			continue;
		}
		report_f(got == send_rows[i].want && dut_healthy(dut),
			 "send ring", send_rows[i].name,
			 "status %d, not %d, or others harmed", got,
			 send_rows[i].want);
		dut_refill(dut);
	}
}

/* --- receive ring rows
 * -------------------------------------------------------------- */

static const struct {
	const char *name;
	uint32_t num_sge, lkey;
	int receiver, sender;
} recv_rows[] = {
	{ "33 SGEs", 33, 0, IBV_WC_LOC_QP_OP_ERR, IBV_WC_REM_OP_ERR },
	{ "2^32-1 SGEs", 0xffffffff, 0, IBV_WC_LOC_QP_OP_ERR,
	  IBV_WC_REM_OP_ERR },
	{ "lkey of nobody", 1, 0x7fffff00, IBV_WC_LOC_PROT_ERR,
	  IBV_WC_REM_OP_ERR },
};

static void run_recv_rows(struct dut *dut)
{
	struct region *r = &dut->good_region;

	for (size_t i = 0; i < ARRAY_SIZE(recv_rows); i++) {
		struct rxe_send_wqe *send;
		struct rxe_recv_wqe *w;
		int receiver, sender;
		struct pair p;

		pair_open(&p, dut);
		w = ring_slot(p.rq, p.rq->producer_index);
		memset(w, 0, sizeof(*w));
		w->dma.length = w->dma.resid = 256;
		w->dma.num_sge = recv_rows[i].num_sge;
		w->dma.sge[0] = (struct rxe_sge){
			.addr = (uintptr_t)r->buf + 4096,
			.length = 256,
			.lkey = recv_rows[i].lkey ? recv_rows[i].lkey :
						    r->mr->lkey,
		};
		ring_publish(p.rq);
		send = good_wqe(&p);
		send->wr.opcode = IBV_WR_SEND;
		ring_publish(p.sq);
		bell(p.qp[0]);
		sender = wait_status(p.cq[0], 3000);
		receiver = wait_status(p.cq[1], 3000);
		pair_close(&p);
		report_f(
			receiver == recv_rows[i].receiver &&
				sender == recv_rows[i].sender &&
				dut_healthy(dut),
			"receive ring", recv_rows[i].name,
			"receiver %d, not %d; sender %d, not %d; or others harmed",
			receiver, recv_rows[i].receiver, sender,
			recv_rows[i].sender);
		dut_refill(dut);
	}
}

/* --- the whole mapping, while it is in use
 * --------------------------------------------- */

struct scribbler {
	struct pair *p;
	atomic_bool stop;
	unsigned seed;
};

static void *scribble(void *arg)
{
	struct scribbler *s = arg;
	uint32_t *sq = (uint32_t *)s->p->sq, *rq = (uint32_t *)s->p->rq;

	while (!s->stop) {
		uint32_t value = rand_r(&s->seed) * 2654435761u;

		/* never the header: the provider in this process reads it */
		sq[96 + rand_r(&s->seed) % (s->p->sq_size / 4 - 96)] = value;
		rq[96 + rand_r(&s->seed) % (s->p->rq_size / 4 - 96)] = value;
	}
	return NULL;
}

static void run_scribbler(struct dut *dut)
{
	struct scribbler s = { .seed = 20080131 };
	bool healthy = true;

	for (int round = 0; round < 20; round++) {
		pthread_t thread;
		struct pair p;

		pair_open(&p, dut);
		s.p = &p;
		s.stop = false;
		pthread_create(&thread, NULL, scribble, &s);
		for (int i = 0; i < 10; i++) {
			good_wqe(&p);
			ring_publish(p.sq);
			ring_publish(p.rq);
			bell(p.qp[0]);
		}
		healthy &= dut_healthy(dut);
		s.stop = true;
		pthread_join(thread, NULL);
		pair_close(&p);
	}
	report(healthy, "ring", "scribbled over while in use", "others harmed");
	dut_refill(dut);
}

static void run_indices(struct dut *dut)
{
	static const uint32_t wild[] = { 0xffffffff, 0x80000000, 12345 };
	struct pair p;

	for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
		char name[64];

		snprintf(name, sizeof(name), "producer index %#x", wild[i]);
		pair_open(&p, dut);
		__atomic_store_n(&p.sq->producer_index, wild[i],
				 __ATOMIC_RELEASE);
		__atomic_store_n(&p.rq->producer_index, wild[i],
				 __ATOMIC_RELEASE);
		bell(p.qp[0]);
		report(dut_healthy(dut), "ring", name, "others harmed");
		pair_close(&p);
	}
	pair_open(&p, dut);
	p.sq->log2_elem_size = 31;
	p.sq->index_mask = 0xffffffff;
	bell(p.qp[0]);
	report(dut_healthy(dut), "ring", "element size and mask", "harmed");
	pair_close(&p);
	/* the consumer says that it is one behind: a full queue, an overflow */
	pair_open(&p, dut);
	p.cq_ring->consumer_index = p.cq_ring->producer_index + 1;
	good_wqe(&p);
	ring_publish(p.sq);
	bell(p.qp[0]);
	report(dut_healthy(dut), "ring", "completion queue claims to be full",
	       "others harmed");
	pair_close(&p);
}

void run_rings(struct dut *dut)
{
	run_send_rows(dut);
	run_recv_rows(dut);
	run_indices(dut);
	run_scribbler(dut);
}
