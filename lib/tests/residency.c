// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* softodp_query_residency(), by both sources, of memory that is really here. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rdma/softodp-abi.h>

#include "fake.h"

enum {
	PAGES = 1500, /* more than are looked at in one go */
};

static bool no_pagemap;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	if (no_pagemap && !strcmp(path, "/proc/self/pagemap")) {
		errno = EACCES;
		return -1;
	}
	return __real_open(path, flags);
}

/* Every third page, and the first of what is looked at in one go. */
static bool touched(int i)
{
	return i < PAGES - 100 && (i % 3 == 0 || i % 512 == 0);
}

/* The last hundred are not mapped any more. */
static char *make_memory(size_t size)
{
	char *base = mmap(NULL, PAGES * size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED)
		return NULL;
	madvise(base, PAGES * size, MADV_NOHUGEPAGE);
	for (int i = 0; i < PAGES; i++)
		if (touched(i))
			base[i * size] = 1;
	munmap(base + (PAGES - 100) * size, 100 * size);
	return base;
}

static int check_source(struct ibv_mr *mr, size_t size,
			enum softodp_source source, uint32_t known)
{
	struct softodp_residency r = { .size = sizeof(r) };
	uint8_t map[PAGES];
	unsigned int wanted = 0;
	int bad = 0;

	for (int i = 0; i < PAGES; i++)
		wanted += touched(i);
	memset(map, 0xff, sizeof(map));
	errno = UNTOUCHED;
	bad += CHECK(!softodp_query_residency(mr, mr->addr, mr->length, map,
					      &r)) +
	       CHECK(errno == UNTOUCHED && r.source == source &&
		     r.known == known && r.page_size == size &&
		     r.pages == PAGES) +
	       CHECK(r.in_memory == wanted) + CHECK(!r.device && !r.swapped);
	for (int i = 0; i < PAGES && !bad; i++)
		bad += CHECK(map[i] == (touched(i) ? SOFTODP_PAGE_MEMORY : 0));
	/* A byte in each of two pages. */
	bad += CHECK(!softodp_query_residency(
		       mr, (char *)mr->addr + 3 * size - 1, 2, NULL, &r)) +
	       CHECK(r.pages == 2 && r.in_memory == 1);
	return bad;
}

/* The device reaches every fifth page, from the region's second on. */
static int check_device(struct ibv_mr *mr, size_t size)
{
	struct softodp_residency r = { .size = sizeof(r) };
	static uint8_t states[PAGES];
	uint8_t map[PAGES];
	int bad = 0;

	for (int i = 1; i < PAGES; i += 5)
		states[i] = SOFTODP_PAGE_PRESENT | SOFTODP_PAGE_ACCESSED;
	states[0] = SOFTODP_PAGE_ACCESSED; /* of no meaning by itself */
	fake.states = states;
	bad += CHECK(!softodp_query_residency(mr, mr->addr, mr->length, map,
					      &r)) +
	       CHECK(r.source == SOFTODP_SOURCE_DEVICE) +
	       CHECK(r.known == (SOFTODP_PAGE_MEMORY | SOFTODP_PAGE_SWAPPED |
				 SOFTODP_PAGE_DEVICE)) +
	       CHECK(r.device == PAGES / 5 && fake.states_told == PAGES);
	for (int i = 0; i < PAGES && !bad; i++)
		bad += CHECK(map[i] ==
			     ((touched(i) ? SOFTODP_PAGE_MEMORY : 0) |
			      (i % 5 == 1 ? SOFTODP_PAGE_DEVICE : 0)));
	/* From a page in the middle on, and without a map. */
	bad += CHECK(!softodp_query_residency(
		       mr, (char *)mr->addr + 6 * size + 5, size, NULL, &r)) +
	       CHECK(r.pages == 2 && r.device == 1);
	fake.states = NULL;
	return bad;
}

static int check_errors(struct ibv_mr *mr)
{
	struct softodp_residency r = { .size = sizeof(r) };
	struct softodp_residency small = { .size = 8 };
	char *base = mr->addr;

#define FAILS(addr, length, result, error)                                \
	(CHECK(softodp_query_residency(mr, addr, length, NULL, result) == \
		       -1 &&                                              \
	       errno == (error)) ||                                       \
	 covers("softodp_query_residency", error))
	return FAILS(base, 0, &r, EINVAL) + FAILS(base, 1, &small, EINVAL) +
	       FAILS(base - 1, 1, &r, EFAULT) +
	       FAILS(base + mr->length, 1, &r, EFAULT) +
	       FAILS(base, mr->length + 1, &r, EFAULT) +
	       FAILS(base + 1, SIZE_MAX, &r, EFAULT);
#undef FAILS
}

int main(void)
{
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);
	struct ibv_mr mr = { .addr = make_memory(size),
			     .length = PAGES * size };
	int failed;

	if (!mr.addr)
		return 2;
	fake_reset();
	mr.context = &fake.verbs.context;
	failed = check_source(&mr, size, SOFTODP_SOURCE_PAGEMAP,
			      SOFTODP_PAGE_MEMORY | SOFTODP_PAGE_SWAPPED);
	failed += check_device(&mr, size);
	no_pagemap = true;
	failed += check_source(&mr, size, SOFTODP_SOURCE_MINCORE,
			       SOFTODP_PAGE_MEMORY);
	failed += check_errors(&mr);
	printf("%d failed\n", failed);
	return failed != 0;
}
