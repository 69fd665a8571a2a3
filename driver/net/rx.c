// SPDX-License-Identifier: GPL-2.0
/*
 * From the UDP socket to the transport: every check that needs no state of a
 * queue pair, and one counter for each reason to drop.
 */
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "dev.h"
#include "net/internal.h"
#include "net/net.h"
#include "wire/bytes.h"
#include "xport/xport.h"

static bool is_ipv4(const struct sk_buff *skb)
{
	return skb->protocol == htons(ETH_P_IP);
}

/* The ICRC is defined for headers without options or extensions. */
static bool header_is_plain(const struct sk_buff *skb)
{
	if (is_ipv4(skb))
		return ip_hdr(skb)->ihl == sizeof(struct iphdr) / 4;
	return skb_transport_offset(skb) - skb_network_offset(skb) ==
	       sizeof(struct ipv6hdr);
}

static void get_addresses(const struct sk_buff *skb, struct in6_addr *saddr,
			  struct in6_addr *daddr)
{
	if (is_ipv4(skb)) {
		ipv6_addr_set_v4mapped(ip_hdr(skb)->saddr, saddr);
		ipv6_addr_set_v4mapped(ip_hdr(skb)->daddr, daddr);
	} else {
		*saddr = ipv6_hdr(skb)->saddr;
		*daddr = ipv6_hdr(skb)->daddr;
	}
}

void sodp_rx_grh(const struct sk_buff *skb, u8 grh[SODP_GRH_LEN])
{
	memset(grh, 0, SODP_GRH_LEN);
	if (is_ipv4(skb))
		memcpy(grh + SODP_GRH_LEN - sizeof(struct iphdr), ip_hdr(skb),
		       sizeof(struct iphdr));
	else
		memcpy(grh, ipv6_hdr(skb), SODP_GRH_LEN);
}

/*
 * UDP header up to the ICRC, nothing else, in linear memory of our own:
 * a fragment may be a page that somebody can still write to.
 */
static enum sodp_counter check_frame(struct sk_buff *skb)
{
	unsigned int len;

	if (!pskb_may_pull(skb, sizeof(struct udphdr)))
		return SODP_CNT_DROP_SHORT;
	len = ntohs(udp_hdr(skb)->len);
	if (len < sizeof(struct udphdr) || len > skb->len)
		return SODP_CNT_DROP_SHORT;
	if (pskb_trim(skb, len) || skb_linearize(skb))
		return SODP_CNT_DROP_QUEUE_FULL; /* no memory */
	if (!header_is_plain(skb))
		return SODP_CNT_DROP_HEADER;
	return SODP_RX_PASS;
}

static bool icrc_ok(const struct sk_buff *skb)
{
	const u8 *bth = skb->data;
	size_t len = skb->len - SODP_ICRC_LEN;

	return sodp_get_le32(bth + len) ==
	       (is_ipv4(skb) ? sodp_icrc_ipv4 : sodp_icrc_ipv6)(
		       skb_network_header(skb), skb_transport_header(skb), bth,
		       len);
}

/* skb->data is the BTH. Fills the packet in skb->cb. */
static enum sodp_counter check_packet(struct sk_buff *skb)
{
	struct sodp_pkt *pkt = sodp_rx_pkt(skb);

	switch (sodp_parse(skb->data, skb->len, pkt)) {
	case SODP_PARSE_OK:
		break;
	case SODP_PARSE_SHORT:
		return SODP_CNT_DROP_SHORT;
	case SODP_PARSE_OPCODE:
		return SODP_CNT_DROP_OPCODE;
	case SODP_PARSE_HEADER:
	default:
		return SODP_CNT_DROP_HEADER;
	}
	if (!icrc_ok(skb))
		return SODP_CNT_DROP_ICRC;
	/* The top bit is full or limited membership: the same partition. */
	if ((pkt->pkey ^ SODP_DEFAULT_PKEY) & 0x7fff)
		return SODP_CNT_DROP_PKEY;
	return SODP_RX_PASS;
}

enum sodp_counter sodp_rx_check_qp(const struct sodp_qp *qp,
				   const struct sodp_pkt *pkt,
				   const struct net *net,
				   const struct in6_addr *saddr,
				   const struct in6_addr *daddr)
{
	if ((pkt->opcode & SODP_SERVICE_MASK) != qp->service)
		return SODP_CNT_DROP_OPCODE;
	switch (sodp_qp_state(qp)) {
	case IB_QPS_RESET:
	case IB_QPS_INIT:
		return SODP_CNT_DROP_STATE; /* it has no address yet */
	default:
		break;
	}
	/*
	 * Anybody may send a datagram; the responder asks for its Q_Key. One to
	 * a group names no queue pair.
	 */
	if (sodp_qp_is_ud(qp))
		return net_eq(qp->dev->net, net) && !sodp_addr_is_group(daddr) ?
			       SODP_RX_PASS :
			       SODP_CNT_DROP_ADDRESS;
	if (qp->flow.net != net || !ipv6_addr_equal(&qp->flow.daddr, saddr) ||
	    !ipv6_addr_equal(&qp->flow.saddr, daddr))
		return SODP_CNT_DROP_ADDRESS;
	return SODP_RX_PASS;
}

