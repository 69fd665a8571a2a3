// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Faults: errors, limits, being let go of, and prefetch. */
#include "mem_test.h"

#define BASE  0x30000000UL
#define PG(n) (BASE + (unsigned long)(n)*PAGE_SIZE)

static void test_errors(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, MB(4), RW);
	u8 buf[3 * 4096];

	um_map(bed->mm, PG(0), KB(8), true, true);
	um_map(bed->mm, PG(10), KB(8), true, false);
	um_map_special(bed->mm, PG(20), KB(8));
	assert_int_equal(resolve(r, PG(5), 1, false), SODP_MEM_ACCESS);
	assert_int_equal(resolve(r, PG(10), 1, true), SODP_MEM_ACCESS);
	assert_int_equal(resolve(r, PG(10), 1, false), SODP_MEM_OK);
	assert_int_equal(resolve(r, PG(20), 1, false), SODP_MEM_ACCESS);
	assert_int_equal(count(bed, SODP_CNT_PAGE_FAULTS_FAILED), 3);
	/* Over the end of a VMA: what is before it comes in. */
	assert_int_equal(transfer(r, PG(0) + 1, buf, sizeof(buf), true),
			 SODP_MEM_ACCESS);
	assert_int_equal(count(bed, SODP_CNT_PAGE_FAULTS_FAILED), 4);
	sodp_region_deregister(r);
}

/* One fault brings in what the message needs. */
static void test_one_fault_a_message(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE + 7, MB(4) - 7, RW);
	static u8 buf[MB(1)];

	um_map(bed->mm, BASE, MB(4), true, true);
	assert_int_equal(transfer(r, BASE + 7, buf, MB(1) - 7, true),
			 SODP_MEM_OK);
	assert_int_equal(count(bed, SODP_CNT_PAGE_FAULTS), 1);
	assert_int_equal(count(bed, SODP_CNT_PAGE_FAULTS_HANDLED), 256);
	sodp_region_deregister(r);
}

/* What the fast lookup never gives is had the other way. */
static void test_slow_lookup(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, MB(1), RW);
	u8 buf[20000];

	um_map(bed->mm, BASE, MB(1), true, true);
	shim_fast_gup_misses = true;
	assert_int_equal(transfer(r, BASE, buf, sizeof(buf), true),
			 SODP_MEM_OK);
	assert_true(shim_slow_lookups >= 5);
	shim_fast_gup_misses = false;
	sodp_region_deregister(r);
}

/* --- a fault that hangs ------------------------------------------ */

static int hanging, let_go;

static void hang(void)
{
	__atomic_add_fetch(&hanging, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&let_go, __ATOMIC_SEQ_CST))
		usleep(100);
}

static void *worker(void *stop)
{
	while (!__atomic_load_n((int *)stop, __ATOMIC_SEQ_CST))
		if (!shim_run_one_work())
			usleep(100);
	return NULL;
}

static void wait_hanging(int n)
{
	while (__atomic_load_n(&hanging, __ATOMIC_SEQ_CST) < n)
		usleep(100);
}

static void never_told(void *arg, enum sodp_mem_result result)
{
	(void)arg;
	(void)result;
	shim_bug("an orphan told somebody");
}

#define FAULTS	40
#define WORKERS 20

/* At most 16 of one mm run; the others wait without a worker. */
static void test_limit_and_orphans(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, MB(4), RW);
	struct sodp_fault *f[FAULTS];
	pthread_t threads[WORKERS];
	int stop = 0, i;

	um_map(bed->mm, BASE, MB(4), true, true);
	hanging = let_go = 0;
	shim_in_fault = hang;
	for (i = 0; i < FAULTS; i++) {
		f[i] = sodp_fault_start(r, PG(i), 1, true, never_told, NULL);
		assert_non_null(f[i]);
	}
	for (i = 0; i < WORKERS; i++)
		pthread_create(&threads[i], NULL, worker, &stop);
	wait_hanging(16);
	usleep(20000);
	assert_int_equal(hanging, 16);
	assert_int_equal(count(bed, SODP_CNT_PAGE_FAULTS_DELAYED), FAULTS - 16);
	assert_int_equal(shim_module_refs, FAULTS);

	/* All of this must end while the handler is dead. */
	for (i = 0; i < FAULTS; i++)
		sodp_fault_release(f[i]);
	sodp_region_deregister(r);
	assert_int_equal(shim_module_refs, 16); /* those in line are gone */

	__atomic_store_n(&let_go, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&shim_module_refs, __ATOMIC_SEQ_CST))
		usleep(100);
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	shim_in_fault = NULL;
}

/* Those in line go on when a slot becomes free. */
static void test_line_moves(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, MB(4), RW);
	struct fault_wait wait[FAULTS] = {};
	struct sodp_fault *f[FAULTS];
	int i;

	um_map(bed->mm, BASE, MB(4), true, true);
	for (i = 0; i < FAULTS; i++)
		f[i] = sodp_fault_start(r, PG(i), 1, true, fault_told,
					&wait[i]);
	shim_run_works();
	for (i = 0; i < FAULTS; i++) {
		assert_int_equal(wait[i].done, 1);
		assert_int_equal(wait[i].result, SODP_MEM_OK);
		sodp_fault_release(f[i]);
	}
	assert_int_equal(count(bed, SODP_CNT_PAGE_FAULTS_DELAYED), FAULTS - 16);
	sodp_region_deregister(r);
}

