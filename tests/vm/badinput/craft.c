// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "craft.h"

#include <string.h>

static uint8_t *put32(uint8_t *b, uint32_t v)
{
	b[0] = v >> 24;
	b[1] = v >> 16;
	b[2] = v >> 8;
	b[3] = v;
	return b + 4;
}

static uint8_t *put64(uint8_t *b, uint64_t v)
{
	return put32(put32(b, v >> 32), v);
}

static uint8_t *put_eth(uint8_t *b, const struct craft *c)
{
	switch (c->op) {
	case WRITE_FIRST:
	case WRITE_ONLY:
	case WRITE_ONLY_IMM:
	case READ_REQ:
		b = put32(put32(put64(b, c->va), c->rkey), c->dma);
		return c->op == WRITE_ONLY_IMM ? put32(b, c->imm) : b;
	case CMP_SWAP:
	case FETCH_ADD:
		b = put32(put64(b, c->va), c->rkey);
		return put64(put64(b, c->swap_add), c->compare);
	case READ_RESP_FIRST:
	case READ_RESP_LAST:
	case READ_RESP_ONLY:
	case ACK:
		return put32(b, c->aeth);
	case ATOMIC_ACK:
		return put64(put32(b, c->aeth), c->orig);
	case SEND_LAST_INV:
	case SEND_ONLY_INV:
		return put32(b, c->rkey);
	case SEND_LAST_IMM:
	case SEND_ONLY_IMM:
	case WRITE_LAST_IMM:
		return put32(b, c->imm);
	}
	return b;
}

size_t craft_headers(uint8_t *bytes, const struct craft *c)
{
	uint8_t *b = bytes;

	*b++ = c->op;
	*b++ = c->flags;
	*b++ = c->pkey >> 8;
	*b++ = c->pkey;
	b = put32(b, c->qpn);
	b = put32(b, c->psn);
	return put_eth(b, c) - bytes;
}

size_t craft(uint8_t *bytes, const struct craft *c)
{
	size_t len = craft_headers(bytes, c);

	memset(bytes + len, c->fill, c->len);
	return len + c->len;
}
