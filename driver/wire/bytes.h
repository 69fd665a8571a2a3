/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Big-endian fields at any alignment. Written out byte by byte, so that the
 * host's unit tests need no kernel header for it; compilers know the pattern.
 */
#ifndef SODP_WIRE_BYTES_H
#define SODP_WIRE_BYTES_H

#include <linux/types.h>

static inline u16 sodp_get16(const u8 *p)
{
	return (u16)(p[0] << 8 | p[1]);
}

static inline u32 sodp_get24(const u8 *p)
{
	return (u32)p[0] << 16 | (u32)p[1] << 8 | p[2];
}

static inline u32 sodp_get32(const u8 *p)
{
	return (u32)p[0] << 24 | sodp_get24(p + 1);
}

static inline u64 sodp_get64(const u8 *p)
{
	return (u64)sodp_get32(p) << 32 | sodp_get32(p + 4);
}

static inline u8 *sodp_put16(u8 *p, u16 v)
{
	p[0] = (u8)(v >> 8);
	p[1] = (u8)v;
	return p + 2;
}

static inline u8 *sodp_put24(u8 *p, u32 v)
{
	p[0] = (u8)(v >> 16);
	return sodp_put16(p + 1, (u16)v);
}

static inline u8 *sodp_put32(u8 *p, u32 v)
{
	p[0] = (u8)(v >> 24);
	return sodp_put24(p + 1, v);
}

static inline u8 *sodp_put64(u8 *p, u64 v)
{
	return sodp_put32(sodp_put32(p, (u32)(v >> 32)), (u32)v);
}

/* The ICRC is the one little-endian field. */
static inline u32 sodp_get_le32(const u8 *p)
{
	return (u32)p[3] << 24 | (u32)p[2] << 16 | (u32)p[1] << 8 | p[0];
}

static inline void sodp_put_le32(u8 *p, u32 v)
{
	p[0] = (u8)v;
	p[1] = (u8)(v >> 8);
	p[2] = (u8)(v >> 16);
	p[3] = (u8)(v >> 24);
}

#endif
