/* SPDX-License-Identifier: GPL-2.0 */
/* skbs, UDP sockets and netdevice events. Nothing here knows a WQE. */
#ifndef SODP_NET_NET_H
#define SODP_NET_NET_H

#include <linux/in6.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/dst.h>
#include <net/ipv6.h>
#include <rdma/ib_verbs.h>

#include "obs/counters.h"
#include "wire/pkt.h"

struct sodp_dev;
struct sodp_qp;

/* --- sock.c: one UDP socket on port 4791 for each network namespace ------ */

/*
 * Refcounted by devices. -EADDRINUSE (with one pr_warn that names port and
 * namespace and says what to do) when somebody else, e.g. rdma_rxe, has it.
 * Process context. A device remembers the net that it got the socket of: its
 * netdev may have moved to another one by the time of sodp_sock_put(). The
 * exit of a namespace waits for the last put, so the pointer stays good.
 */
int sodp_sock_get(struct net *net);
void sodp_sock_put(struct net *net);
int sodp_net_init(void); /* pernet subsys, netdevice notifier */
void sodp_net_exit(void);

/* --- flow.c: where a QP sends to ---------------------------------------------
 */

/* Filled by modify_qp from the AH attributes; protected by the requester's
 * and responder's ownership only for reading: written in INIT->RTR while the
 * QP does not run. The dst cache has its own lock. */
struct sodp_flow {
	struct net *net; /* of the device's netdev; the device holds it */
	bool ipv4; /* both addresses are IPv4's, mapped into IPv6's */
	struct in6_addr saddr;
	struct in6_addr daddr;
	u32 label; /* IPv6: flow label, 20 bits */
	__be16 sport; /* chosen from the flow: rdma_get_udp_sport() */
	u8 tos; /* IPv6: traffic class */
	u8 ttl; /* IPv6: hop limit; 0: the namespace's default */
	spinlock_t lock; /* bh; protects dst */
	struct dst_entry *dst; /* rechecked at each use */
	u32 cookie; /* IPv6: of the route that dst came from */
};

void sodp_flow_init(struct sodp_flow *flow); /* once; all else zero */
/* Drops the dst. Also when the addresses change; the flow stays usable. */
void sodp_flow_destroy(struct sodp_flow *flow);

/*
 * Fill it: to the attributes' destination, from @saddr. @qpn and @dest_qpn only
 * spread flows over ports. Nobody uses it meanwhile.
 */
void sodp_flow_set(struct sodp_flow *flow, struct net *net,
		   const struct rdma_ah_attr *attr,
		   const struct in6_addr *saddr, u32 qpn, u32 dest_qpn);

static inline const struct in6_addr *sodp_gid_addr(const union ib_gid *gid)
{
	return (const struct in6_addr *)gid->raw;
}

/* 224.0.0.0/4, mapped into IPv6, or ff00::/8 */
static inline bool sodp_addr_is_group(const struct in6_addr *addr)
{
	if (ipv6_addr_v4mapped(addr))
		return ipv4_is_multicast(addr->s6_addr32[3]);
	return ipv6_addr_is_multicast(addr);
}

/* A route with a reference, or an ERR_PTR. softirq, or softirqs off. */
struct dst_entry *sodp_flow_route(struct sodp_dev *dev, struct sodp_flow *flow);

/*
 * Do its packets end in this very namespace? False also when something on the
 * way wants to have them: a queueing discipline of the loopback device.
 */
bool sodp_flow_is_local(struct sodp_dev *dev, struct sodp_flow *flow);

/* --- spare.c: skbs of packets that are handed over ---------------------------
 */

/* With @len bytes of data and nothing else. softirq, or softirqs off. */
struct sk_buff *sodp_spare_get(size_t len);
/* Only of those, and nobody else has a reference. softirq, or softirqs off. */
void sodp_spare_put(struct sk_buff *skb);
void sodp_spare_init(void);
void sodp_spare_drop(void); /* gives back those that are kept */

/* --- tx.c ------------------------------------------------------------------ */

/*
 * An skb with room in front for Ethernet, IP and UDP, whose data is @len bytes
 * of BTH up to and with the ICRC. GFP_ATOMIC; NULL when out of memory.
 * No user page ever becomes a fragment: the data is linear.
 */
struct sk_buff *sodp_tx_alloc(size_t len);

/*
 * Put UDP and IP in front, store the ICRC in the last four bytes, send.
 * Consumes the skb. 0, or -errno when it was not sent (counted as send_err;
 * the caller treats it like a loss on the wire).
 * softirq or task context with BH disabled.
 */
int sodp_tx_send(struct sodp_dev *dev, struct sodp_flow *flow,
		 struct sk_buff *skb);

/* --- rx.c ------------------------------------------------------------------ */

/* What rx.c leaves in skb->cb for the transport; skb->data is the BTH. */
struct sodp_rx_cb {
	struct sodp_pkt pkt;
};

static inline struct sodp_pkt *sodp_rx_pkt(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct sodp_rx_cb) >
		     sizeof_field(struct sk_buff, cb));
	return &((struct sodp_rx_cb *)skb->cb)->pkt;
}

/*
 * What stands for the GRH of a received packet: IPv6's header, which is laid
 * out like one, or IPv4's at its end.
 */
#define SODP_GRH_LEN 40
void sodp_rx_grh(const struct sk_buff *skb, u8 grh[SODP_GRH_LEN]);

#define SODP_RX_PASS SODP_CNT_NUM /* no reason to drop */

/*
 * Is the packet of this queue pair's service, from where its peer is, to where
 * it is? SODP_RX_PASS, or the reason to drop it.
 */
enum sodp_counter sodp_rx_check_qp(const struct sodp_qp *qp,
				   const struct sodp_pkt *pkt,
				   const struct net *net,
				   const struct in6_addr *saddr,
				   const struct in6_addr *daddr);

/* UDP encap_rcv hook: 0, always consumes. */
int sodp_rx(struct sock *sk, struct sk_buff *skb);

/* --- mcast.c: multicast groups of a device -----------------------------------
 */

struct sodp_mcast *sodp_mcast_create(void);
/* NULL is fine; all have been detached. */
void sodp_mcast_destroy(struct sodp_mcast *mcast);

/*
 * Process context. Attach: -ENOMEM: no memory, or as many groups or members as
 * there may be; -ENODEV: the interface cannot join. Detach, once for each
 * attach: -EINVAL: it is not in that group.
 */
int sodp_mcast_attach(struct sodp_dev *dev, const struct in6_addr *group,
		      u32 qpn);
int sodp_mcast_detach(struct sodp_dev *dev, const struct in6_addr *group,
		      u32 qpn);

/*
 * A checked packet to a group: a copy to each member. False: nobody of this
 * device is one. Consumes nothing. softirq, under RCU.
 */
bool sodp_mcast_rx(struct sodp_dev *dev, const struct in6_addr *group,
		   const struct sk_buff *skb);

/* --- netdev.c --------------------------------------------------------------- */

/* Port state and MTU now, from the netdev. */
enum ib_mtu sodp_netdev_mtu(const struct net_device *ndev);
enum ib_port_state sodp_netdev_state(const struct net_device *ndev);
/* Before the device is registered: its mtu and last announced port state. */
void sodp_netdev_init_port(struct sodp_dev *dev);

#endif
