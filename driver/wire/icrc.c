// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant CRC of RoCEv2 over IPv4: IBTA annex A17. What a router may change
 * counts as ones, and so does a link header that RoCEv2 does not have.
 */
#include <linux/crc32.h>
#include <linux/types.h>

#include "wire/pkt.h"

enum {
	IP_LEN = 20,
	IP_TOS = 1,
	IP_TTL = 8,
	IP_CHECK = 10, /* two bytes */
	UDP_LEN = 8,
	UDP_CHECK = 6, /* two bytes */
	BTH_RESV8A = 4, /* FECN, BECN and reserved bits */
};

/* What the CRC register holds after eight bytes of ones from the seed ~0. */
#define AFTER_DUMMY_LRH 0xdebb20e3U

u32 sodp_icrc_ipv4(const u8 *ip, const u8 *udp, const u8 *bth, size_t len)
{
	u8 head[IP_LEN + UDP_LEN + SODP_BTH_LEN];
	u8 *const h_udp = head + IP_LEN;
	u8 *const h_bth = h_udp + UDP_LEN;
	u32 crc;

	__builtin_memcpy(head, ip, IP_LEN);
	__builtin_memcpy(h_udp, udp, UDP_LEN);
	__builtin_memcpy(h_bth, bth, SODP_BTH_LEN);
	head[IP_TOS] = 0xff;
	head[IP_TTL] = 0xff;
	head[IP_CHECK] = 0xff;
	head[IP_CHECK + 1] = 0xff;
	h_udp[UDP_CHECK] = 0xff;
	h_udp[UDP_CHECK + 1] = 0xff;
	h_bth[BTH_RESV8A] = 0xff;

	crc = crc32_le(AFTER_DUMMY_LRH, head, sizeof(head));
	crc = crc32_le(crc, bth + SODP_BTH_LEN, len - SODP_BTH_LEN);
	return ~crc;
}
