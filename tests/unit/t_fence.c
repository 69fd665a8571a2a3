// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The rules of the fence, one by one, each at the moment where breaking it
 * would show. With each mutant of a rule, this program must fail.
 */
#include "mem_test.h"

#define BASE  0x20000000UL
#define PG(n) (BASE + (unsigned long)(n)*PAGE_SIZE)

static struct bed *the_bed;
static struct sodp_region *the_region;

static int up(void **state)
{
	if (bed_up(state))
		return 1;
	the_bed = *state;
	um_map(the_bed->mm, BASE, 1024 * PAGE_SIZE, true, true);
	the_region = reg(the_bed, BASE, 1024 * PAGE_SIZE, RW);
	return 0;
}

static int down(void **state)
{
	shim_in_transfer = NULL;
	shim_after_lookup = NULL;
	shim_in_fault = NULL;
	memset(shim_at, 0, sizeof(shim_at));
	sodp_region_deregister(the_region);
	return bed_down(state);
}

static enum sodp_mem_result probe(int page, bool write)
{
	u64 first;

	return sodp_mem_probe(the_region, PG(page), PAGE_SIZE, write, &first);
}

static void write_byte(int page, u8 byte)
{
	assert_int_equal(transfer(the_region, PG(page) + 9, &byte, 1, true),
			 SODP_MEM_OK);
}

/* F1: an entry does not outlive its start hook. */
static void test_start_clears(void **state)
{
	(void)state;
	write_byte(0, 1);
	write_byte(1, 1);
	assert_int_equal(probe(0, true), SODP_MEM_OK);
	um_start(the_bed->mm, PG(0), PG(1), true);
	assert_int_equal(probe(0, false), SODP_MEM_FAULT);
	assert_int_equal(probe(1, true), SODP_MEM_OK); /* F3: only that page */
	um_end(the_bed->mm, PG(0), PG(1));
	assert_int_equal(probe(0, false), SODP_MEM_FAULT);
}

/* --- F1: the hook waits for a transfer in flight ----------------- */

static int in_transfer, go_on, hook_returned;

static void hold_transfer(void)
{
	shim_in_transfer = NULL;
	__atomic_store_n(&in_transfer, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&go_on, __ATOMIC_SEQ_CST))
		usleep(100);
}

static void *transfer_thread(void *arg)
{
	size_t done = 0;
	u8 byte = 0x55;

	(void)arg;
	shim_in_transfer = hold_transfer;
	if (sodp_mem_copy_in(the_region, PG(0) + 9, &byte, 1, &done) !=
	    SODP_MEM_OK)
		shim_bug("no transfer");
	return NULL;
}

