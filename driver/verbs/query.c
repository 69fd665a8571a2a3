// SPDX-License-Identifier: GPL-2.0
/* What the device says of itself. */
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <rdma/ib_mad.h>

#include "dev.h"
#include "net/net.h"
#include "verbs/verbs.h"
#include "wire/pkt.h"

static const struct ib_odp_caps odp_caps = {
	.general_caps = IB_ODP_SUPPORT | IB_ODP_SUPPORT_IMPLICIT,
	.per_transport_caps.rc_odp_caps =
		IB_ODP_SUPPORT_SEND | IB_ODP_SUPPORT_RECV |
		IB_ODP_SUPPORT_WRITE | IB_ODP_SUPPORT_READ |
		IB_ODP_SUPPORT_ATOMIC | IB_ODP_SUPPORT_SRQ_RECV,
	.per_transport_caps.uc_odp_caps =
		IB_ODP_SUPPORT_SEND | IB_ODP_SUPPORT_RECV |
		IB_ODP_SUPPORT_WRITE | IB_ODP_SUPPORT_SRQ_RECV,
	.per_transport_caps.ud_odp_caps = IB_ODP_SUPPORT_SEND |
					  IB_ODP_SUPPORT_RECV |
					  IB_ODP_SUPPORT_SRQ_RECV,
};

int sodp_query_device(struct ib_device *ibdev, struct ib_device_attr *attr,
		      struct ib_udata *udata)
{
	if (udata && (udata->inlen || udata->outlen))
		return -EINVAL;

	*attr = (struct ib_device_attr){
		.sys_image_guid = ibdev->node_guid,
		.max_mr_size = U64_MAX,
		.page_size_cap = PAGE_SIZE,
		.max_qp = SODP_MAX_QP,
		.max_qp_wr = SODP_MAX_QP_WR,
		.max_send_sge = SODP_MAX_SGE,
		.max_recv_sge = SODP_MAX_SGE,
		.max_sge_rd = SODP_MAX_SGE,
		.max_cq = SODP_MAX_CQ,
		.max_cqe = SODP_MAX_CQE,
		.max_srq = SODP_MAX_SRQ,
		.max_srq_wr = SODP_MAX_SRQ_WR,
		.max_srq_sge = SODP_MAX_SGE,
		.max_mr = SODP_MAX_MR,
		.max_mw = SODP_MAX_MW,
		.max_pd = SODP_MAX_PD,
		.max_qp_rd_atom = SODP_MAX_RD_ATOMIC,
		.max_qp_init_rd_atom = SODP_MAX_RD_ATOMIC,
		.max_res_rd_atom = SODP_MAX_RD_ATOMIC * SODP_MAX_QP,
		/* by the CPU's own instructions on the page */
		.atomic_cap = IB_ATOMIC_GLOB,
		.max_ah = SODP_MAX_AH,
		.max_mcast_grp = SODP_MAX_MCAST_GRP,
		.max_mcast_qp_attach = SODP_MAX_MCAST_QP_ATTACH,
		.max_total_mcast_qp_attach =
			SODP_MAX_MCAST_GRP * SODP_MAX_MCAST_QP_ATTACH,
		.max_pkeys = 1,
		.local_ca_ack_delay = 15,
		.device_cap_flags =
			IB_DEVICE_RC_RNR_NAK_GEN | IB_DEVICE_PORT_ACTIVE_EVENT |
			IB_DEVICE_SYS_IMAGE_GUID | IB_DEVICE_SRQ_RESIZE |
			IB_DEVICE_CURR_QP_STATE_MOD |
			IB_DEVICE_MEM_MGT_EXTENSIONS | IB_DEVICE_MEM_WINDOW |
			IB_DEVICE_MEM_WINDOW_TYPE_2B,
		.max_fast_reg_page_list_len = SODP_FAST_PAGES,
		.kernel_cap_flags = IBK_ON_DEMAND_PAGING | IBK_ALLOW_USER_UNREG,
		.odp_caps = odp_caps,
	};
	return 0;
}

