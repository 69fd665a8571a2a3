// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rc_host.h"

#include "wire/bytes.h"

struct bed *rc_bed;
struct sodp_dev rc_dev;
struct sk_buff_head rc_wire;

static struct net net;
static struct net_device netdev = { .ifindex = 1 };
static struct sodp_pd pd;
static struct ib_ucontext uctx;
static struct sodp_dest dest;
static unsigned int dests_held;

/* --- what the driver calls outside of what is built here ----------- */

void sodp_flow_init(struct sodp_flow *flow)
{
	memset(flow, 0, sizeof(*flow));
	spin_lock_init(&flow->lock);
}

void sodp_flow_destroy(struct sodp_flow *flow)
{
	WARN_ON_ONCE(flow->dst);
}

void sodp_flow_set(struct sodp_flow *flow, struct net *of,
		   const struct rdma_ah_attr *attr,
		   const struct in6_addr *saddr, u32 qpn, u32 dest_qpn)
{
	(void)qpn;
	(void)dest_qpn;
	flow->net = of;
	flow->ipv4 = true;
	flow->saddr = *saddr;
	flow->daddr = *sodp_gid_addr(&attr->grh.dgid);
}

struct net_device *sodp_addr_owner(struct net *of, const struct in6_addr *addr)
{
	(void)of;
	(void)addr;
	return NULL;
}

/* One address handle: of the peer that is no QP here. */
struct sodp_dest *sodp_dest_get(u32 number, u32 domain)
{
	if (number != RC_AH || domain != RC_DOMAIN)
		return NULL;
	dests_held++;
	return &dest;
}

void sodp_dest_put(struct sodp_dest *put)
{
	WARN_ON_ONCE(put != &dest || !dests_held);
	dests_held--;
}

struct sk_buff *sodp_tx_alloc(size_t len)
{
	return shim_skb(0, len);
}

/* Of exactly their size, and never used again: ASan sees what goes wrong. */
struct sk_buff *sodp_spare_get(size_t len)
{
	WARN_ON_ONCE(!shim.bh);
	return shim_skb(0, len);
}

void sodp_spare_put(struct sk_buff *skb)
{
	WARN_ON_ONCE(!shim.bh);
	kfree_skb(skb);
}

/* All are; who is no queue pair here is not found by number. */
bool sodp_flow_is_local(struct sodp_dev *dev, struct sodp_flow *flow)
{
	WARN_ON_ONCE(dev != &rc_dev || flow->net != &net);
	WARN_ON_ONCE(!shim.bh);
	return true;
}

/* What we send must be what a parser takes, from us, for whom we know. */
int sodp_tx_send(struct sodp_dev *dev, struct sodp_flow *flow,
		 struct sk_buff *skb)
{
	struct sodp_pkt *pkt = (struct sodp_pkt *)skb->cb;

	WARN_ON_ONCE(dev != &rc_dev || flow->net != &net);
	WARN_ON_ONCE(!shim.bh);
	if (sodp_parse(skb->data, skb->len, pkt) != SODP_PARSE_OK)
		shim_bug("sent a packet that is none");
	WARN_ON_ONCE(pkt->payload_len > SODP_MAX_MTU);
	skb->daddr = flow->daddr.s6_addr32[3];
	skb_queue_tail(&rc_wire, skb);
	sodp_count(dev->counters, SODP_CNT_TX_PACKETS);
	return 0;
}

struct sodp_dev *sodp_dev_by_netdev(struct net_device *ndev)
{
	return ndev == &netdev ? &rc_dev : NULL;
}

struct sodp_dev *sodp_dev_by_ingress(struct net_device *in)
{
	return &rc_dev;
}

/* Here nobody is in a group. */
bool sodp_mcast_rx(struct sodp_dev *dev, const struct in6_addr *group,
		   const struct sk_buff *skb)
{
	return false;
}

/* As verbs/mr.c has it. */
u32 sodp_mr_rights(int access)
{
	u32 rights = 0;

	if (access & IB_ACCESS_LOCAL_WRITE)
		rights |= SODP_MEM_LOCAL_WRITE;
	if (access & IB_ACCESS_REMOTE_READ)
		rights |= SODP_MEM_REMOTE_READ;
	if (access & IB_ACCESS_REMOTE_WRITE)
		rights |= SODP_MEM_REMOTE_WRITE;
	if (access & IB_ACCESS_REMOTE_ATOMIC)
		rights |= SODP_MEM_REMOTE_ATOMIC;
	return rights;
}

/* The only one. */
struct sodp_dev *sodp_dev_by_addr(struct net *net, struct net_device *in,
				  const struct in6_addr *daddr)
{
	return &rc_dev;
}

/* --- the device --------------------------------------------------- */

