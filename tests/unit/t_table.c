// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The table: install, lookup, sweep, take, young; nodes come and go. */
#include "mem_test.h"

/* A page has so many of them; more of them with larger pages. */
#define SLOTS (PAGE_SIZE / sizeof(u64))
#define ALL   (1ULL << (64 - PAGE_SHIFT)) /* pages of an address space */

static spinlock_t lock;

/* That a table of 2^bits pages needs. */
static unsigned int levels(unsigned int bits)
{
	return (bits + PAGE_SHIFT - 4) / (PAGE_SHIFT - 3);
}

static bool put_in(struct sodp_table *t, u64 index, unsigned long pfn,
		   bool write)
{
	struct sodp_spares spares = {};
	bool ok;

	assert_true(sodp_spares_fill(&spares, sodp_table_missing(t, index)));
	spin_lock(&lock);
	ok = sodp_table_install(t, index, pfn, write, &spares);
	spin_unlock(&lock);
	sodp_spares_free(&spares);
	return ok;
}

static u64 entry(struct sodp_table *t, u64 index)
{
	atomic64_t *e;
	u64 word;

	rcu_read_lock();
	e = sodp_table_lookup(t, index);
	word = e ? atomic64_read(e) : 0;
	rcu_read_unlock();
	return word;
}

static void sweep(struct sodp_table *t, u64 index, u64 last,
		  struct sodp_sweep *s)
{
	bool more;

	do {
		spin_lock(&lock);
		more = sodp_table_sweep(t, &index, last, s);
		spin_unlock(&lock);
	} while (more);
}

static int up(void **state)
{
	(void)state;
	spin_lock_init(&lock);
	return 0;
}

static int down(void **state)
{
	(void)state;
	rcu_barrier();
	assert_int_equal(shim_frames_used(), 0);
	return 0;
}

static void test_levels(void **state)
{
	const struct {
		u64 pages;
		unsigned int levels;
	} rows[] = {
		{ 0, 1 },
		{ 1, 1 },
		{ SLOTS, 1 },
		{ SLOTS + 1, 2 },
		{ SLOTS * SLOTS, 2 },
		{ SLOTS * SLOTS + 1, 3 },
		{ TB(1) >> PAGE_SHIFT, levels(40 - PAGE_SHIFT) },
		{ ALL, levels(64 - PAGE_SHIFT) },
	};
	struct sodp_table t;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		sodp_table_init(&t, rows[i].pages, &lock);
		assert_int_equal(t.levels, rows[i].levels);
		assert_int_equal(t.nodes, 0);
	}
}

/* First, last and middle pages of tables of every height. */
static void test_corners(void **state)
{
	static const u64 sizes[] = {
		1,	    SLOTS - 1,	   SLOTS,
		SLOTS + 1,  SLOTS * SLOTS, SLOTS * SLOTS + 1,
		1ULL << 28, ALL,
	};
	struct sodp_sweep s;
	struct sodp_table t;
	u64 at[3];
	size_t i;
	int k;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		sodp_table_init(&t, sizes[i], &lock);
		at[0] = 0;
		at[1] = sizes[i] / 2;
		at[2] = sizes[i] - 1;
		for (k = 0; k < 3; k++)
			assert_true(put_in(&t, at[k], 7 + at[k] % 1000, true));
		for (k = 0; k < 3; k++)
			assert_int_equal(entry(&t, at[k]) & SODP_ENTRY_PFN,
					 7 + at[k] % 1000);
		memset(&s, 0, sizeof(s));
		sweep(&t, at[2], at[2], &s);
		assert_int_equal(s.cleared, 1);
		assert_int_equal(entry(&t, at[2]), 0);
		sweep(&t, 0, sizes[i] - 1, &s);
		assert_int_equal(t.resident, 0);
		assert_int_equal(t.nodes, 0);
		assert_int_equal(t.root, 0);
		rcu_barrier();
		assert_int_equal(shim_frames_used(), 0);
	}
}

/* The last slots of the root are empty: a sweep ends there, and finds less. */
static void test_gap_at_the_end(void **state)
{
	const u64 pages = SLOTS * SLOTS;
	struct sodp_sweep s = {};
	struct sodp_table t;

	(void)state;
	sodp_table_init(&t, pages, &lock);
	assert_true(put_in(&t, 0, 1, true));
	assert_true(put_in(&t, SLOTS + 188, 2, true));
	sweep(&t, SLOTS, pages - 1, &s);
	assert_int_equal(s.cleared, 1);
	sweep(&t, SLOTS, pages - 1, &s);
	assert_int_equal(s.cleared, 1);
	assert_int_equal(t.resident, 1);
	sweep(&t, 0, pages - 1, &s);
	assert_int_equal(s.cleared, 2);
	assert_int_equal(t.nodes, 0);
}

static void test_rights_only_grow(void **state)
{
	struct sodp_sweep s = {};
	struct sodp_table t;

	(void)state;
	sodp_table_init(&t, 10, &lock);
	put_in(&t, 3, 42, false);
	assert_false(entry(&t, 3) & SODP_ENTRY_WRITE);
	put_in(&t, 3, 42, true);
	assert_true(entry(&t, 3) & SODP_ENTRY_WRITE);
	put_in(&t, 3, 42, false);
	assert_true(entry(&t, 3) & SODP_ENTRY_WRITE);
	assert_int_equal(t.resident, 1);
	sweep(&t, 0, 9, &s);
	assert_int_equal(s.cleared, 1);
}

