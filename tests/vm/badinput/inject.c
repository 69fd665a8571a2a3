// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* From a row's description to a packet on the wire. */
#include "packets.h"

#include <arpa/inet.h>

static uint64_t address(const struct dut *dut, const struct spec *s)
{
	enum key key = s->key < K_NUM ? s->key : K_ALL;

	if (s->va == INT64_MIN)
		return UINT64_MAX - 15;
	return (uintptr_t)dut->regions[key].buf + s->va;
}

static size_t make(uint8_t *b, const struct victim *v, const struct spec *s)
{
	bool answer = s->op >= READ_RESP_FIRST && s->op <= ATOMIC_ACK;
	uint32_t base = answer ? VICTIM_SQ_PSN : VICTIM_PSN;
	struct craft c = {
		CRAFT_DEFAULTS,
		.op = s->op,
		.qpn = s->tweak == T_QPN   ? 0xfffffe :
		       s->tweak == T_GROUP ? 0xffffff :
					     v->qp->qp_num,
		.psn = 0x80000000 | ((base + s->psn) & 0xffffff),
		.va = address(v->dut, s),
		.rkey = dut_rkey(v->dut, s->key),
		.dma = s->dma,
		.swap_add = 1,
		.compare = 0x5a5a5a5a5a5a5a5aULL,
		.imm = 0x1337,
		.len = s->len,
	};
	size_t headers;

	if (s->tweak == T_TVER)
		c.flags |= 1;
	if (s->tweak == T_PAD)
		c.flags |= 0x30;
	if (s->tweak == T_PKEY)
		c.pkey = 0x12ff;
	headers = craft_headers(b, &c);
	if (s->tweak == T_CUT_ETH)
		return headers - (s->op == ACK ? 2 : 6);
	return craft(b, &c);
}

void inject(struct peer *peer, struct victim *v, const struct spec *s)
{
	uint32_t other = peer->src ^ htonl(0x40);
	uint8_t b[CRAFT_MAX];
	size_t len = make(b, v, s);

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
		peer_send(peer, b, len, s->tweak == T_ICRC ? 0x100 : 0,
			  s->tweak == T_SADDR ? other : 0);
	}
}
