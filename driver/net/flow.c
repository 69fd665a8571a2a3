// SPDX-License-Identifier: GPL-2.0
/* Where a queue pair sends to: addresses, and the route as long as it is good. */
#include <linux/inetdevice.h>
#include <net/inet_common.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/route.h>
#include <net/sch_generic.h>
#include SODP_IPV6_HEADER

#include "dev.h"
#include "net/internal.h"
#include "net/net.h"

void sodp_flow_init(struct sodp_flow *flow)
{
	memset(flow, 0, sizeof(*flow));
	spin_lock_init(&flow->lock);
}

void sodp_flow_destroy(struct sodp_flow *flow)
{
	struct dst_entry *old;

	spin_lock_bh(&flow->lock);
	old = flow->dst;
	flow->dst = NULL;
	spin_unlock_bh(&flow->lock);
	dst_release(old);
}

void sodp_flow_set(struct sodp_flow *flow, struct net *net,
		   const struct rdma_ah_attr *attr,
		   const struct in6_addr *saddr, u32 qpn, u32 dest_qpn)
{
	const struct ib_global_route *grh = &attr->grh;

	flow->net = net;
	flow->saddr = *saddr;
	flow->daddr = *sodp_gid_addr(&grh->dgid);
	flow->ipv4 = ipv6_addr_v4mapped(&flow->daddr);
	flow->label = grh->flow_label;
	flow->tos = grh->traffic_class;
	flow->ttl = grh->hop_limit;
	flow->sport = htons(rdma_get_udp_sport(grh->flow_label, qpn, dest_qpn));
}

/* The cached route if it is still good, with a reference; or NULL. */
static struct dst_entry *get_cached(struct sodp_flow *flow)
{
	struct dst_entry *dst;

	lockdep_assert_once(in_softirq());
	spin_lock(&flow->lock);
	dst = flow->dst;
	if (dst && dst_check(dst, flow->cookie))
		dst_hold(dst);
	else
		dst = NULL;
	spin_unlock(&flow->lock);
	return dst;
}

/* Takes over one reference to @dst, which the flow keeps. */
static void put_cached(struct sodp_flow *flow, struct dst_entry *dst)
{
	struct dst_entry *old;

	spin_lock(&flow->lock);
	old = flow->dst;
	flow->dst = dst;
	flow->cookie =
		flow->ipv4 ?
			0 :
			rt6_get_cookie(container_of(dst, struct rt6_info, dst));
	spin_unlock(&flow->lock);
	dst_release(old);
}

struct net_device *sodp_addr_owner(struct net *net, const struct in6_addr *addr)
{
	if (ipv6_addr_v4mapped(addr))
		return __ip_dev_find(net, addr->s6_addr32[3], false);
	return sodp_ipv6_dev_find(net, addr);
}

/*
 * Through the device's interface, except to an address of this very namespace
 * that another interface owns: that goes over loopback, which a lookup bound
 * to an interface would not find.
 */
static struct dst_entry *find_ipv4(struct sodp_dev *dev,
				   const struct sodp_flow *flow)
{
	struct flowi4 fl4 = {
		.flowi4_oif = dev->ndev->ifindex,
		.flowi4_proto = IPPROTO_UDP,
		.saddr = flow->saddr.s6_addr32[3],
		.daddr = flow->daddr.s6_addr32[3],
		.fl4_sport = flow->sport,
		.fl4_dport = htons(SODP_UDP_PORT),
	};
	struct rtable *rt;

	if (inet_addr_type(flow->net, fl4.daddr) == RTN_LOCAL)
		fl4.flowi4_oif = 0;
	rt = ip_route_output_key(flow->net, &fl4);
	return IS_ERR(rt) ? ERR_CAST(rt) : &rt->dst;
}

static bool is_ours(struct net *net, const struct in6_addr *addr)
{
	bool ours;

	rcu_read_lock();
	ours = sodp_addr_owner(net, addr);
	rcu_read_unlock();
	return ours;
}

/* A link-local address means nothing without its interface. */
static struct dst_entry *find_ipv6(struct sodp_dev *dev,
				   const struct sodp_flow *flow)
{
	struct flowi6 fl6 = {
		.flowi6_oif = dev->ndev->ifindex,
		.flowi6_proto = IPPROTO_UDP,
		.saddr = flow->saddr,
		.daddr = flow->daddr,
		.fl6_sport = flow->sport,
		.fl6_dport = htons(SODP_UDP_PORT),
		.flowlabel = ip6_make_flowinfo(flow->tos, htonl(flow->label)),
	};

	if (!(ipv6_addr_type(&flow->daddr) & IPV6_ADDR_LINKLOCAL) &&
	    is_ours(flow->net, &flow->daddr))
		fl6.flowi6_oif = 0;
	return sodp_ipv6_lookup(flow->net, &fl6);
}

struct dst_entry *sodp_flow_route(struct sodp_dev *dev, struct sodp_flow *flow)
{
	struct dst_entry *dst = get_cached(flow);

	if (dst)
		return dst;
	dst = flow->ipv4 ? find_ipv4(dev, flow) : find_ipv6(dev, flow);
	/* Whether we hear ourselves in a group is in its route: not kept. */
	if (IS_ERR(dst) || sodp_addr_is_group(&flow->daddr))
		return dst;
	dst_hold(dst);
	put_cached(flow, dst);
	return dst;
}

/*
 * netem and the like on the loopback device get what they are there for. Of a
 * device that is down the discipline is one that drops; so is that of the one
 * which stands in for a device that is gone.
 */
static bool is_plain_loopback(const struct net_device *ndev)
{
	struct netdev_queue *queue = netdev_get_tx_queue(ndev, 0);

	return (ndev->flags & IFF_LOOPBACK) &&
	       !rcu_dereference_bh(queue->qdisc)->enqueue;
}

bool sodp_flow_is_local(struct sodp_dev *dev, struct sodp_flow *flow)
{
	struct dst_entry *dst = sodp_flow_route(dev, flow);
	bool local;

	if (IS_ERR(dst))
		return false;
	if (flow->ipv4)
		local = container_of(dst, struct rtable, dst)->rt_type ==
			RTN_LOCAL;
	else
		local = container_of(dst, struct rt6_info, dst)->rt6i_flags &
			RTF_LOCAL;
	/* That of the route, which keeps it; net->loopback_dev may be gone. */
	local = local && is_plain_loopback(READ_ONCE(dst->dev));
	dst_release(dst);
	return local;
}