static void test_begin_end(void **state)
{
	struct sodp_sweep s = {};
	struct sodp_table t;
	unsigned long pfn;
	atomic64_t *e;

	(void)state;
	sodp_table_init(&t, 10, &lock);
	put_in(&t, 3, 42, false);
	rcu_read_lock();
	e = sodp_table_lookup(&t, 3);
	assert_false(sodp_entry_begin(e, true, &pfn));
	assert_true(sodp_entry_begin(e, false, &pfn));
	assert_int_equal(pfn, 42);
	assert_true(sodp_entry_begin(e, false, &pfn)); /* a second one */
	assert_int_equal((u64)atomic64_read(e) & SODP_ENTRY_COUNT,
			 2 * SODP_ENTRY_COUNT_ONE);
	sodp_entry_end(e);
	sodp_entry_end(e);
	assert_int_equal((u64)atomic64_read(e),
			 42 | SODP_ENTRY_PRESENT | SODP_ENTRY_ACCESSED);
	/* A full count is refused, not wrapped. */
	atomic64_fetch_or(SODP_ENTRY_COUNT, e);
	assert_false(sodp_entry_begin(e, false, &pfn));
	atomic64_fetch_and(~SODP_ENTRY_COUNT, e);
	rcu_read_unlock();
	sweep(&t, 0, 9, &s);
	assert_false(s.waited);
}

static void test_young(void **state)
{
	struct sodp_sweep s = {};
	struct sodp_table t;
	unsigned long pfn;
	atomic64_t *e;

	(void)state;
	sodp_table_init(&t, 5000, &lock);
	put_in(&t, 4000, 42, false);
	rcu_read_lock();
	e = sodp_table_lookup(&t, 4000);
	sodp_entry_begin(e, false, &pfn);
	sodp_entry_end(e);
	rcu_read_unlock();
	spin_lock(&lock);
	assert_false(sodp_table_young(&t, 0, 3999, false));
	assert_false(sodp_table_young(&t, 4001, 4999, false));
	assert_true(sodp_table_young(&t, 0, 4999, false));
	assert_true(sodp_table_young(&t, 4000, 4000, true));
	assert_false(sodp_table_young(&t, 0, 4999, false));
	spin_unlock(&lock);
	sweep(&t, 0, 4999, &s);
}

static void test_no_spares(void **state)
{
	struct sodp_spares none = {};
	struct sodp_table t;

	(void)state;
	sodp_table_init(&t, 1 << 20, &lock);
	assert_int_equal(sodp_table_missing(&t, 77), levels(20));
	spin_lock(&lock);
	assert_false(sodp_table_install(&t, 77, 1, false, &none));
	spin_unlock(&lock);
	assert_int_equal(t.root, 0); /* no half-built path */
}

static void test_take(void **state)
{
	unsigned long pfns[8], seen = 0;
	struct sodp_table t;
	unsigned int n, i;
	u64 index = 0;

	(void)state;
	sodp_table_init(&t, 2000, &lock);
	for (i = 0; i < 2000; i += 3)
		put_in(&t, i, i + 1, true);
	for (;;) {
		spin_lock(&lock);
		n = sodp_table_take(&t, &index, 1999, pfns, 8);
		spin_unlock(&lock);
		if (!n)
			break;
		for (i = 0; i < n; i++, seen += 3)
			assert_int_equal(pfns[i], seen + 1);
	}
	assert_int_equal(seen, 2001);
	assert_int_equal(t.nodes, 0);
}

#define N (700 * 512UL)

/* Random installs and sweeps against a flat array. */
static void test_random(void **state)
{
	u16 *flat = calloc(N, sizeof(*flat));
	struct sodp_sweep s = {};
	struct sodp_table t;
	int step;
	u64 a, b, i;

	(void)state;
	srand(2);
	sodp_table_init(&t, N, &lock);
	for (step = 0; step < 30000; step++) {
		a = ((u64)rand() * 7919 + rand()) % N;
		if (rand() % 50) {
			if (!flat[a])
				flat[a] = rand() % 60000 + 1;
			assert_true(put_in(&t, a, flat[a], false));
		} else {
			b = min(a + (1ULL << rand() % 19), N - 1);
			sweep(&t, a, b, &s);
			memset(flat + a, 0, (b - a + 1) * sizeof(*flat));
		}
		if (step % 1000)
			continue;
		for (i = 0; i < N; i++)
			assert_int_equal(entry(&t, i) & SODP_ENTRY_PFN,
					 flat[i]);
		rcu_barrier();
		assert_int_equal(shim_frames_used(), t.nodes);
	}
	sweep(&t, 0, N - 1, &s);
	assert_int_equal(t.nodes, 0);
	free(flat);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
	const struct CMUnitTest tests[] = {
		T(test_levels),		T(test_corners),
		T(test_gap_at_the_end), T(test_rights_only_grow),
		T(test_begin_end),	T(test_young),
		T(test_no_spares),	T(test_take),
		T(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