/* Rate of the netdev in the next lower terms of InfiniBand. */
static void set_rate(struct ib_port_attr *attr, u32 mbps)
{
	static const struct {
		u32 mbps;
		u8 width;
		u16 speed;
	} rates[] = {
		{ 400000, IB_WIDTH_4X, IB_SPEED_NDR },
		{ 200000, IB_WIDTH_4X, IB_SPEED_HDR },
		{ 100000, IB_WIDTH_4X, IB_SPEED_EDR },
		{ 50000, IB_WIDTH_1X, IB_SPEED_HDR },
		{ 40000, IB_WIDTH_4X, IB_SPEED_FDR10 },
		{ 25000, IB_WIDTH_1X, IB_SPEED_EDR },
		{ 10000, IB_WIDTH_1X, IB_SPEED_FDR10 },
	};
	size_t i;

	attr->active_width = IB_WIDTH_1X;
	attr->active_speed = IB_SPEED_SDR;
	for (i = 0; i < ARRAY_SIZE(rates); i++) {
		if (mbps >= rates[i].mbps) {
			attr->active_width = rates[i].width;
			attr->active_speed = rates[i].speed;
			return;
		}
	}
}

/*
 * Our own ib_get_eth_speed(), which warns at every call about netdevs that
 * know no speed, such as dummy.
 */
static u32 netdev_mbps(struct net_device *ndev)
{
	struct ethtool_link_ksettings settings;
	u32 mbps = SPEED_1000;

	rtnl_lock();
	if (ndev->reg_state == NETREG_REGISTERED &&
	    !__ethtool_get_link_ksettings(ndev, &settings) &&
	    settings.base.speed != (u32)SPEED_UNKNOWN)
		mbps = settings.base.speed;
	rtnl_unlock();
	return mbps;
}

int sodp_query_port(struct ib_device *ibdev, u32 port,
		    struct ib_port_attr *attr)
{
	struct net_device *ndev = to_sodp_dev(ibdev)->ndev;

	if (port != 1)
		return -EINVAL;

	/* ib_core has cleared it, or filled in what it knows itself */
	attr->state = sodp_netdev_state(ndev);
	if (attr->state == IB_PORT_ACTIVE)
		attr->phys_state = IB_PORT_PHYS_STATE_LINK_UP;
	else if (netif_running(ndev))
		attr->phys_state = IB_PORT_PHYS_STATE_POLLING;
	else
		attr->phys_state = IB_PORT_PHYS_STATE_DISABLED;
	attr->max_mtu = IB_MTU_4096;
	attr->active_mtu = sodp_netdev_mtu(ndev);
	attr->phys_mtu = READ_ONCE(ndev->mtu);
	attr->gid_tbl_len = SODP_GID_TABLE;
	attr->ip_gids = 1;
	attr->max_msg_sz = SODP_MAX_MSG;
	attr->pkey_tbl_len = 1;
	attr->max_vl_num = 1;
	set_rate(attr, netdev_mbps(ndev));
	return 0;
}

int sodp_query_pkey(struct ib_device *ibdev, u32 port, u16 index, u16 *pkey)
{
	if (index)
		return -EINVAL;
	*pkey = SODP_DEFAULT_PKEY;
	return 0;
}

int sodp_get_port_immutable(struct ib_device *ibdev, u32 port,
			    struct ib_port_immutable *immutable)
{
	/* with management datagrams and the connection manager */
	immutable->core_cap_flags = RDMA_CORE_PORT_IBA_ROCE_UDP_ENCAP;
	immutable->max_mad_size = IB_MGMT_MAD_SIZE;
	immutable->gid_tbl_len = SODP_GID_TABLE;
	immutable->pkey_tbl_len = 1;
	return 0;
}

enum rdma_link_layer sodp_get_link_layer(struct ib_device *ibdev, u32 port)
{
	return IB_LINK_LAYER_ETHERNET;
}

struct net_device *sodp_get_netdev(struct ib_device *ibdev, u32 port)
{
	struct net_device *ndev = to_sodp_dev(ibdev)->ndev;

	/* ib_core must not pick up a netdev that is on its way out. */
	if (READ_ONCE(ndev->reg_state) != NETREG_REGISTERED)
		return NULL;
	dev_hold(ndev);
	return ndev;
}
