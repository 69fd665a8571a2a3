// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* mprotect, before and during traffic. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "mmevents/bench.h"

#define N 16

static void protect(void)
{
	uint8_t *p = map_anon(N * PAGE);
	struct ibv_mr *mr = reg_odp(p, N * PAGE);
	struct watch w;
	int status;

	watch_start(&w);
	peer_stamp(mr, p, 0, N, 1);
	mprotect(p, N * PAGE, PROT_READ);
	stamp(bench.pbuf, 0, 2);
	status = peer_write(mr, p, PAGE);
	check(status == IBV_WC_REM_ACCESS_ERR, "WRITE to read-only: %s",
	      rd_status(status));
	check(stamp_version(p, 0) == 1, "read-only memory was written to");
	check(!peer_read(mr, p, N * PAGE) && !stamps_wrong(bench.pbuf, N, 1),
	      "READ of read-only memory");
	status = peer_add(mr, p + 64, 1, NULL);
	check(status == IBV_WC_REM_ACCESS_ERR, "FETCH_ADD to read-only: %s",
	      rd_status(status));
	mprotect(p, N * PAGE, PROT_NONE);
	status = peer_write(mr, p, PAGE);
	check(status == IBV_WC_REM_ACCESS_ERR, "WRITE to PROT_NONE: %s",
	      rd_status(status));
	status = peer_read(mr, p, PAGE);
	check(status == IBV_WC_REM_ACCESS_ERR, "READ of PROT_NONE: %s",
	      rd_status(status));
	mprotect(p, N * PAGE, PROT_READ | PROT_WRITE);
	check(!stamps_wrong(p, N, 1), "data lost");
	peer_stamp(mr, p, 0, N, 3);
	check(!stamps_wrong(p, N, 3), "data lost");
	watch_faults(&w, 2 * N);
	watch_invalidations(&w, 2 * N);
	munmap(p, N * PAGE);
	dereg(mr);
}

static void flip(int other)
{
	uint8_t *p = map_anon(PAGE);
	struct ibv_mr *mr = reg_odp(p, PAGE);
	struct stream s = { .read_back = false };
	uint64_t end = now_ms() + 3000;
	unsigned int flips = 0, i;
	struct watch w;

	watch_start(&w);
	stream_start(&s, mr, p, 1);
	stream_wait(&s, 1);
	while (now_ms() < end) {
		for (i = 0; i < 50; i++, flips++) {
			mprotect(p, PAGE, other);
			mprotect(p, PAGE, PROT_READ | PROT_WRITE);
		}
	}
	stream_wait(&s, 2);
	stream_stop(&s);
	tap_note("%u flips, %u writes done, %u refused", flips, s.writes,
		 s.errors);
	check(s.worst_ms <= bench.limit_ms / 2, "an access took %llu ms",
	      (unsigned long long)s.worst_ms);
	check(s.writes >= 3, "%u writes in 3 s", s.writes);
	check(!s.errors || s.last_status == 0 ||
		      s.last_status == IBV_WC_REM_ACCESS_ERR,
	      "error %s", rd_status(s.last_status));
	check(!stream_lost(&s), "a completed write was lost");
	watch_faults(&w, 2);
	watch_invalidations(&w, 2);
	munmap(p, PAGE);
	dereg(mr);
}

static void flip_read_only(void)
{
	flip(PROT_READ);
}

static void flip_none(void)
{
	flip(PROT_NONE);
}

/* Another page of the same region: nobody may be disturbed by it. */
static void flip_beside(void)
{
	uint8_t *p = map_anon(2 * PAGE);
	struct ibv_mr *mr = reg_odp(p, 2 * PAGE);
	uint64_t end = now_ms() + 2000;
	struct stream s = {};
	uint64_t faults;
	unsigned int i;

	p[PAGE] = 1;
	stream_start(&s, mr, p, 1);
	stream_wait(&s, 2);
	faults = bench.counts ? counter(bench.dev.name, "page_faults") : 0;
	while (now_ms() < end) {
		for (i = 0; i < 50; i++) {
			mprotect(p + PAGE, PAGE, PROT_READ);
			mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE);
		}
	}
	if (bench.counts) {
		faults = counter(bench.dev.name, "page_faults") - faults;
		check(!faults, "%llu faults of a page beside that page",
		      (unsigned long long)faults);
	}
	stream_stop(&s);
	check(!s.errors && !stream_lost(&s), "%u errors", s.errors);
	munmap(p, 2 * PAGE);
	dereg(mr);
}

const struct test protect_tests[] = {
	{ "mprotect", protect, "an entry never has more rights than its VMA" },
	{ "mprotect-flip-ro", flip_read_only, "every access ends within 1 s" },
	{ "mprotect-flip-none", flip_none, "every access ends within 1 s" },
	{ "mprotect-beside", flip_beside, "the next page is not disturbed" },
	{}
};
