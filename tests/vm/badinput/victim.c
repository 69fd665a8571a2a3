// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "badinput.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const int region_access[K_NUM] = {
	[K_ALL] = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
		  IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC |
		  IBV_ACCESS_MW_BIND,
	[K_NO_WRITE] = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ |
		       IBV_ACCESS_REMOTE_ATOMIC,
	[K_NO_READ] = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
		      IBV_ACCESS_REMOTE_ATOMIC,
	[K_NO_ATOMIC] = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
			IBV_ACCESS_REMOTE_READ,
	[K_OTHER_PD] = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
		       IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC |
		       IBV_ACCESS_MW_BIND,
};

static void region_open(struct region *r, struct ibv_pd *pd, int access)
{
	r->map = mmap(NULL, BUF_LEN + 2 * GUARD, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r->map == MAP_FAILED)
		die("mmap");
	memset(r->map, 0x5a, BUF_LEN + 2 * GUARD);
	r->buf = r->map + GUARD;
	r->mr = ibv_reg_mr(pd, r->buf, BUF_LEN, access | IBV_ACCESS_ON_DEMAND);
	if (!r->mr)
		die("ibv_reg_mr on demand");
}

struct ibv_qp *rc_qp(struct ibv_pd *pd, struct ibv_cq *cq, int wrs, int sges,
		     int inline_bytes)
{
	struct ibv_qp_init_attr init = {
		.send_cq = cq,
		.recv_cq = cq,
		.cap = { .max_send_wr = wrs,
			 .max_recv_wr = wrs,
			 .max_send_sge = sges,
			 .max_recv_sge = sges,
			 .max_inline_data = inline_bytes },
		.qp_type = IBV_QPT_RC,
		.sq_sig_all = 1,
	};
	return ibv_create_qp(pd, &init);
}

int rc_connect(struct ibv_qp *qp, const union ibv_gid *dgid, int gid_index,
	       uint32_t dest_qpn, uint32_t rq_psn, uint32_t sq_psn, int access,
	       int max_dest_rd_atomic)
{
	struct ibv_qp_attr a = { .qp_state = IBV_QPS_INIT,
				 .port_num = 1,
				 .qp_access_flags = access };
	int err = ibv_modify_qp(qp, &a,
				IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
					IBV_QP_ACCESS_FLAGS);
	if (err)
		return err;
	a = (struct ibv_qp_attr){
		.qp_state = IBV_QPS_RTR,
		.path_mtu = IBV_MTU_1024,
		.dest_qp_num = dest_qpn,
		.rq_psn = rq_psn,
		.max_dest_rd_atomic = max_dest_rd_atomic,
		.min_rnr_timer = 12,
		.ah_attr = { .is_global = 1,
			     .port_num = 1,
			     .grh = { .dgid = *dgid,
				      .sgid_index = gid_index,
				      .hop_limit = 64 } },
	};
	err = ibv_modify_qp(qp, &a,
			    IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
				    IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
				    IBV_QP_MAX_DEST_RD_ATOMIC |
				    IBV_QP_MIN_RNR_TIMER);
	if (err)
		return err;
	a = (struct ibv_qp_attr){ .qp_state = IBV_QPS_RTS,
				  .sq_psn = sq_psn,
				  .timeout = 0,
				  .retry_cnt = 7,
				  .rnr_retry = 7,
				  .max_rd_atomic = 4 };
	return ibv_modify_qp(qp, &a,
			     IBV_QP_STATE | IBV_QP_SQ_PSN | IBV_QP_TIMEOUT |
				     IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
				     IBV_QP_MAX_QP_RD_ATOMIC);
}

static void open_context(struct dut *dut, const char *name)
{
	int n;
	struct ibv_device **list = ibv_get_device_list(&n);

	for (int i = 0; list && i < n; i++)
		if (!strcmp(ibv_get_device_name(list[i]), name))
			dut->ctx = ibv_open_device(list[i]);
	if (!dut->ctx)
		die(name);
	ibv_free_device_list(list);
	dut->name = name;
	for (dut->gid_index = 0; dut->gid_index < 16; dut->gid_index++) {
		if (ibv_query_gid(dut->ctx, 1, dut->gid_index, &dut->gid))
			die("ibv_query_gid");
		if (!memcmp(dut->gid.raw, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12))
			return;
	}
	die("no IPv4 GID");
}

