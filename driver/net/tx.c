// SPDX-License-Identifier: GPL-2.0
/* From BTH..ICRC to the IP stack. */
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "dev.h"
#include "net/internal.h"
#include "net/net.h"
#include "wire/bytes.h"

enum {
	MOST_IP_UDP_LEN = sizeof(struct ipv6hdr) + sizeof(struct udphdr),
};

static size_t ip_udp_len(const struct sodp_flow *flow)
{
	return (flow->ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)) +
	       sizeof(struct udphdr);
}

struct sk_buff *sodp_tx_alloc(size_t len)
{
	struct sk_buff *skb;

	skb = alloc_skb(LL_MAX_HEADER + MOST_IP_UDP_LEN + len, GFP_ATOMIC);
	if (!skb)
		return NULL;
	skb_reserve(skb, LL_MAX_HEADER + MOST_IP_UDP_LEN);
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

static void push_ipv4(struct sk_buff *skb, const struct sodp_flow *flow,
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
	iph->saddr = flow->saddr.s6_addr32[3];
	iph->daddr = flow->daddr.s6_addr32[3];
	iph->id = 0; /* never fragmented, so it means nothing: RFC 6864 */

	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	skb->protocol = htons(ETH_P_IP);
}

static void push_ipv6(struct sk_buff *skb, const struct sodp_flow *flow,
		      struct dst_entry *dst)
{
	struct ipv6hdr *ip6h = skb_push(skb, sizeof(*ip6h));

	skb_reset_network_header(skb);
	ip6_flow_hdr(ip6h, flow->tos, htonl(flow->label));
	ip6h->payload_len = htons(skb->len - sizeof(*ip6h));
	ip6h->nexthdr = IPPROTO_UDP;
	ip6h->hop_limit = flow->ttl ?: SODP_HOP_LIMIT;
	ip6h->saddr = flow->saddr;
	ip6h->daddr = flow->daddr;

	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	skb->protocol = htons(ETH_P_IPV6);
}

/* Last: length and identification of the IP header are part of it. */
static void put_icrc(struct sk_buff *skb, const struct sodp_flow *flow)
{
	u8 *bth = skb->data + ip_udp_len(flow);
	size_t len = skb->len - ip_udp_len(flow) - SODP_ICRC_LEN;

	sodp_put_le32(bth + len, (flow->ipv4 ? sodp_icrc_ipv4 : sodp_icrc_ipv6)(
					 skb_network_header(skb),
					 skb_transport_header(skb), bth, len));
}

static int send_skb(struct sodp_dev *dev, struct sodp_flow *flow,
		    struct sk_buff *skb)
{
	struct dst_entry *dst;
	int err;

	dst = sodp_flow_route(dev, flow);
	if (IS_ERR(dst)) {
		kfree_skb(skb);
		return PTR_ERR(dst);
	}
	if (skb->len + ip_udp_len(flow) > dst_mtu(dst)) {
		dst_release(dst);
		kfree_skb(skb);
		return -EMSGSIZE;
	}
	push_udp(skb, flow);
	if (flow->ipv4)
		push_ipv4(skb, flow, dst);
	else
		push_ipv6(skb, flow, dst);
	put_icrc(skb, flow);

	skb->ip_summed = CHECKSUM_NONE;
	skb->priority = rt_tos2priority(flow->tos);
	skb_dst_set(skb, dst);

	/*
	 * To an address of our own this ends in the loopback device, which
	 * queues for a later softirq: it never calls sodp_rx() from here.
	 */
	err = flow->ipv4 ? ip_local_out(flow->net, NULL, skb) :
			   ip6_local_out(flow->net, NULL, skb);
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
