// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* One key for the whole address space, and a look at what is resident. */
#include "mem_test.h"

#define LOW  0x10000UL
#define HIGH 0x7ffffff00000UL

static struct sodp_region *whole(struct bed *bed, u32 rights)
{
	struct sodp_region *r =
		reg_at(bed, 0, SODP_MEM_WHOLE, 0, rights, SODP_MEM_ON_DEMAND);

	assert_false(IS_ERR(r));
	assert_true(sodp_region_implicit(r));
	return r;
}

static void expect(struct sodp_region *r, u64 resident, u64 bytes)
{
	struct sodp_region_stats s;

	sodp_region_read_stats(r, &s);
	assert_int_equal(s.resident_pages, resident);
	assert_int_equal(s.table_bytes, bytes);
}

/* Memory that comes after the registration, at both ends; then it goes. */
static void test_present_and_future(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = whole(bed, RW);
	u64 word = 7, back = 0;

	expect(r, 0, 0);
	assert_int_equal(transfer(r, LOW, &word, 8, true), SODP_MEM_ACCESS);
	um_map(bed->mm, LOW, KB(8), true, true);
	um_map(bed->mm, HIGH, KB(8), true, true);
	assert_int_equal(transfer(r, LOW + 4092, &word, 8, true), SODP_MEM_OK);
	assert_int_equal(transfer(r, HIGH + 16, &word, 8, true), SODP_MEM_OK);
	um_read(bed->mm, LOW + 4092, &back, 8);
	assert_int_equal(back, 7);
	um_read(bed->mm, HIGH + 16, &back, 8);
	assert_int_equal(back, 7);
	/* A root, and the way down to each end: 47 bits are four levels. */
	expect(r, 3, 7 * 4096);
	um_unmap(bed->mm, HIGH);
	expect(r, 2, 4 * 4096);
	um_unmap(bed->mm, LOW);
	expect(r, 0, 0);
	assert_int_equal(transfer(r, HIGH, &word, 8, true), SODP_MEM_ACCESS);
	sodp_region_deregister(r);
}

/* Rights are those of the mapping and of the key. */
static void test_rights(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = whole(bed, RW), *ro = whole(bed, RO);
	u64 word = 0;

	um_map(bed->mm, LOW, KB(4), true, false);
	assert_int_equal(transfer(r, LOW, &word, 8, false), SODP_MEM_OK);
	assert_int_equal(transfer(r, LOW, &word, 8, true), SODP_MEM_ACCESS);
	um_map(bed->mm, HIGH, KB(4), true, true);
	assert_int_equal(resolve(ro, HIGH, 8, true), SODP_MEM_ACCESS);
	sodp_region_deregister(r);
	sodp_region_deregister(ro);
}

static void test_bounds(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = whole(bed, RW), *held;
	u64 end = bed->mm->task_size;
	u32 key = sodp_region_key(r);

	assert_int_equal(sodp_region_get(bed->mem, key, 1, RO, end - 1, 1,
					 &held),
			 SODP_MEM_OK);
	sodp_region_put(held);
	assert_int_equal(sodp_region_get(bed->mem, key, 1, RO, end - 1, 2,
					 &held),
			 SODP_MEM_BOUNDS);
	assert_int_equal(sodp_region_get(bed->mem, key, 1, RO, end, 1, &held),
			 SODP_MEM_BOUNDS);
	assert_int_equal(sodp_region_get(bed->mem, key, 1, RO, U64_MAX, 1,
					 &held),
			 SODP_MEM_BOUNDS);
	assert_int_equal(PTR_ERR(reg_at(bed, 0, SODP_MEM_WHOLE, 4096, RW,
					SODP_MEM_ON_DEMAND)),
			 -EINVAL);
	assert_true(
		IS_ERR(reg_at(bed, 0, SODP_MEM_WHOLE, 0, RW, SODP_MEM_PINNED)));
	sodp_region_deregister(r);
}

/* A key for everything ends with everything. */
static void test_exit(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = whole(bed, RW);
	u8 byte = 1;

	um_map(bed->mm, HIGH, KB(8), true, true);
	assert_int_equal(transfer(r, HIGH, &byte, 1, true), SODP_MEM_OK);
	um_exit(bed->mm);
	bed->exited = true;
	expect(r, 0, 0);
	assert_int_equal(transfer(r, HIGH, &byte, 1, true), SODP_MEM_GONE);
	sodp_region_deregister(r);
}

static void test_ours(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = whole(bed, RW), *pinned;

	um_map(bed->mm, LOW, KB(8), true, true);
	pinned = reg_at(bed, LOW, KB(8), LOW, RW, SODP_MEM_PINNED);
	assert_true(sodp_region_is_ours(r));
	assert_true(sodp_region_is_ours(pinned));
	current->mm = NULL;
	assert_false(sodp_region_is_ours(r));
	assert_false(sodp_region_is_ours(pinned));
	current->mm = bed->mm;
	sodp_region_deregister(r);
	sodp_region_deregister(pinned);
}