/* The device, its counters and the region go while a fault hangs. */
static void test_device_goes(void **state)
{
	struct bed *bed = *state;
	struct sodp_counters *counters = calloc(1, sizeof(*counters));
	struct sodp_region_attr attr = {
		.kind = SODP_MEM_ON_DEMAND,
		.start = BASE,
		.length = MB(4),
		.iova = BASE,
		.rights = RW,
	};
	struct sodp_mem *mem = sodp_mem_create(counters);
	struct sodp_mem_ctx *ctx = sodp_mem_ctx_create(mem);
	struct sodp_region *r = sodp_region_register(ctx, &attr);
	struct sodp_fault *f;
	pthread_t thread;
	int stop = 0;

	um_map(bed->mm, BASE, MB(4), true, true);
	hanging = let_go = 0;
	shim_in_fault = hang;
	f = sodp_fault_start(r, BASE, MB(1), true, never_told, NULL);
	pthread_create(&thread, NULL, worker, &stop);
	wait_hanging(1);
	sodp_fault_release(f);
	sodp_region_deregister(r);
	sodp_mem_ctx_destroy(ctx);
	sodp_mem_destroy(mem);
	free(counters);
	__atomic_store_n(&let_go, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&shim_module_refs, __ATOMIC_SEQ_CST))
		usleep(100);
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	shim_in_fault = NULL;
	shim_run_works();
}

/* No memory: now, or for the nodes of the table. */
static void test_no_memory(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, MB(4), RW);
	struct fault_wait wait = {};
	struct sodp_fault *f;
	unsigned long since;

	um_map(bed->mm, BASE, MB(4), true, true);
	shim_alloc_budget = 0;
	assert_null(sodp_fault_start(r, BASE, 1, true, fault_told, &wait));
	shim_alloc_budget = 1;
	since = jiffies;
	f = sodp_fault_start(r, BASE, 1, true, fault_told, &wait);
	shim_run_works();
	assert_int_equal(wait.result, SODP_MEM_ACCESS); /* definite, in time */
	assert_in_range(jiffies - since, 500, 2000);
	sodp_fault_release(f);
	shim_alloc_budget = -1;
	assert_int_equal(resolve(r, BASE, 1, true), SODP_MEM_OK);
	sodp_region_deregister(r);
}

static void test_prefetch(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, MB(8), RW);
	struct sodp_region *ro = reg(bed, BASE, MB(8), RO);
	struct sodp_region_stats s;
	u64 first;

	um_map(bed->mm, BASE, MB(4), true, true);
	/* More than one chunk. */
	assert_int_equal(sodp_mem_prefetch(r, SODP_PREFETCH_WRITE, BASE + 3,
					   MB(3), true),
			 0);
	sodp_region_read_stats(r, &s);
	assert_int_equal(s.resident_pages, 769);
	assert_int_equal(s.page_prefetch, 769);
	assert_int_equal(s.page_faults, 0);
	assert_int_equal(sodp_mem_probe(r, BASE, 4096, true, &first),
			 SODP_MEM_OK);
	/* Only what the CPU has: 769 pages, and not one new frame. */
	assert_int_equal(sodp_mem_prefetch(ro, SODP_PREFETCH_NO_FAULT, BASE,
					   MB(4), true),
			 0);
	sodp_region_read_stats(ro, &s);
	assert_int_equal(s.resident_pages, 769);
	assert_int_equal(sodp_mem_probe(ro, BASE, 4096, true, &first),
			 SODP_MEM_FAULT);
	/* Errors. */
	assert_int_equal(sodp_mem_prefetch(ro, SODP_PREFETCH_WRITE, BASE, 1,
					   true),
			 -EPERM);
	assert_int_equal(sodp_mem_prefetch(r, SODP_PREFETCH, BASE, MB(8) + 1,
					   true),
			 -EFAULT);
	assert_int_equal(sodp_mem_prefetch(r, SODP_PREFETCH, BASE, MB(5), true),
			 -EFAULT);
	assert_int_equal(sodp_mem_prefetch(r, SODP_PREFETCH, BASE, 0, true), 0);
	/* Nobody waits. */
	assert_int_equal(
		sodp_mem_prefetch(ro, SODP_PREFETCH, BASE, MB(4), false), 0);
	shim_run_works();
	sodp_region_read_stats(ro, &s);
	assert_int_equal(s.resident_pages, 1024);
	sodp_region_deregister(r);
	sodp_region_deregister(ro);
}

static void test_exit_in_fault(void **state)
{
	struct bed *bed = *state;
	struct sodp_region *r = reg(bed, BASE, MB(4), RW);
	struct fault_wait wait = {};
	struct sodp_fault *f;

	um_map(bed->mm, BASE, MB(4), true, true);
	f = sodp_fault_start(r, BASE, 1, true, fault_told, &wait);
	um_exit(bed->mm);
	bed->exited = true;
	shim_run_works();
	assert_int_equal(wait.result, SODP_MEM_GONE);
	sodp_fault_release(f);
	sodp_region_deregister(r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, bed_up, bed_down)
	const struct CMUnitTest tests[] = {
		T(test_errors),	       T(test_one_fault_a_message),
		T(test_slow_lookup),   T(test_limit_and_orphans),
		T(test_line_moves),    T(test_device_goes),
		T(test_no_memory),     T(test_prefetch),
		T(test_exit_in_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
