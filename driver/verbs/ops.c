// SPDX-License-Identifier: GPL-2.0
/* What ib_core may call. */
#include <linux/module.h>

#include "dev.h"
#include "verbs/verbs.h"
#include "xport/xport.h"

/*
 * The stock provider asks for this version; the number is not in the public
 * header. 2: queue offsets come in the responses.
 */
#define USER_ABI_VERSION 2

const struct ib_device_ops sodp_dev_ops = {
	.owner = THIS_MODULE,
	/* what libibverbs sends with every ioctl: the provider's own number */
	.driver_id = RDMA_DRIVER_RXE,
	.uverbs_abi_ver = USER_ABI_VERSION,
	.device_group = &sodp_sysfs_group,

	.query_device = sodp_query_device,
	.query_port = sodp_query_port,
	.query_pkey = sodp_query_pkey,
	.get_port_immutable = sodp_get_port_immutable,
	.get_link_layer = sodp_get_link_layer,
	.get_netdev = sodp_get_netdev,

	.alloc_ucontext = sodp_alloc_ucontext,
	.dealloc_ucontext = sodp_dealloc_ucontext,
	.disassociate_ucontext = sodp_disassociate_ucontext,
	.mmap = sodp_mmap,
	.mmap_free = sodp_ring_mmap_free,
	.alloc_pd = sodp_alloc_pd,
	.dealloc_pd = sodp_dealloc_pd,

	.create_ah = sodp_create_ah,
	.create_user_ah = sodp_create_ah,
	.destroy_ah = sodp_destroy_ah,
	.query_ah = sodp_query_ah,

	.get_dma_mr = sodp_get_dma_mr,
	.alloc_mr = sodp_alloc_mr,
	.map_mr_sg = sodp_map_mr_sg,
	.reg_user_mr = sodp_reg_user_mr,
	.rereg_user_mr = sodp_rereg_user_mr,
	.dereg_mr = sodp_dereg_mr,
	.advise_mr = sodp_advise_mr,
	.fill_stat_mr_entry = sodp_fill_stat_mr_entry,
	.fill_res_mr_entry = sodp_fill_res_mr_entry,
	.fill_res_mr_entry_raw = sodp_fill_res_mr_entry_raw,

	.alloc_mw = sodp_alloc_mw,
	.dealloc_mw = sodp_dealloc_mw,

	.create_cq = sodp_create_cq,
	.destroy_cq = sodp_destroy_cq,
	.SODP_RESIZE_CQ_OP = sodp_resize_cq,
	.req_notify_cq = sodp_req_notify_cq,
	.poll_cq = sodp_poll_cq,

	.create_srq = sodp_create_srq,
	.modify_srq = sodp_modify_srq,
	.query_srq = sodp_query_srq,
	.destroy_srq = sodp_destroy_srq,
	.post_srq_recv = sodp_post_srq_recv,

	.create_qp = sodp_create_qp,
	.modify_qp = sodp_modify_qp,
	.query_qp = sodp_query_qp,
	.destroy_qp = sodp_destroy_qp,
	.post_send = sodp_post_send,
	.post_recv = sodp_post_recv,
	.attach_mcast = sodp_attach_mcast,
	.detach_mcast = sodp_detach_mcast,

	.alloc_hw_port_stats = sodp_alloc_hw_port_stats,
	.get_hw_stats = sodp_get_hw_stats,

	INIT_RDMA_OBJ_SIZE(ib_ucontext, sodp_uctx, ibuc),
	INIT_RDMA_OBJ_SIZE(ib_pd, sodp_pd, ibpd),
	INIT_RDMA_OBJ_SIZE(ib_ah, sodp_ah, ibah),
	INIT_RDMA_OBJ_SIZE(ib_mw, sodp_mw, ibmw),
	INIT_RDMA_OBJ_SIZE(ib_cq, sodp_cq, ibcq),
	INIT_RDMA_OBJ_SIZE(ib_srq, sodp_srq, ibsrq),
	INIT_RDMA_OBJ_SIZE(ib_qp, sodp_qp, ibqp),
};