static void window_post(struct dut *dut, struct ibv_send_wr *wr)
{
	struct ibv_send_wr *bad;
	struct ibv_wc wc;
	int n = 0;

	if (ibv_post_send(dut->good[0], wr, &bad))
		die("post for a window");
	for (int i = 0; i < 3000 && !n; i++) {
		n = ibv_poll_cq(dut->good_cq, 1, &wc);
		usleep(1000);
	}
	if (n != 1 || wc.status)
		die("a window");
}

/* Bound by the healthy pair; all that the victims may do. */
static uint32_t window_open(struct dut *dut, enum ibv_mw_type type)
{
	struct region *r = &dut->regions[K_ALL];
	struct ibv_mw *mw = ibv_alloc_mw(dut->pd, type);
	struct ibv_mw_bind bind = {
		.bind_info = { .mr = r->mr,
			       .addr = (uintptr_t)r->buf + WINDOW_AT,
			       .length = WINDOW_LEN,
			       .mw_access_flags = IBV_ACCESS_REMOTE_WRITE |
						  IBV_ACCESS_REMOTE_READ |
						  IBV_ACCESS_REMOTE_ATOMIC },
	};
	struct ibv_send_wr wr = { .opcode = IBV_WR_BIND_MW };
	struct ibv_wc wc;
	int n = 0;

	if (!mw)
		die("ibv_alloc_mw");
	if (type == IBV_MW_TYPE_2) {
		wr.bind_mw.mw = mw;
		wr.bind_mw.rkey = ibv_inc_rkey(mw->rkey);
		wr.bind_mw.bind_info = bind.bind_info;
		window_post(dut, &wr);
		mw->rkey = wr.bind_mw.rkey;
		return mw->rkey;
	}
	if (ibv_bind_mw(dut->good[0], mw, &bind))
		die("ibv_bind_mw");
	for (int i = 0; i < 3000 && !n; i++) {
		n = ibv_poll_cq(dut->good_cq, 1, &wc);
		usleep(1000);
	}
	if (n != 1 || wc.status)
		die("a window of type 1");
	return mw->rkey;
}

static void windows_open(struct dut *dut)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_LOCAL_INV };

	dut->window_rkey[0] = window_open(dut, IBV_MW_TYPE_1);
	dut->window_rkey[1] = window_open(dut, IBV_MW_TYPE_2);
	dut->window_rkey[2] = window_open(dut, IBV_MW_TYPE_2);
	wr.invalidate_rkey = dut->window_rkey[2];
	window_post(dut, &wr);
}