void rc_up(void)
{
	if (bed_up((void **)&rc_bed))
		shim_bug("no bed");
	shim_virtual_ms = 1000;
	memset(&rc_dev, 0, sizeof(rc_dev));
	rc_dev.ndev = &netdev;
	rc_dev.net = &net;
	rc_dev.fault_hold_ms = SODP_FAULT_HOLD_MS;
	rc_dev.mem = rc_bed->mem;
	rc_dev.counters = &rc_bed->counters;
	rc_dev.mtu = IB_MTU_4096;
	rc_dev.port_state = IB_PORT_ACTIVE;
	pd.ibpd.device = &rc_dev.ibdev;
	pd.domain = RC_DOMAIN;
	dest = (struct sodp_dest){ .number = RC_AH, .flow = { .net = &net } };
	dest.flow.daddr.s6_addr32[3] = RC_IP(RC_PEER);
	skb_queue_head_init(&rc_wire);
	if (sodp_sched_init() || sodp_cq_init() || sodp_qp_table_init())
		shim_bug("no init");
}

void rc_down(void)
{
	skb_queue_purge(&rc_wire);
	sodp_qp_table_exit();
	sodp_cq_exit();
	sodp_sched_exit();
	if (bed_down((void **)&rc_bed))
		shim_bug("something is left");
	WARN_ON_ONCE(shim_skbs);
	WARN_ON_ONCE(dests_held);
	WARN_ON_ONCE(shim_next_timer());
	shim_virtual_ms = 0;
}

static void told(struct ib_cq *cq, void *context)
{
	(void)cq;
	(void)context;
}

static void event(struct ib_event *event, void *context)
{
	struct rc_end *end = context;

	WARN_ON_ONCE((size_t)event->event >= ARRAY_SIZE(end->events));
	end->events[event->event]++;
}

static bool make_qp(struct rc_end *end, u32 slots, u32 sges, u32 inline_bytes)
{
	struct ib_qp_init_attr init = {
		.send_cq = &end->cq.ibcq,
		.recv_cq = &end->cq.ibcq,
		.cap = { slots, slots, sges, sges, inline_bytes },
		.sq_sig_type = IB_SIGNAL_ALL_WR,
		.qp_type = end->type,
	};
	struct mminfo sq, rq;

	end->qp = kzalloc(sizeof(*end->qp), GFP_KERNEL);
	if (!end->qp)
		return false;
	end->qp->ibqp = (struct ib_qp){
		.device = &rc_dev.ibdev,
		.pd = &pd.ibpd,
		.event_handler = event,
		.qp_context = end,
	};
	if (!sodp_qp_create(end->qp, &init, &uctx, &sq, &rq))
		return true;
	kfree(end->qp);
	end->qp = NULL;
	return false;
}

bool rc_open(struct rc_end *end, enum ib_qp_type type, u8 ip, u32 slots,
	     u32 sges, u32 inline_bytes)
{
	const struct ib_cq_init_attr attr = { .cqe = 4 * slots };

	memset(end, 0, sizeof(*end));
	end->type = type;
	end->ip = ip;
	end->cq.ibcq = (struct ib_cq){
		.device = &rc_dev.ibdev,
		.comp_handler = told,
		.event_handler = event,
		.cq_context = end,
	};
	if (sodp_create_cq(&end->cq.ibcq, &attr, NULL))
		return false;
	if (make_qp(end, slots, sges, inline_bytes))
		return true;
	sodp_destroy_cq(&end->cq.ibcq, NULL);
	return false;
}

void rc_close(struct rc_end *end)
{
	if (!end->qp)
		return;
	sodp_qp_destroy(end->qp);
	kfree(end->qp);
	end->qp = NULL;
	sodp_destroy_cq(&end->cq.ibcq, NULL);
}

static void put_gid(union ib_gid *gid, u8 ip)
{
	memset(gid->raw, 0, 10);
	gid->raw[10] = gid->raw[11] = 0xff;
	sodp_put32(gid->raw + 12, 0x0a090000u + ip);
}

bool rc_modify(struct rc_end *end, enum ib_qp_state to)
{
	struct ib_qp_attr a = { .qp_state = to };

	return !sodp_qp_modify(end->qp, &a, IB_QP_STATE);
}

bool rc_connect(struct rc_end *end, const struct rc_attr *attr,
		enum ib_qp_state upto)
{
	const int to_rtr =
		IB_QP_AV | IB_QP_PATH_MTU | IB_QP_DEST_QPN | IB_QP_RQ_PSN |
		(end->type == IB_QPT_RC ?
			 IB_QP_MAX_DEST_RD_ATOMIC | IB_QP_MIN_RNR_TIMER :
			 0);
	const int to_rts = IB_QP_TIMEOUT | IB_QP_RETRY_CNT | IB_QP_RNR_RETRY |
			   IB_QP_MAX_QP_RD_ATOMIC;
	const bool ud = end->type == IB_QPT_UD;
	struct ib_gid_attr own = { .gid_type = IB_GID_TYPE_ROCE_UDP_ENCAP };
	struct ib_qp_attr a = {
		.qp_state = IB_QPS_INIT,
		.port_num = 1,
		.qp_access_flags = attr->access,
		.path_mtu = attr->mtu,
		.dest_qp_num = attr->dest_qpn,
		.qkey = RC_QKEY,
		.rq_psn = attr->rq_psn,
		.sq_psn = attr->sq_psn,
		.max_dest_rd_atomic = attr->dest_rd_atomic,
		.max_rd_atomic = attr->rd_atomic,
		.min_rnr_timer = attr->min_rnr_timer,
		.timeout = attr->timeout,
		.retry_cnt = attr->retry,
		.rnr_retry = attr->rnr_retry,
		.ah_attr = { .ah_flags = IB_AH_GRH,
			     .port_num = 1,
			     .type = RDMA_AH_ATTR_TYPE_ROCE,
			     .grh = { .sgid_attr = &own, .hop_limit = 64 } },
	};

