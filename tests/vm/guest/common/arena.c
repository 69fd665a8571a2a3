// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena.h"

const char *const arena_names[ARENA_KINDS] = {
	[ARENA_PINNED] = "pinned",	 [ARENA_PINNED_IOVA] = "pinned-iova",
	[ARENA_WARM] = "warm",		 [ARENA_COLD] = "cold",
	[ARENA_COLD_FILE] = "cold-file", [ARENA_COLD_IOVA] = "cold-iova",
};

/* Regions begin and end inside a page, so that offsets are not all zero. */
#define REG_SKEW 72

static bool file_backed(const struct arena *a)
{
	return a->kind == ARENA_COLD_FILE || a->kind == ARENA_COLD_IOVA;
}

static void map_arena(struct arena *a)
{
	const int prot = PROT_READ | PROT_WRITE;
	int fd;

	if (!file_backed(a)) {
		a->map = mmap(NULL, a->size, prot, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);
	} else {
		fd = memfd_create("arena", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, a->size))
			die("memfd: %s", strerror(errno));
		a->map = mmap(NULL, a->size, prot, MAP_SHARED, fd, 0);
		a->alias = mmap(NULL, a->size, prot, MAP_SHARED, fd, 0);
		close(fd);
		if (a->alias == MAP_FAILED)
			die("mmap: %s", strerror(errno));
	}
	if (a->map == MAP_FAILED)
		die("mmap %zu: %s", a->size, strerror(errno));
	/* A collapse would make warm pages cold behind our back. */
	madvise(a->map, a->size, MADV_NOHUGEPAGE);
}

void arena_create(struct arena *a, struct rd_dev *dev, enum arena_kind kind,
		  size_t room)
{
	int access = RD_ALL;
	uint64_t iova;

	memset(a, 0, sizeof(*a));
	a->kind = kind;
	a->size = ((room + PAGE - 1) & ~(PAGE - 1)) + 2 * PAGE;
	map_arena(a);
	a->shadow = calloc(1, a->size);
	if (!a->shadow)
		die("out of memory");
	if (arena_on_demand(kind))
		access |= IBV_ACCESS_ON_DEMAND;
	if (kind == ARENA_PINNED_IOVA || kind == ARENA_COLD_IOVA)
		a->shift = 0x5a5a00000000ULL - (uintptr_t)a->map;
	iova = (uintptr_t)a->map + a->shift + REG_SKEW;
	a->mr = (ibv_reg_mr_iova)(dev->pd, a->map + REG_SKEW,
				  a->size - 2 * REG_SKEW, iova, access);
	if (!a->mr)
		die("%s: reg_mr_iova (%s): %s", dev->name, arena_names[kind],
		    strerror(errno));
}

void arena_destroy(struct arena *a)
{
	if (ibv_dereg_mr(a->mr))
		die("dereg_mr: %s", strerror(errno));
	munmap(a->map, a->size);
	if (a->alias)
		munmap(a->alias, a->size);
	free(a->shadow);
}

/* The window of a case: whole pages, a guard page on both sides. */
static size_t window(const struct arena *a, size_t off, size_t len,
		     size_t *length)
{
	size_t first = off & ~(PAGE - 1);
	size_t end = (off + len + 3 * PAGE - 1) & ~(PAGE - 1);

	if (end > a->size)
		end = a->size;
	*length = end - first;
	return first;
}

void arena_prepare(struct arena *a, size_t off, size_t len, uint64_t seed)
{
	size_t w, wlen;

	w = window(a, off, len, &wlen);
	if (a->kind == ARENA_COLD)
		memset(a->shadow + w, 0, wlen);
	else
		fill(a->shadow + w, wlen, seed);
	if (file_backed(a))
		memcpy(a->alias + w, a->shadow + w, wlen);
	else if (a->kind != ARENA_COLD)
		memcpy(a->map + w, a->shadow + w, wlen);
	if (arena_cold(a->kind) && madvise(a->map + w, wlen, MADV_DONTNEED))
		die("MADV_DONTNEED: %s", strerror(errno));
}

uint64_t arena_iova(const struct arena *a, size_t off)
{
	return (uintptr_t)a->map + a->shift + PAGE + off;
}

uint8_t *arena_shadow(const struct arena *a, size_t off)
{
	return a->shadow + PAGE + off;
}

ssize_t arena_check(const struct arena *a, size_t off, size_t len)
{
	size_t w, wlen;
	ssize_t bad;

	w = window(a, off, len, &wlen);
	bad = first_difference(a->map + w, a->shadow + w, wlen);
	return bad < 0 ? bad : (ssize_t)w + bad;
}

ssize_t arena_check_all(const struct arena *a)
{
	return first_difference(a->map, a->shadow, a->size);
}
