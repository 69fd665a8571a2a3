// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Real threads: devices copying, owners invalidating, faults, prefetch and
 * registration, all at once. Each page has one device thread, which knows what
 * it wrote last; the owner moves, cleans, reclaims and write-protects pages
 * underneath, which must not change what is read back. Freed frames are
 * poisoned: under ASan a late access is an error, under TSan it is a race.
 */
#include "mem_test.h"

#define BASE	0x50000000UL
#define PAGES	96
#define SPAN	(PAGES * PAGE_SIZE)
#define DEVICES 3
#define OWNERS	2
#define WORKERS 2
#define SECONDS 2

static struct bed *bed;
static struct sodp_region *region;
static int stop;
static unsigned long transfers, changes, registrations;

static bool going(void)
{
	return !__atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static unsigned int dice(unsigned int *seed, unsigned int n)
{
	return (unsigned int)rand_r(seed) % n;
}

/* Write a stamp over the page, or read it back and look. */
static void *device(void *arg)
{
	unsigned int me = (unsigned int)(uintptr_t)arg, seed = me + 1, i;
	u8 stamp[PAGES] = { 0 }, buf[PAGE_SIZE];

	while (going()) {
		unsigned int page = me + DEVICES * dice(&seed, PAGES / DEVICES);
		u64 iova = BASE + page * PAGE_SIZE;
		bool write = dice(&seed, 2);

		if (write)
			memset(buf, ++stamp[page], PAGE_SIZE);
		if (transfer(region, iova, buf, PAGE_SIZE, write) !=
		    SODP_MEM_OK)
			shim_bug("a transfer failed");
		for (i = 0; i < PAGE_SIZE; i++)
			if (buf[i] != stamp[page])
				shim_bug("page %u: %u, not %u", page, buf[i],
					 stamp[page]);
		__atomic_add_fetch(&transfers, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *owner(void *arg)
{
	unsigned int seed = 100 + (unsigned int)(uintptr_t)arg;

	while (going()) {
		unsigned long first = dice(&seed, PAGES);
		unsigned long n = min(1UL + dice(&seed, 8), PAGES - first);
		unsigned long start = BASE + first * PAGE_SIZE;
		unsigned long end = start + n * PAGE_SIZE;

		switch (dice(&seed, 6)) {
		case 0:
			um_clean(bed->mm, start, end);
			break;
		case 1:
			um_reclaim(bed->mm, start, end);
			break;
		case 2:
			um_move(bed->mm, start, end);
			break;
		case 3:
			um_fork(bed->mm);
			break;
		case 4: /* a hook for nothing, not blockable */
			um_start(bed->mm, start + 3, end, false);
			um_end(bed->mm, start + 3, end);
			break;
		case 5:
			um_young(bed->mm, start, dice(&seed, 2));
			break;
		}
		__atomic_add_fetch(&changes, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *worker(void *arg)
{
	(void)arg;
	while (going())
		if (!shim_run_one_work())
			usleep(20);
	return NULL;
}

/* Regions that come, read, and go, over the same pages; and grace periods. */
static void *registrar(void *arg)
{
	unsigned int seed = 200;
	u64 first;

	(void)arg;
	current->mm = bed->mm;
	while (going()) {
		struct sodp_region *r =
			reg(bed, BASE + PAGE_SIZE * 7, KB(64), RO);
		struct sodp_region *found;

		if (dice(&seed, 2))
			sodp_mem_prefetch(r, SODP_PREFETCH, BASE + KB(40),
					  KB(16), dice(&seed, 2));
		/* Reads race with the device's writes by design: only look. */
		if (sodp_region_get(bed->mem, sodp_region_key(r), 1, RO,
				    BASE + KB(40), 1, &found) != SODP_MEM_OK)
			shim_bug("lost a key");
		sodp_mem_probe(found, BASE + KB(40), KB(8), false, &first);
		sodp_region_deregister(r);
		sodp_region_put(found);
		rcu_barrier();
		__atomic_add_fetch(&registrations, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_all_at_once(void **state)
{
	pthread_t t[DEVICES + OWNERS + WORKERS + 1];
	uintptr_t n = 0, i;

	bed = *state;
	um_map(bed->mm, BASE, SPAN, true, true);
	region = reg(bed, BASE, SPAN, RW);
	for (i = 0; i < DEVICES; i++)
		pthread_create(&t[n++], NULL, device, (void *)i);
	for (i = 0; i < OWNERS; i++)
		pthread_create(&t[n++], NULL, owner, (void *)i);
	for (i = 0; i < WORKERS; i++)
		pthread_create(&t[n++], NULL, worker, NULL);
	pthread_create(&t[n++], NULL, registrar, NULL);
	sleep(SECONDS);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	/* Devices first: they wait for faults, which somebody must run. */
	for (i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	shim_run_works();
	sodp_region_deregister(region);

	print_message(
		"%lu transfers, %lu changes, %lu registrations, %llu faults, %llu retried, %llu waits\n",
		transfers, changes, registrations,
		count(bed, SODP_CNT_PAGE_FAULTS),
		count(bed, SODP_CNT_PAGE_FAULTS_RETRIED),
		count(bed, SODP_CNT_FENCE_WAITS));
	/* Nothing was proved unless all of it happened. */
	assert_true(transfers > 100);
	assert_true(changes > 100);
	assert_true(registrations > 10);
	assert_true(count(bed, SODP_CNT_PAGE_FAULTS) > 100);
	assert_true(count(bed, SODP_CNT_PAGE_INVALIDATIONS_HANDLED) > 100);
	assert_true(count(bed, SODP_CNT_LEAVES_FREED) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_at_once, bed_up,
						bed_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
