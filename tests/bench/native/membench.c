// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What table, fence and copy cost on this machine, over the shim of the unit
 * tests: lines "bench NAME native VALUE ns", the lowest of some runs. Faults
 * and hooks are without what the kernel does in them (page tables, allocation),
 * so these are what the driver adds.
 */
#include "mem_test.h"

enum {
	PAGES = 256, /* of the warm region */
	RUNS = 9,
	THREADS_MOST = 2,
};

#define BASE 0x50000000UL
#define SPAN (PAGES * PAGE_SIZE)

static struct bed *bed;
static struct sodp_region *warm;
static u8 buffer[PAGE_SIZE] __attribute__((aligned(4096)));

/* Nothing is freed while something is measured. */
void __wrap_rcu_read_lock(void);
void __wrap_rcu_read_unlock(void);

void __wrap_rcu_read_lock(void)
{
	shim.rcu++;
}

void __wrap_rcu_read_unlock(void)
{
	shim.rcu--;
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "membench: %s failed\n", what);
		exit(1);
	}
}

/* --- what is measured: @n times, of thread @me ------------------- */

typedef void (*body_fn)(unsigned int n, unsigned int me);

/* Threads have pages of their own. */
static u64 page_of(unsigned int i, unsigned int me)
{
	return (i * THREADS_MOST + me) % PAGES;
}

static void plain_copy(unsigned int n, unsigned int me)
{
	static u8 pages[PAGES][PAGE_SIZE];

	while (n--) {
		memcpy(pages[page_of(n, me)], buffer, PAGE_SIZE);
		__asm__ volatile("" ::: "memory");
	}
}

static void copy_in(unsigned int n, size_t len, unsigned int me)
{
	size_t done = 0, all = n * len;

	while (n--)
		sodp_mem_copy_in(warm, BASE + page_of(n, me) * PAGE_SIZE,
				 buffer, len, &done);
	must(done == all, "copy in");
}

static void copy_in_8(unsigned int n, unsigned int me)
{
	copy_in(n, 8, me);
}

static void copy_in_4k(unsigned int n, unsigned int me)
{
	copy_in(n, PAGE_SIZE, me);
}

static void copy_out_4k(unsigned int n, unsigned int me)
{
	static __thread u8 out[PAGE_SIZE];
	size_t done = 0, all = n * PAGE_SIZE;

	while (n--)
		sodp_mem_copy_out(warm, BASE + page_of(n, me) * PAGE_SIZE, out,
				  PAGE_SIZE, &done);
	must(done == all, "copy out");
}

static void add(unsigned int n, unsigned int me)
{
	u64 old;

	while (n--)
		must(sodp_mem_atomic(warm, BASE + page_of(n, me) * PAGE_SIZE,
				     SODP_MEM_FETCH_ADD, 0, 1,
				     &old) == SODP_MEM_OK,
		     "fetch and add");
}

static void get_region(unsigned int n, unsigned int me)
{
	struct sodp_region *r;

	(void)me;
	while (n--) {
		must(sodp_region_get(bed->mem, sodp_region_key(warm), 1, RO,
				     BASE, 8, &r) == SODP_MEM_OK,
		     "region by key");
		sodp_region_put(r);
	}
}

static void lookup(unsigned int n, unsigned int me)
{
	while (n--)
		must(sodp_table_lookup(&warm->table, page_of(n, me)), "lookup");
}

static void begin_end(unsigned int n, unsigned int me)
{
	atomic64_t *entry = sodp_table_lookup(&warm->table, page_of(0, me));
	unsigned long pfn;

	while (n--) {
		must(sodp_entry_begin(entry, true, &pfn), "begin");
		sodp_entry_end(entry);
	}
}

/* A hook elsewhere: the log, and nothing to sweep. */
static void hook_elsewhere(unsigned int n, unsigned int me)
{
	(void)me;
	while (n--) {
		um_start(bed->mm, BASE + 2 * SPAN, BASE + 3 * SPAN, true);
		um_end(bed->mm, BASE + 2 * SPAN, BASE + 3 * SPAN);
	}
}

