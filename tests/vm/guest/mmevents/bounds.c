// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Large regions, their very ends, and addresses that are not the CPU's. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "mmevents/bench.h"

static struct ibv_mr *reg_iova(void *addr, size_t len, uint64_t iova)
{
	return (ibv_reg_mr_iova)(bench.dev.pd, addr, len, iova,
				 RD_ALL | IBV_ACCESS_ON_DEMAND);
}

static void refused(const struct ibv_mr *mr, uint64_t at, size_t len,
		    const char *what)
{
	int status = peer_write(mr, (void *)(uintptr_t)at, len);

	check(status == IBV_WC_REM_ACCESS_ERR, "WRITE %s: %s", what,
	      rd_status(status));
	status = peer_read(mr, (void *)(uintptr_t)at, len);
	check(status == IBV_WC_REM_ACCESS_ERR, "READ %s: %s", what,
	      rd_status(status));
}

/* WRITE and READ of @len bytes at @iova, which must be @va. */
static void works(const struct ibv_mr *mr, uint64_t iova, uint8_t *va,
		  size_t len)
{
	static uint64_t seed;
	uint8_t want[64];
	int status;

	fill(want, len, ++seed);
	memcpy(bench.pbuf, want, len);
	status = peer_write(mr, (void *)(uintptr_t)iova, len);
	check(!status && !memcmp(va, want, len), "WRITE of %zu at %#llx: %s",
	      len, (unsigned long long)iova, rd_status(status));
	memset(bench.pbuf, 0, len);
	status = peer_read(mr, (void *)(uintptr_t)iova, len);
	check(!status && !memcmp(bench.pbuf, want, len),
	      "READ of %zu at %#llx: %s", len, (unsigned long long)iova,
	      rd_status(status));
}

/* A region of @size, @skew bytes into its first page, with this iova. */
static void try_region(uint64_t size, unsigned int skew, uint64_t iova)
{
	static const uint64_t marks[] = { 1ULL << 31, 1ULL << 32, 1ULL << 39 };
	uint8_t *map = map_anon(size + 3 * PAGE), *va = map + PAGE + skew;
	struct ibv_mr *mr;
	struct watch w;
	unsigned int i;
	uint64_t old;

	iova = iova ? iova + skew : (uintptr_t)va;
	mr = reg_iova(va, size, iova);
	if (!mr) {
		check(false, "region of %#llx bytes at iova %#llx: %s",
		      (unsigned long long)size, (unsigned long long)iova,
		      strerror(errno));
		return;
	}
	watch_start(&w);
	works(mr, iova, va, 1);
	works(mr, iova + size - 1, va + size - 1, 1);
	works(mr, iova + size / 2 - 7, va + size / 2 - 7, 33);
	works(mr, iova + size - 64, va + size - 64, 64);
	for (i = 0; i < ARRAY_SIZE(marks); i++)
		if (size > marks[i] + 64)
			works(mr, iova + marks[i] - 17, va + marks[i] - 17, 64);
	refused(mr, iova + size, 1, "one byte behind the end");
	refused(mr, iova + size - 7, 8, "one byte over the end");
	refused(mr, iova - 1, 1, "one byte before the start");
	refused(mr, iova - 1, 8, "one byte over the start");
	refused(mr, iova + size + 0x1000, 8, "a page behind the end");
	refused(mr, (uint64_t)-4, 8, "over the end of all addresses");
	check(all_zero(map, PAGE + skew) && !va[size], "bytes beside it");
	if (!(skew % 8)) {
		memset(va + size / 8 * 8 - 8, 0, 8);
		check(!peer_add(mr, (void *)(iova + size / 8 * 8 - 8), 5,
				&old) &&
			      !old && va[size / 8 * 8 - 8] == 5,
		      "FETCH_ADD at the end");
	}
	watch_faults(&w, 3);
	dereg(mr);
	munmap(map, size + 3 * PAGE);
}