/* A promise of huge pages is checked where pages come on demand. */
static void test_huge(void **state)
{
	struct bed *bed = *state;
	struct sodp_region_attr attr = {
		.kind = SODP_MEM_ON_DEMAND,
		.start = LOW,
		.length = MB(2),
		.iova = LOW,
		.domain = 1,
		.huge = true,
	};
	struct sodp_region *r;

	assert_int_equal(PTR_ERR(sodp_region_register(bed->ctx, &attr)),
			 -EINVAL);
	shim_hugetlb = LOW;
	r = sodp_region_register(bed->ctx, &attr);
	shim_hugetlb = 0;
	assert_false(IS_ERR(r));
	sodp_region_deregister(r);
	um_map(bed->mm, LOW, KB(8), true, true);
	attr.kind = SODP_MEM_PINNED;
	attr.length = KB(8);
	r = sodp_region_register(bed->ctx, &attr);
	assert_false(IS_ERR(r)); /* pinned: which pages does not matter */
	sodp_region_deregister(r);
}

/* --- a look ------------------------------------------------------- */

#define PAGES 1200UL /* over three leaves */

static void test_residency(void **state)
{
	/* In no order that is read ahead. */
	static const u64 written[] = { 0, 512, 511, 1100, PAGES - 1 };
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, LOW, PAGES * 4096, RW);
	u8 byte = 1, states[PAGES + 1];
	u64 i, k, expected;

	um_map(bed->mm, LOW, PAGES * 4096, true, true);
	assert_int_equal(sodp_region_pages(r), PAGES);
	assert_int_equal(sodp_region_residency(r, 0, PAGES, states), 0);
	for (i = 0; i < PAGES; i++)
		assert_int_equal(states[i], 0);
	for (i = 0; i < ARRAY_SIZE(written); i++)
		assert_int_equal(transfer(r, LOW + written[i] * 4096, &byte, 1,
					  true),
				 SODP_MEM_OK);
	assert_int_equal(transfer(r, LOW + 5 * 4096, &byte, 1, false),
			 SODP_MEM_OK);
	states[PAGES] = 0x5a;
	assert_int_equal(sodp_region_residency(r, 0, PAGES, states), 0);
	for (i = 0; i < PAGES; i++) {
		expected = i == 5 ? SODP_PAGE_PRESENT | SODP_PAGE_ACCESSED : 0;
		for (k = 0; k < ARRAY_SIZE(written); k++)
			if (written[k] == i)
				expected = SODP_PAGE_PRESENT | SODP_PAGE_WRITE |
					   SODP_PAGE_ACCESSED;
		assert_int_equal(states[i], expected);
	}
	assert_int_equal(states[PAGES], 0x5a);
	/* A part from the middle of a leaf. */
	assert_int_equal(sodp_region_residency(r, 511, 2, states), 0);
	assert_int_equal(states[0] & states[1] & SODP_PAGE_WRITE,
			 SODP_PAGE_WRITE);
	assert_int_equal(states[2], 0);
	assert_int_equal(sodp_region_residency(r, PAGES, 0, states), 0);
	assert_int_equal(sodp_region_residency(r, PAGES, 1, states), -EFAULT);
	assert_int_equal(sodp_region_residency(r, 1, PAGES, states), -EFAULT);
	assert_int_equal(sodp_region_residency(r, U64_MAX, 2, states), -EFAULT);
	sodp_region_deregister(r);
}

static void test_summary(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, LOW, PAGES * 4096, RW), *wide;
	u32 parts[16];
	u8 byte = 1;
	u64 i;

	um_map(bed->mm, LOW, PAGES * 4096, true, true);
	for (i = 160; i-- > 70;) /* backwards: nothing is read ahead */
		assert_int_equal(transfer(r, LOW + i * 4096, &byte, 1, false),
				 SODP_MEM_OK);
	assert_int_equal(transfer(r, LOW + (PAGES - 1) * 4096, &byte, 1, true),
			 SODP_MEM_OK);
	assert_int_equal(sodp_region_summary(r, parts, 16), PAGES / 16);
	for (i = 0; i < 16; i++)
		assert_int_equal(parts[i], i == 0  ? 5 :
					   i == 1  ? 75 :
					   i == 2  ? 10 :
					   i == 15 ? 1 :
						     0);
	/* Fewer pages than parts. */
	wide = reg(bed, LOW, 3 * 4096, RW);
	assert_int_equal(transfer(wide, LOW + 8192, &byte, 1, true),
			 SODP_MEM_OK);
	assert_int_equal(sodp_region_summary(wide, parts, 16), 1);
	assert_int_equal(parts[0] + parts[1] + parts[3], 0);
	assert_int_equal(parts[2], 1);
	sodp_region_deregister(r);
	sodp_region_deregister(wide);
}

/* Who waited and why, for each region. */
static void test_statistics(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, LOW, KB(64), RW);
	struct sodp_region_stats s;
	u8 byte = 1;

	um_map(bed->mm, LOW, KB(64), true, true);
	um_write(bed->mm, LOW, &byte, 1);
	assert_int_equal(transfer(r, LOW, &byte, 1, false), SODP_MEM_OK);
	sodp_region_read_stats(r, &s);
	assert_int_equal(s.page_faults, 1);
	assert_int_equal(s.page_faults_major, 0); /* the CPU had it */
	assert_int_equal(transfer(r, LOW + KB(8), &byte, 1, false),
			 SODP_MEM_OK);
	sodp_region_read_stats(r, &s);
	assert_int_equal(s.page_faults, 2);
	assert_int_equal(s.page_faults_major, 1);
	sodp_region_deregister(r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, bed_up, bed_down)
	const struct CMUnitTest tests[] = {
		T(test_present_and_future),
		T(test_rights),
		T(test_bounds),
		T(test_exit),
		T(test_ours),
		T(test_huge),
		T(test_residency),
		T(test_summary),
		T(test_statistics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
