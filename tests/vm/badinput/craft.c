// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* From a row's description to the bytes of a packet. */
#include "packets.h"

#include <string.h>

static void put32(uint8_t *b, uint32_t v)
{
	b[0] = v >> 24;
	b[1] = v >> 16;
	b[2] = v >> 8;
	b[3] = v;
}

static void put64(uint8_t *b, uint64_t v)
{
	put32(b, v >> 32);
	put32(b + 4, v);
}

static size_t put_eth(uint8_t *b, const struct spec *s, struct dut *dut)
{
	uint64_t base = s->key < K_NUM ? (uintptr_t)dut->regions[s->key].buf :
					 (uintptr_t)dut->regions[K_ALL].buf;
	uint64_t va = s->va == INT64_MIN ? UINT64_MAX - 15 : base + s->va;

	switch (s->op) {
	case WRITE_FIRST:
	case WRITE_ONLY:
	case WRITE_ONLY_IMM:
	case READ_REQ:
		put64(b, va);
		put32(b + 8, dut_rkey(dut, s->key));
		put32(b + 12, s->dma);
		put32(b + 16, 0x1337);
		return s->op == WRITE_ONLY_IMM ? 20 : 16;
	case CMP_SWAP:
	case FETCH_ADD:
		put64(b, va);
		put32(b + 8, dut_rkey(dut, s->key));
		put64(b + 12, 1);
		put64(b + 20, 0x5a5a5a5a5a5a5a5aULL);
		return 28;
	case READ_RESP_FIRST:
	case READ_RESP_LAST:
	case READ_RESP_ONLY:
	case ACK:
		put32(b, 0x1f000001);
		return 4;
	case ATOMIC_ACK:
		put32(b, 0x1f000001);
		put64(b + 4, 0);
		return 12;
	case SEND_LAST_IMM:
	case SEND_ONLY_IMM:
	case WRITE_LAST_IMM:
		put32(b, 0x1337);
		return 4;
	}
	return 0;
}

void inject(struct peer *peer, struct victim *v, const struct spec *s)
{
	uint8_t b[8192] = { s->op, 0x40, 0xff, 0xff };
	bool answer = s->op >= READ_RESP_FIRST && s->op <= ATOMIC_ACK;
	uint32_t base = answer ? VICTIM_SQ_PSN : VICTIM_PSN;
	uint32_t other;
	size_t len;

	put32(b + 4, s->tweak == T_QPN ? 0xfffffe : v->qp->qp_num);
	put32(b + 8, 0x80000000 | ((base + s->psn) & 0xffffff));
	len = 12 + put_eth(b + 12, s, v->dut);
	if (s->tweak == T_CUT_ETH)
		len -= s->op == ACK ? 2 : 6;
	memset(b + len, 0xee, s->len);
	len += s->len;
	if (s->tweak == T_TVER)
		b[1] |= 1;
	if (s->tweak == T_PAD)
		b[1] |= 0x30;
	if (s->tweak == T_PKEY)
		b[2] = 0x12;
	switch (s->tweak) {
	case T_CUT0:
		return peer_send_raw(peer, b, 0);
	case T_CUT4:
		return peer_send_raw(peer, b, 4);
	case T_CUT11:
		return peer_send_raw(peer, b, 11);
	case T_CUT15:
		return peer_send_raw(peer, b, 15);
	default:
		memcpy(&other, (uint8_t *)&peer->src, 4);
		((uint8_t *)&other)[3] ^= 0x40;
		peer_send(peer, b, len, s->tweak == T_ICRC ? 0x100 : 0,
			  s->tweak == T_SADDR ? other : 0);
	}
}
