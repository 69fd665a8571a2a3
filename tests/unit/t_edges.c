// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What seldom happens: no memory at each step, a fatal signal at each lock,
 * every answer that GUP may give, arguments that mean nothing. Each must end in
 * a definite result with nothing left behind (bed_down).
 */
#include "mem_test.h"

#define BASE 0x20000000UL

/* --- arguments ---------------------------------------------------- */

static void test_nothing(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, KB(8), RW);
	size_t done = 0;
	u64 orig, first;

	sodp_mem_destroy(NULL);
	sodp_mem_ctx_destroy(NULL);
	assert_int_equal(sodp_mem_copy_in(r, BASE, NULL, 0, &done),
			 SODP_MEM_OK);
	assert_int_equal(sodp_mem_probe(r, BASE, 0, true, &first), SODP_MEM_OK);
	um_map(bed->mm, BASE, KB(8), true, true);
	assert_int_equal(resolve(r, BASE, 8, true), SODP_MEM_OK);
	assert_int_equal(sodp_mem_atomic(r, BASE, (enum sodp_mem_atomic_op)7, 0,
					 1, &orig),
			 SODP_MEM_ACCESS);
	sodp_region_deregister(r);
	r = reg_at(bed, BASE, KB(8), BASE, RW, (enum sodp_mem_kind)7);
	assert_int_equal(PTR_ERR(r), -EINVAL);
}

/* Kernel addresses need no table; but dead is dead. */
static void test_all_local_dead(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = sodp_region_register_kernel(bed->mem, 1, RW);
	u8 byte = 1, other = 2;
	size_t done = 0;
	u64 first;

	/* Not for a user's context. */
	assert_int_equal(
		PTR_ERR(reg_at(bed, 0, U64_MAX, 0, RW, SODP_MEM_ALL_LOCAL)),
		-EINVAL);
	assert_int_equal(sodp_mem_probe(r, (uintptr_t)&byte, 1, true, &first),
			 SODP_MEM_OK);
	sodp_region_hold(r);
	sodp_region_deregister(r);
	assert_int_equal(sodp_mem_copy_in(r, (uintptr_t)&byte, &other, 1,
					  &done),
			 SODP_MEM_GONE);
	assert_int_equal(byte, 1);
	sodp_region_put(r);
}

/* A task without an mm (a kernel thread) owns no user memory. */
static void test_no_mm(void **state)
{
	struct bed *bed = *state;
	int kind;

	current->mm = NULL;
	for (kind = SODP_MEM_PINNED; kind <= SODP_MEM_ON_DEMAND; kind++)
		assert_int_equal(PTR_ERR(reg_at(bed, BASE, 1, BASE, RW, kind)),
				 -EINVAL);
	current->mm = bed->mm;
}

static void test_keys_run_out(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r[2000], *one;
	int n = 0;

	do {
		one = reg_at(bed, BASE, 1, BASE, RO, SODP_MEM_ON_DEMAND);
		if (!IS_ERR(one))
			r[n++] = one;
	} while (!IS_ERR(one) && n < 2000);
	assert_int_equal(PTR_ERR(one), -ENOSPC);
	while (n)
		sodp_region_deregister(r[--n]);
	shim_run_works();
	sodp_region_deregister(reg(bed, BASE, 1, RO));
}

/* --- no memory ---------------------------------------------------- */

static void test_init_without_memory(void **state)
{
	int budget, err = -ENOMEM;

	(void)state;
	for (budget = 0; err && budget < 10; budget++) {
		shim_alloc_budget = budget;
		err = sodp_mem_init();
		shim_alloc_budget = -1;
		assert_true(!err || err == -ENOMEM);
	}
	assert_int_equal(budget,
			 4); /* two caches and a queue; then all of it */
	sodp_mem_exit();
}

static void test_device_without_memory(void **state)
{
	struct bed *bed = *state;

	shim_alloc_budget = 0;
	assert_null(sodp_mem_create(&bed->counters));
	assert_null(sodp_mem_ctx_create(bed->mem));
	shim_alloc_budget = -1;
}

static void test_fault_without_memory(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, KB(64), RW);

	um_map(bed->mm, BASE, KB(64), true, true);
	shim_alloc_budget = 0;
	assert_null(sodp_fault_start(r, BASE, 1, true, fault_told, NULL));
	assert_int_equal(sodp_mem_prefetch(r, SODP_PREFETCH, BASE, 1, true),
			 -ENOMEM);
	shim_alloc_budget = -1;
	sodp_region_deregister(r);
}

