// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Packets with everything right but one thing, and answers of all kinds. */
#include "hostile.h"

unsigned long rc_sent;

/* --- packets to the victim ----------------------------------------- */

static void send_bytes(struct sodp_pkt *pkt, u32 payload)
{
	u8 b[SODP_MAX_HDR_LEN + 8192 + 4];
	size_t len;

	payload = min(payload, 8192U);
	pkt->pad = rarely(16) ? pick(4) : -payload & 3;
	len = sodp_build(pkt, b);
	memset(b + len, 0x40 + pick(32), payload + pkt->pad);
	len += payload + pkt->pad;
	if (rarely(32))
		len = pick((u32)len);
	rc_deliver(b, len, rarely(32) ? 7 : RC_PEER, victim.ip,
		   rarely(32) ? fuzz_u32(&rc_bytes) : 0);
}

/* One that may come now, or any. */
static u8 some_opcode(void)
{
	static const u8 first[] = {
		SODP_RC_SEND_ONLY,   SODP_RC_WRITE_ONLY,
		SODP_RC_WRITE_FIRST, SODP_RC_READ_REQUEST,
		SODP_RC_SEND_FIRST,  SODP_RC_SEND_ONLY_IMM,
		SODP_RC_FETCH_ADD,   SODP_RC_WRITE_ONLY_IMM,
		SODP_RC_CMP_SWAP,    SODP_RC_SEND_ONLY_INV,
	};
	static const u8 next[] = { SODP_RC_SEND_MIDDLE, SODP_RC_SEND_LAST,
				   SODP_RC_SEND_LAST_IMM };
	const struct sodp_resp *resp = &victim.qp->resp;
	u8 write = SODP_RC_WRITE_FIRST - SODP_RC_SEND_FIRST;

	if (sodp_qp_is_ud(victim.qp))
		return SODP_SERVICE_UD + (rarely(16) ?
						  (u8)pick(32) :
						  SODP_RC_SEND_ONLY + pick(2));
	if (rarely(16))
		return (u8)pick(256);
	if (rarely(16))
		return (u8)pick(SODP_RC_FETCH_ADD + 1);
	if (!resp->in_message)
		return first[pick(ARRAY_SIZE(first))];
	return next[pick(3)] + (resp->msg_class == SODP_IS_WRITE ? write : 0);
}

void rc_request(void)
{
	const struct sodp_resp *resp = &victim.qp->resp;
	size_t i = pick(RC_REGIONS);
	struct sodp_pkt pkt = {
		.opcode = some_opcode() | victim.qp->service,
		.pkey = rarely(32) ? (u16)fuzz_u32(&rc_bytes) :
				     SODP_DEFAULT_PKEY,
		.qpn = rarely(32) ? pick(1 << 24) : victim.qp->qpn,
		.psn = some_psn(resp->psn),
		.ack_req = pick(4) != 1,
		.solicited = pick(2),
		.migreq = 1,
	};
	u32 flags, payload;

	flags = sodp_opcode(pkt.opcode)->flags;
	pkt.va = some_va(i);
	pkt.rkey = some_key(i);
	pkt.swap_add = pick(256);
	pkt.compare = 0;
	pkt.qkey = RC_QKEY;
	pkt.src_qpn = RC_PEER_QPN;
	if (sodp_qp_is_ud(victim.qp) && rarely(8))
		pkt.qkey = fuzz_u32(&rc_bytes);
	payload = flags & SODP_IS_LAST ? pick(64) : rc_mtu;
	if (flags & SODP_IS_WRITE && !(flags & SODP_IS_FIRST))
		payload = min(rc_mtu, resp->resid);
	if (!(flags & SODP_HAS_PAYLOAD))
		payload = 0;
	pkt.dma_len = some_length(flags & SODP_IS_LAST ? payload ?: pick(4096) :
							 2 * rc_mtu + pick(64));
	if (flags & SODP_HAS_IMM)
		pkt.imm = htonl(pick(256));
	if (flags & SODP_HAS_IETH)
		pkt.inv_rkey = rarely(4) ? some_key(i) : some_window();
	send_bytes(&pkt, rarely(4) ? some_length(payload) : payload);
}

