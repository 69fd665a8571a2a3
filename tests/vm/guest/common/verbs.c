// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "verbs.h"

/* RD_FAMILY=6 in the environment: by a global IPv6 address. */
static bool is_wanted(const union ibv_gid *gid)
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
	const char *family = getenv("RD_FAMILY");
	bool is_v4 = !memcmp(gid->raw, v4, sizeof(v4));

	if (family && !strcmp(family, "6"))
		return !is_v4 && gid->raw[0] != 0xfe;
	return is_v4;
}

static int find_gid(struct rd_dev *dev)
{
	struct ibv_gid_entry entry;
	int i;

	for (i = 0; i < dev->port.gid_tbl_len; i++) {
		if (ibv_query_gid_ex(dev->ctx, 1, i, &entry, 0))
			continue;
		if (entry.gid_type == IBV_GID_TYPE_ROCE_V2 &&
		    is_wanted(&entry.gid)) {
			dev->gid = entry.gid;
			return i;
		}
	}
	return -1;
}

void rd_open(struct rd_dev *dev, const char *name)
{
	const uint32_t rc = IBV_ODP_SUPPORT_SEND | IBV_ODP_SUPPORT_RECV |
			    IBV_ODP_SUPPORT_WRITE | IBV_ODP_SUPPORT_READ;
	struct ibv_device **list = ibv_get_device_list(NULL);
	int i;

	memset(dev, 0, sizeof(*dev));
	for (i = 0; list && list[i]; i++)
		if (!strcmp(ibv_get_device_name(list[i]), name))
			break;
	if (!list || !list[i])
		die("no device %s", name);
	dev->ctx = ibv_open_device(list[i]);
	if (!dev->ctx)
		die("cannot open %s: %s", name, strerror(errno));
	ibv_free_device_list(list);
	dev->name = name;
	if (ibv_query_device_ex(dev->ctx, NULL, &dev->attr))
		die("%s: query device", name);
	if (ibv_query_port(dev->ctx, 1, &dev->port))
		die("%s: query port", name);
	dev->gid_index = find_gid(dev);
	if (dev->gid_index < 0)
		die("%s: no RoCE v2 GID with an address of that kind", name);
	dev->pd = ibv_alloc_pd(dev->ctx);
	if (!dev->pd)
		die("%s: no PD: %s", name, strerror(errno));
	dev->odp = (dev->attr.odp_caps.general_caps & IBV_ODP_SUPPORT) &&
		   (dev->attr.odp_caps.per_transport_caps.rc_odp_caps & rc) ==
			   rc;
}

void rd_close(struct rd_dev *dev)
{
	if (ibv_dealloc_pd(dev->pd))
		die("%s: dealloc_pd: %s", dev->name, strerror(errno));
	ibv_close_device(dev->ctx);
}

static void set_defaults(struct rd_qp_opts *o, const struct rd_dev *dev)
{
	o->mtu = o->mtu ?: 1024;
	o->sq = o->sq ?: 64;
	o->rq = o->rq ?: 64;
	o->sge = o->sge ?: 4;
	o->cqe = o->cqe ?: 256;
	o->rd_atomic = o->rd_atomic ?: 16;
	if (o->rd_atomic > (unsigned int)dev->attr.orig_attr.max_qp_rd_atom)
		o->rd_atomic = dev->attr.orig_attr.max_qp_rd_atom;
	o->timeout = o->timeout ?: 16;
	if (!o->retry && !o->zero_retry)
		o->retry = 7;
	if (!o->rnr_retry && !o->zero_rnr_retry)
		o->rnr_retry = 7;
	o->rnr_timer = o->rnr_timer ?: 1;
}

void rd_qp_create(struct rd_qp *q, struct rd_dev *dev,
		  const struct rd_qp_opts *opts)
{
	struct ibv_qp_init_attr init = {};

	memset(q, 0, sizeof(*q));
	if (opts)
		q->opts = *opts;
	set_defaults(&q->opts, dev);
	q->dev = dev;
	init.qp_type = q->opts.uc ? IBV_QPT_UC : IBV_QPT_RC;
	q->scq = q->opts.scq;
	q->rcq = q->opts.rcq;
	if (!q->scq) {
		q->own_cqs = true;
		q->scq = ibv_create_cq(dev->ctx, q->opts.cqe, NULL,
				       q->opts.channel, 0);
		q->rcq = ibv_create_cq(dev->ctx, q->opts.cqe, NULL,
				       q->opts.channel, 0);
		if (!q->scq || !q->rcq)
			die("%s: create_cq: %s", dev->name, strerror(errno));
	}
	init.send_cq = q->scq;
	init.recv_cq = q->rcq;
	init.srq = q->opts.srq;
	init.sq_sig_all = q->opts.sq_sig_all;
	init.cap.max_send_wr = q->opts.sq;
	init.cap.max_recv_wr = q->opts.rq;
	init.cap.max_send_sge = q->opts.sge;
	init.cap.max_recv_sge = q->opts.sge;
	init.cap.max_inline_data = q->opts.inline_data;
	q->qp = ibv_create_qp(dev->pd, &init);
	if (!q->qp)
		die("%s: create_qp: %s", dev->name, strerror(errno));
	q->max_inline = init.cap.max_inline_data;
}

