// SPDX-License-Identifier: GPL-2.0
/* Packets that a QP sends: headers in front, pad behind, room in between. */
#include "xport.h"

/* Its receiver reads the packet's fields where rx.c would have put them. */
static struct sk_buff *alloc_by_hand(const struct sodp_pkt *pkt, u32 len)
{
	struct sk_buff *skb = sodp_spare_get(len);

	if (!skb)
		return NULL;
	*sodp_rx_pkt(skb) = *pkt;
	sodp_rx_pkt(skb)->hdr_len = 0;
	sodp_rx_pkt(skb)->payload_len = len;
	return skb;
}

static struct sk_buff *alloc_for_wire(const struct sodp_pkt *pkt, u32 len)
{
	u8 hdr[SODP_MAX_HDR_LEN];
	size_t hdr_len = sodp_build(pkt, hdr);
	struct sk_buff *skb;

	skb = sodp_tx_alloc(hdr_len + len + pkt->pad + SODP_ICRC_LEN);
	if (!skb)
		return NULL;
	memcpy(skb->data, hdr, hdr_len);
	memset(skb->data + hdr_len + len, 0, pkt->pad);
	sodp_rx_pkt(skb)->hdr_len = hdr_len;
	return skb;
}

struct sk_buff *sodp_pkt_alloc(struct sodp_qp *qp, struct sodp_pkt *pkt,
			       u32 len, u8 **payload)
{
	struct sk_buff *skb;

	pkt->pad = -len & 3;
	pkt->pkey = SODP_DEFAULT_PKEY;
	if (!sodp_qp_is_ud(qp))
		pkt->qpn = qp->dest_qpn;
	if (sodp_handover(qp, pkt))
		skb = alloc_by_hand(pkt, len);
	else
		skb = alloc_for_wire(pkt, len);
	if (skb && payload)
		*payload = skb->data + sodp_rx_pkt(skb)->hdr_len;
	return skb;
}

void sodp_pkt_send(struct sodp_qp *qp, struct sk_buff *skb)
{
	if (sodp_pkt_by_hand(skb))
		sodp_hand_over(qp, skb);
	else
		sodp_pkt_send_to(qp, &qp->flow, skb);
}

void sodp_pkt_send_to(struct sodp_qp *qp, struct sodp_flow *flow,
		      struct sk_buff *skb)
{
	/* Not sent is as good as lost: the retry timer sees to both. */
	sodp_tx_send(qp->dev, flow, skb);
}

void sodp_pkt_done(struct sk_buff *skb)
{
	if (sodp_pkt_by_hand(skb))
		sodp_spare_put(skb);
	else
		consume_skb(skb);
}
