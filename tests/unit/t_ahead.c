// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What a fault brings in beyond what was asked for, and what it does not. */
#include "mem_test.h"

#define AT    0x10000000UL
#define PAGES 512UL

static struct sodp_region *mapped(struct bed *bed)
{
	um_map(bed->mm, AT, PAGES * 4096, true, true);
	return reg(bed, AT, PAGES * 4096, RW);
}

static u64 faults(struct sodp_region *r)
{
	struct sodp_region_stats s;

	sodp_region_read_stats(r, &s);
	return s.page_faults;
}

static u64 resident(struct sodp_region *r)
{
	struct sodp_region_stats s;

	sodp_region_read_stats(r, &s);
	return s.resident_pages;
}

static void touch(struct sodp_region *r, u64 page, u64 count, bool write)
{
	static u8 buf[64 * 4096];

	assert_int_equal(transfer(r, AT + page * 4096, buf, count * 4096,
				  write),
			 SODP_MEM_OK);
	shim_run_works();
}

/* 128 messages in a row: by 16, 32, 64, 128, then by 256 pages. */
static void test_stream(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = mapped(bed);
	u64 page;

	for (page = 0; page < PAGES; page += 4)
		touch(r, page, 4, true);
	assert_int_equal(resident(r), PAGES);
	assert_in_range(faults(r), 2, 8);
	sodp_region_deregister(r);
}

static void test_random_and_backwards(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = mapped(bed);
	u64 page, n = 0;

	for (page = PAGES - 1; page > PAGES / 2; page -= 3, n++)
		touch(r, page, 1, true);
	assert_int_equal(resident(r), n);
	assert_int_equal(faults(r), n);
	/* each far from those before it, forwards too */
	for (page = 3; page < PAGES / 2; page += 50, n++)
		touch(r, page, 1, true);
	assert_int_equal(resident(r), n);
	assert_int_equal(faults(r), n);
	sodp_region_deregister(r);
}

/* As many queue pairs have them, in turns. */
static void test_several_streams(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = mapped(bed);
	u64 page, s;

	for (page = 0; page < PAGES / SODP_STREAMS; page++)
		for (s = 0; s < SODP_STREAMS; s++)
			touch(r, s * PAGES / SODP_STREAMS + page, 1, false);
	assert_int_equal(resident(r), PAGES);
	assert_in_range(faults(r), SODP_STREAMS, 8 * SODP_STREAMS);
	sodp_region_deregister(r);
}

/* At the end of the region, before a hole, and where there is none to have. */
static void test_ends(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r;

	um_map(bed->mm, AT, 8 * 4096, true, true);
	r = reg(bed, AT, PAGES * 4096, RW);
	touch(r, 0, 2, true);
	touch(r, 2, 2, true);
	assert_int_equal(resident(r), 8); /* and no complaint */
	assert_int_equal(count(bed, SODP_CNT_PAGE_FAULTS_FAILED), 0);
	sodp_region_deregister(r);

	r = reg(bed, AT, 5 * 4096, RW);
	touch(r, 0, 2, true);
	touch(r, 2, 1, true);
	assert_int_equal(resident(r), 5);
	sodp_region_deregister(r);
}

static int asked;

static void handler(void)
{
	asked++;
}

/* Nobody's handler hears of a page that nobody asked for. */
static void test_waits_for_nothing(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = mapped(bed);

	touch(r, 0, 2, true);
	asked = 0;
	shim_in_fault = handler;
	touch(r, 2, 2, true);
	shim_in_fault = NULL;
	assert_int_equal(asked, 1);
	assert_int_equal(resident(r), 4);
	sodp_region_deregister(r);
}

/* After a fork each page has to be asked for again: not one by one. */
static void test_fork(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = mapped(bed);
	u64 before, i, handled;

	touch(r, 0, 64, true);
	um_fork(bed->mm);
	assert_int_equal(resident(r), 0);
	before = faults(r);
	for (i = 0; i < 64; i++)
		touch(r, i * 37 % 64, 1, true);
	assert_int_equal(faults(r) - before, 4);
	assert_int_equal(resident(r), 64);

	/* As many as the fork took, no more; and those for reading one by one. */
	handled = resident(r);
	touch(r, 200, 1, true);
	assert_int_equal(resident(r), handled + 1);
	um_fork(bed->mm);
	touch(r, 20, 1, false);
	assert_int_equal(resident(r), 1);
	sodp_region_deregister(r);
}

/* What is there is not looked up again. */
static void test_counts(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = mapped(bed);
	struct sodp_region_stats s;
	u64 page;

	touch(r, 8, 1, true);
	touch(r, 16, 2, true);
	for (page = 0; page < 32; page++)
		touch(r, page, 1, true);
	sodp_region_read_stats(r, &s);
	assert_int_equal(s.page_faults_handled, s.resident_pages);
	sodp_region_deregister(r);
}

/* Deregistered while it looks ahead: it stops, and nothing is left. */
static void test_gone(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = mapped(bed);
	struct fault_wait wait = { 0 };
	struct sodp_fault *f;

	touch(r, 0, 1, true);
	f = sodp_fault_start(r, AT + 4096, 1, true, fault_told, &wait);
	assert_non_null(f);
	sodp_fault_release(f);
	sodp_region_deregister(r);
	shim_run_works();
	assert_false(wait.done);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, bed_up, bed_down)
	const struct CMUnitTest tests[] = {
		T(test_stream),
		T(test_random_and_backwards),
		T(test_several_streams),
		T(test_ends),
		T(test_waits_for_nothing),
		T(test_fork),
		T(test_counts),
		T(test_gone),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
