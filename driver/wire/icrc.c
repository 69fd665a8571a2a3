// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant CRC of RoCEv2 over IPv4 and IPv6: IBTA annex A17. What a router may
 * change counts as ones, and so does a link header that RoCEv2 does not have.
 */
#include <linux/crc32.h>
#include <linux/types.h>

#include "wire/pkt.h"

enum {
	IP4_LEN = 20,
	IP4_TOS = 1,
	IP4_TTL = 8,
	IP4_CHECK = 10, /* two bytes */
	IP6_LEN = 40,
	IP6_HOP_LIMIT = 7,
	UDP_LEN = 8,
	UDP_CHECK = 6, /* two bytes */
	BTH_RESV8A = 4, /* FECN, BECN and reserved bits */
};

/* What the CRC register holds after eight bytes of ones from the seed ~0. */
#define AFTER_DUMMY_LRH 0xdebb20e3U

/* @head begins with @ip_len bytes of an IP header that is masked already. */
static u32 icrc(u8 *head, size_t ip_len, const u8 *udp, const u8 *bth,
		size_t len)
{
	u8 *const h_udp = head + ip_len;
	u8 *const h_bth = h_udp + UDP_LEN;
	u32 crc;

	__builtin_memcpy(h_udp, udp, UDP_LEN);
	__builtin_memcpy(h_bth, bth, SODP_BTH_LEN);
	h_udp[UDP_CHECK] = 0xff;
	h_udp[UDP_CHECK + 1] = 0xff;
	h_bth[BTH_RESV8A] = 0xff;

	crc = crc32_le(AFTER_DUMMY_LRH, head, ip_len + UDP_LEN + SODP_BTH_LEN);
	crc = crc32_le(crc, bth + SODP_BTH_LEN, len - SODP_BTH_LEN);
	return ~crc;
}

u32 sodp_icrc_ipv4(const u8 *ip, const u8 *udp, const u8 *bth, size_t len)
{
	u8 head[IP4_LEN + UDP_LEN + SODP_BTH_LEN];

	__builtin_memcpy(head, ip, IP4_LEN);
	head[IP4_TOS] = 0xff;
	head[IP4_TTL] = 0xff;
	head[IP4_CHECK] = 0xff;
	head[IP4_CHECK + 1] = 0xff;
	return icrc(head, IP4_LEN, udp, bth, len);
}

u32 sodp_icrc_ipv6(const u8 *ip, const u8 *udp, const u8 *bth, size_t len)
{
	u8 head[IP6_LEN + UDP_LEN + SODP_BTH_LEN];

	__builtin_memcpy(head, ip, IP6_LEN);
	/* all but the version: traffic class and flow label */
	head[0] |= 0x0f;
	head[1] = 0xff;
	head[2] = 0xff;
	head[3] = 0xff;
	head[IP6_HOP_LIMIT] = 0xff;
	return icrc(head, IP6_LEN, udp, bth, len);
}
