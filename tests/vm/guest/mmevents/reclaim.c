// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Reclaim: no completed WRITE may be lost to it. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mmevents/bench.h"

#define N 256

static bool need_swap(void)
{
	if (!swap_is_on())
		skip("there is no swap");
	return swap_is_on();
}

/* Out with the pages, and what comes back must be this version. */
static void page_out_and_check(uint8_t *p, uint32_t version)
{
	unsigned int lost;

	check(page_out(p, N), "%u of %u pages do not leave",
	      pages_present(p, N), N);
	lost = stamps_wrong(p, N, version);
	check(!lost, "%u of %u pages lost what the device wrote", lost, N);
}

static void read_all(const uint8_t *p)
{
	unsigned int i;

	for (i = 0; i < N; i++)
		(void)*(const volatile uint8_t *)(p + i * PAGE);
}

static void madv_free(void)
{
	uint8_t *p = map_anon(N * PAGE);
	struct ibv_mr *mr;
	struct watch w;

	if (!need_swap())
		return;
	mr = reg_odp(p, N * PAGE);
	watch_start(&w);
	/* The device knows the pages already when they are given up. */
	peer_stamp(mr, p, 0, N, 1);
	check(!madvise(p, N * PAGE, MADV_FREE), "MADV_FREE: %s",
	      strerror(errno));
	peer_stamp(mr, p, 0, N, 2);
	page_out_and_check(p, 2);
	/* And when it does not know them. */
	cpu_stamp(p, N, 3);
	madvise(p, N * PAGE, MADV_FREE);
	peer_stamp(mr, p, 0, N, 4);
	page_out_and_check(p, 4);
	watch_faults(&w, 2 * N);
	watch_invalidations(&w, 2 * N);
	dereg(mr);
	munmap(p, N * PAGE);
}

static void swap_read_back(void)
{
	uint8_t *p = map_anon(N * PAGE);
	struct ibv_mr *mr;
	struct watch w;

	if (!need_swap())
		return;
	mr = reg_odp(p, N * PAGE);
	watch_start(&w);
	cpu_stamp(p, N, 1);
	check(page_out(p, N) && pages_swapped(p, N) >= N / 8 * 7,
	      "%u of %u pages in swap", pages_swapped(p, N), N);
	/* Read back, a page is clean and its copy in swap is still good. */
	read_all(p);
	peer_stamp(mr, p, 0, N, 2);
	page_out_and_check(p, 2);
	/* The same when it is the device that reads it back. */
	check(page_out(p, N), "pages do not leave");
	check(!peer_read(mr, p, N * PAGE) && !stamps_wrong(bench.pbuf, N, 2),
	      "READ of what is in swap");
	peer_stamp(mr, p, 0, N, 3);
	page_out_and_check(p, 3);
	watch_faults(&w, 3 * N);
	watch_invalidations(&w, 2 * N - N / 4);
	dereg(mr);
	munmap(p, N * PAGE);
}

/* Straight from swap, without anybody reading it first. */
static void swap_write(void)
{
	uint8_t *p = map_anon(N * PAGE);
	struct ibv_mr *mr;
	struct watch w;
	uint64_t old;
	unsigned int i;

	if (!need_swap())
		return;
	mr = reg_odp(p, N * PAGE);
	watch_start(&w);
	peer_stamp(mr, p, 0, N, 1);
	for (i = 2; i < 5; i++) {
		check(page_out(p, N), "pages do not leave");
		peer_stamp(mr, p, 0, N, i);
		page_out_and_check(p, i);
	}
	check(page_out(p, N), "pages do not leave");
	memcpy(&old, bench.pbuf, 8);
	check(!peer_add(mr, p, 1ULL << 32, &old) && old == 4ULL << 32,
	      "FETCH_ADD in swap found %#llx", (unsigned long long)old);
	memcpy(&old, p, 8);
	check(old == 5ULL << 32, "FETCH_ADD left %#llx",
	      (unsigned long long)old);
	watch_faults(&w, 4 * N);
	watch_invalidations(&w, 4 * (N - N / 8));
	dereg(mr);
	munmap(p, N * PAGE);
}

static void swap_under_stream(void)
{
	struct stream s = { .read_back = true };
	uint8_t *p = map_anon(STREAM_PAGES * PAGE);
	uint64_t end = now_ms() + 4000, limit = end + 16000;
	unsigned int out = 0, lost;
	struct ibv_mr *mr;
	struct watch w;

	if (!need_swap())
		return;
	mr = reg_odp(p, STREAM_PAGES * PAGE);
	watch_start(&w);
	stream_start(&s, mr, p, STREAM_PAGES);
	stream_wait(&s, STREAM_PAGES);
	/* On a slow kernel it takes longer to catch so many at rest. */
	while (now_ms() < end || (out < STREAM_PAGES && now_ms() < limit)) {
		madvise(p, STREAM_PAGES * PAGE, MADV_PAGEOUT);
		out += pages_swapped(p, STREAM_PAGES);
		sleep_ms(2);
	}
	stream_wait(&s, STREAM_PAGES);
	stream_stop(&s);
	lost = stream_lost(&s);
	check(!lost, "%u pages lost", lost);
	check(!s.errors && !s.torn, "%u errors, %u read back wrong", s.errors,
	      s.torn);
	check(out >= STREAM_PAGES, "only %u pages went to swap", out);
	watch_faults(&w, 2 * STREAM_PAGES);
	watch_invalidations(&w, STREAM_PAGES);
	dereg(mr);
	munmap(p, STREAM_PAGES * PAGE);
}

static void memfd_read_fault(void)
{
	int fd = memfd_create("holes", 0);
	struct ibv_mr *mr;
	struct watch w;
	uint8_t *p;

	if (!need_swap())
		return;
	check(!ftruncate(fd, N * PAGE), "ftruncate");
	p = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	mr = reg_odp(p, N * PAGE);
	watch_start(&w);
	/* A read puts clean pages into the page tables, writable ones. */
	read_all(p);
	peer_stamp(mr, p, 0, N, 1);
	page_out_and_check(p, 1);
	/* The same with the device as the reader. */
	check(!peer_read(mr, p, N * PAGE) && !stamps_wrong(bench.pbuf, N, 1),
	      "READ");
	peer_stamp(mr, p, 0, N, 2);
	page_out_and_check(p, 2);
	watch_faults(&w, 2 * N);
	watch_invalidations(&w, N);
	dereg(mr);
	munmap(p, N * PAGE);
	close(fd);
}

const struct test reclaim_tests[] = {
	{ "madv-free", madv_free, "0 of 256 pages lost" },
	{ "swap-read-back", swap_read_back, "0 of 256 pages lost" },
	{ "swap-write", swap_write, "0 of 256 pages lost" },
	{ "swap-stream", swap_under_stream, "0 pages lost under traffic" },
	{ "memfd-read-fault", memfd_read_fault, "0 of 256 pages lost" },
	{}
};
