// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * On-demand capabilities, a table. Of each operation of each transport: with
 * its bit it works on a region on demand, at each place where it may be used,
 * and faults there; without it, it does not work at all.
 *
 *   odpcaps DEVICE
 *
 * Everything but the place under test is pinned, so each fault is its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/verbs.h"

enum {
	LEN = 3000, /* in one packet of UD as well */
	ROOM = 2 * 4096,
	GRH = 40,
	QKEY = 0x3333,
	PATIENCE_MS = 10000,
	QUIET_MS = 100,
	/* not in each libibverbs */
	WR_FLUSH = 14,
	WR_ATOMIC_WRITE = 15,
	CAP_FLUSH = 1 << 6,
	CAP_ATOMIC_WRITE = 1 << 7,
};

enum transport {
	RC,
	UC,
	UD
};

static const char *const transports[] = { "RC", "UC", "UD" };

enum place {
	LOCAL = 1, /* of the work request */
	TARGET = 2, /* what it reaches by a remote key, or the receive */
};

enum sides {
	ONE_SIDED,
	TWO_SIDED,
	BY_SRQ, /* and two-sided */
};

static const struct op {
	const char *name;
	uint32_t bit;
	int opcode;
	int places;
	enum sides sides;
} ops[] = {
	{ "SEND", IBV_ODP_SUPPORT_SEND, IBV_WR_SEND, LOCAL, TWO_SIDED },
	{ "RECV", IBV_ODP_SUPPORT_RECV, IBV_WR_SEND, TARGET, TWO_SIDED },
	{ "SRQ_RECV", IBV_ODP_SUPPORT_SRQ_RECV, IBV_WR_SEND, TARGET, BY_SRQ },
	{ "WRITE", IBV_ODP_SUPPORT_WRITE, IBV_WR_RDMA_WRITE, LOCAL | TARGET,
	  ONE_SIDED },
	{ "READ", IBV_ODP_SUPPORT_READ, IBV_WR_RDMA_READ, LOCAL | TARGET,
	  ONE_SIDED },
	{ "ATOMIC (add)", IBV_ODP_SUPPORT_ATOMIC, IBV_WR_ATOMIC_FETCH_AND_ADD,
	  LOCAL | TARGET, ONE_SIDED },
	{ "ATOMIC (swap)", IBV_ODP_SUPPORT_ATOMIC, IBV_WR_ATOMIC_CMP_AND_SWP,
	  LOCAL | TARGET, ONE_SIDED },
	{ "FLUSH", CAP_FLUSH, WR_FLUSH, TARGET, ONE_SIDED },
	{ "ATOMIC_WRITE", CAP_ATOMIC_WRITE, WR_ATOMIC_WRITE, TARGET,
	  ONE_SIDED },
};

static struct rd_dev dev;

/* --- a pair of queue pairs, and memory ------------------------------- */

struct pair {
	enum transport transport;
	struct rd_qp a, b;
	struct ibv_srq *srq;
	struct ibv_ah *ah; /* UD */
};

struct buffer {
	uint8_t *at;
	struct ibv_mr *mr;
};

static struct ibv_cq *make_cq(void)
{
	struct ibv_cq *cq = ibv_create_cq(dev.ctx, 16, NULL, NULL, 0);

	if (!cq)
		die("create_cq: %s", strerror(errno));
	return cq;
}

static void open_ud(struct rd_qp *q, struct ibv_srq *srq)
{
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_UD,
		.srq = srq,
		.cap = { .max_send_wr = 4,
			 .max_recv_wr = 4,
			 .max_send_sge = 1,
			 .max_recv_sge = 1 },
	};
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_INIT,
				    .port_num = 1,
				    .qkey = QKEY };

	memset(q, 0, sizeof(*q));
	q->dev = &dev;
	q->own_cqs = true;
	q->scq = init.send_cq = make_cq();
	q->rcq = init.recv_cq = make_cq();
	q->qp = ibv_create_qp(dev.pd, &init);
	if (!q->qp || ibv_modify_qp(q->qp, &attr,
				    IBV_QP_STATE | IBV_QP_PKEY_INDEX |
					    IBV_QP_PORT | IBV_QP_QKEY))
		die("a UD queue pair: %s", strerror(errno));
	attr.qp_state = IBV_QPS_RTR;
	if (ibv_modify_qp(q->qp, &attr, IBV_QP_STATE))
		die("to RTR: %s", strerror(errno));
	attr.qp_state = IBV_QPS_RTS;
	if (ibv_modify_qp(q->qp, &attr, IBV_QP_STATE | IBV_QP_SQ_PSN))
		die("to RTS: %s", strerror(errno));
}

static struct ibv_ah *own_address(void)
{
	struct ibv_ah_attr attr = {
		.is_global = 1,
		.port_num = 1,
		.grh = { .dgid = dev.gid,
			 .sgid_index = dev.gid_index,
			 .hop_limit = 64 },
	};
	struct ibv_ah *ah = ibv_create_ah(dev.pd, &attr);

