// SPDX-License-Identifier: GPL-2.0
/*
 * Packets to a queue pair of this very kernel. Where the route says that they
 * end in the namespace that they come from, they are put into the queue of the
 * receiving side at once: no headers, no ICRC, no IP stack. Everything behind
 * that queue is as for a packet from the wire.
 *
 * Why nothing gets out of order: one side sends to one side, and the queue is
 * appended to by the owner of the sending one. Why nothing recurses, and when
 * the receiver runs: sched.c, serve(). Only a change of the way, by the switch
 * or by the route, lets packets overtake those that are still in the stack; to
 * the transport that is a loss.
 *
 * Who may be reached is who would have been reached: the route, the number and
 * both addresses are asked as for the wire (rx.c). They are asked once in a
 * pass, the state of the peer for each packet.
 *
 * Datagrams go by the stack: their receiver is shown the IP header.
 */
#include "xport/xport.h"

static bool is_request(const struct sodp_pkt *pkt)
{
	return sodp_opcode(pkt->opcode)->flags & SODP_IS_REQUEST;
}

static struct sodp_side *sender(struct sodp_qp *qp, const struct sodp_pkt *pkt)
{
	return is_request(pkt) ? &qp->req.side : &qp->resp.side;
}

/* Either end may want to have its packets seen. */
static bool wanted(const struct sodp_dev *dev)
{
	return READ_ONCE(dev->local_shortcut) &&
	       READ_ONCE(dev->port_state) == IB_PORT_ACTIVE;
}

/* The QP that they go to, with a reference, or NULL. */
static struct sodp_qp *find_peer(struct sodp_qp *qp, const struct sodp_pkt *pkt)
{
	const struct sodp_flow *flow = &qp->flow;
	struct sodp_qp *peer;

	if (sodp_qp_is_ud(qp) || !wanted(qp->dev) ||
	    !sodp_flow_is_local(qp->dev, &qp->flow))
		return NULL;
	peer = sodp_qp_get(qp->dest_qpn);
	if (!peer)
		return NULL;
	if (wanted(peer->dev) &&
	    sodp_rx_check_qp(peer, pkt, flow->net, &flow->saddr,
			     &flow->daddr) == SODP_RX_PASS)
		return peer;
	sodp_qp_put(peer);
	return NULL;
}

bool sodp_handover(struct sodp_qp *qp, const struct sodp_pkt *pkt)
{
	struct sodp_side *side = sender(qp, pkt);
	struct sodp_qp *peer;

	if (side->way_known)
		return side->peer;
	side->way_known = true;
	peer = find_peer(qp, pkt);
	side->by_hand = peer;
	if (peer)
		side->peer = is_request(pkt) ? &peer->resp.side :
					       &peer->req.side;
	return peer;
}

void sodp_hand_over(struct sodp_qp *qp, struct sk_buff *skb)
{
	struct sodp_side *to = sender(qp, sodp_rx_pkt(skb))->peer;

	if (WARN_ON_ONCE(!to)) {
		kfree_skb(skb);
		return;
	}
	sodp_count(qp->dev->counters, SODP_CNT_TX_PACKETS);
	sodp_count(qp->dev->counters, SODP_CNT_HANDED_OVER);
	sodp_count(to->qp->dev->counters, SODP_CNT_RX_PACKETS);
	sodp_xport_queue(to->qp, skb);
}
