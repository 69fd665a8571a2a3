// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Keys, rights, bounds, kinds, and the end of a region. */
#include "mem_test.h"

#define BASE	 0x10000000UL
#define IOVA	 (5 * PAGE_SIZE + 0x64)
#define PAGES(n) ((unsigned long)(n)*PAGE_SIZE)

static enum sodp_mem_result get(struct bed *bed, u32 key, u32 domain, u32 need,
				u64 iova, u64 length)
{
	struct sodp_region *r;
	enum sodp_mem_result result;

	result = sodp_region_get(bed->mem, key, domain, need, iova, length, &r);
	if (result == SODP_MEM_OK)
		sodp_region_put(r);
	return result;
}

static void test_bounds(void **state)
{
	static const struct {
		u64 iova, length; /* of the region: [IOVA, IOVA + 10000) */
		enum sodp_mem_result result;
	} rows[] = {
		{ IOVA, 10000, SODP_MEM_OK },
		{ IOVA, 10001, SODP_MEM_BOUNDS },
		{ IOVA - 1, 1, SODP_MEM_BOUNDS },
		{ IOVA - 1, 2, SODP_MEM_BOUNDS },
		{ IOVA + 9999, 1, SODP_MEM_OK },
		{ IOVA + 9999, 2, SODP_MEM_BOUNDS },
		{ IOVA + 10000, 1, SODP_MEM_BOUNDS },
		{ 0, 1, SODP_MEM_BOUNDS },
		{ U64_MAX, 1, SODP_MEM_BOUNDS },
		{ U64_MAX, U64_MAX, SODP_MEM_BOUNDS },
		{ IOVA + 1, U64_MAX, SODP_MEM_BOUNDS },
		{ IOVA, U64_MAX, SODP_MEM_BOUNDS },
		{ 0, 0, SODP_MEM_OK }, /* nothing touches nothing */
		{ U64_MAX, 0, SODP_MEM_OK },
	};
	struct bed *bed = *state;
	struct sodp_region *r;
	u8 byte;
	size_t done = 0, i;
	u64 first;

	um_map(bed->mm, BASE, MB(1), true, true);
	r = reg_at(bed, BASE + 0x64, 10000, IOVA, RW, SODP_MEM_ON_DEMAND);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(get(bed, sodp_region_key(r), 1, RO,
				     rows[i].iova, rows[i].length),
				 rows[i].result);
	assert_int_equal(sodp_mem_copy_in(r, IOVA - 1, &byte, 1, &done),
			 SODP_MEM_BOUNDS);
	assert_int_equal(sodp_mem_copy_out(r, IOVA + 10000, &byte, 1, &done),
			 SODP_MEM_BOUNDS);
	assert_int_equal(sodp_mem_probe(r, IOVA, 10001, false, &first),
			 SODP_MEM_BOUNDS);
	assert_int_equal(done, 0);
	sodp_region_deregister(r);
}

static enum sodp_mem_result use(struct bed *bed, u32 key, u32 domain, u32 need,
				u64 length, struct sodp_region **held)
{
	return sodp_region_use(bed->mem, key, domain, need, BASE, length, held);
}