	if (!ah)
		die("create_ah: %s", strerror(errno));
	return ah;
}

static void open_pair(struct pair *p, enum transport transport, bool srq)
{
	struct ibv_srq_init_attr init = { .attr = { .max_wr = 4,
						    .max_sge = 1 } };
	struct rd_qp_opts opts = { .uc = transport == UC, .mtu = 4096 };
	struct rd_addr to_a, to_b;

	memset(p, 0, sizeof(*p));
	p->transport = transport;
	if (srq) {
		p->srq = ibv_create_srq(dev.pd, &init);
		if (!p->srq)
			die("create_srq: %s", strerror(errno));
	}
	if (transport == UD) {
		open_ud(&p->a, NULL);
		open_ud(&p->b, p->srq);
		p->ah = own_address();
		return;
	}
	rd_qp_create(&p->a, &dev, &opts);
	opts.srq = p->srq;
	rd_qp_create(&p->b, &dev, &opts);
	to_a = rd_qp_addr(&p->a);
	to_b = rd_qp_addr(&p->b);
	rd_connect(&p->a, &to_b);
	rd_connect(&p->b, &to_a);
}

static void close_pair(struct pair *p)
{
	if (p->ah)
		ibv_destroy_ah(p->ah);
	rd_qp_destroy(&p->a);
	rd_qp_destroy(&p->b);
	if (p->srq)
		ibv_destroy_srq(p->srq);
	rd_drop_events(&dev);
}

/* On demand it is cold: just registered, and what is a sink not even there. */
static void open_buffer(struct buffer *b, bool on_demand, bool filled)
{
	b->at = mmap(NULL, ROOM, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->at == MAP_FAILED)
		die("mmap");
	if (filled)
		fill(b->at, ROOM, 17);
	b->mr = rd_reg(&dev, b->at, ROOM,
		       RD_ALL | (on_demand ? IBV_ACCESS_ON_DEMAND : 0));
}

static void close_buffer(struct buffer *b)
{
	if (ibv_dereg_mr(b->mr))
		die("dereg: %s", strerror(errno));
	munmap(b->at, ROOM);
}

/* --- one operation --------------------------------------------------- */

static bool is_atomic(const struct op *op)
{
	return op->bit == IBV_ODP_SUPPORT_ATOMIC;
}

static void receive(struct pair *p, struct buffer *to)
{
	struct ibv_sge sge = { (uintptr_t)to->at, ROOM, to->mr->lkey };
	struct ibv_recv_wr *bad, wr = { .sg_list = &sge, .num_sge = 1 };

	if (p->srq ? ibv_post_srq_recv(p->srq, &wr, &bad) :
		     ibv_post_recv(p->b.qp, &wr, &bad))
		die("post of a receive");
}

/* 0 when it was posted and completed well. */
static int send_op(struct pair *p, const struct op *op, struct buffer *local,
		   struct buffer *target)
{
	struct ibv_sge sge = { (uintptr_t)local->at, is_atomic(op) ? 8 : LEN,
			       local->mr->lkey };
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = op->opcode,
		.send_flags = IBV_SEND_SIGNALED,
	};
	int err;

	if (op->opcode == WR_ATOMIC_WRITE)
		sge.length = 8;
	if (p->transport == UD && op->sides) {
		wr.wr.ud.ah = p->ah;
		wr.wr.ud.remote_qpn = p->b.qp->qp_num;
		wr.wr.ud.remote_qkey = QKEY;
	} else if (is_atomic(op)) {
		wr.wr.atomic.remote_addr = (uintptr_t)target->at;
		wr.wr.atomic.rkey = target->mr->rkey;
		wr.wr.atomic.compare_add = 0;
		wr.wr.atomic.swap = 4711;
		if (op->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD)
			wr.wr.atomic.compare_add = 4711;
	} else {
		wr.wr.rdma.remote_addr = (uintptr_t)target->at;
		wr.wr.rdma.rkey = target->mr->rkey;
	}
	err = ibv_post_send(p->a.qp, &wr, &bad);
	return err ?: rd_wait(p->a.scq, NULL, PATIENCE_MS);
}

/* A WRITE by UC is there some time after its completion. */
static bool same(const struct buffer *a, const struct buffer *b, size_t skip)
{
	for (int i = 0; i < PATIENCE_MS; i++) {
		if (!memcmp(a->at, b->at + skip, LEN))
			return true;
		sleep_ms(1);
	}
	return false;
}

static bool arrived(struct pair *p, const struct op *op, struct buffer *local,
		    struct buffer *target)
{
	size_t skip = p->transport == UD ? GRH : 0;
	struct ibv_wc wc;

	if (op->sides &&
	    (rd_wait(p->b.rcq, &wc, PATIENCE_MS) || wc.byte_len != LEN + skip))
		return false;
	if (is_atomic(op))
		return *(uint64_t *)target->at == 4711 &&
		       !*(uint64_t *)local->at;
	return same(local, target, skip);
}