/* --- fatal signals ------------------------------------------------ */

static void test_killed(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r;
	u8 byte = 1;

	um_map(bed->mm, BASE, KB(64), true, true);
	shim_mmap_kills = 1;
	assert_int_equal(
		PTR_ERR(reg_at(bed, BASE, 1, BASE, RW, SODP_MEM_ON_DEMAND)),
		-EINTR);
	assert_int_equal(shim_mmap_kills, 0);
	/* At the second, which is for the context: that one goes without. */
	shim_mmap_kills = 2;
	r = reg(bed, BASE, KB(64), RW);
	assert_int_equal(shim_mmap_kills, 0);
	assert_null(bed->ctx->smm);
	/* The owner is being killed: its fault ends, with "try again". */
	shim_mmap_kills = 1;
	assert_int_equal(resolve(r, BASE, 1, true), SODP_MEM_OK);
	assert_int_equal(sodp_mem_copy_in(r, BASE, &byte, 1, &(size_t){ 0 }),
			 SODP_MEM_FAULT);
	/* Also in the middle of the slow lookup: the third lock. */
	shim_fast_gup_misses = true;
	shim_mmap_kills = 3;
	assert_int_equal(transfer(r, BASE, &byte, 1, true), SODP_MEM_OK);
	assert_int_equal(shim_mmap_kills, 0);
	shim_fast_gup_misses = false;
	shim_killed = true;
	assert_int_equal(sodp_mem_prefetch(r, SODP_PREFETCH, BASE, 1, true),
			 -EINTR);
	shim_killed = false;
	sodp_region_deregister(r);
}

/* --- what GUP may say --------------------------------------------- */

static long gup_says;
static unsigned int gup_times; /* then it goes on as usual */

static long gup(void)
{
	return gup_times && gup_times-- ? gup_says : 1;
}

/* Answers that pass: the fault goes on and succeeds. */
static void test_gup_passing(void **state)
{
	static const long says[] = { 0, -EAGAIN, -EBUSY, -ENOMEM };
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, MB(1), RW);
	u64 at = BASE;
	size_t i;

	um_map(bed->mm, BASE, MB(1), true, true);
	shim_gup = gup;
	/* Not one behind the other: nothing is read ahead. */
	for (i = 0; i < ARRAY_SIZE(says); i++, at += KB(32)) {
		gup_says = says[i];
		gup_times = 3;
		assert_int_equal(resolve(r, at, KB(16), true), SODP_MEM_OK);
		assert_int_equal(gup_times, 0);
		assert_non_null(um_frame(bed->mm, at));
	}
	/* In the slow lookup they pass too. */
	shim_fast_gup_misses = true;
	for (i = 0; i < ARRAY_SIZE(says); i++, at += KB(16)) {
		u64 byte = 1;

		gup_says = says[i];
		gup_times = 3;
		assert_int_equal(transfer(r, at, &byte, 1, true), SODP_MEM_OK);
	}
	shim_fast_gup_misses = false;
	shim_gup = NULL;
	sodp_region_deregister(r);
}

/* For ever: a bounded time, then "try again", or an error where it is one. */
static void test_gup_for_ever(void **state)
{
	static const struct {
		long says;
		enum sodp_mem_result result;
		unsigned long ms;
	} rows[] = {
		{ 0, SODP_MEM_OK, 500 },
		{ -EAGAIN, SODP_MEM_OK, 500 },
		{ -EBUSY, SODP_MEM_OK, 500 },
		{ -ENOMEM, SODP_MEM_ACCESS, 1000 },
		{ -EINTR, SODP_MEM_OK, 0 },
		{ -EFAULT, SODP_MEM_ACCESS, 0 },
		{ -EHWPOISON, SODP_MEM_ACCESS, 0 },
	};
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, MB(1), RW);
	size_t i;

	um_map(bed->mm, BASE, MB(1), true, true);
	shim_gup = gup;
	shim_virtual_ms = 1;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned long since = jiffies;

		gup_says = rows[i].says;
		gup_times = UINT_MAX;
		assert_int_equal(resolve(r, BASE, 1, true), rows[i].result);
		assert_in_range(jiffies - since, rows[i].ms, rows[i].ms + 20);
		assert_null(um_frame(bed->mm, BASE));
	}
	shim_virtual_ms = 0;
	shim_gup = NULL;
	sodp_region_deregister(r);
}