void rd_qp_destroy(struct rd_qp *q)
{
	if (ibv_destroy_qp(q->qp))
		die("destroy_qp: %s", strerror(errno));
	if (!q->own_cqs)
		return;
	if (ibv_destroy_cq(q->scq) || ibv_destroy_cq(q->rcq))
		die("destroy_cq: %s", strerror(errno));
}

struct rd_addr rd_qp_addr(const struct rd_qp *q)
{
	return (struct rd_addr){ .gid = q->dev->gid,
				 .qpn = q->qp->qp_num,
				 .psn = q->opts.psn };
}

int rd_to_init(struct rd_qp *q)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.port_num = 1,
		.qp_access_flags = RD_ALL,
	};

	return ibv_modify_qp(q->qp, &attr,
			     IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
				     IBV_QP_ACCESS_FLAGS);
}

static enum ibv_mtu mtu_code(unsigned int bytes)
{
	enum ibv_mtu code = IBV_MTU_256;

	while (code < IBV_MTU_4096 && bytes > 128U << code)
		code++;
	return code;
}

int rd_to_rtr(struct rd_qp *q, const struct rd_addr *peer)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = mtu_code(q->opts.mtu),
		.dest_qp_num = peer->qpn,
		.rq_psn = peer->psn,
		.max_dest_rd_atomic = q->opts.rd_atomic,
		.min_rnr_timer = q->opts.rnr_timer,
		.ah_attr = {
			.is_global = 1,
			.port_num = 1,
			.grh = {
				.dgid = peer->gid,
				.sgid_index = q->dev->gid_index,
				.hop_limit = 64,
			},
		},
	};

	return ibv_modify_qp(q->qp, &attr,
			     IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
				     IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
				     (q->opts.uc ?
					      0 :
					      IBV_QP_MAX_DEST_RD_ATOMIC |
						      IBV_QP_MIN_RNR_TIMER));
}

int rd_to_rts(struct rd_qp *q)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTS,
		.sq_psn = q->opts.psn,
		.timeout = q->opts.timeout,
		.retry_cnt = q->opts.retry,
		.rnr_retry = q->opts.rnr_retry,
		.max_rd_atomic = q->opts.rd_atomic,
	};

	return ibv_modify_qp(
		q->qp, &attr,
		IBV_QP_STATE | IBV_QP_SQ_PSN |
			(q->opts.uc ? 0 :
				      IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
					      IBV_QP_RNR_RETRY |
					      IBV_QP_MAX_QP_RD_ATOMIC));
}

int rd_to_state(struct rd_qp *q, enum ibv_qp_state state)
{
	struct ibv_qp_attr attr = { .qp_state = state };

	return ibv_modify_qp(q->qp, &attr, IBV_QP_STATE);
}

enum ibv_qp_state rd_state(struct rd_qp *q)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	if (ibv_query_qp(q->qp, &attr, IBV_QP_STATE, &init))
		die("query_qp: %s", strerror(errno));
	return attr.qp_state;
}

void rd_connect(struct rd_qp *q, const struct rd_addr *peer)
{
	int err;

	err = rd_to_init(q);
	if (err)
		die("%s: QP to INIT: %s", q->dev->name, strerror(err));
	err = rd_to_rtr(q, peer);
	if (err)
		die("%s: QP to RTR: %s", q->dev->name, strerror(err));
	err = rd_to_rts(q);
	if (err)
		die("%s: QP to RTS: %s", q->dev->name, strerror(err));
}

void rd_reconnect(struct rd_qp *a, struct rd_qp *b)
{
	struct rd_addr to_a, to_b;

	if (rd_to_state(a, IBV_QPS_RESET) || rd_to_state(b, IBV_QPS_RESET))
		die("QP to RESET: %s", strerror(errno));
	while (rd_wait(a->scq, NULL, 0) >= 0 || rd_wait(a->rcq, NULL, 0) >= 0 ||
	       rd_wait(b->scq, NULL, 0) >= 0 || rd_wait(b->rcq, NULL, 0) >= 0)
		;
	/* Packets of the old life must not look like those of the new. */
	a->opts.psn = (a->opts.psn + 0x123456) & 0xffffff;
	b->opts.psn = (b->opts.psn + 0x345678) & 0xffffff;
	to_a = rd_qp_addr(a);
	to_b = rd_qp_addr(b);
	rd_connect(a, &to_b);
	rd_connect(b, &to_a);
}

void rd_pair(struct rd_qp *a, struct rd_dev *dev_a, struct rd_qp *b,
	     struct rd_dev *dev_b, const struct rd_qp_opts *opts)
{
	struct rd_addr to_a, to_b;