static void register_one(unsigned int n, unsigned int me)
{
	(void)me;
	while (n--)
		sodp_region_deregister(reg(bed, BASE, TB(1), RW));
	rcu_barrier();
	shim_run_works();
}

/* --- running it -------------------------------------------------- */

struct job {
	body_fn body;
	unsigned int n, me;
};

static void *run_job(void *arg)
{
	struct job *job = arg;

	job->body(job->n, job->me);
	return NULL;
}

static double once(body_fn body, unsigned int n, unsigned int threads)
{
	struct job job[THREADS_MOST];
	pthread_t t[THREADS_MOST];
	double start = now_ns();
	unsigned int i;

	if (threads == 1) {
		body(n, 0);
		return now_ns() - start;
	}
	for (i = 0; i < threads; i++) {
		job[i] = (struct job){ body, n, i };
		must(!pthread_create(&t[i], NULL, run_job, &job[i]), "thread");
	}
	for (i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	return now_ns() - start;
}

static void measure(const char *name, body_fn body, unsigned int n,
		    unsigned int threads)
{
	double best = 0, took;
	int i;

	for (i = -1; i < RUNS; i++) {
		took = once(body, n, threads);
		if (i <= 0 || took < best)
			best = took;
	}
	printf("bench mem_%s native %.4g ns\n", name, best / n);
	fflush(stdout);
}

/* For each page: a fault that brings all of them in, then a hook over them. */
static void measure_pages(void)
{
	double start, in, out, best_in = 0, best_out = 0;
	int i;

	for (i = -1; i < RUNS; i++) {
		start = now_ns();
		must(resolve(warm, BASE, SPAN, true) == SODP_MEM_OK, "fault");
		in = now_ns() - start;
		must(warm->table.resident == PAGES, "all pages by one fault");
		start = now_ns();
		um_start(bed->mm, BASE, BASE + SPAN, true);
		um_end(bed->mm, BASE, BASE + SPAN);
		out = now_ns() - start;
		must(!warm->table.resident, "no page after a hook");
		rcu_barrier();
		if (i <= 0 || in < best_in)
			best_in = in;
		if (i <= 0 || out < best_out)
			best_out = out;
	}
	printf("bench mem_fault_page native %.4g ns\n", best_in / PAGES);
	printf("bench mem_hook_page native %.4g ns\n", best_out / PAGES);
}

int main(void)
{
	u8 zero[PAGE_SIZE] = {};
	void *state;
	size_t i;

	must(!bed_up(&state), "set-up");
	bed = state;
	um_map(bed->mm, BASE, SPAN, true, true);
	warm = reg(bed, BASE, SPAN, RW);
	for (i = 0; i < PAGES; i++) /* the CPU has all of it */
		must(um_write(bed->mm, BASE + i * PAGE_SIZE, zero, PAGE_SIZE),
		     "store");
	measure_pages();
	must(resolve(warm, BASE, SPAN, true) == SODP_MEM_OK, "fault");

	measure("memcpy_4k", plain_copy, 200000, 1);
	measure("copy_in_8", copy_in_8, 500000, 1);
	measure("copy_in_4k", copy_in_4k, 200000, 1);
	measure("copy_out_4k", copy_out_4k, 200000, 1);
	measure("fetch_add", add, 500000, 1);
	measure("memcpy_4k_2threads", plain_copy, 200000, 2);
	measure("copy_in_4k_2threads", copy_in_4k, 200000, 2);
	measure("region_get_put", get_region, 500000, 1);
	measure("table_lookup", lookup, 1000000, 1);
	measure("entry_begin_end", begin_end, 1000000, 1);
	measure("hook_elsewhere", hook_elsewhere, 200000, 1);
	measure("register_1t", register_one, 500, 1);

	sodp_region_deregister(warm);
	return bed_down(&state);
}
