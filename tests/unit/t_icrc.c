// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The ICRC against packets that others made, and against a second derivation:
 * the polynomial division of the specification, bit by bit, over the whole
 * pseudo packet with its eight bytes of ones in front.
 */
#include <linux/crc32.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "wire/pkt.h"

/* A congestion notification, captured from a ConnectX-4 Lx: IP to ICRC. */
static const u8 captured[] = {
	0x45, 0xc2, 0x00, 0x3c, 0x71, 0x8c, 0x40, 0x00, 0x40, 0x11, 0x91, 0x61,
	0x0a, 0x00, 0x11, 0x01, 0x0a, 0x00, 0x12, 0x01, 0x00, 0x00, 0x12, 0xb7,
	0x00, 0x28, 0x00, 0x00, 0x81, 0x00, 0xff, 0xff, 0x40, 0x00, 0x01, 0x18,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x82, 0xfd, 0x00, 0x2a,
};

/* A UC SEND of 18 bytes and 2 of pad, with a UDP checksum. */
static const u8 uc_send[] = {
	0x45, 0x01, 0x00, 0x40, 0x04, 0x78, 0x40, 0x00, 0x40, 0x11, 0xb4,
	0xd5, 0xc0, 0xa8, 0x00, 0x07, 0xc0, 0xa8, 0x00, 0x07, 0xc0, 0x00,
	0x12, 0xb7, 0x00, 0x2c, 0xac, 0xa2, 0x24, 0x60, 0xff, 0xff, 0x00,
	0x00, 0x00, 0xd3, 0x00, 0xcf, 0x17, 0x10, 'F',	'0',  0x81, 0x8b,
	0xe2, 0x89, '5',  0xd9, 0x0e, 0x9a, 0x95, 'P',	'T',  0x01, 0xbe,
	0x88, '^',  'P',  0x00, 0x00, 0x78, 0xf3, 0x53, 0xf3,
};

static u32 le32(const u8 *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24;
}

static u32 icrc_of(const u8 *packet, size_t len)
{
	return sodp_icrc_ipv4(packet, packet + 20, packet + 28, len - 28 - 4);
}

/*
 * Coefficients enter from x^31 down, each byte's least significant bit first;
 * the remainder goes out the same way, complemented.
 */
static u32 divide(const u8 *p, size_t len)
{
	u32 rem = 0xffffffff, out = 0;

	for (size_t bit = 0; bit < len * 8; bit++) {
		u32 in = p[bit / 8] >> (bit % 8) & 1;
		u32 top = rem >> 31;

		rem <<= 1;
		if (top ^ in)
			rem ^= 0x04c11db7;
	}
	for (int bit = 0; bit < 32; bit++)
		out |= (~rem >> (31 - bit) & 1) << bit;
	return out;
}

/* @packet from the IP header on, @len without the ICRC. */
static u32 by_division(const u8 *packet, size_t len)
{
	u8 *pseudo = malloc(8 + len);
	u32 crc;

	memset(pseudo, 0xff, 8);
	memcpy(pseudo + 8, packet, len);
	pseudo[8 + 1] = 0xff; /* TOS */
	pseudo[8 + 8] = 0xff; /* TTL */
	pseudo[8 + 10] = pseudo[8 + 11] = 0xff; /* header checksum */
	pseudo[8 + 20 + 6] = pseudo[8 + 20 + 7] = 0xff; /* UDP checksum */
	pseudo[8 + 28 + 4] = 0xff; /* resv8a */
	crc = divide(pseudo, 8 + len);
	free(pseudo);
	return crc;
}

/* The same over IPv6. */
static u32 by_division6(const u8 *packet, size_t len)
{
	u8 *pseudo = malloc(8 + len);
	u32 crc;

	memset(pseudo, 0xff, 8);
	memcpy(pseudo + 8, packet, len);
	pseudo[8] |= 0x0f; /* traffic class and flow label */
	pseudo[8 + 1] = pseudo[8 + 2] = pseudo[8 + 3] = 0xff;
	pseudo[8 + 7] = 0xff; /* hop limit */
	pseudo[8 + 40 + 6] = pseudo[8 + 40 + 7] = 0xff; /* UDP checksum */
	pseudo[8 + 48 + 4] = 0xff; /* resv8a */
	crc = divide(pseudo, 8 + len);
	free(pseudo);
	return crc;
}

