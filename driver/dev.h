/* SPDX-License-Identifier: GPL-2.0 */
/* The device: one for each `rdma link add NAME type softodp netdev IF`. */
#ifndef SODP_DEV_H
#define SODP_DEV_H

#include <linux/netdevice.h>
#include <linux/xarray.h>
#include <rdma/ib_verbs.h>

#include "mem/mem.h"
#include "obs/counters.h"

/* Limits that query_device reports; one place. */
enum {
	SODP_MAX_QP = 0x10000,
	SODP_MAX_QP_WR = 0x4000,
	SODP_MAX_SGE = 32,
	SODP_MAX_INLINE = 512,
	SODP_MAX_CQ = 0x10000,
	SODP_MAX_CQE = 32767,
	SODP_MAX_SRQ = 0x10000,
	SODP_MAX_SRQ_WR = 0x4000,
	SODP_MAX_PD = 0x7ffc,
	SODP_MAX_AH = 0x7ffc,
	SODP_MAX_MR = 0x400000,
	SODP_MAX_MW = 0x400000,
	SODP_MAX_MCAST_GRP = 8192,
	SODP_MAX_MCAST_QP_ATTACH = 56, /* to one group: each gets a copy */
	SODP_MAX_RD_ATOMIC = 128, /* per QP, either side */
	SODP_MAX_MSG = 1U << 31, /* bytes */
	SODP_GID_TABLE = 1024,
	SODP_FAULT_HOLD_MS = 4, /* a fault slower than this is answered RNR */
};

struct in6_addr;
struct sodp_mcast;

struct sodp_dev {
	struct ib_device ibdev; /* first */
	struct net_device *ndev; /* held (dev_hold) until dealloc_driver */
	struct net *net; /* whose socket it uses; the netdev may move away */
	struct sodp_mem *mem;
	struct sodp_counters __percpu *counters;
	struct list_head link; /* all devices, main.c's list */
	enum ib_mtu mtu; /* follows the netdev; netdev.c */
	enum ib_port_state port_state; /* last announced; netdev.c, rtnl */
	bool odp_always; /* every user registration is on demand; sysfs.c */
	unsigned int fault_hold_ms; /* sysfs.c */
	bool local_shortcut; /* xport/handover.c; sysfs.c */
	struct sodp_qp_handle __rcu *gsi; /* queue pair 1; xport/qp.c */
	atomic_t num_pd, num_ah, num_cq, num_srq, num_qp, num_mr, num_mw;
	struct sodp_mcast *mcast; /* groups; net/mcast.c */
};

static inline struct sodp_dev *to_sodp_dev(struct ib_device *ibdev)
{
	return container_of(ibdev, struct sodp_dev, ibdev);
}

/* dev.c: rdma link add; process context, rtnl not held. */
int sodp_dev_create(const char *name, struct net_device *ndev);
/* dev.c: unregister every device on @ndev (NULL: every one); queued. */
void sodp_dev_remove_netdev(struct net_device *ndev);
void sodp_dev_remove_all(void); /* module exit: waits */
/* Under RCU or with a reference: the device of a netdev, or NULL. */
struct sodp_dev *sodp_dev_by_netdev(struct net_device *ndev);
/*
 * Under RCU: the device that a packet to @daddr is for, or NULL: the one on the
 * interface that owns the address, on one below it, or where it came in.
 */
struct sodp_dev *sodp_dev_by_addr(struct net *net, struct net_device *in,
				  const struct in6_addr *daddr);

/* Under RCU: the device that what comes in there is for, or NULL. */
struct sodp_dev *sodp_dev_by_ingress(struct net_device *in);

#endif
