/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * crc32_le() of the kernel, on the host: bit-reflected, the seed goes in and
 * the register comes out as they are. t_icrc.c checks it against the catalogue.
 */
#ifndef SHIM_LINUX_CRC32_H
#define SHIM_LINUX_CRC32_H

#include <linux/types.h>

static u32 shim_crc32_table[256];

static __attribute__((constructor)) void shim_crc32_init(void)
{
	u32 i, bit, crc;

	for (i = 0; i < 256; i++) {
		crc = i;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
		shim_crc32_table[i] = crc;
	}
}

/* A fuzzer learns nothing from this loop, and would spend its time in it. */
#ifdef __clang__
#define SHIM_NO_COVERAGE __attribute__((noinline, no_sanitize("coverage")))
#else
#define SHIM_NO_COVERAGE
#endif

static inline SHIM_NO_COVERAGE u32 crc32_le(u32 crc, const u8 *p, size_t len)
{
	for (; len; len--)
		crc = crc >> 8 ^ shim_crc32_table[(crc ^ *p++) & 0xff];
	return crc;
}

#endif
