// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The opcode table against the lengths and classes of IBTA table 38. */
#include <string.h>

#include "cmocka_all.h"
#include "wire/opcode.h"
#include "wire/pkt.h"

/* Written down from the specification, not from the table. */
static const struct {
	u8 opcode;
	const char *name;
	u8 len;
	char class; /* q: request, r: response */
	const char *place; /* first, middle, last, only */
	bool data;
} rows[] = {
	{ 0x00, "SEND_FIRST", 12, 'q', "first", true },
	{ 0x01, "SEND_MIDDLE", 12, 'q', "middle", true },
	{ 0x02, "SEND_LAST", 12, 'q', "last", true },
	{ 0x03, "SEND_LAST_IMM", 16, 'q', "last", true },
	{ 0x04, "SEND_ONLY", 12, 'q', "only", true },
	{ 0x05, "SEND_ONLY_IMM", 16, 'q', "only", true },
	{ 0x06, "WRITE_FIRST", 28, 'q', "first", true },
	{ 0x07, "WRITE_MIDDLE", 12, 'q', "middle", true },
	{ 0x08, "WRITE_LAST", 12, 'q', "last", true },
	{ 0x09, "WRITE_LAST_IMM", 16, 'q', "last", true },
	{ 0x0a, "WRITE_ONLY", 28, 'q', "only", true },
	{ 0x0b, "WRITE_ONLY_IMM", 32, 'q', "only", true },
	{ 0x0c, "READ_REQUEST", 28, 'q', "only", false },
	{ 0x0d, "READ_RESP_FIRST", 16, 'r', "first", true },
	{ 0x0e, "READ_RESP_MIDDLE", 12, 'r', "middle", true },
	{ 0x0f, "READ_RESP_LAST", 16, 'r', "last", true },
	{ 0x10, "READ_RESP_ONLY", 16, 'r', "only", true },
	{ 0x11, "ACK", 16, 'r', "only", false },
	{ 0x12, "ATOMIC_ACK", 24, 'r', "only", false },
	{ 0x13, "CMP_SWAP", 40, 'q', "only", false },
	{ 0x14, "FETCH_ADD", 40, 'q', "only", false },
	{ 0x16, "SEND_LAST_INV", 16, 'q', "last", true },
	{ 0x17, "SEND_ONLY_INV", 16, 'q', "only", true },
	{ 0x20, "UC_SEND_FIRST", 12, 'q', "first", true },
	{ 0x21, "UC_SEND_MIDDLE", 12, 'q', "middle", true },
	{ 0x22, "UC_SEND_LAST", 12, 'q', "last", true },
	{ 0x23, "UC_SEND_LAST_IMM", 16, 'q', "last", true },
	{ 0x24, "UC_SEND_ONLY", 12, 'q', "only", true },
	{ 0x25, "UC_SEND_ONLY_IMM", 16, 'q', "only", true },
	{ 0x26, "UC_WRITE_FIRST", 28, 'q', "first", true },
	{ 0x27, "UC_WRITE_MIDDLE", 12, 'q', "middle", true },
	{ 0x28, "UC_WRITE_LAST", 12, 'q', "last", true },
	{ 0x29, "UC_WRITE_LAST_IMM", 16, 'q', "last", true },
	{ 0x2a, "UC_WRITE_ONLY", 28, 'q', "only", true },
	{ 0x2b, "UC_WRITE_ONLY_IMM", 32, 'q', "only", true },
	{ 0x64, "UD_SEND_ONLY", 20, 'q', "only", true },
	{ 0x65, "UD_SEND_ONLY_IMM", 24, 'q', "only", true },
};

static u32 place_flags(const char *place)
{
	if (!strcmp(place, "first"))
		return SODP_IS_FIRST;
	if (!strcmp(place, "last"))
		return SODP_IS_LAST;
	if (!strcmp(place, "only"))
		return SODP_IS_FIRST | SODP_IS_LAST;
	return 0;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct sodp_opcode_info *info =
			sodp_opcode(rows[i].opcode);

		assert_string_equal(info->name, rows[i].name);
		assert_int_equal(info->hdr_len, rows[i].len);
		assert_int_equal(sodp_hdr_len(rows[i].opcode), rows[i].len);
		assert_int_equal(info->flags &
					 (SODP_IS_REQUEST | SODP_IS_RESPONSE),
				 rows[i].class == 'q' ? SODP_IS_REQUEST :
							SODP_IS_RESPONSE);
		assert_int_equal(info->flags & (SODP_IS_FIRST | SODP_IS_LAST),
				 place_flags(rows[i].place));
		assert_int_equal(!!(info->flags & SODP_HAS_PAYLOAD),
				 rows[i].data);
	}
}

/* Every operation has its class, and only its own. */
static void test_classes(void **state)
{
	const u32 all = SODP_IS_SEND | SODP_IS_WRITE | SODP_IS_READ |
			SODP_IS_ATOMIC;

	(void)state;
	for (u32 op = 0; op <= 0x14; op++) {
		u32 want = op <= 0x05 ? SODP_IS_SEND :
			   op <= 0x0b ? SODP_IS_WRITE :
			   op <= 0x10 ? SODP_IS_READ :
			   op == 0x11 ? 0 :
					SODP_IS_ATOMIC;

		assert_int_equal(sodp_opcode((u8)op)->flags & all, want);
		if (op <= 0x0b)
			assert_int_equal(sodp_opcode((u8)(op + 0x20))->flags &
						 all,
					 want);
	}
}

static void test_unknown(void **state)
{
	(void)state;
	for (u32 op = 0x15; op < 256; op++) {
		if (op == 0x16 || op == 0x17)
			continue; /* SEND with invalidate */
		if (op >= 0x20 && op <= 0x2b)
			continue; /* UC */
		if (op == 0x64 || op == 0x65)
			continue; /* UD */
		assert_non_null(sodp_opcode((u8)op));
		assert_int_equal(sodp_opcode((u8)op)->flags, 0);
		assert_int_equal(sodp_hdr_len((u8)op), 0);
	}
}

static void test_check_table(void **state)
{
	(void)state;
	assert_int_equal(sodp_opcode_check_table(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_check_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