/* Who keeps a region between two uses is asked the same as who looks it up. */
static void test_use(void **state)
{
	struct sodp_region *a, *b, *held = NULL;
	struct bed *bed = *state;
	u32 key_a, key_b;
	u8 byte = 1;
	size_t done = 0;

	um_map(bed->mm, BASE, MB(1), true, true);
	a = reg(bed, BASE, KB(8), RO);
	b = reg(bed, BASE, KB(16), RW);
	key_a = sodp_region_key(a);
	key_b = sodp_region_key(b);

	assert_int_equal(use(bed, key_a ^ 1, 1, RO, 1, &held), SODP_MEM_ACCESS);
	assert_null(held);
	assert_int_equal(use(bed, key_a, 1, RO, KB(8), &held), SODP_MEM_OK);
	assert_ptr_equal(held, a);
	assert_int_equal(use(bed, key_a, 1, RO, KB(8) + 1, &held),
			 SODP_MEM_BOUNDS);
	assert_int_equal(use(bed, key_a, 2, RO, 1, &held), SODP_MEM_ACCESS);
	assert_int_equal(use(bed, key_a, 1, RW, 1, &held), SODP_MEM_ACCESS);
	assert_int_equal(use(bed, key_a, 1, RO, 1, &held), SODP_MEM_OK);
	/* an old key of the same place is not it */
	assert_int_equal(use(bed, key_a ^ 1, 1, RO, 1, &held), SODP_MEM_ACCESS);
	assert_int_equal(use(bed, key_b, 1, RW, KB(16), &held), SODP_MEM_OK);
	assert_ptr_equal(held, b);

	sodp_region_deregister(a); /* nobody holds it: it goes at once */
	assert_int_equal(use(bed, key_a, 1, RO, 1, &held), SODP_MEM_ACCESS);
	assert_int_equal(use(bed, key_b, 1, RW, 1, &held), SODP_MEM_OK);
	sodp_region_deregister(b); /* here it does not, but it is refused */
	assert_int_equal(use(bed, key_b, 1, RW, 1, &held), SODP_MEM_GONE);
	assert_int_equal(sodp_mem_copy_in(held, BASE, &byte, 1, &done),
			 SODP_MEM_GONE);
	sodp_region_put(held);
	held = NULL;
	assert_int_equal(use(bed, key_b, 1, RW, 1, &held), SODP_MEM_ACCESS);
	assert_null(held);
}

/* A region that ends with the address space. */
static void test_top(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r;
	u64 first = 0;
	u32 key;

	r = reg(bed, -KB(8), KB(8), RW);
	key = sodp_region_key(r);
	assert_int_equal(get(bed, key, 1, RO, -KB(8), KB(8)), SODP_MEM_OK);
	assert_int_equal(get(bed, key, 1, RO, U64_MAX, 1), SODP_MEM_OK);
	assert_int_equal(get(bed, key, 1, RO, U64_MAX, 2), SODP_MEM_BOUNDS);
	assert_int_equal(get(bed, key, 1, RO, 0, 1), SODP_MEM_BOUNDS);
	assert_int_equal(sodp_mem_probe(r, U64_MAX, 1, false, &first),
			 SODP_MEM_FAULT);
	assert_int_equal(first, U64_MAX);
	assert_int_equal(resolve(r, U64_MAX, 1, false), SODP_MEM_ACCESS);
	um_start(bed->mm, 0, ULONG_MAX, true);
	um_end(bed->mm, 0, ULONG_MAX);
	sodp_region_deregister(r);
}

static void test_attributes(void **state)
{
	struct bed *bed = *state;
	static const struct {
		u64 start, length, iova;
		long err;
	} rows[] = {
		{ BASE, 0, BASE, 0 },
		{ BASE + 1, 5, 1, 0 },
		{ BASE, TB(1), BASE, 0 },
		{ 0, U64_MAX, 0, 0 },
		{ BASE + 1, 5, 2, -EINVAL }, /* other offset in the page */
		{ -PAGE_SIZE, PAGE_SIZE + 1, -PAGE_SIZE, -EINVAL }, /* wraps */
		{ BASE, U64_MAX, BASE, -EINVAL },
		{ BASE, PAGE_SIZE + 1, -PAGE_SIZE, -EINVAL }, /* iova wraps */
	};
	struct sodp_region *r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		r = reg_at(bed, rows[i].start, rows[i].length, rows[i].iova, RW,
			   SODP_MEM_ON_DEMAND);
		assert_int_equal(IS_ERR(r) ? PTR_ERR(r) : 0, rows[i].err);
		if (!IS_ERR(r))
			sodp_region_deregister(r);
	}
}

