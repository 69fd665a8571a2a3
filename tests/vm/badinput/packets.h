/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* How a row of packets.c describes a packet, and who makes bytes of it:
 * craft.c. */
#ifndef PACKETS_H
#define PACKETS_H

#include "badinput.h"

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
};

enum tweak {
	T_NONE,
	T_ICRC, /* flip a bit of it */
	T_TVER, /* transport version 1 */
	T_PKEY, /* a partition we are not in */
	T_QPN, /* nobody's */
	T_PAD, /* claims 3 bytes of pad on an empty packet */
	T_SADDR, /* from another host */
	T_CUT0, /* datagrams cut to so many bytes, no ICRC */
	T_CUT4,
	T_CUT11,
	T_CUT15,
	T_CUT_ETH, /* in the middle of the second header; ICRC right */
};

struct spec {
	uint8_t op;
	int psn; /* from VICTIM_PSN */
	unsigned len; /* payload */
	enum key key;
	int64_t va; /* from the region's first byte */
	uint32_t dma; /* RETH: length */
	enum tweak tweak;
};

void inject(struct peer *peer, struct victim *v, const struct spec *s);

#endif
