// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The range log: exact for its slots, conservative beyond, right always. */
#include "mem_test.h"

#define PG(n)  ((unsigned long)(n)*PAGE_SIZE)
#define END(n) (PG(n) + PAGE_SIZE - 1)

static bool crossed(struct sodp_log *log, struct sodp_sample *s, int page)
{
	return sodp_log_crossed(log, s, PG(page), END(page));
}

static void test_exact_to_the_page(void **state)
{
	struct sodp_sample s;
	struct sodp_log log;
	int i;

	(void)state;
	sodp_log_init(&log);
	sodp_log_sample(&log, &s);
	for (i = 0; i < 16; i++) /* every second page */
		assert_true(sodp_log_begin(&log, PG(2 * i), END(2 * i)));
	for (i = 0; i < 32; i++) {
		assert_int_equal(sodp_log_active(&log, PG(i), END(i)),
				 !(i & 1));
		assert_int_equal(crossed(&log, &s, i), !(i & 1));
	}
	for (i = 0; i < 16; i++)
		sodp_log_end(&log, PG(2 * i), END(2 * i));
	for (i = 0; i < 32; i++) {
		assert_false(sodp_log_active(&log, PG(i), END(i)));
		assert_int_equal(crossed(&log, &s, i), !(i & 1));
	}
	sodp_log_unsample(&log, &s);
}

/* Active at the sample, over a later page, ended before the install. */
static void test_active_at_the_sample(void **state)
{
	struct sodp_sample s;
	struct sodp_log log;

	(void)state;
	sodp_log_init(&log);
	sodp_log_begin(&log, PG(5), END(5));
	sodp_log_sample(&log, &s);
	sodp_log_end(&log, PG(5), END(5));
	assert_true(crossed(&log, &s, 5));
	assert_false(crossed(&log, &s, 4));
	sodp_log_unsample(&log, &s);
	sodp_log_sample(&log, &s);
	assert_false(crossed(&log, &s, 5));
	sodp_log_unsample(&log, &s);
}

static void test_identical_nested_unaligned(void **state)
{
	struct sodp_log log;

	(void)state;
	sodp_log_init(&log);
	sodp_log_begin(&log, 0, ULONG_MAX);
	sodp_log_begin(&log, PG(1) + 7, PG(1) + 9);
	sodp_log_begin(&log, PG(1) + 7, PG(1) + 9);
	sodp_log_end(&log, 0, ULONG_MAX);
	assert_true(sodp_log_active(&log, PG(1), END(1)));
	sodp_log_end(&log, PG(1) + 7, PG(1) + 9);
	assert_true(sodp_log_active(&log, PG(1), END(1)));
	assert_false(sodp_log_active(&log, PG(2), END(2)));
	sodp_log_end(&log, PG(1) + 7, PG(1) + 9);
	assert_false(sodp_log_active(&log, PG(1), END(1)));
}

static void test_overflow(void **state)
{
	struct sodp_sample s;
	struct sodp_log log;
	int i, n = SODP_LOG_SLOTS + 8;

	(void)state;
	sodp_log_init(&log);
	sodp_log_sample(&log, &s);
	for (i = 0; i < n; i++)
		assert_int_equal(sodp_log_begin(&log, PG(4 * i), END(4 * i)),
				 i < SODP_LOG_SLOTS);
	/* Exact ones stay exact; the hull says yes too often, never no. */
	assert_false(crossed(&log, &s, 1));
	for (i = 0; i < n; i++)
		assert_true(crossed(&log, &s, 4 * i));
	for (i = n - 1; i >= 0; i--) {
		sodp_log_end(&log, PG(4 * i), END(4 * i));
		assert_true(crossed(&log, &s, 4 * i));
	}
	assert_false(sodp_log_active(&log, 0, ULONG_MAX));
	sodp_log_unsample(&log, &s);
	/* Nothing lingers for those who come later. */
	sodp_log_sample(&log, &s);
	assert_false(sodp_log_crossed(&log, &s, 0, ULONG_MAX));
	sodp_log_unsample(&log, &s);
}

/* More ended ranges than slots while a sample is out: none is forgotten. */
static void test_past(void **state)
{
	struct sodp_sample old, new;
	struct sodp_log log;
	int i, n = 5 * SODP_LOG_SLOTS;

	(void)state;
	sodp_log_init(&log);
	sodp_log_sample(&log, &old);
	for (i = 0; i < n; i++) {
		sodp_log_begin(&log, PG(i), END(i));
		sodp_log_end(&log, PG(i), END(i));
	}
	sodp_log_sample(&log, &new);
	for (i = 0; i < n; i++) {
		assert_true(crossed(&log, &old, i));
		assert_false(crossed(&log, &new, i));
	}
	assert_false(crossed(&log, &old, n + 1));
	sodp_log_unsample(&log, &old);
	sodp_log_unsample(&log, &new);
}

/* --- random, against a log that remembers everything ------------- */

#define PAGES	 40
#define MAX_LIVE 60

struct event {
	unsigned long start, last;
	bool active;
	int ended; /* step */
};

static struct event events[4000];
static int nevents, step;

static bool truth(int sampled, int page)
{
	int i;

	for (i = 0; i < nevents; i++)
		if (events[i].start <= END(page) &&
		    events[i].last >= PG(page) &&
		    (events[i].active || events[i].ended > sampled))
			return true;
	return false;
}

static void random_step(struct sodp_log *log, int *live)
{
	unsigned long a = rand() % (PAGES * PAGE_SIZE);
	struct event *e;
	int i;

	if (*live < MAX_LIVE && nevents < 4000 && rand() % 2) {
		e = &events[nevents++];
		e->start = a;
		e->last = a + rand() % (3 * PAGE_SIZE);
		e->active = true;
		sodp_log_begin(log, e->start, e->last);
		(*live)++;
		return;
	}
	for (i = rand() % (nevents + 1); i < nevents; i++) {
		if (!events[i].active)
			continue;
		events[i].active = false;
		events[i].ended = step;
		sodp_log_end(log, events[i].start, events[i].last);
		(*live)--;
		return;
	}
}

static void test_random(void **state)
{
	int live = 0, sampled[4] = { 0 }, i, page;
	struct sodp_sample s[4];
	struct sodp_log log;

	(void)state;
	srand(1);
	sodp_log_init(&log);
	for (i = 0; i < 4; i++)
		sodp_log_sample(&log, &s[i]);
	for (step = 1; step < 2000; step++) {
		random_step(&log, &live);
		for (i = 0; i < 4; i++)
			for (page = 0; page < PAGES; page++)
				if (truth(sampled[i], page))
					assert_true(crossed(&log, &s[i], page));
		i = rand() % 4;
		sodp_log_unsample(&log, &s[i]);
		sodp_log_sample(&log, &s[i]);
		sampled[i] = step;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact_to_the_page),
		cmocka_unit_test(test_active_at_the_sample),
		cmocka_unit_test(test_identical_nested_unaligned),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_past),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