	put_gid(&own.gid, end->ip);
	put_gid(&a.ah_attr.grh.dgid, attr->dest);
	/* Which of them a step needs depends on the type: ib_core asks. */
	if (sodp_qp_modify(end->qp, &a,
			   IB_QP_STATE | IB_QP_PORT |
				   (ud ? IB_QP_QKEY : IB_QP_ACCESS_FLAGS)))
		return false;
	a.qp_state = IB_QPS_RTR;
	if (upto < IB_QPS_RTR)
		return true;
	if (sodp_qp_modify(end->qp, &a, IB_QP_STATE | (ud ? 0 : to_rtr)))
		return false;
	a.qp_state = IB_QPS_RTS;
	if (upto < IB_QPS_RTS)
		return true;
	return !sodp_qp_modify(end->qp, &a,
			       IB_QP_STATE | IB_QP_SQ_PSN |
				       (end->type == IB_QPT_RC ? to_rts : 0));
}

/* --- packets ------------------------------------------------------ */

void rc_deliver(const u8 *bth, size_t len, u8 from, u8 to, u32 flip)
{
	struct sk_buff *skb = shim_skb(20, 8 + len + SODP_ICRC_LEN);
	struct sock sk = { .net = &net };
	struct iphdr *ip;
	struct udphdr *udp;
	u32 icrc;

	if (!skb)
		return;
	ip = (struct iphdr *)skb->head;
	udp = (struct udphdr *)skb->data;
	skb->network = (u8 *)ip;
	skb->transport = (u8 *)udp;
	skb->dev = &netdev;
	skb->protocol = htons(ETH_P_IP);
	*ip = (struct iphdr){ .version = 4,
			      .ihl = 5,
			      .protocol = IPPROTO_UDP,
			      .tot_len = htons((u16)(skb->len + 20)),
			      .saddr = RC_IP(from),
			      .daddr = RC_IP(to) };
	*udp = (struct udphdr){ .source = htons(50000),
				.dest = htons(SODP_UDP_PORT),
				.len = htons((u16)skb->len) };
	memcpy(skb->data + 8, bth, len);
	icrc = len >= SODP_BTH_LEN ?
		       sodp_icrc_ipv4((u8 *)ip, (u8 *)udp, skb->data + 8, len) :
		       0;
	sodp_put_le32(skb->data + 8 + len, icrc ^ flip);
	rcu_read_lock();
	local_bh_disable();
	WARN_ON_ONCE(sodp_rx(&sk, skb));
	local_bh_enable();
	rcu_read_unlock();
}

struct sk_buff *rc_take(void)
{
	return skb_dequeue(&rc_wire);
}

/* --- what a provider does ------------------------------------------ */

void rc_doorbell(struct rc_end *end)
{
	switch (sodp_qp_state(end->qp)) { /* as verbs/qp.c */
	case IB_QPS_RESET:
	case IB_QPS_INIT:
	case IB_QPS_RTR:
		break;
	default:
		sodp_side_run(&end->qp->req.side);
	}
}

struct rxe_send_wqe *rc_send_slot(struct rc_end *end)
{
	return sodp_ring_slot(&end->qp->req.ring, end->sq_posted);
}

struct rxe_recv_wqe *rc_recv_slot(struct rc_end *end)
{
	return sodp_ring_slot(&end->qp->resp.ring, end->rq_posted);
}

void rc_post_send(struct rc_end *end)
{
	smp_store_release(&end->qp->req.ring.buf->producer_index,
			  ++end->sq_posted & end->qp->req.ring.mask);
}

void rc_post_recv(struct rc_end *end)
{
	smp_store_release(&end->qp->resp.ring.buf->producer_index,
			  ++end->rq_posted & end->qp->resp.ring.mask);
}

bool rc_poll(struct rc_end *end, struct ib_uverbs_wc *wc)
{
	struct sodp_ring *ring = &end->cq.ring;

	if (!((ring->index - end->cq_seen) & ring->mask))
		return false;
	memcpy(wc, sodp_ring_slot(ring, end->cq_seen), sizeof(*wc));
	end->cq_seen = (end->cq_seen + 1) & ring->mask;
	smp_store_release(&ring->buf->consumer_index, end->cq_seen);
	return true;
}

void rc_work(unsigned int most)
{
	while (most-- && shim_run_one_work())
		;
}

void rc_pass(unsigned long ms)
{
	shim_virtual_ms += ms;
	shim_run_timers();
}