static void large(void)
{
	static const uint64_t sizes[] = {
		1ULL << 31,
		1ULL << 32,
		(1ULL << 32) + PAGE,
		1ULL << 40,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		try_region(sizes[i], 0, 0);
		try_region(sizes[i], 1001, 0);
		try_region(sizes[i], 8, 0x7000);
	}
	try_region(70 * PAGE + 13, 4095, 0);
}

static void other_iova(void)
{
	try_region(9 * PAGE, 0, 0x1000);
	try_region(9 * PAGE + 1, 104, 0x1000);
	try_region(9 * PAGE + 1, 4095, 1ULL << 63);
	try_region(1ULL << 40, 16, 0xffff000000000000ULL);
}

static void end_of_addresses(void)
{
	uint8_t *va = map_anon(4 * PAGE);
	struct ibv_mr *mr;
	uint64_t iova;

	/* One page more than there are addresses. */
	mr = reg_iova(va, 2 * PAGE, -PAGE);
	check(!mr, "a region that wraps was registered");
	if (mr)
		dereg(mr);
	/* The last page but one: nothing may be taken for a wrap. */
	iova = 0 - 3 * PAGE;
	mr = reg_iova(va, 2 * PAGE, iova);
	check(mr, "a region below the end of addresses: %s", strerror(errno));
	if (!mr)
		return;
	works(mr, iova, va, 64);
	works(mr, iova + 2 * PAGE - 64, va + 2 * PAGE - 64, 64);
	refused(mr, iova + 2 * PAGE - 8, 16, "over the end");
	refused(mr, iova + 2 * PAGE, 8, "behind the end");
	refused(mr, iova - 8, 16, "before the start");
	refused(mr, -8ULL, 16, "that wraps");
	dereg(mr);
	munmap(va, 4 * PAGE);
}

static void tiny(void)
{
	uint8_t *va = map_anon(2 * PAGE);
	struct ibv_mr *mr;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		uint8_t *at = va + (i < 2 ? PAGE - 1 : 5) + i;

		mr = reg_odp(at, 1);
		works(mr, (uintptr_t)at, at, 1);
		refused(mr, (uintptr_t)at + 1, 1, "behind one byte");
		refused(mr, (uintptr_t)at, 2, "of two bytes of one");
		refused(mr, (uintptr_t)at - 1, 1, "before one byte");
		/* Nothing is accessed, wherever that is. */
		check(!peer_write(mr, at, 0), "WRITE of 0 bytes");
		check(!peer_read(mr, at + 1, 0), "READ of 0 bytes");
		dereg(mr);
	}
	munmap(va, 2 * PAGE);
}

static void read_only_region(void)
{
	uint8_t *va = mmap(NULL, 8 * PAGE, PROT_READ,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ibv_mr *mr =
		rd_reg(&bench.dev, va, 8 * PAGE,
		       IBV_ACCESS_REMOTE_READ | IBV_ACCESS_ON_DEMAND);
	struct watch w;
	int status;

	watch_start(&w);
	check(!peer_read(mr, va, 8 * PAGE) && all_zero(bench.pbuf, 8 * PAGE),
	      "READ of read-only memory");
	status = peer_write(mr, va, 8);
	check(status == IBV_WC_REM_ACCESS_ERR, "WRITE: %s", rd_status(status));
	/* It may be the source of what its owner sends. */
	status = rd_write(&bench.owner, (uintptr_t)va, mr->lkey, 5 * PAGE,
			  (uintptr_t)bench.pbuf, bench.pmr->rkey,
			  bench.limit_ms);
	check(!status, "WRITE out of read-only memory: %s", rd_status(status));
	watch_faults(&w, 8);
	dereg(mr);
	munmap(va, 8 * PAGE);
}

const struct test bounds_tests[] = {
	{ "large", large, "2 GiB to 1 TiB, exact at both ends" },
	{ "iova", other_iova, "addresses that are not the CPU's" },
	{ "iova-end", end_of_addresses, "up to 2^64" },
	{ "tiny", tiny, "one byte, none" },
	{ "read-only", read_only_region, "memory that nobody may write" },
	{}
};
