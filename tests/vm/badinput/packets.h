/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* How a row of packetrows.c describes a packet, and who sends it: inject.c. */
#ifndef PACKETS_H
#define PACKETS_H

#include "badinput.h"
#include "craft.h"

enum tweak {
	T_NONE,
	T_ICRC, /* flip a bit of it */
	T_TVER, /* transport version 1 */
	T_PKEY, /* a partition we are not in */
	T_QPN, /* nobody's */
	T_GROUP, /* that of multicast */
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