static void test_rights(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, PAGE_SIZE, RO);
	u32 key = sodp_region_key(r);

	assert_int_equal(get(bed, key, 1, SODP_MEM_LOCAL_READ, BASE, 1),
			 SODP_MEM_OK);
	assert_int_equal(get(bed, key, 1, SODP_MEM_REMOTE_READ, BASE, 1),
			 SODP_MEM_OK);
	assert_int_equal(get(bed, key, 1, SODP_MEM_REMOTE_WRITE, BASE, 1),
			 SODP_MEM_ACCESS);
	assert_int_equal(get(bed, key, 1,
			     SODP_MEM_REMOTE_READ | SODP_MEM_REMOTE_ATOMIC,
			     BASE, 1),
			 SODP_MEM_ACCESS);
	assert_int_equal(get(bed, key, 2, SODP_MEM_REMOTE_READ, BASE, 1),
			 SODP_MEM_ACCESS); /* other domain */
	assert_int_equal(get(bed, key ^ 1, 1, RO, BASE, 1), SODP_MEM_ACCESS);
	assert_int_equal(get(bed, 0, 1, RO, BASE, 1), SODP_MEM_ACCESS);
	assert_int_equal(get(bed, ~0U, 1, RO, BASE, 1), SODP_MEM_ACCESS);
	/* A read-only region never asks the mm for a writable page. */
	um_map(bed->mm, BASE, PAGE_SIZE, true, true);
	assert_int_equal(resolve(r, BASE, 1, true), SODP_MEM_ACCESS);
	assert_null(um_frame(bed->mm, BASE));
	sodp_region_deregister(r);
}

static void test_stale_keys(void **state)
{
	struct bed *bed = *state;
	u32 old[600];
	struct sodp_region *r;
	int i, k;

	for (i = 0; i < 600; i++) {
		r = reg(bed, BASE, PAGE_SIZE, RW);
		old[i] = sodp_region_key(r);
		assert_true(old[i] >> 8 >= 1 && old[i] >> 8 <= 0x7fffff);
		sodp_region_deregister(r);
		bed->mem->next_index = 1; /* the same index each time */
		for (k = max(0, i - 200); k <= i; k++)
			assert_int_equal(get(bed, old[k], 1, RO, BASE, 1),
					 SODP_MEM_ACCESS);
		shim_run_works();
	}
}

/* Registration is O(1): no table before the first touch; 1 TiB included. */
static void test_untouched(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, TB(1), RW);
	struct sodp_region_stats s;
	u8 byte = 9;

	sodp_region_read_stats(r, &s);
	assert_int_equal(s.table_bytes, 0);
	um_map(bed->mm, BASE + GB(900), PAGES(16), true, true);
	assert_int_equal(transfer(r, BASE + GB(900) + 5, &byte, 1, true),
			 SODP_MEM_OK);
	sodp_region_read_stats(r, &s);
	assert_int_equal(s.resident_pages, 1);
	assert_int_equal(s.page_faults, 1);
	assert_int_equal(s.table_bytes, (36 / (PAGE_SHIFT - 3)) * PAGE_SIZE);
	um_unmap(bed->mm, BASE + GB(900));
	sodp_region_read_stats(r, &s);
	assert_int_equal(s.resident_pages, 0);
	assert_int_equal(s.table_bytes, 0);
	assert_int_equal(s.page_invalidations, 1);
	assert_int_equal(s.page_invalidations_handled, 1);
	assert_int_equal(count(bed, SODP_CNT_LEAVES_FREED), 1);
	assert_int_equal(transfer(r, BASE + GB(900), &byte, 1, true),
			 SODP_MEM_ACCESS);
	sodp_region_deregister(r);
}

/* Somebody still holds it: the key is gone, the pages are, the struct not. */
static void test_dereg_while_held(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, KB(64), RW), *held;
	u32 key = sodp_region_key(r);
	u8 byte = 1;
	size_t done = 0;
	u64 first;

	um_map(bed->mm, BASE, PAGES(16), true, true);
	assert_int_equal(transfer(r, BASE, &byte, 1, true), SODP_MEM_OK);
	assert_int_equal(sodp_region_get(bed->mem, key, 1, RO, BASE, 1, &held),
			 SODP_MEM_OK);
	sodp_region_deregister(r);
	shim_run_works();
	assert_int_equal(get(bed, key, 1, RO, BASE, 1), SODP_MEM_ACCESS);
	assert_int_equal(sodp_mem_copy_in(held, BASE, &byte, 1, &done),
			 SODP_MEM_GONE);
	assert_int_equal(sodp_mem_probe(held, BASE, 1, true, &first),
			 SODP_MEM_GONE);
	assert_int_equal(resolve(held, BASE, 1, true), SODP_MEM_GONE);
	um_drop(bed->mm, BASE, BASE + KB(64)); /* a hook over a dead region */
	sodp_region_put(held);
}

