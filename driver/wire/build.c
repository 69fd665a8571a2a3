// SPDX-License-Identifier: GPL-2.0
/* struct sodp_pkt to bytes on the wire: the mirror of parse.c. */
#include <linux/types.h>

#include "wire/bytes.h"
#include "wire/opcode.h"
#include "wire/pkt.h"

static u8 *build_bth(const struct sodp_pkt *pkt, u8 *p)
{
	*p++ = pkt->opcode;
	*p++ = (u8)(pkt->solicited << 7 | pkt->migreq << 6 | pkt->pad << 4);
	p = sodp_put16(p, pkt->pkey);
	*p++ = 0; /* FECN, BECN, reserved */
	p = sodp_put24(p, pkt->qpn);
	*p++ = (u8)(pkt->ack_req << 7);
	return sodp_put24(p, pkt->psn);
}

size_t sodp_build(const struct sodp_pkt *pkt, u8 *bytes)
{
	const u32 flags = sodp_opcode(pkt->opcode)->flags;
	u8 *p = build_bth(pkt, bytes);

	if (flags & SODP_HAS_DETH) {
		p = sodp_put32(p, pkt->qkey);
		*p++ = 0;
		p = sodp_put24(p, pkt->src_qpn);
	}
	if (flags & SODP_HAS_RETH) {
		p = sodp_put64(p, pkt->va);
		p = sodp_put32(p, pkt->rkey);
		p = sodp_put32(p, pkt->dma_len);
	}
	if (flags & SODP_HAS_ATOMIC) {
		p = sodp_put64(p, pkt->va);
		p = sodp_put32(p, pkt->rkey);
		p = sodp_put64(p, pkt->swap_add);
		p = sodp_put64(p, pkt->compare);
	}
	if (flags & SODP_HAS_AETH) {
		*p++ = pkt->syndrome;
		p = sodp_put24(p, pkt->msn);
	}
	if (flags & SODP_HAS_ATOMIC_ACK)
		p = sodp_put64(p, pkt->orig);
	if (flags & SODP_HAS_IMM) {
		__builtin_memcpy(p, &pkt->imm, sizeof(pkt->imm));
		p += sizeof(pkt->imm);
	}
	if (flags & SODP_HAS_IETH)
		p = sodp_put32(p, pkt->inv_rkey);
	return (size_t)(p - bytes);
}
