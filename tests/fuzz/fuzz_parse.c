// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Any bytes into the packet parser. It must not read past them, and what it
 * accepts must add up: to the length, to the opcode table, and to the same
 * bytes when built again. The ICRC of an accepted packet notices any bit that
 * is flipped, but in what a router may change.
 */
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "wire/opcode.h"
#include "wire/pkt.h"

enum {
	SERVICE = 0x20, /* opcodes of one */
	BTH_RESV8A = 4,
};

static unsigned long inputs, accepted[256], flips;
/* The table makes one path of all opcodes: tell the fuzzer that they differ. */
FUZZ_COUNTERS(kinds, 256 * 4);

/* Headers with the bits that nobody reads as zeros, as build.c writes them. */
static void clear_reserved(u8 *p, u32 flags)
{
	p[BTH_RESV8A] = 0;
	p[8] &= 0x80;
	if (flags & SODP_HAS_DETH)
		p[SODP_BTH_LEN + 4] = 0;
}

static void check_accepted(const u8 *bytes, size_t len,
			   const struct sodp_pkt *pkt)
{
	const struct sodp_opcode_info *info = sodp_opcode(bytes[0]);
	u8 want[SODP_MAX_HDR_LEN], built[SODP_MAX_HDR_LEN];

	MUST(info->flags);
	MUST((bytes[1] & 0x0f) == 0);
	MUST(pkt->hdr_len == info->hdr_len);
	MUST((size_t)pkt->hdr_len + pkt->payload_len + pkt->pad +
		     SODP_ICRC_LEN ==
	     len);
	MUST((pkt->payload_len + pkt->pad) % 4 == 0);
	if (!(info->flags & SODP_HAS_PAYLOAD))
		MUST(pkt->payload_len == 0 && pkt->pad == 0);

	memcpy(want, bytes, info->hdr_len);
	clear_reserved(want, info->flags);
	MUST(sodp_build(pkt, built) == info->hdr_len);
	MUST(!memcmp(built, want, info->hdr_len));
}

/* Which bit is flipped is chosen by the packet itself. */
static void check_icrc(u8 *bytes, size_t len)
{
	static u8 ip_udp[28] = { 0x45 };
	size_t bit = (bytes[9] << 16 | bytes[10] << 8 | bytes[11]) % (len * 8);
	u32 crc = sodp_icrc_ipv4(ip_udp, ip_udp + 20, bytes, len);

	bytes[bit / 8] ^= 1 << bit % 8;
	MUST((sodp_icrc_ipv4(ip_udp, ip_udp + 20, bytes, len) == crc) ==
	     (bit / 8 == BTH_RESV8A));
	bytes[bit / 8] ^= 1 << bit % 8;
	MUST(sodp_icrc_ipv4(ip_udp, ip_udp + 20, bytes, len) == crc);
	flips++;
}

static void check_refused(const u8 *bytes, size_t len,
			  enum sodp_parse_result result)
{
	switch (result) {
	case SODP_PARSE_SHORT:
		MUST(len < 16 || len < sodp_hdr_len(bytes[0]) + 4u);
		break;
	case SODP_PARSE_OPCODE:
		MUST(!sodp_opcode(bytes[0])->flags);
		break;
	case SODP_PARSE_HEADER:
		MUST(len >= 16);
		MUST(bytes[1] & 0x0f || len >= sodp_hdr_len(bytes[0]) + 4u);
		break;
	default:
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum sodp_parse_result result;
	struct sodp_pkt pkt;
	u8 *bytes = malloc(size ?: 1); /* no slack that hides an overrun */

	inputs++;
	memcpy(bytes, data, size);
	result = sodp_parse(bytes, size, &pkt);
	if (size)
		kinds[bytes[0] * 4 + result] = 1;
	if (result == SODP_PARSE_OK) {
		accepted[bytes[0]]++;
		check_accepted(bytes, size, &pkt);
		check_icrc(bytes, size - SODP_ICRC_LEN);
	} else {
		check_refused(bytes, size, result);
	}
	free(bytes);
	return 0;
}

/* Of the opcodes of each service, those that there are; 0: no such one. */
static unsigned int known_opcode(unsigned int i, u8 *opcode)
{
	static const u8 services[] = { SODP_SERVICE_RC, SODP_SERVICE_UC,
				       SODP_SERVICE_UD };
	unsigned int known = 0, k;

	for (k = 0; k < sizeof(services) * SERVICE; k++) {
		*opcode = (u8)(services[k / SERVICE] + k % SERVICE);
		if (sodp_opcode(*opcode)->flags && known++ == i)
			return known;
	}
	*opcode = 0;
	return known;
}

size_t fuzz_seed(unsigned int i, uint8_t *out, size_t max)
{
	const size_t payload = (i % 4) * 4;
	struct sodp_pkt pkt = {
		.pkey = SODP_DEFAULT_PKEY,
		.qpn = 17,
		.psn = i,
		.ack_req = 1,
	};
	size_t len;

	if (known_opcode(i / 4, &pkt.opcode) <= i / 4 ||
	    max < SODP_MAX_HDR_LEN + payload + SODP_ICRC_LEN)
		return 0;
	if (sodp_opcode(pkt.opcode)->flags & SODP_HAS_PAYLOAD && payload)
		pkt.pad = i & 3;
	len = sodp_build(&pkt, out);
	memset(out + len, 'x', payload + SODP_ICRC_LEN);
	return len + payload + SODP_ICRC_LEN;
}

void fuzz_summary(void)
{
	unsigned long all = 0;
	unsigned int opcodes = 0, i;
	u8 last;

	for (i = 0; i < 256; i++) {
		all += accepted[i];
		opcodes += accepted[i] != 0;
	}
	printf("%lu packets, %lu accepted, of %u opcodes; %lu bits flipped\n",
	       inputs, all, opcodes, flips);
	MUST(opcodes == known_opcode(256, &last));
}
