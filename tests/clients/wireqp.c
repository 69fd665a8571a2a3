// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Memory and queue pairs of one host, and how it gets to know the other's. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "wire.h"

#define QKEY 0x11223344

struct hello {
	struct rd_addr addr[UD];
	union ibv_gid gid;
	uint32_t ud_qpn, most;
	bool odp;
};

static void make_memory(struct memory *m, bool odp)
{
	const int prot = PROT_READ | PROT_WRITE;
	int fd = -1, flags = MAP_PRIVATE | MAP_ANONYMOUS;

	if (odp) {
		fd = memfd_create("wire", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, ROOM))
			die("memfd: %s", strerror(errno));
		flags = MAP_SHARED;
		m->alias = mmap(NULL, ROOM, prot, flags, fd, 0);
		if (m->alias == MAP_FAILED)
			die("mmap: %s", strerror(errno));
	}
	m->map = mmap(NULL, ROOM, prot, flags, fd, 0);
	if (m->map == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	m->mr = rd_reg(&me.dev, m->map, ROOM,
		       RD_ALL | (odp ? IBV_ACCESS_ON_DEMAND : 0));
}

static void modify_ud(enum ibv_qp_state state, int mask)
{
	struct ibv_qp_attr attr = { .qp_state = state,
				    .port_num = 1,
				    .qkey = QKEY };

	if (ibv_modify_qp(me.ud, &attr, IBV_QP_STATE | mask))
		die("UD queue pair to state %d: %s", state, strerror(errno));
}

static void make_ud(void)
{
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_UD,
		.cap = { 16, 16, 1, 1, 0 },
	};

	me.ud_scq = ibv_create_cq(me.dev.ctx, 32, NULL, NULL, 0);
	me.ud_rcq = ibv_create_cq(me.dev.ctx, 32, NULL, NULL, 0);
	if (!me.ud_scq || !me.ud_rcq)
		die("create_cq: %s", strerror(errno));
	init.send_cq = me.ud_scq;
	init.recv_cq = me.ud_rcq;
	me.ud = ibv_create_qp(me.dev.pd, &init);
	if (!me.ud)
		die("a UD queue pair: %s", strerror(errno));
	modify_ud(IBV_QPS_INIT, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY);
	modify_ud(IBV_QPS_RTR, 0);
	modify_ud(IBV_QPS_RTS, IBV_QP_SQ_PSN);
}

static void make_ah(const union ibv_gid *gid)
{
	struct ibv_ah_attr attr = {
		.is_global = 1,
		.port_num = 1,
		.grh = { .dgid = *gid,
			 .sgid_index = (uint8_t)me.dev.gid_index,
			 .hop_limit = 64 },
	};

	me.ah = ibv_create_ah(me.dev.pd, &attr);
	if (!me.ah)
		die("create_ah: %s", strerror(errno));
}

static void meet(const struct hello *mine, struct hello *theirs)
{
	sock_send(me.sock, mine, sizeof(*mine));
	if (!sock_recv(me.sock, theirs, sizeof(*theirs), WAIT_MS))
		die("the other host has gone");
}

void wire_set_up(const char *dev)
{
	struct rd_qp_opts opts = { .sge = 1 };
	struct hello mine = {}, theirs;
	enum transport t;

	rd_open(&me.dev, dev);
	me.odp = mine.odp = me.dev.odp;
	me.most = mine.most = 128U << me.dev.port.active_mtu;
	make_memory(&me.memory[0], false);
	if (me.odp)
		make_memory(&me.memory[1], true);
	for (t = 0; t < UD; t++) {
		opts.mtu = t == RC_4096 ? 4096 : 1024;
		opts.uc = t == UC;
		opts.psn = mix64(getpid() + t) & 0xffffff;
		rd_qp_create(&me.qp[t], &me.dev, &opts);
		mine.addr[t] = rd_qp_addr(&me.qp[t]);
	}
	make_ud();
	mine.ud_qpn = me.ud->qp_num;
	mine.gid = me.dev.gid;
	meet(&mine, &theirs);
	for (t = 0; t < UD; t++)
		rd_connect(&me.qp[t], &theirs.addr[t]);
	make_ah(&theirs.gid);
	me.ud_qpn = theirs.ud_qpn;
	me.odp_there = theirs.odp;
	if (theirs.most < me.most)
		me.most = theirs.most;
	/* Nobody sends before both are ready. */
	meet(&mine, &theirs);
}

void wire_tear_down(void)
{
	enum transport t;

	ibv_destroy_ah(me.ah);
	ibv_destroy_qp(me.ud);
	ibv_destroy_cq(me.ud_scq);
	ibv_destroy_cq(me.ud_rcq);
	for (t = 0; t < UD; t++)
		rd_qp_destroy(&me.qp[t]);
	for (t = 0; t < 2; t++)
		if (me.memory[t].mr && ibv_dereg_mr(me.memory[t].mr))
			die("dereg_mr: %s", strerror(errno));
	rd_close(&me.dev);
}

/* The status of its completion. */
int ud_send(bool imm, uint64_t addr, uint32_t len, uint32_t lkey,
	    uint32_t imm_data)
{
	struct ibv_sge sge = { addr, len, lkey };
	struct ibv_send_wr wr = {
		.sg_list = &sge,
		.num_sge = len ? 1 : 0,
		.opcode = imm ? IBV_WR_SEND_WITH_IMM : IBV_WR_SEND,
		.imm_data = imm_data,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.ud = { .ah = me.ah,
			   .remote_qpn = me.ud_qpn,
			   .remote_qkey = QKEY },
	};
	struct ibv_send_wr *bad;

	if (ibv_post_send(me.ud, &wr, &bad))
		die("post_send: %s", strerror(errno));
	return rd_wait(me.ud_scq, NULL, WAIT_MS);
}

void post_receive(const struct request *r)
{
	struct memory *m = &me.memory[r->odp[SERVER]];
	bool ud = r->transport == UD;
	struct ibv_sge sge = { (uintptr_t)m->map + r->off[SERVER],
			       r->len + (ud ? GRH : 0), m->mr->lkey };
	struct ibv_recv_wr wr = {
		.wr_id = r->seed,
		.sg_list = &sge,
		.num_sge = r->op == WRITE_IMM || !sge.length ? 0 : 1,
	};
	struct ibv_recv_wr *bad;
	int err;

	if (ud)
		err = ibv_post_recv(me.ud, &wr, &bad);
	else
		err = rd_post_recv(&me.qp[r->transport], &sge, wr.num_sge,
				   r->seed);
	if (err)
		die("post_recv: %s", strerror(err));
}