/*
 * Whose counter: that of the queue pair's device if it is of this namespace;
 * else of the device on the interface that the packet came in by, or, over
 * loopback, on the one that owns the address. There may be none: then the drop
 * is not counted.
 */
static struct sodp_dev *find_dev(const struct sodp_qp *qp, struct net *net,
				 struct net_device *in,
				 const struct in6_addr *daddr)
{
	struct sodp_dev *dev;
	struct net_device *owner;

	if (qp && net_eq(qp->dev->net, net))
		return qp->dev;
	dev = sodp_dev_by_netdev(in);
	if (dev)
		return dev;
	owner = sodp_addr_owner(net, daddr);
	return owner ? sodp_dev_by_netdev(owner) : NULL;
}

/* Every device has a queue pair 1: the address says whose. */
static struct sodp_qp *find_qp(u32 qpn, struct net *net, struct net_device *in,
			       const struct in6_addr *daddr)
{
	struct sodp_dev *dev;

	if (qpn != SODP_GSI_QPN)
		return sodp_qp_get(qpn);
	dev = sodp_dev_by_addr(net, in, daddr);
	return dev ? sodp_qp_get_gsi(dev) : NULL;
}

void sodp_rx_detach(struct sk_buff *skb)
{
	skb_scrub_packet(skb, false);
	skb_orphan(skb);
	skb->dev = NULL;
}

/* Two bits of the type of service, or traffic class: congestion experienced. */
static bool is_marked(const struct sk_buff *skb)
{
	const u8 *ip = skb_network_header(skb);

	return ((is_ipv4(skb) ? ip[1] : ip[1] >> 4) & 3) == 3;
}

static void received(const struct sodp_dev *dev, const struct sk_buff *skb)
{
	sodp_count(dev->counters, SODP_CNT_RX_PACKETS);
	if (is_marked(skb))
		sodp_count(dev->counters, SODP_CNT_RX_ECN);
}

/* A datagram to a group of the device on the interface that it came in by. */
static enum sodp_counter to_group(struct net *net, struct sk_buff *skb,
				  const struct in6_addr *daddr)
{
	struct sodp_dev *dev = sodp_dev_by_ingress(skb->dev);

	if (!dev || !net_eq(dev->net, net))
		return SODP_CNT_DROP_QPN;
	if ((sodp_rx_pkt(skb)->opcode & SODP_SERVICE_MASK) != SODP_SERVICE_UD)
		return SODP_CNT_DROP_OPCODE;
	if (!sodp_mcast_rx(dev, daddr, skb))
		return SODP_CNT_DROP_QPN;
	received(dev, skb);
	consume_skb(skb);
	return SODP_RX_PASS;
}

int sodp_rx(struct sock *sk, struct sk_buff *skb)
{
	struct net *net = sock_net(sk);
	struct in6_addr saddr, daddr;
	struct sodp_qp *qp = NULL;
	struct sodp_dev *dev;
	enum sodp_counter drop;

	/* the IP stack calls us under RCU: it keeps @dev */
	RCU_LOCKDEP_WARN(!rcu_read_lock_held(), "sodp_rx without RCU");

	get_addresses(skb, &saddr, &daddr);
	drop = check_frame(skb);
	if (drop != SODP_RX_PASS)
		goto drop;
	__skb_pull(skb, sizeof(struct udphdr));
	drop = check_packet(skb);
	if (drop != SODP_RX_PASS)
		goto drop;
	if (sodp_rx_pkt(skb)->qpn == SODP_MCAST_QPN) {
		drop = to_group(net, skb, &daddr);
		if (drop == SODP_RX_PASS)
			return 0;
		goto drop;
	}
	qp = find_qp(sodp_rx_pkt(skb)->qpn, net, skb->dev, &daddr);
	if (!qp) {
		drop = SODP_CNT_DROP_QPN;
		goto drop;
	}
	drop = sodp_rx_check_qp(qp, sodp_rx_pkt(skb), net, &saddr, &daddr);
	if (drop != SODP_RX_PASS)
		goto drop;

	received(qp->dev, skb);
	sodp_rx_detach(skb);
	sodp_xport_rx(qp, skb);
	sodp_qp_put(qp);
	return 0;

drop:
	dev = find_dev(qp, net, skb->dev, &daddr);
	if (dev)
		sodp_count(dev->counters, drop);
	if (qp)
		sodp_qp_put(qp);
	kfree_skb(skb);
	return 0;
}