static void *hook_thread(void *arg)
{
	um_start(the_bed->mm, PG(0), PG(1), arg != NULL);
	__atomic_add_fetch(&hook_returned, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void wait_for(int *what, int value)
{
	while (__atomic_load_n(what, __ATOMIC_SEQ_CST) != value)
		usleep(100);
}

/* Not an assertion: with the threads stuck no teardown is possible. */
static void must_still_wait(void)
{
	if (__atomic_load_n(&hook_returned, __ATOMIC_SEQ_CST))
		shim_bug("it did not wait for the transfer");
}

static void check_drain(bool blockable)
{
	pthread_t transfer, hook;
	u8 byte = 0;

	in_transfer = go_on = hook_returned = 0;
	write_byte(0, 1);
	pthread_create(&transfer, NULL, transfer_thread, NULL);
	wait_for(&in_transfer, 1);
	pthread_create(&hook, NULL, hook_thread, blockable ? &hook : NULL);
	usleep(30000);
	must_still_wait();
	__atomic_store_n(&go_on, 1, __ATOMIC_SEQ_CST);
	pthread_join(transfer, NULL);
	wait_for(&hook_returned, 1);
	pthread_join(hook, NULL);
	um_end(the_bed->mm, PG(0), PG(1));
	assert_int_equal(count(the_bed, SODP_CNT_FENCE_WAITS), 1);
	um_read(the_bed->mm, PG(0) + 9, &byte, 1);
	assert_int_equal(byte, 0x55);
}

static void test_start_drains(void **state)
{
	(void)state;
	check_drain(true);
}

static void test_start_drains_non_blockable(void **state)
{
	(void)state;
	check_drain(false);
}

/* The entry is clear already, by another hook that is still draining. */
static void test_second_hook_drains_too(void **state)
{
	pthread_t transfer, hook[2];
	int i;

	(void)state;
	in_transfer = go_on = hook_returned = 0;
	write_byte(0, 1);
	pthread_create(&transfer, NULL, transfer_thread, NULL);
	wait_for(&in_transfer, 1);
	for (i = 0; i < 2; i++)
		pthread_create(&hook[i], NULL, hook_thread, hook);
	usleep(30000);
	must_still_wait();
	__atomic_store_n(&go_on, 1, __ATOMIC_SEQ_CST);
	pthread_join(transfer, NULL);
	for (i = 0; i < 2; i++) {
		pthread_join(hook[i], NULL);
		um_end(the_bed->mm, PG(0), PG(1));
	}
}

/* Deregistration waits for a transfer as well. */
static void *dereg_thread(void *arg)
{
	(void)arg;
	current->mm = the_bed->mm;
	sodp_region_deregister(the_region);
	__atomic_add_fetch(&hook_returned, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void test_dereg_drains(void **state)
{
	pthread_t transfer, dereg;

	(void)state;
	in_transfer = go_on = hook_returned = 0;
	write_byte(0, 1);
	sodp_region_hold(the_region);
	pthread_create(&transfer, NULL, transfer_thread, NULL);
	wait_for(&in_transfer, 1);
	pthread_create(&dereg, NULL, dereg_thread, NULL);
	usleep(30000);
	must_still_wait();
	__atomic_store_n(&go_on, 1, __ATOMIC_SEQ_CST);
	pthread_join(transfer, NULL);
	pthread_join(dereg, NULL);
	sodp_region_put(the_region);
	the_region = reg(the_bed, BASE, 0, RW); /* for down() */
}

/* --- F1, F3: between the lookup and the install ------------------ */

static unsigned long cross_start, cross_end;
static bool cross_leave_active;

static void cross(void)
{
	shim_after_lookup = NULL;
	/* A hook of another thread, here and now. */
	um_start(the_bed->mm, cross_start, cross_end, true);
	if (!cross_leave_active)
		um_end(the_bed->mm, cross_start, cross_end);
}

/* Start and end, both inside of the window: the page must be looked up anew. */
static void test_crossed_page_is_not_installed(void **state)
{
	u64 retried;

	(void)state;
	cross_start = PG(0);
	cross_end = PG(1);
	cross_leave_active = false;
	um_write(the_bed->mm, PG(0), "x", 1);
	shim_after_lookup = cross;
	assert_int_equal(resolve(the_region, PG(0), 1, true), SODP_MEM_OK);
	retried = count(the_bed, SODP_CNT_PAGE_FAULTS_RETRIED);
	assert_int_equal(retried, 1);
	assert_int_equal(probe(0, true), SODP_MEM_OK);
}

/* Of a batch, the one page is refused, its neighbours are not. */
static void test_neighbours_are_installed(void **state)
{
	u8 buf[8 * PAGE_SIZE];
	u64 first = 0;

	(void)state;
	memset(buf, 1, sizeof(buf));
	um_write(the_bed->mm, PG(0), buf, sizeof(buf));
	cross_start = PG(3);
	cross_end = PG(4);
	cross_leave_active = true;
	shim_after_lookup = cross;
	assert_int_equal(resolve(the_region, PG(0), 8 * PAGE_SIZE, true),
			 SODP_MEM_OK);
	assert_int_equal(sodp_mem_probe(the_region, PG(0), 8 * PAGE_SIZE, true,
					&first),
			 SODP_MEM_FAULT);
	assert_int_equal(first, PG(3));
	assert_int_equal(sodp_mem_probe(the_region, PG(4), 4 * PAGE_SIZE, true,
					&first),
			 SODP_MEM_OK);
	um_end(the_bed->mm, PG(3), PG(4));
	assert_int_equal(resolve(the_region, PG(3), 1, true), SODP_MEM_OK);
	assert_int_equal(probe(3, true), SODP_MEM_OK);
}

/* F3: a fault in the next page neither waits nor retries. */
static void test_next_page_is_free(void **state)
{
	unsigned long since;

	(void)state;
	um_start(the_bed->mm, PG(0), PG(1), true);
	since = jiffies;
	write_byte(1, 1);
	assert_true(jiffies - since < 200);
	assert_int_equal(count(the_bed, SODP_CNT_PAGE_FAULTS_RETRIED), 0);
	assert_int_equal(probe(0, true), SODP_MEM_FAULT);
	um_end(the_bed->mm, PG(0), PG(1));
}

/* A range that began over no region counts for one that comes later. */
static void test_range_older_than_region(void **state)
{
	struct sodp_region *r;
	u64 first;

	(void)state;
	um_map(the_bed->mm, BASE + MB(8), MB(1), true, true);
	um_write(the_bed->mm, BASE + MB(8), "x", 1);
	um_start(the_bed->mm, BASE + MB(8), BASE + MB(9), true);
	r = reg(the_bed, BASE + MB(8), MB(1), RW);
	assert_int_equal(resolve(r, BASE + MB(8), 1, true), SODP_MEM_OK);
	assert_int_equal(sodp_mem_probe(r, BASE + MB(8), 1, true, &first),
			 SODP_MEM_FAULT);
	um_end(the_bed->mm, BASE + MB(8), BASE + MB(9));
	assert_int_equal(resolve(r, BASE + MB(8), 1, true), SODP_MEM_OK);
	assert_int_equal(sodp_mem_probe(r, BASE + MB(8), 1, true, &first),
			 SODP_MEM_OK);
	sodp_region_deregister(r);
}

/* --- F1: a leaf outlives those who look into it ------------------ */

static void take_all(void)
{
	shim_at[SODP_AT_LEAF] = NULL;
	um_start(the_bed->mm, BASE, BASE + MB(4), false);
	um_end(the_bed->mm, BASE, BASE + MB(4));
}

static void test_leaf_goes_under_a_reader(void **state)
{
	size_t done = 0;
	u8 byte = 7;

	(void)state;
	write_byte(0, 1);
	shim_at[SODP_AT_LEAF] = take_all;
	assert_int_equal(sodp_mem_copy_in(the_region, PG(0), &byte, 1, &done),
			 SODP_MEM_FAULT);
	assert_int_equal(count(the_bed, SODP_CNT_LEAVES_FREED), 1);
	write_byte(0, 1);
}

/* F10: under a fence that stays, a fault ends all the same. */
static void test_fault_under_a_fence_ends(void **state)
{
	unsigned long since = jiffies;

	(void)state;
	um_start(the_bed->mm, 0, ULONG_MAX, true);
	assert_int_equal(resolve(the_region, PG(0), 1, true), SODP_MEM_OK);
	assert_int_equal(probe(0, true), SODP_MEM_FAULT); /* try again */
	assert_true(jiffies - since < 1000);
	um_end(the_bed->mm, 0, ULONG_MAX);
	write_byte(0, 1);
}

/* F7: nested, overlapping, unaligned, over nothing, more than the log has. */
static void test_any_hooks(void **state)
{
	int i;

	(void)state;
	write_byte(0, 1);
	um_start(the_bed->mm, 1, 2, false);
	um_start(the_bed->mm, PG(0) + 17, PG(0) + 18, false);
	assert_int_equal(probe(0, false), SODP_MEM_FAULT);
	um_start(the_bed->mm, PG(0) + 17, PG(0) + 18, true);
	um_end(the_bed->mm, 1, 2);
	um_end(the_bed->mm, PG(0) + 17, PG(0) + 18);
	um_end(the_bed->mm, PG(0) + 17, PG(0) + 18);
	for (i = 0; i < 100; i++)
		um_start(the_bed->mm, PG(i), PG(i + 1), true);
	assert_int_equal(count(the_bed, SODP_CNT_FENCE_OVERFLOWS),
			 100 - SODP_LOG_SLOTS);
	write_byte(200, 1);
	for (i = 0; i < 100; i++)
		um_end(the_bed->mm, PG(i), PG(i + 1));
	for (i = 0; i < 100; i++)
		write_byte(i, 2);
}

/* Each hook is counted by what the kernel says is happening. */
static void test_counted_by_event(void **state)
{
	static const struct {
		int event;
		enum sodp_counter counter;
	} all[] = {
		{ MMU_NOTIFY_UNMAP, SODP_CNT_HOOK_UNMAP },
		{ MMU_NOTIFY_CLEAR, SODP_CNT_HOOK_CLEAR },
		{ MMU_NOTIFY_PROTECTION_VMA, SODP_CNT_HOOK_PROTECTION_VMA },
		{ MMU_NOTIFY_PROTECTION_PAGE, SODP_CNT_HOOK_PROTECTION_PAGE },
		{ MMU_NOTIFY_SOFT_DIRTY, SODP_CNT_HOOK_SOFT_DIRTY },
		{ MMU_NOTIFY_MIGRATE, SODP_CNT_HOOK_MIGRATE },
		{ MMU_NOTIFY_EXCLUSIVE, SODP_CNT_HOOK_EXCLUSIVE },
		{ 99, SODP_CNT_HOOK_OTHER },
	};
	unsigned int i, n;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(all); i++) {
		for (n = 0; n <= i; n++) {
			um_start_for(the_bed->mm, all[i].event, PG(0), PG(1),
				     n);
			um_end(the_bed->mm, PG(0), PG(1));
		}
	}
	for (i = 0; i < ARRAY_SIZE(all); i++)
		assert_int_equal(count(the_bed, all[i].counter), i + 1);
	assert_int_equal(count(the_bed, SODP_CNT_HOOK_NONBLOCK),
			 ARRAY_SIZE(all));
	assert_int_equal(count(the_bed, SODP_CNT_FENCE_HOOKS),
			 ARRAY_SIZE(all) * (ARRAY_SIZE(all) + 1) / 2);
	assert_int_equal(count(the_bed, SODP_CNT_HOOK_RELEASE), 0);
}

static void test_release_is_counted(void **state)
{
	(void)state;
	um_exit(the_bed->mm);
	the_bed->exited = true;
	assert_int_equal(count(the_bed, SODP_CNT_HOOK_RELEASE), 1);
}

/* --- F4 ---------------------------------------------------------- */

/* Clean but writable: no CPU fault will say that it was written. */
static void test_dirty_before_present(void **state)
{
	u8 byte = 1;

	(void)state;
	um_write(the_bed->mm, PG(0), &byte, 1);
	um_clean(the_bed->mm, PG(0), PG(1));
	write_byte(0, 2);
	assert_true(um_frame(the_bed->mm, PG(0))->dirty);
	um_reclaim(the_bed->mm, PG(0), PG(1));
	assert_null(um_frame(the_bed->mm, PG(0)));
	um_read(the_bed->mm, PG(0) + 9, &byte, 1);
	assert_int_equal(byte, 2);
}

static void clean_once(void)
{
	shim_at[SODP_AT_INSTALL] = NULL;
	um_clean(the_bed->mm, PG(0), PG(1));
}

/* Made clean while a fault for writing is on its way. */
static void test_cleaned_in_fault(void **state)
{
	u8 byte = 1;

	(void)state;
	um_write(the_bed->mm, PG(0), &byte, 1);
	shim_at[SODP_AT_INSTALL] = clean_once;
	write_byte(0, 2);
	um_reclaim(the_bed->mm, PG(0), PG(1));
	um_read(the_bed->mm, PG(0) + 9, &byte, 1);
	assert_int_equal(byte, 2);
}

/* Reading makes nothing dirty and takes no right to write. */
static void test_read_is_only_that(void **state)
{
	u8 byte;

	(void)state;
	assert_int_equal(transfer(the_region, PG(0), &byte, 1, false),
			 SODP_MEM_OK);
	assert_false(um_frame(the_bed->mm, PG(0))->dirty);
	assert_int_equal(probe(0, true), SODP_MEM_FAULT);
	write_byte(0, 3);
	assert_int_equal(probe(0, true), SODP_MEM_OK);
}

/* F5: what the VMA takes away, the device loses. */
static void test_protect(void **state)
{
	u8 byte = 1;

	(void)state;
	write_byte(0, 1);
	um_protect(the_bed->mm, BASE, true, false);
	assert_int_equal(transfer(the_region, PG(0), &byte, 1, true),
			 SODP_MEM_ACCESS);
	assert_int_equal(transfer(the_region, PG(0), &byte, 1, false),
			 SODP_MEM_OK);
	um_protect(the_bed->mm, BASE, false, false);
	assert_int_equal(transfer(the_region, PG(0), &byte, 1, false),
			 SODP_MEM_ACCESS);
	um_protect(the_bed->mm, BASE, true, true);
	write_byte(0, 2);
}

/* A transfer cannot be held up: the shim's kmap asserts it. */
static void test_preemption_is_off(void **state)
{
	(void)state;
	write_byte(0, 1);
	assert_int_equal(shim.preempt + shim.bh + shim.rcu, 0);
}

static void test_young(void **state)
{
	(void)state;
	write_byte(0, 1);
	assert_true(um_young(the_bed->mm, PG(0), false));
	assert_true(um_young(the_bed->mm, PG(0), true));
	assert_false(um_young(the_bed->mm, PG(0), false));
	assert_false(um_young(the_bed->mm, PG(1), false));
	write_byte(0, 1);
	assert_true(um_young(the_bed->mm, PG(0), true));
}

/* Several regions over the same pages: each hook finds all of them. */
static void test_many_regions(void **state)
{
	struct sodp_region *r[20];
	u8 byte = 1;
	u64 first;
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		r[i] = reg(the_bed, PG(i % 3), 16 * PAGE_SIZE, RW);
		assert_int_equal(transfer(r[i], PG(5), &byte, 1, true),
				 SODP_MEM_OK);
	}
	um_start(the_bed->mm, PG(5), PG(6), false);
	for (i = 0; i < 20; i++)
		assert_int_equal(sodp_mem_probe(r[i], PG(5), 1, false, &first),
				 SODP_MEM_FAULT);
	um_end(the_bed->mm, PG(5), PG(6));
	assert_int_equal(count(the_bed, SODP_CNT_PAGE_INVALIDATIONS), 21);
	assert_int_equal(count(the_bed, SODP_CNT_PAGE_INVALIDATIONS_HANDLED),
			 20);
	for (i = 0; i < 20; i++)
		sodp_region_deregister(r[i]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
	const struct CMUnitTest tests[] = {
		T(test_start_clears),
		T(test_start_drains),
		T(test_start_drains_non_blockable),
		T(test_second_hook_drains_too),
		T(test_dereg_drains),
		T(test_crossed_page_is_not_installed),
		T(test_neighbours_are_installed),
		T(test_next_page_is_free),
		T(test_range_older_than_region),
		T(test_leaf_goes_under_a_reader),
		T(test_fault_under_a_fence_ends),
		T(test_any_hooks),
		T(test_counted_by_event),
		T(test_release_is_counted),
		T(test_dirty_before_present),
		T(test_cleaned_in_fault),
		T(test_read_is_only_that),
		T(test_protect),
		T(test_preemption_is_off),
		T(test_young),
		T(test_many_regions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