	rd_qp_create(a, dev_a, opts);
	rd_qp_create(b, dev_b, opts);
	to_a = rd_qp_addr(a);
	to_b = rd_qp_addr(b);
	rd_connect(a, &to_b);
	rd_connect(b, &to_a);
}

int rd_post(struct rd_qp *q, const struct rd_op *op)
{
	struct ibv_sge one = { op->addr, op->len, op->lkey };
	struct ibv_send_wr *bad, wr = {
		.wr_id = op->id,
		.sg_list = op->sge ?: &one,
		.num_sge = op->sge ? op->num_sge :
			   op->len ? 1 :
				     0,
		.opcode = op->opcode,
		.send_flags = op->flags |
			      (op->unsignaled ? 0 : IBV_SEND_SIGNALED),
		.imm_data = op->imm,
	};

	if (op->opcode == IBV_WR_ATOMIC_CMP_AND_SWP ||
	    op->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
		wr.wr.atomic.remote_addr = op->raddr;
		wr.wr.atomic.rkey = op->rkey;
		wr.wr.atomic.compare_add = op->compare_add;
		wr.wr.atomic.swap = op->swap;
	} else {
		wr.wr.rdma.remote_addr = op->raddr;
		wr.wr.rdma.rkey = op->rkey;
	}
	return ibv_post_send(q->qp, &wr, &bad);
}

int rd_post_recv(struct rd_qp *q, struct ibv_sge *sge, int num_sge, uint64_t id)
{
	struct ibv_recv_wr *bad, wr = {
		.wr_id = id,
		.sg_list = sge,
		.num_sge = num_sge,
	};

	return ibv_post_recv(q->qp, &wr, &bad);
}

int rd_wait(struct ibv_cq *cq, struct ibv_wc *wc, unsigned int ms)
{
	const struct timespec nap = { 0, 50000 };
	uint64_t end = now_ms() + ms;
	unsigned int spins = 0;
	struct ibv_wc mine;
	int n;

	if (!wc)
		wc = &mine;
	for (;;) {
		n = ibv_poll_cq(cq, 1, wc);
		if (n < 0)
			die("poll_cq failed");
		if (n)
			return wc->status;
		if (++spins % 64)
			continue;
		if (now_ms() > end)
			return -1;
		/* A softirq, worker or handler may need this CPU. */
		if (spins < 4096)
			sched_yield();
		else
			nanosleep(&nap, NULL);
	}
}

int rd_do(struct rd_qp *q, const struct rd_op *op, unsigned int ms)
{
	struct ibv_wc wc;
	int err = rd_post(q, op);

	if (err)
		die("post_send: %s", strerror(err));
	return rd_wait(q->scq, &wc, ms);
}

int rd_write(struct rd_qp *q, uint64_t addr, uint32_t lkey, uint32_t len,
	     uint64_t raddr, uint32_t rkey, unsigned int ms)
{
	struct rd_op op = {
		.opcode = IBV_WR_RDMA_WRITE,
		.addr = addr,
		.lkey = lkey,
		.len = len,
		.raddr = raddr,
		.rkey = rkey,
	};

	return rd_do(q, &op, ms);
}

int rd_read(struct rd_qp *q, uint64_t addr, uint32_t lkey, uint32_t len,
	    uint64_t raddr, uint32_t rkey, unsigned int ms)
{
	struct rd_op op = {
		.opcode = IBV_WR_RDMA_READ,
		.addr = addr,
		.lkey = lkey,
		.len = len,
		.raddr = raddr,
		.rkey = rkey,
	};

	return rd_do(q, &op, ms);
}

static bool next_event(struct rd_dev *dev, struct ibv_async_event *event,
		       unsigned int ms)
{
	struct pollfd fd = { .fd = dev->ctx->async_fd, .events = POLLIN };

	if (poll(&fd, 1, ms) != 1)
		return false;
	if (ibv_get_async_event(dev->ctx, event))
		die("get_async_event: %s", strerror(errno));
	ibv_ack_async_event(event);
	return true;
}

bool rd_event(struct rd_dev *dev, enum ibv_event_type type, unsigned int ms)
{
	struct ibv_async_event event;

	if (!next_event(dev, &event, ms))
		return false;
	if (event.event_type != type)
		tap_note("event %d", event.event_type);
	return event.event_type == type;
}

void rd_drop_events(struct rd_dev *dev)
{
	struct ibv_async_event event;

	while (next_event(dev, &event, 0))
		;
}

struct ibv_mr *rd_reg(struct rd_dev *dev, void *addr, size_t len, int access)
{
	/* Called so that the macro of verbs.h does not rewrite it. */
	struct ibv_mr *mr = (ibv_reg_mr)(dev->pd, addr, len, access);

	if (!mr)
		die("%s: reg_mr %p + %zu, access %#x: %s", dev->name, addr, len,
		    access, strerror(errno));
	return mr;
}

const char *rd_status(int status)
{
	return status < 0 ? "nothing" : ibv_wc_status_str(status);
}