static void test_exit(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, KB(64), RW);
	u8 byte = 1;

	um_map(bed->mm, BASE, PAGES(16), true, true);
	assert_int_equal(transfer(r, BASE, &byte, 1, true), SODP_MEM_OK);
	um_exit(bed->mm);
	bed->exited = true;
	assert_int_equal(get(bed, sodp_region_key(r), 1, RO, BASE, 1),
			 SODP_MEM_GONE);
	assert_int_equal(transfer(r, BASE, &byte, 1, true), SODP_MEM_GONE);
	sodp_region_deregister(r);
}

static void test_pinned(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r;
	u8 buf[5000], back[5000];
	struct page *frame;

	um_map(bed->mm, BASE, MB(4), true, true);
	memset(buf, 0x77, sizeof(buf));
	r = reg_at(bed, BASE + 10, MB(4) - 10, 10, RW, SODP_MEM_PINNED);
	assert_false(IS_ERR(r));
	assert_int_equal(atomic64_read(&bed->mm->pinned_vm), MB(4) / PAGE_SIZE);
	frame = um_frame(bed->mm, BASE);
	assert_int_equal(frame->pins, 1);
	assert_int_equal(transfer(r, 100, buf, 5000, true), SODP_MEM_OK);
	um_read(bed->mm, BASE + 100, back, 5000);
	assert_memory_equal(buf, back, 5000);
	assert_int_equal(resolve(r, 10, 1, true), SODP_MEM_ACCESS);
	assert_int_equal(sodp_mem_prefetch(r, SODP_PREFETCH, 10, 1, true),
			 -EINVAL);
	sodp_region_deregister(r);
	assert_int_equal(atomic64_read(&bed->mm->pinned_vm), 0);
	assert_int_equal(frame->pins, 0);
	assert_true(frame->dirty);
}

static void test_pin_errors(void **state)
{
	struct bed *bed = *state;
	unsigned long limit = shim_memlock;
	struct sodp_region *r;

	um_map(bed->mm, BASE, PAGES(4), true, true);
	shim_memlock = PAGES(3);
	r = reg_at(bed, BASE, PAGES(4), BASE, RW, SODP_MEM_PINNED);
	assert_int_equal(PTR_ERR(r), -ENOMEM);
	assert_null(um_frame(bed->mm, BASE)); /* asked before pinning */
	shim_ipc_lock = true;
	r = reg_at(bed, BASE, PAGES(4), BASE, RW, SODP_MEM_PINNED);
	assert_false(IS_ERR(r));
	sodp_region_deregister(r);
	shim_ipc_lock = false;
	shim_memlock = limit;
	r = reg_at(bed, BASE, PAGES(5), BASE, RW, SODP_MEM_PINNED);
	assert_int_equal(PTR_ERR(r), -EFAULT); /* its last page is a hole */
	um_protect(bed->mm, BASE, true, false);
	r = reg_at(bed, BASE, PAGES(4), BASE, RW, SODP_MEM_PINNED);
	assert_int_equal(PTR_ERR(r), -EFAULT);
	r = reg_at(bed, BASE, PAGES(4), BASE, RO, SODP_MEM_PINNED);
	assert_false(IS_ERR(r));
	sodp_region_deregister(r);
	shim_killed = true;
	r = reg_at(bed, BASE, PAGES(4), BASE, RO, SODP_MEM_PINNED);
	assert_int_equal(PTR_ERR(r), -EINTR);
	shim_killed = false;
	assert_int_equal(atomic64_read(&bed->mm->pinned_vm), 0);
}