/* Faulting in works, twice; what is looked up then is gone. */
static long gup_third_fails(void)
{
	return ++gup_times < 3 ? 1 : -EFAULT;
}

static void test_slow_lookup_fails(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, KB(4), RW);

	um_map(bed->mm, BASE, KB(4), true, true);
	shim_fast_gup_misses = true;
	shim_gup = gup_third_fails;
	gup_times = 0;
	assert_int_equal(resolve(r, BASE, 1, true), SODP_MEM_ACCESS);
	assert_int_equal(gup_times, 3);
	shim_gup = NULL;
	shim_fast_gup_misses = false;
	sodp_region_deregister(r);
}

static void test_pin_gets_nothing(void **state)
{
	struct bed *bed = *state;

	um_map(bed->mm, BASE, KB(64), true, true);
	shim_gup = gup;
	gup_says = 0;
	gup_times = 1;
	assert_int_equal(
		PTR_ERR(reg_at(bed, BASE, KB(64), BASE, RW, SODP_MEM_PINNED)),
		-EFAULT);
	shim_gup = NULL;
	assert_int_equal(atomic64_read(&bed->mm->pinned_vm), 0);
}

/* A page whose bytes the machine has lost is an error, not a crash. */
static void test_machine_check(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, KB(8), RW);
	size_t done = 0;
	u8 buf[16];

	um_map(bed->mm, BASE, KB(8), true, true);
	assert_int_equal(transfer(r, BASE, buf, 16, false), SODP_MEM_OK);
	shim_machine_check = true;
	assert_int_equal(sodp_mem_copy_out(r, BASE, buf, 16, &done),
			 SODP_MEM_ACCESS);
	assert_int_equal(done, 0);
	shim_machine_check = false;
	sodp_region_deregister(r);
}

/* --- the three young hooks ---------------------------------------- */

static void test_young(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, MB(1), RW);
	struct mmu_notifier *mn = bed->mm->notifier;
	u8 byte = 1;

	um_map(bed->mm, BASE, MB(1), true, true);
	assert_int_equal(transfer(r, BASE + KB(64), &byte, 1, true),
			 SODP_MEM_OK);
	assert_true(um_young(bed->mm, BASE + KB(64), false));
	assert_false(um_young(bed->mm, BASE + KB(60), false));
	assert_true(mn->ops->clear_young(mn, bed->mm, BASE, BASE + MB(1)));
	assert_false(um_young(bed->mm, BASE + KB(64), false));
	assert_int_equal(transfer(r, BASE + KB(64), &byte, 1, false),
			 SODP_MEM_OK);
	assert_true(um_young(bed->mm, BASE + KB(64), true));
	assert_false(um_young(bed->mm, BASE + KB(64), true));
	sodp_region_deregister(r);
}

/* --- one user, two processes -------------------------------------- */

static void test_two_mms_of_a_user(void **state)
{
	struct bed *bed = *state;
	struct mm_struct *mm = um_create();
	struct sodp_region *mine, *theirs;
	u8 byte = 1;

	um_map(bed->mm, BASE, KB(4), true, true);
	mine = reg(bed, BASE, KB(4), RW);
	current->mm = mm;
	um_map(mm, BASE, KB(4), true, true);
	theirs = reg(bed, BASE, KB(4), RW);
	assert_ptr_equal(mine->smm->user, theirs->smm->user);
	assert_ptr_not_equal(mine->smm, theirs->smm);
	assert_int_equal(transfer(theirs, BASE, &byte, 1, true), SODP_MEM_OK);
	assert_null(um_frame(bed->mm, BASE));
	sodp_region_deregister(theirs);
	sodp_region_deregister(mine);
	shim_run_works();
	um_exit(mm);
	shim_run_works();
	um_free(mm);
	current->mm = bed->mm;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, bed_up, bed_down)
	const struct CMUnitTest tests[] = {
		T(test_nothing),
		T(test_all_local_dead),
		T(test_no_mm),
		T(test_keys_run_out),
		cmocka_unit_test(test_init_without_memory),
		T(test_device_without_memory),
		T(test_fault_without_memory),
		T(test_killed),
		T(test_gup_passing),
		T(test_gup_for_ever),
		T(test_slow_lookup_fails),
		T(test_pin_gets_nothing),
		T(test_machine_check),
		T(test_young),
		T(test_two_mms_of_a_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