static void test_shim(void **state)
{
	static const u8 check[] = "123456789";

	(void)state;
	assert_int_equal(~crc32_le(~0U, check, 9), 0xcbf43926);
	assert_int_equal(divide(check, 9), 0xcbf43926);
}

static void test_foreign_packets(void **state)
{
	(void)state;
	assert_int_equal(icrc_of(captured, sizeof(captured)),
			 le32(captured + sizeof(captured) - 4));
	assert_int_equal(icrc_of(uc_send, sizeof(uc_send)),
			 le32(uc_send + sizeof(uc_send) - 4));
}

static void test_every_length(void **state)
{
	static u8 packet[28 + 12 + 4200];

	(void)state;
	srandom(2);
	for (size_t len = 40; len < sizeof(packet); len += len < 200 ? 1 : 97) {
		for (size_t i = 0; i < len; i++)
			packet[i] = (u8)random();
		assert_int_equal(sodp_icrc_ipv4(packet, packet + 20,
						packet + 28, len - 28),
				 by_division(packet, len));
	}
}

static void test_every_length_ipv6(void **state)
{
	static u8 packet[48 + 12 + 4200];

	(void)state;
	srandom(3);
	for (size_t len = 60; len < sizeof(packet); len += len < 200 ? 1 : 97) {
		for (size_t i = 0; i < len; i++)
			packet[i] = (u8)random();
		assert_int_equal(sodp_icrc_ipv6(packet, packet + 40,
						packet + 48, len - 48),
				 by_division6(packet, len));
	}
}

static void test_variant_fields_ipv6(void **state)
{
	u8 packet[48 + 32], changed[sizeof(packet)];
	const size_t len = sizeof(packet) - 48;
	u32 icrc;

	(void)state;
	srandom(4);
	for (size_t i = 0; i < sizeof(packet); i++)
		packet[i] = (u8)random();
	icrc = sodp_icrc_ipv6(packet, packet + 40, packet + 48, len);
	for (size_t bit = 0; bit < sizeof(packet) * 8; bit++) {
		size_t at = bit / 8;
		bool variant = (at == 0 && bit % 8 < 4) ||
			       (at >= 1 && at <= 3) || at == 7 || at == 46 ||
			       at == 47 || at == 52;
		u32 other;

		memcpy(changed, packet, sizeof(packet));
		changed[at] ^= (u8)(1 << bit % 8);
		other = sodp_icrc_ipv6(changed, changed + 40, changed + 48,
				       len);
		assert_int_equal(other == icrc, variant);
	}
}

/* Variant fields do not count, every other bit does. */
static void test_variant_fields(void **state)
{
	u8 packet[sizeof(uc_send)];
	const u32 icrc = icrc_of(uc_send, sizeof(uc_send));

	(void)state;
	for (size_t bit = 0; bit < (sizeof(packet) - 4) * 8; bit++) {
		size_t at = bit / 8;
		bool variant = at == 1 || at == 8 || at == 10 || at == 11 ||
			       at == 26 || at == 27 || at == 32;

		memcpy(packet, uc_send, sizeof(packet));
		packet[at] ^= (u8)(1 << bit % 8);
		if (variant)
			assert_int_equal(icrc_of(packet, sizeof(packet)), icrc);
		else
			assert_int_not_equal(icrc_of(packet, sizeof(packet)),
					     icrc);
	}
}

/* The caller's bytes stay as they are. */
static void test_const(void **state)
{
	u8 packet[sizeof(captured)];

	(void)state;
	memcpy(packet, captured, sizeof(packet));
	icrc_of(packet, sizeof(packet));
	assert_memory_equal(packet, captured, sizeof(packet));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shim),
		cmocka_unit_test(test_foreign_packets),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_variant_fields),
		cmocka_unit_test(test_every_length_ipv6),
		cmocka_unit_test(test_variant_fields_ipv6),
		cmocka_unit_test(test_const),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