/* Every allocation of a registration fails once. */
static void test_no_memory(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r;
	int kind, budget;

	um_map(bed->mm, BASE, MB(4), true, true);
	for (kind = SODP_MEM_PINNED; kind <= SODP_MEM_ON_DEMAND; kind++) {
		for (budget = 0; budget < 20; budget++) {
			shim_alloc_budget = budget;
			r = reg_at(bed, BASE, MB(4), BASE, RW, kind);
			shim_alloc_budget = -1;
			if (!IS_ERR(r))
				break;
			assert_int_equal(PTR_ERR(r), -ENOMEM);
			assert_int_equal(atomic64_read(&bed->mm->pinned_vm), 0);
		}
		assert_in_range(budget, 1, 19);
		sodp_region_deregister(r);
	}
}

static void test_all_local(void **state)
{
	struct bed *bed = *state;
	u64 word = 5, orig = 0;
	u8 buf[9000], back[9000];
	struct sodp_region *r;

	r = reg_at(bed, 0, U64_MAX, 0, RW, SODP_MEM_ALL_LOCAL);
	assert_int_equal(PTR_ERR(r), -EINVAL); /* not for a program */
	r = sodp_region_register_kernel(bed->mem, 1, RW);
	assert_false(IS_ERR(r));
	memset(back, 3, sizeof(back));
	assert_int_equal(transfer(r, (uintptr_t)buf, back, 9000, true),
			 SODP_MEM_OK);
	assert_memory_equal(buf, back, 9000);
	assert_int_equal(sodp_mem_atomic(r, (uintptr_t)&word,
					 SODP_MEM_FETCH_ADD, 0, 7, &orig),
			 SODP_MEM_OK);
	assert_int_equal(orig, 5);
	assert_int_equal(word, 12);
	sodp_region_deregister(r);
}

static void test_atomics(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, PAGES(2), RW);
	u64 word = 40, orig = 0;

	um_map(bed->mm, BASE, PAGES(2), true, true);
	um_write(bed->mm, BASE + PAGE_SIZE - 8, &word, 8);
	assert_int_equal(sodp_mem_atomic(r, BASE + 4, SODP_MEM_FETCH_ADD, 0, 1,
					 &orig),
			 SODP_MEM_ACCESS);
	assert_int_equal(sodp_mem_atomic(r, BASE + PAGES(2), SODP_MEM_FETCH_ADD,
					 0, 1, &orig),
			 SODP_MEM_BOUNDS);
	assert_int_equal(sodp_mem_atomic(r, BASE + PAGE_SIZE - 8,
					 SODP_MEM_FETCH_ADD, 0, 2, &orig),
			 SODP_MEM_FAULT);
	assert_int_equal(resolve(r, BASE + PAGE_SIZE - 8, 8, true),
			 SODP_MEM_OK);
	assert_int_equal(sodp_mem_atomic(r, BASE + PAGE_SIZE - 8,
					 SODP_MEM_FETCH_ADD, 0, 2, &orig),
			 SODP_MEM_OK);
	assert_int_equal(orig, 40);
	assert_int_equal(sodp_mem_atomic(r, BASE + PAGE_SIZE - 8,
					 SODP_MEM_CMP_SWAP, 41, 9, &orig),
			 SODP_MEM_OK);
	assert_int_equal(orig, 42);
	assert_int_equal(sodp_mem_atomic(r, BASE + PAGE_SIZE - 8,
					 SODP_MEM_CMP_SWAP, 42, 9, &orig),
			 SODP_MEM_OK);
	um_read(bed->mm, BASE + PAGE_SIZE - 8, &word, 8);
	assert_int_equal(word, 9);
	sodp_region_deregister(r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, bed_up, bed_down)
	const struct CMUnitTest tests[] = {
		T(test_bounds),	    T(test_use),
		T(test_top),	    T(test_attributes),
		T(test_rights),	    T(test_stale_keys),
		T(test_untouched),  T(test_dereg_while_held),
		T(test_exit),	    T(test_pinned),
		T(test_pin_errors), T(test_no_memory),
		T(test_all_local),  T(test_atomics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
