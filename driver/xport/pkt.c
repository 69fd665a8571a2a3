// SPDX-License-Identifier: GPL-2.0
/* Packets that a QP sends: headers in front, pad behind, room in between. */
#include "xport.h"

struct sk_buff *sodp_pkt_alloc(struct sodp_qp *qp, struct sodp_pkt *pkt,
			       u32 len, u8 **payload)
{
	u8 hdr[SODP_MAX_HDR_LEN];
	struct sk_buff *skb;
	size_t hdr_len;

	pkt->pad = -len & 3;
	pkt->pkey = SODP_DEFAULT_PKEY;
	if (!sodp_qp_is_ud(qp))
		pkt->qpn = qp->dest_qpn;
	hdr_len = sodp_build(pkt, hdr);

	skb = sodp_tx_alloc(hdr_len + len + pkt->pad + SODP_ICRC_LEN);
	if (!skb)
		return NULL;
	memcpy(skb->data, hdr, hdr_len);
	memset(skb->data + hdr_len + len, 0, pkt->pad);
	if (payload)
		*payload = skb->data + hdr_len;
	return skb;
}

void sodp_pkt_send(struct sodp_qp *qp, struct sk_buff *skb)
{
	sodp_pkt_send_to(qp, &qp->flow, skb);
}

void sodp_pkt_send_to(struct sodp_qp *qp, struct sodp_flow *flow,
		      struct sk_buff *skb)
{
	/* Not sent is as good as lost: the retry timer sees to both. */
	sodp_tx_send(qp->dev, flow, skb);
}
