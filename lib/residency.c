// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Where the pages of a region are, as the process's page table has it. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rdma/softodp-abi.h>
#include <softodp/softodp.h>

#include "uverbs.h"

enum {
	CHUNK = 512, /* pages looked at in one go */
	FIRST_SIZE = sizeof(struct softodp_residency),
};

/* Bits of /proc/PID/pagemap. */
#define PAGEMAP_PRESENT (1ULL << 63)
#define PAGEMAP_SWAPPED (1ULL << 62)

/* 0, or -1 if this source does not tell. */
typedef int source_fn(int fd, uint64_t page, size_t n, uint8_t *out);

static int by_pagemap(int fd, uint64_t page, size_t n, uint8_t *out)
{
	uint64_t entries[CHUNK];

	if (pread(fd, entries, n * sizeof(entries[0]),
		  (off_t)(page * sizeof(entries[0]))) !=
	    (ssize_t)(n * sizeof(entries[0])))
		return -1;
	for (size_t i = 0; i < n; i++)
		out[i] = (entries[i] & PAGEMAP_PRESENT ? SOFTODP_PAGE_MEMORY :
							 0) |
			 (entries[i] & PAGEMAP_SWAPPED ? SOFTODP_PAGE_SWAPPED :
							 0);
	return 0;
}

/* One range, halved where it has holes: those fail the whole call. */
static int by_mincore(int fd, uint64_t page, size_t n, uint8_t *out)
{
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);

	(void)fd;
	if (!mincore((void *)(uintptr_t)(page * size), n * size, out)) {
		for (size_t i = 0; i < n; i++)
			out[i] = out[i] & 1 ? SOFTODP_PAGE_MEMORY : 0;
		return 0;
	}
	if (errno != ENOMEM)
		return -1;
	if (n == 1) {
		*out = 0;
		return 0;
	}
	return by_mincore(fd, page, n / 2, out) ||
			       by_mincore(fd, page + n / 2, n - n / 2,
					  out + n / 2) ?
		       -1 :
		       0;
}

static int look(source_fn *source, int fd, uint64_t first, uint8_t *map,
		struct softodp_residency *r)
{
	uint8_t chunk[CHUNK];

	r->in_memory = r->swapped = r->device = 0;
	for (uint64_t at = 0; at < r->pages; at += CHUNK) {
		const size_t n = r->pages - at < CHUNK ? r->pages - at : CHUNK;

		if (source(fd, first + at, n, chunk))
			return -1;
		for (size_t i = 0; i < n; i++) {
			r->in_memory += !!(chunk[i] & SOFTODP_PAGE_MEMORY);
			r->swapped += !!(chunk[i] & SOFTODP_PAGE_SWAPPED);
		}
		if (map)
			memcpy(map + at, chunk, n);
	}
	return 0;
}

static int by_best_source(uint64_t first, uint8_t *map,
			  struct softodp_residency *r)
{
	const int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int ret = -1;

	if (fd >= 0) {
		r->source = SOFTODP_SOURCE_PAGEMAP;
		r->known = SOFTODP_PAGE_MEMORY | SOFTODP_PAGE_SWAPPED;
		ret = look(by_pagemap, fd, first, map, r);
		close(fd);
	}
	if (ret) {
		r->source = SOFTODP_SOURCE_MINCORE;
		r->known = SOFTODP_PAGE_MEMORY;
		ret = look(by_mincore, -1, first, map, r);
	}
	return ret;
}

/*
 * On top of that: which of them the device reaches, if it tells. @first is a
 * page of the region.
 */
static void by_device(const struct ibv_mr *mr, uint64_t first, uint8_t *map,
		      struct softodp_residency *r)
{
	uint64_t present = 0;
	uint8_t chunk[CHUNK];

	for (uint64_t at = 0; at < r->pages; at += CHUNK) {
		const size_t n = r->pages - at < CHUNK ? r->pages - at : CHUNK;

		/* It says no at once, or a change came in between. */
		if (uverbs_residency(mr, first + at, (uint16_t)n, chunk))
			return;
		for (size_t i = 0; i < n; i++) {
			if (!(chunk[i] & SOFTODP_PAGE_PRESENT))
				continue;
			present++;
			if (map)
				map[at + i] |= SOFTODP_PAGE_DEVICE;
		}
	}
	r->source = SOFTODP_SOURCE_DEVICE;
	r->known |= SOFTODP_PAGE_DEVICE;
	r->device = present;
}

static bool is_inside(const struct ibv_mr *mr, uintptr_t addr, size_t length)
{
	const uintptr_t start = (uintptr_t)mr->addr;

	return addr >= start && addr - start <= mr->length &&
	       length <= mr->length - (addr - start) &&
	       length - 1 <= UINTPTR_MAX - addr;
}

int softodp_query_residency(struct ibv_mr *mr, const void *addr, size_t length,
			    uint8_t *map, struct softodp_residency *result)
{
	const uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	const uintptr_t start = (uintptr_t)addr;
	const size_t size = result->size;
	struct softodp_residency r = { .page_size = page_size };
	const int saved = errno;

	if (size < FIRST_SIZE || !length) {
		errno = EINVAL;
		return -1;
	}
	if (!is_inside(mr, start, length)) {
		errno = EFAULT;
		return -1;
	}
	r.pages = (start + (length - 1)) / page_size - start / page_size + 1;
	if (by_best_source(start / page_size, map, &r))
		return -1;
	by_device(mr, start / page_size - (uintptr_t)mr->addr / page_size, map,
		  &r);
	memset(result, 0, size);
	r.size = size;
	memcpy(result, &r, size < sizeof(r) ? size : sizeof(r));
	errno = saved;
	return 0;
}
