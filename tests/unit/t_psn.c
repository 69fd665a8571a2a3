// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* 24-bit sequence numbers, checked against arithmetic that cannot wrap. */
#include <stdlib.h>

#include "cmocka_all.h"
#include "wire/psn.h"

#define HALF 0x800000
#define ALL  0x1000000

static void test_diff(void **state)
{
	static const u32 at[] = { 0,	    1,	      2,
				  0x7ffffe, 0x7fffff, 0x800000,
				  0x800001, 0xfffffe, 0xffffff };
	static const s32 by[] = { -HALF, -HALF + 1, -65536,   -1,      0,
				  1,	 2,	    HALF - 2, HALF - 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		for (size_t j = 0; j < sizeof(by) / sizeof(*by); j++) {
			u32 b = (u32)((at[i] + ALL + by[j]) % ALL);

			assert_int_equal(sodp_psn_diff(b, at[i]), by[j]);
		}
	}
}

/* High bits of a careless caller do not matter. */
static void test_diff_high_bits(void **state)
{
	(void)state;
	assert_int_equal(sodp_psn_diff(0x1000000, 0xffffff), 1);
	assert_int_equal(sodp_psn_diff(0xff000005, 3), 2);
}

static void test_add_sub(void **state)
{
	(void)state;
	srandom(1);
	for (int i = 0; i < 100000; i++) {
		u32 psn = random() & 0xffffff, n = random() & 0xffffff;

		assert_int_equal(sodp_psn_add(psn, n), (psn + n) % ALL);
		assert_int_equal(sodp_psn_sub(psn, n), (psn + ALL - n) % ALL);
		assert_int_equal(sodp_psn_sub(sodp_psn_add(psn, n), n), psn);
	}
}

static void test_count(void **state)
{
	(void)state;
	for (u32 mtu = 256; mtu <= 4096; mtu *= 2) {
		assert_int_equal(sodp_psn_count(0, mtu), 1);
		assert_int_equal(sodp_psn_count(1, mtu), 1);
		assert_int_equal(sodp_psn_count(mtu - 1, mtu), 1);
		assert_int_equal(sodp_psn_count(mtu, mtu), 1);
		assert_int_equal(sodp_psn_count(mtu + 1, mtu), 2);
		assert_int_equal(sodp_psn_count(10 * mtu, mtu), 10);
		/* 2 GiB and the most that 32 bits can ask for */
		assert_int_equal(sodp_psn_count(0x80000000U, mtu),
				 0x80000000U / mtu);
		assert_int_equal(sodp_psn_count(0xffffffffU, mtu),
				 0x100000000ULL / mtu);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_diff_high_bits),
		cmocka_unit_test(test_add_sub),
		cmocka_unit_test(test_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
