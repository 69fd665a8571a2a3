/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A packet's fields, and the bytes from its BTH to the end of its payload. */
#ifndef CRAFT_H
#define CRAFT_H

#include <stddef.h>
#include <stdint.h>

enum op {
	SEND_FIRST = 0,
	SEND_MIDDLE,
	SEND_LAST,
	SEND_LAST_IMM,
	SEND_ONLY,
	SEND_ONLY_IMM,
	WRITE_FIRST,
	WRITE_MIDDLE,
	WRITE_LAST,
	WRITE_LAST_IMM,
	WRITE_ONLY,
	WRITE_ONLY_IMM,
	READ_REQ,
	READ_RESP_FIRST,
	READ_RESP_MIDDLE,
	READ_RESP_LAST,
	READ_RESP_ONLY,
	ACK,
	ATOMIC_ACK,
	CMP_SWAP,
	FETCH_ADD,
	SEND_LAST_INV = 22,
	SEND_ONLY_INV,
};

enum {
	CRAFT_MAX = 8192, /* bytes that craft() may write */
	CRAFT_RESPONSES = READ_RESP_FIRST, /* up to ATOMIC_ACK */
};

struct craft {
	uint8_t op; /* any byte */
	uint8_t flags; /* second byte: solicited, migration, pad, version */
	uint16_t pkey;
	uint32_t qpn;
	uint32_t psn; /* with the bit that asks for an ACK */
	/* as the opcode has them */
	uint64_t va;
	uint32_t rkey, dma; /* dma: the length in the RETH */
	uint64_t swap_add, compare;
	uint32_t aeth; /* syndrome and MSN */
	uint64_t orig;
	uint32_t imm;
	unsigned int len; /* of the payload */
	uint8_t fill;
};

/* What no test has reason to change. */
#define CRAFT_DEFAULTS \
	.flags = 0x40, .pkey = 0xffff, .aeth = 0x1f000001, .fill = 0xee

/* Length of the headers; the payload begins there. */
size_t craft_headers(uint8_t *bytes, const struct craft *c);
/* All of it. */
size_t craft(uint8_t *bytes, const struct craft *c);

#endif