void dut_open(struct dut *dut, const char *name, const char *peer_ip)
{
	struct region stale;
	uint32_t addr;

	open_context(dut, name);
	inet_pton(AF_INET, peer_ip, &addr);
	memcpy(dut->peer_gid.raw, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
	memcpy(dut->peer_gid.raw + 12, &addr, 4);
	dut->pd = ibv_alloc_pd(dut->ctx);
	dut->other_pd = ibv_alloc_pd(dut->ctx);
	if (!dut->pd || !dut->other_pd)
		die("ibv_alloc_pd");
	for (int k = 0; k < K_NUM; k++)
		region_open(&dut->regions[k],
			    k == K_OTHER_PD ? dut->other_pd : dut->pd,
			    region_access[k]);
	region_open(&stale, dut->pd, region_access[K_ALL]);
	dut->stale_rkey = stale.mr->rkey;
	ibv_dereg_mr(stale.mr);

	region_open(&dut->good_region, dut->pd, region_access[K_ALL]);
	dut->good_cq = ibv_create_cq(dut->ctx, 64, NULL, NULL, 0);
	for (int i = 0; i < 2; i++)
		dut->good[i] = rc_qp(dut->pd, dut->good_cq, 16, 2, 64);
	for (int i = 0; i < 2; i++)
		if (!dut->good[i] ||
		    rc_connect(dut->good[i], &dut->gid, dut->gid_index,
			       dut->good[!i]->qp_num, 1, 1,
			       IBV_ACCESS_REMOTE_WRITE, 4))
			die("healthy pair");
	windows_open(dut);
}

bool dut_healthy(struct dut *dut)
{
	struct region *r = &dut->good_region;
	uint8_t tag = ++dut->good_round;
	struct ibv_sge sge = { (uintptr_t)r->buf, 3000, r->mr->lkey };
	struct ibv_send_wr wr = {
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = IBV_WR_RDMA_WRITE,
		.wr.rdma = { (uintptr_t)r->buf + 8192, r->mr->rkey },
	}, *bad;
	struct ibv_wc wc;

	memset(r->buf, tag, 3000);
	if (ibv_post_send(dut->good[0], &wr, &bad))
		return false;
	for (int i = 0; i < 3000; i++) {
		int n = ibv_poll_cq(dut->good_cq, 1, &wc);

		if (n)
			return n == 1 && !wc.status && r->buf[8192] == tag &&
			       r->buf[8192 + 2999] == tag;
		usleep(1000);
	}
	return false;
}

uint64_t dut_counter(const struct dut *dut, const char *name)
{
	char path[256];
	unsigned long long value;
	FILE *f;

	/* ib_core caches counters for hw_counters/lifespan ms */
	snprintf(path, sizeof(path),
		 "/sys/class/infiniband/%s/ports/1/hw_counters/%s", dut->name,
		 name);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%llu", &value) != 1)
		die(path);
	fclose(f);
	return value;
}

uint32_t dut_rkey(const struct dut *dut, enum key key)
{
	if (key == K_NONE)
		return 0x7fffff00;
	if (key >= K_WINDOW)
		return dut->window_rkey[key - K_WINDOW];
	return key == K_STALE ? dut->stale_rkey : dut->regions[key].mr->rkey;
}

bool dut_untouched(struct dut *dut)
{
	for (int k = 0; k < K_NUM; k++)
		for (int i = 0; i < BUF_LEN + 2 * GUARD; i++)
			if (dut->regions[k].map[i] != 0x5a)
				return false;
	return true;
}

void dut_refill(struct dut *dut)
{
	for (int k = 0; k < K_NUM; k++)
		memset(dut->regions[k].map, 0x5a, BUF_LEN + 2 * GUARD);
}

void victim_open(struct victim *v, struct dut *dut, int access, int receives,
		 int max_dest_rd_atomic)
{
	v->dut = dut;
	v->cq = ibv_create_cq(dut->ctx, 64, NULL, NULL, 0);
	v->qp = v->cq ? rc_qp(dut->pd, v->cq, 16, 2, 64) : NULL;
	if (!v->qp)
		die("victim's QP");
	if (rc_connect(v->qp, &dut->peer_gid, dut->gid_index, PEER_QPN,
		       VICTIM_PSN, VICTIM_SQ_PSN, access, max_dest_rd_atomic))
		die("victim's connection");
	region_open(&v->recv, dut->pd, IBV_ACCESS_LOCAL_WRITE);
	for (int i = 0; i < receives; i++) {
		struct ibv_sge sge = { (uintptr_t)v->recv.buf + i * RECV_LEN,
				       RECV_LEN, v->recv.mr->lkey };
		struct ibv_recv_wr wr = { .wr_id = i,
					  .sg_list = &sge,
					  .num_sge = 1 },
				   *bad;

		if (ibv_post_recv(v->qp, &wr, &bad))
			die("ibv_post_recv");
	}
}

void victim_close(struct victim *v)
{
	if (ibv_destroy_qp(v->qp) || ibv_destroy_cq(v->cq) ||
	    ibv_dereg_mr(v->recv.mr))
		die("victim's end");
	munmap(v->recv.map, BUF_LEN + 2 * GUARD);
}

enum ibv_qp_state victim_state(struct victim *v)
{
	struct ibv_qp_attr attr;
	struct ibv_qp_init_attr init;

	if (ibv_query_qp(v->qp, &attr, IBV_QP_STATE, &init))
		die("ibv_query_qp");
	return attr.qp_state;
}

int victim_completion(struct victim *v, int ms)
{
	struct ibv_wc wc;

	do {
		if (ibv_poll_cq(v->cq, 1, &wc) == 1)
			return wc.status;
		usleep(1000);
	} while (ms-- > 0);
	return -1;
}
