// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Fast registration: bounds and rights of each, and what ends with it. */
#include "mem_test.h"

#define IOVA	  0x7fff00000064ULL
#define NEXT(key) (((key) & ~0xffU) | (((key) + 1) & 0xff))

static u8 *pages[4];

static void take_pages(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		pages[i] = (u8 *)get_zeroed_page(GFP_KERNEL);
		memset(pages[i], (int)i + 1, PAGE_SIZE);
	}
}

static void give_pages(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		free_page((unsigned long)pages[i]);
}

static void stage(struct sodp_region *r, size_t first, size_t n)
{
	sodp_fast_stage_reset(r);
	for (size_t i = first; i < first + n; i++)
		assert_int_equal(sodp_fast_stage(r, (uintptr_t)pages[i]), 0);
}

static int enter(struct bed *bed, u32 key, u64 iova, u64 length, u32 rights)
{
	const struct sodp_fast_attr attr = {
		.key = key, .rights = rights, .iova = iova, .length = length
	};

	return sodp_fast_register(bed->mem, 1, &attr);
}

static enum sodp_mem_result get(struct bed *bed, u32 key, u32 need, u64 iova,
				u64 length)
{
	struct sodp_region *r;
	enum sodp_mem_result result;

	result = sodp_region_get(bed->mem, key, 1, need, iova, length, &r);
	if (result == SODP_MEM_OK)
		sodp_region_put(r);
	return result;
}

static struct sodp_region *alloc(struct bed *bed, u32 max)
{
	struct sodp_region *r = sodp_region_alloc_fast(bed->mem, 1, max);

	assert_false(IS_ERR(r));
	return r;
}

/* Refused before, bounded while, refused after; then another key. */
static void test_life(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = alloc(bed, 4), *held;
	u32 key = sodp_region_key(r);
	u8 buf[8192];
	size_t done = 0;

	take_pages();
	assert_int_equal(get(bed, key, RO, 0, 1), SODP_MEM_ACCESS);
	assert_int_equal(get(bed, key, 0, 0, 0), SODP_MEM_GONE);
	stage(r, 0, 2);
	assert_int_equal(enter(bed, key, IOVA, 5000, RW), 0);
	assert_int_equal(enter(bed, key, IOVA, 5000, RW), -EINVAL);
	assert_int_equal(get(bed, key, RO, IOVA, 5000), SODP_MEM_OK);
	assert_int_equal(get(bed, key, RO, IOVA, 5001), SODP_MEM_BOUNDS);
	assert_int_equal(get(bed, key, RO, IOVA - 1, 2), SODP_MEM_BOUNDS);
	assert_int_equal(sodp_region_get(bed->mem, key, 1, RW, IOVA, 5000,
					 &held),
			 SODP_MEM_OK);
	assert_int_equal(sodp_mem_copy_out(held, IOVA, buf, 5000, &done),
			 SODP_MEM_OK);
	assert_int_equal(done, 5000);
	assert_int_equal(buf[PAGE_SIZE - 0x64 - 1], 1);
	assert_int_equal(buf[PAGE_SIZE - 0x64], 2);

	/* Who still holds it by the old key reaches nothing. */
	assert_int_equal(sodp_fast_invalidate(bed->mem, 1, key), 0);
	assert_int_equal(sodp_fast_invalidate(bed->mem, 1, key), -EINVAL);
	assert_int_equal(get(bed, key, RO, IOVA, 1), SODP_MEM_GONE);
	done = 0;
	assert_int_equal(sodp_mem_copy_in(held, IOVA, buf, 100, &done),
			 SODP_MEM_GONE);
	assert_int_equal(sodp_mem_probe(held, IOVA, 100, false, &(u64){ 0 }),
			 SODP_MEM_GONE);
	assert_int_equal(done, 0);

	/* And keeps the next registration from beginning under his feet. */
	stage(r, 2, 2);
	assert_int_equal(enter(bed, NEXT(key), IOVA, 5000, RO), -EBUSY);
	assert_int_equal(sodp_region_use(bed->mem, key, 1, RO, IOVA, 1, &held),
			 SODP_MEM_GONE);
	sodp_region_put(held);
	assert_int_equal(enter(bed, NEXT(key), IOVA, 5000, RO), 0);
	assert_int_equal(get(bed, key, RO, IOVA, 1), SODP_MEM_ACCESS);
	assert_int_equal(sodp_fast_invalidate(bed->mem, 1, key), -EINVAL);
	assert_int_equal(get(bed, NEXT(key), RO, IOVA, 5000), SODP_MEM_OK);
	assert_int_equal(get(bed, NEXT(key), SODP_MEM_REMOTE_WRITE, IOVA, 1),
			 SODP_MEM_ACCESS);
	sodp_region_deregister(r);
	assert_int_equal(get(bed, NEXT(key), RO, IOVA, 1), SODP_MEM_ACCESS);
	assert_int_equal(enter(bed, key, IOVA, 1, RW), -EINVAL);
	give_pages();
}

