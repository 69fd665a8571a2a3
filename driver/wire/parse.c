// SPDX-License-Identifier: GPL-2.0
/* Bytes from the wire to struct sodp_pkt. Trusts nothing. */
#include <linux/types.h>

#include "wire/bytes.h"
#include "wire/opcode.h"
#include "wire/pkt.h"

static void parse_bth(const u8 *p, struct sodp_pkt *pkt)
{
	pkt->opcode = p[0];
	pkt->solicited = p[1] >> 7;
	pkt->migreq = p[1] >> 6 & 1;
	pkt->pad = p[1] >> 4 & 3;
	pkt->pkey = sodp_get16(p + 2);
	pkt->qpn = sodp_get24(p + 5);
	pkt->ack_req = p[8] >> 7;
	pkt->psn = sodp_get24(p + 9);
}

/* In wire order; the caller has checked that all of them are there. */
static void parse_ext(const u8 *p, u32 flags, struct sodp_pkt *pkt)
{
	if (flags & SODP_HAS_DETH) {
		pkt->qkey = sodp_get32(p);
		pkt->src_qpn = sodp_get24(p + 5);
		p += 8;
	}
	if (flags & SODP_HAS_RETH) {
		pkt->va = sodp_get64(p);
		pkt->rkey = sodp_get32(p + 8);
		pkt->dma_len = sodp_get32(p + 12);
		p += 16;
	}
	if (flags & SODP_HAS_ATOMIC) {
		pkt->va = sodp_get64(p);
		pkt->rkey = sodp_get32(p + 8);
		pkt->swap_add = sodp_get64(p + 12);
		pkt->compare = sodp_get64(p + 20);
		p += 28;
	}
	if (flags & SODP_HAS_AETH) {
		pkt->syndrome = p[0];
		pkt->msn = sodp_get24(p + 1);
		p += 4;
	}
	if (flags & SODP_HAS_ATOMIC_ACK) {
		pkt->orig = sodp_get64(p);
		p += 8;
	}
	if (flags & SODP_HAS_IMM) {
		__builtin_memcpy(&pkt->imm, p, sizeof(pkt->imm));
		p += 4;
	}
	if (flags & SODP_HAS_IETH)
		pkt->inv_rkey = sodp_get32(p);
}

enum sodp_parse_result sodp_parse(const u8 *bytes, size_t len,
				  struct sodp_pkt *pkt)
{
	const struct sodp_opcode_info *info;
	size_t body; /* payload and pad */

	if (len < SODP_BTH_LEN + SODP_ICRC_LEN)
		return SODP_PARSE_SHORT;
	if (bytes[1] & 0x0f) /* transport version */
		return SODP_PARSE_HEADER;
	info = sodp_opcode(bytes[0]);
	if (!info->flags)
		return SODP_PARSE_OPCODE;
	if (len < (size_t)info->hdr_len + SODP_ICRC_LEN)
		return SODP_PARSE_SHORT;

	*pkt = (struct sodp_pkt){ .hdr_len = info->hdr_len };
	parse_bth(bytes, pkt);
	parse_ext(bytes + SODP_BTH_LEN, info->flags, pkt);

	body = len - info->hdr_len - SODP_ICRC_LEN;
	/* the pad makes a multiple of four of the payload, never more */
	if (body % 4 || pkt->pad > body || body > 0xffff)
		return SODP_PARSE_HEADER;
	if (body && !(info->flags & SODP_HAS_PAYLOAD))
		return SODP_PARSE_HEADER;
	pkt->payload_len = (u16)(body - pkt->pad);
	return SODP_PARSE_OK;
}
