// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The device, and a queue pair that is connected to the other end's. */
#include <err.h>
#include <string.h>

#include "common.h"

void ex_open(struct ex_end *end, const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_port_attr port;
	struct ibv_gid_entry gid;
	int i;

	for (i = 0; list && list[i]; i++)
		if (!strcmp(ibv_get_device_name(list[i]), name))
			break;
	if (!list || !list[i])
		errx(1, "no RDMA device %s", name);
	end->context = ibv_open_device(list[i]);
	if (!end->context || ibv_query_port(end->context, 1, &port))
		err(1, "%s", name);
	ibv_free_device_list(list);
	end->mtu = port.active_mtu;

	for (i = 0; i < port.gid_tbl_len; i++)
		if (!ibv_query_gid_ex(end->context, 1, i, &gid, 0) &&
		    gid.gid_type == IBV_GID_TYPE_ROCE_V2 &&
		    !memcmp(gid.gid.raw, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12))
			break;
	if (i == port.gid_tbl_len)
		errx(1, "%s has no IPv4 address", name);
	end->gid_index = i;
	end->pd = ibv_alloc_pd(end->context);
	if (!end->pd)
		err(1, "%s", name);
}

static void create_qp(struct ex_end *end)
{
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = 64,
			 .max_recv_wr = 16,
			 .max_send_sge = 1,
			 .max_recv_sge = 1 },
	};

	end->cq = ibv_create_cq(end->context, 128, NULL, NULL, 0);
	init.send_cq = init.recv_cq = end->cq;
	end->qp = end->cq ? ibv_create_qp(end->pd, &init) : NULL;
	if (!end->qp)
		err(1, "cannot create a queue pair");
}

struct address {
	union ibv_gid gid;
	uint32_t qpn;
	enum ibv_mtu mtu;
};

/* Through INIT, RTR and RTS; the peer's address comes over the socket. */
void ex_connect(struct ex_end *end)
{
	const int access = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE |
			   IBV_ACCESS_REMOTE_ATOMIC;
	struct address mine = { .mtu = end->mtu }, theirs;
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_INIT,
				    .port_num = 1,
				    .qp_access_flags = access };

	create_qp(end);
	mine.qpn = end->qp->qp_num;
	if (ibv_query_gid(end->context, 1, end->gid_index, &mine.gid))
		err(1, "ibv_query_gid");
	ex_swap(end->sock, &mine, &theirs, sizeof(mine));
	if (ibv_modify_qp(end->qp, &attr,
			  IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
				  IBV_QP_ACCESS_FLAGS))
		err(1, "to INIT");

	attr.qp_state = IBV_QPS_RTR;
	attr.path_mtu = mine.mtu < theirs.mtu ? mine.mtu : theirs.mtu;
	attr.dest_qp_num = theirs.qpn;
	attr.max_dest_rd_atomic = 16;
	attr.min_rnr_timer = 1; /* 10 us: a page fault is short */
	attr.ah_attr.is_global = 1;
	attr.ah_attr.port_num = 1;
	attr.ah_attr.grh.dgid = theirs.gid;
	attr.ah_attr.grh.sgid_index = end->gid_index;
	attr.ah_attr.grh.hop_limit = 64;
	if (ibv_modify_qp(end->qp, &attr,
			  IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
				  IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
				  IBV_QP_MAX_DEST_RD_ATOMIC |
				  IBV_QP_MIN_RNR_TIMER))
		err(1, "to RTR");

	attr.qp_state = IBV_QPS_RTS;
	attr.timeout = 17; /* 0.5 s */
	attr.retry_cnt = 7;
	attr.rnr_retry = 7; /* for ever: a fault takes what it takes */
	attr.max_rd_atomic = 16;
	if (ibv_modify_qp(end->qp, &attr,
			  IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
				  IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
				  IBV_QP_MAX_QP_RD_ATOMIC))
		err(1, "to RTS");
	ex_sync(end); /* the other end can receive now */
}
