/* SPDX-License-Identifier: GPL-2.0 */
/* 24-bit packet sequence numbers: IBTA 9.7.2, arithmetic modulo 2^24. */
#ifndef SODP_WIRE_PSN_H
#define SODP_WIRE_PSN_H

#include <linux/types.h>
#include "pkt.h"

/* Signed distance a - b in [-2^23, 2^23). */
static inline s32 sodp_psn_diff(u32 a, u32 b)
{
	return (s32)((a - b) << 8) >> 8;
}

static inline u32 sodp_psn_add(u32 psn, u32 n)
{
	return (psn + n) & SODP_PSN_MASK;
}

static inline u32 sodp_psn_sub(u32 psn, u32 n)
{
	return (psn - n) & SODP_PSN_MASK;
}

/* Packets that a message of @len bytes takes; an empty one takes one. */
static inline u32 sodp_psn_count(u32 len, u32 mtu)
{
	return len ? (len - 1) / mtu + 1 : 1;
}

#endif
