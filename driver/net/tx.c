// SPDX-License-Identifier: GPL-2.0
/* From BTH..ICRC to the IP stack. */
#include <linux/udp.h>
#include <net/inet_common.h>
#include <net/ip.h>
#include <net/route.h>

#include "dev.h"
#include "net/net.h"
#include "wire/bytes.h"

enum {
	IP_UDP_LEN = sizeof(struct iphdr) + sizeof(struct udphdr),
};

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

/* The cached route if it is still good, with a reference; or NULL. */
static struct dst_entry *get_cached(struct sodp_flow *flow)
{
	struct dst_entry *dst;

	spin_lock_bh(&flow->lock);
	dst = flow->dst;
	if (dst && dst_check(dst, 0))
		dst_hold(dst);
	else
		dst = NULL;
	spin_unlock_bh(&flow->lock);
	return dst;
}

/* Takes over one reference to @dst, which the flow keeps. */
static void put_cached(struct sodp_flow *flow, struct dst_entry *dst)
{
	struct dst_entry *old;

	spin_lock_bh(&flow->lock);
	old = flow->dst;
	flow->dst = dst;
	spin_unlock_bh(&flow->lock);
	dst_release(old);
}

/* A route with a reference, or an ERR_PTR. */
static struct dst_entry *find_route(struct sodp_dev *dev,
				    struct sodp_flow *flow)
{
	struct flowi4 fl4 = {
		.flowi4_oif = dev->ndev->ifindex,
		.flowi4_proto = IPPROTO_UDP,
		.saddr = flow->saddr,
		.daddr = flow->daddr,
		.fl4_sport = flow->sport,
		.fl4_dport = htons(SODP_UDP_PORT),
	};
	struct dst_entry *dst;
	struct rtable *rt;

	dst = get_cached(flow);
	if (dst)
		return dst;

	/*
	 * Through the device's interface, except to an address of this very
	 * namespace that another interface owns: that goes over loopback, which
	 * a lookup bound to an interface would not find.
	 */
	if (inet_addr_type(flow->net, flow->daddr) == RTN_LOCAL)
		fl4.flowi4_oif = 0;
	rt = ip_route_output_key(flow->net, &fl4);
	if (IS_ERR(rt))
		return ERR_CAST(rt);
	dst_hold(&rt->dst);
	put_cached(flow, &rt->dst);
	return &rt->dst;
}

struct sk_buff *sodp_tx_alloc(size_t len)
{
	struct sk_buff *skb;

	skb = alloc_skb(LL_MAX_HEADER + IP_UDP_LEN + len, GFP_ATOMIC);
	if (!skb)
		return NULL;
	skb_reserve(skb, LL_MAX_HEADER + IP_UDP_LEN);
	skb_put(skb, len);
	return skb;
}

static void push_udp(struct sk_buff *skb, const struct sodp_flow *flow)
{
	struct udphdr *uh = skb_push(skb, sizeof(*uh));

	skb_reset_transport_header(skb);
	uh->source = flow->sport;
	uh->dest = htons(SODP_UDP_PORT);
	uh->len = htons(skb->len);
	uh->check = 0; /* none: the ICRC covers more */
}

static void push_ip(struct sk_buff *skb, const struct sodp_flow *flow,
		    const struct dst_entry *dst)
{
	struct iphdr *iph = skb_push(skb, sizeof(*iph));

	skb_reset_network_header(skb);
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->tos = flow->tos;
	iph->tot_len = htons(skb->len);
	iph->frag_off = htons(IP_DF);
	iph->ttl = flow->ttl ?: ip4_dst_hoplimit(dst);
	iph->protocol = IPPROTO_UDP;
	iph->check = 0; /* ip_local_out() */
	iph->saddr = flow->saddr;
	iph->daddr = flow->daddr;
	__ip_select_ident(flow->net, iph, 1);
}

/* Last: length and identification of the IP header are part of it. */
static void put_icrc(struct sk_buff *skb)
{
	u8 *bth = skb->data + IP_UDP_LEN;
	size_t len = skb->len - IP_UDP_LEN - SODP_ICRC_LEN;

	sodp_put_le32(bth + len,
		      sodp_icrc_ipv4(skb_network_header(skb),
				     skb_transport_header(skb), bth, len));
}

static int send_skb(struct sodp_dev *dev, struct sodp_flow *flow,
		    struct sk_buff *skb)
{
	struct dst_entry *dst;
	int err;

	dst = find_route(dev, flow);
	if (IS_ERR(dst)) {
		kfree_skb(skb);
		return PTR_ERR(dst);
	}
	if (skb->len + IP_UDP_LEN > dst_mtu(dst)) {
		dst_release(dst);
		kfree_skb(skb);
		return -EMSGSIZE;
	}
	push_udp(skb, flow);
	push_ip(skb, flow, dst);
	put_icrc(skb);

	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	skb->ip_summed = CHECKSUM_NONE;
	skb->protocol = htons(ETH_P_IP);
	skb->priority = rt_tos2priority(flow->tos);
	skb_dst_set(skb, dst);

	/*
	 * To an address of our own this ends in the loopback device, which
	 * queues for a later softirq: it never calls sodp_rx() from here.
	 */
	err = ip_local_out(flow->net, NULL, skb);
	err = net_xmit_eval(err); /* congestion: it was sent */
	return err > 0 ? -ENOBUFS : err;
}

int sodp_tx_send(struct sodp_dev *dev, struct sodp_flow *flow,
		 struct sk_buff *skb)
{
	int err;

	err = send_skb(dev, flow, skb);
	sodp_count(dev->counters,
		   err ? SODP_CNT_TX_ERRORS : SODP_CNT_TX_PACKETS);
	return err;
}