/* An answer that nobody may have asked for. */
void rc_response(void)
{
	const struct sodp_req *req = &victim.qp->req;
	struct sodp_pkt pkt = {
		.opcode = (u8)(SODP_RC_READ_RESP_FIRST + pick(6)),
		.pkey = SODP_DEFAULT_PKEY,
		.qpn = victim.qp->qpn,
		.psn = some_psn(pick(2) ? req->una :
					  (req->psn_max - 1) & SODP_PSN_MASK),
		.syndrome = rarely(2) ? (u8)pick(256) : 0x1f,
		.msn = pick(16),
		.orig = fuzz_u8(&rc_bytes),
	};

	send_bytes(&pkt, sodp_opcode(pkt.opcode)->flags & SODP_HAS_PAYLOAD ?
				 some_length(rc_mtu) :
				 0);
}

void rc_raw_packet(void)
{
	u8 b[64];
	u32 i, n = pick(64);

	for (i = 0; i < n; i++)
		b[i] = fuzz_u8(&rc_bytes);
	if (n >= 8) {
		b[1] &= 0xf0;
		b[5] = (u8)(victim.qp->qpn >> 16);
		b[6] = (u8)(victim.qp->qpn >> 8);
		b[7] = (u8)victim.qp->qpn;
	}
	rc_deliver(b, n, RC_PEER, victim.ip, 0);
}

/* --- answers to what it sent --------------------------------------- */

/* A READ is answered as it should be, but perhaps for one packet. */
static void answer_read(const struct sodp_pkt *asked)
{
	u32 n = min(sodp_psn_count(asked->dma_len, rc_mtu), 12U), i;
	u32 odd = pick(16);

	for (i = 0; i < n; i++) {
		bool last = (u64)(i + 1) * rc_mtu >= asked->dma_len;
		struct sodp_pkt pkt = {
			.opcode = (u8)(n == 1 && last ? SODP_RC_READ_RESP_ONLY :
				       !i   ? SODP_RC_READ_RESP_FIRST :
				       last ? SODP_RC_READ_RESP_LAST :
					      SODP_RC_READ_RESP_MIDDLE),
			.pkey = SODP_DEFAULT_PKEY,
			.qpn = victim.qp->qpn,
			.psn = sodp_psn_add(asked->psn, i),
			.syndrome = 0x1f,
		};
		u32 len = last ? asked->dma_len - i * rc_mtu : rc_mtu;

		if (i == odd && !pick(2))
			continue; /* lost */
		send_bytes(&pkt, i == odd ? some_length(len) : len);
	}
}

static void answer(const struct sodp_pkt *asked)
{
	u32 flags = sodp_opcode(asked->opcode)->flags;
	struct sodp_pkt pkt = {
		.opcode = flags & SODP_IS_ATOMIC ? SODP_RC_ATOMIC_ACK :
						   SODP_RC_ACK,
		.pkey = SODP_DEFAULT_PKEY,
		.qpn = victim.qp->qpn,
		.psn = some_psn(asked->psn),
		.syndrome = 0x1f,
		.orig = 77,
	};

	switch (pick(8)) {
	case 5: /* a NAK of some kind */
		pkt.opcode = SODP_RC_ACK;
		pkt.syndrome = SODP_AETH_NAK | (u8)pick(8);
		break;
	case 6:
		pkt.opcode = SODP_RC_ACK;
		pkt.syndrome = SODP_AETH_RNR | (u8)pick(32);
		break;
	case 7:
		return; /* lost */
	default:
		if (flags & SODP_IS_READ) {
			answer_read(asked);
			return;
		}
		if (!asked->ack_req)
			return;
	}
	send_bytes(&pkt, 0);
}

/* What it sends shows nobody's secrets; and some of it is answered. */
void rc_wire_step(unsigned int most)
{
	struct sk_buff *skb;

	while (most-- && (skb = rc_take())) {
		const struct sodp_pkt *pkt = sodp_rx_pkt(skb);

		rc_sent++;
		MUST(pkt->qpn == victim.qp->dest_qpn || !victim.qp->dest_qpn);
		MUST(pkt->payload_len <= rc_mtu);
		rc_check_secret(skb->data, skb->len);
		if (sodp_opcode(pkt->opcode)->flags & SODP_IS_REQUEST)
			answer(pkt);
		kfree_skb(skb);
	}
}