enum outcome {
	WORKS,
	REFUSED,
	BROKEN, /* neither */
};

/* With the region at @place on demand; *faults: how many there were. */
static enum outcome attempt(enum transport transport, const struct op *op,
			    int place, uint64_t *faults)
{
	bool sinks_here = op->opcode == IBV_WR_RDMA_READ;
	struct buffer local, target;
	enum outcome outcome;
	struct pair p;
	int status;

	open_pair(&p, transport, op->sides == BY_SRQ);
	open_buffer(&local, place == LOCAL, !sinks_here && !is_atomic(op));
	open_buffer(&target, place == TARGET, sinks_here);
	*faults = counter(dev.name, "page_faults");
	if (op->sides)
		receive(&p, &target);
	status = send_op(&p, op, &local, &target);
	if (status)
		outcome = status == -1 ? BROKEN : REFUSED;
	else
		outcome = arrived(&p, op, &local, &target) ? WORKS : BROKEN;
	*faults = counter(dev.name, "page_faults") - *faults;
	if (outcome != WORKS)
		tap_note("%s %s: %s", transports[transport], op->name,
			 rd_status(status));
	close_pair(&p);
	close_buffer(&local);
	close_buffer(&target);
	return outcome;
}

/* --- the table -------------------------------------------------------- */

static void claimed(enum transport transport, const struct op *op)
{
	uint64_t faults;
	int place;

	for (place = LOCAL; place <= TARGET; place <<= 1) {
		enum outcome outcome;

		if (!(op->places & place))
			continue;
		outcome = attempt(transport, op, place, &faults);
		tap_result(
			outcome == WORKS && faults,
			"%s %s is claimed: it works on demand, %s, with %lu faults",
			transports[transport], op->name,
			place == LOCAL ? "locally" : "at the target", faults);
	}
	/* The count says something: without the region there is no fault. */
	tap_result(attempt(transport, op, 0, &faults) == WORKS && !faults,
		   "%s %s pinned: it works, with %lu faults",
		   transports[transport], op->name, faults);
}

static void not_claimed(enum transport transport, const struct op *op)
{
	uint64_t faults;
	enum outcome outcome = attempt(transport, op, TARGET, &faults);

	tap_result(outcome == REFUSED && !faults,
		   "%s %s is not claimed: it is refused, with %lu faults",
		   transports[transport], op->name, faults);
}

static void whole_table(void)
{
	const uint32_t caps[] = {
		[RC] = dev.attr.odp_caps.per_transport_caps.rc_odp_caps,
		[UC] = dev.attr.odp_caps.per_transport_caps.uc_odp_caps,
		[UD] = dev.attr.odp_caps.per_transport_caps.ud_odp_caps,
	};
	uint32_t known = 0;
	size_t i;
	int t;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		known |= ops[i].bit;
	for (t = RC; t <= UD; t++) {
		for (i = 0; i < ARRAY_SIZE(ops); i++)
			if (caps[t] & ops[i].bit)
				claimed(t, &ops[i]);
			else
				not_claimed(t, &ops[i]);
		tap_result(!(caps[t] & ~known),
			   "%s claims nothing that is not in the table: %#x",
			   transports[t], caps[t]);
	}
}

static void general(void)
{
	bool odp = dev.attr.odp_caps.general_caps & IBV_ODP_SUPPORT;
	bool implicit = dev.attr.odp_caps.general_caps &
			IBV_ODP_SUPPORT_IMPLICIT;
	struct ibv_xrcd_init_attr init = {
		.comp_mask = IBV_XRCD_INIT_ATTR_FD | IBV_XRCD_INIT_ATTR_OFLAGS,
		.fd = -1,
		.oflags = 0100 /* O_CREAT */,
	};
	struct ibv_xrcd *xrcd;
	struct ibv_mr *mr;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mr = ibv_reg_mr(dev.pd, page, 4096, IBV_ACCESS_ON_DEMAND);
	tap_result(!!mr == odp, "on demand: %s, %s", odp ? "claimed" : "not",
		   mr ? "works" : "refused");
	if (mr)
		ibv_dereg_mr(mr);
	mr = ibv_reg_mr(dev.pd, NULL, SIZE_MAX, IBV_ACCESS_ON_DEMAND);
	tap_result(!!mr == implicit, "implicit: %s, %s",
		   implicit ? "claimed" : "not", mr ? "works" : "refused");
	if (mr)
		ibv_dereg_mr(mr);
	xrcd = ibv_open_xrcd(dev.ctx, &init);
	tap_result(!dev.attr.xrc_odp_caps && !xrcd,
		   "XRC: nothing is claimed, and there is none");
}

int main(int argc, char **argv)
{
	if (argc < 2)
		die("usage: odpcaps DEVICE");
	rd_open(&dev, argv[1]);
	general();
	whole_table();
	rd_close(&dev);
	return tap_done();
}