static void test_refusals(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = alloc(bed, 2), *other;
	u32 key = sodp_region_key(r);
	u8 stack;

	take_pages();
	assert_int_equal(PTR_ERR(sodp_region_alloc_fast(bed->mem, 1, 0)),
			 -EINVAL);
	assert_int_equal(PTR_ERR(sodp_region_alloc_fast(bed->mem, 1,
							SODP_FAST_PAGES + 1)),
			 -EINVAL);
	stage(r, 0, 2);
	assert_int_equal(sodp_fast_stage(r, (uintptr_t)pages[2]), -ENOMEM);
	sodp_fast_stage_reset(r);
	assert_int_equal(sodp_fast_stage(r, (uintptr_t)&stack), -EINVAL);
	stage(r, 0, 1);
	/* more than is staged, by length and by place */
	assert_int_equal(enter(bed, key, IOVA, PAGE_SIZE, RW), -EINVAL);
	assert_int_equal(enter(bed, key, 0, PAGE_SIZE + 1, RW), -EINVAL);
	assert_int_equal(enter(bed, key, 0, U64_MAX, RW), -EINVAL);
	stage(r, 0, 2);
	assert_int_equal(enter(bed, key, U64_MAX - 99, 101, RW), -EINVAL);
	assert_int_equal(enter(bed, key, U64_MAX - 99, 100, RW), 0);
	assert_int_equal(get(bed, key, RO, U64_MAX - 99, 100), SODP_MEM_OK);
	assert_int_equal(get(bed, key, RO, U64_MAX, 2), SODP_MEM_BOUNDS);
	/* another domain, and a region of another kind */
	assert_int_equal(sodp_fast_invalidate(bed->mem, 2, key), -EINVAL);
	um_map(bed->mm, MB(1), MB(1), true, true);
	other = reg(bed, MB(1), MB(1), RW);
	assert_int_equal(sodp_fast_invalidate(bed->mem, 1,
					      sodp_region_key(other)),
			 -EINVAL);
	assert_int_equal(enter(bed, sodp_region_key(other), 0, 1, RW), -EINVAL);
	sodp_region_deregister(other);
	sodp_region_deregister(r);
	give_pages();
}

static void test_empty_and_full(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = alloc(bed, 4);
	u32 key = sodp_region_key(r);
	struct sodp_region_stats stats;

	take_pages();
	stage(r, 0, 0);
	assert_int_equal(enter(bed, key, 0, 0, RW), 0);
	assert_int_equal(get(bed, key, RO, 0, 1), SODP_MEM_BOUNDS);
	assert_int_equal(sodp_fast_invalidate(bed->mem, 1, key), 0);
	for (int i = 0; i < 600; i++) {
		stage(r, 0, 4);
		key = NEXT(key);
		assert_int_equal(enter(bed, key, 0, 4 * PAGE_SIZE, RW), 0);
		sodp_region_read_stats(r, &stats);
		assert_int_equal(stats.resident_pages, 4);
		assert_int_equal(stats.table_bytes, PAGE_SIZE);
		assert_int_equal(sodp_region_pages(r), 0);
		assert_int_equal(get(bed, key, RO, 1, 4 * PAGE_SIZE),
				 SODP_MEM_BOUNDS);
		assert_int_equal(sodp_fast_invalidate(bed->mem, 1, key), 0);
	}
	sodp_region_deregister(r);
	give_pages();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life, bed_up, bed_down),
		cmocka_unit_test_setup_teardown(test_refusals, bed_up,
						bed_down),
		cmocka_unit_test_setup_teardown(test_empty_and_full, bed_up,
						bed_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
