// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * regcost DEVICE: what it costs to register 4 KiB, 1 GiB, 1 TiB and the whole
 * address space on demand.
 * Meant for a guest that counts instructions (tests/vm/vm --icount), where the
 * clock ticks once an instruction. Also what memory an untouched 1 TiB region
 * holds: that of the whole system, before and after many of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "verbs.h"

enum {
	ROUNDS = 100,
	MANY = 256,
	LIMIT_KIB = 64
};

static const struct {
	const char *name;
	size_t len;
} sizes[] = { { "4 KiB", 4096 },
	      { "1 GiB", 1ULL << 30 },
	      { "1 TiB", 1ULL << 40 },
	      { "the whole address space", SIZE_MAX } };

static struct rd_dev dev;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t once(void *addr, size_t len)
{
	uint64_t start = now_ns(), took;
	struct ibv_mr *mr = ibv_reg_mr(dev.pd, len == SIZE_MAX ? NULL : addr,
				       len, RD_ALL | IBV_ACCESS_ON_DEMAND);

	took = now_ns() - start;
	if (!mr)
		die("registering %zu bytes on demand", len);
	ibv_dereg_mr(mr);
	return took;
}

/*
 * The lowest tenth of each size: what an earlier one left to be freed later may
 * run in the time of the next.
 */
static void measure(void *addr, uint64_t *ns)
{
	static uint64_t took[ARRAY_SIZE(sizes)][ROUNDS];

	for (int i = -5; i < ROUNDS; i++)
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++)
			took[s][i < 0 ? 0 : i] = once(addr, sizes[s].len);
	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		qsort(took[s], ROUNDS, sizeof(took[s][0]), ascending);
		ns[s] = took[s][ROUNDS / 10];
	}
}

static long free_kib(void)
{
	long value = -1;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemFree: %ld kB", &value) == 1)
			break;
	if (f)
		fclose(f);
	return value;
}

int main(int argc, char **argv)
{
	static struct ibv_mr *many[MANY];
	uint64_t ns[ARRAY_SIZE(sizes)], low = UINT64_MAX, high = 0;
	struct ibv_mr *keep;
	void *map;
	long before, after;

	if (argc != 2)
		die("usage: %s DEVICE", argv[0]);
	rd_open(&dev, argv[1]);
	map = mmap(NULL, 1ULL << 40, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		die("mmap of 1 TiB");
	keep = rd_reg(&dev, map, PAGE, RD_ALL | IBV_ACCESS_ON_DEMAND);
	measure(map, ns);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		low = ns[i] < low ? ns[i] : low;
		high = ns[i] > high ? ns[i] : high;
		tap_note("registering %s: %llu ns", sizes[i].name,
			 (unsigned long long)ns[i]);
	}
	tap_result(
		high * 10 <= low * 12,
		"4 KiB, 1 GiB, 1 TiB and the whole address space cost the same within 20 %%: %llu to %llu",
		(unsigned long long)low, (unsigned long long)high);
	before = free_kib();
	for (int i = 0; i < MANY; i++)
		many[i] = rd_reg(&dev, map, 1ULL << 40,
				 RD_ALL | IBV_ACCESS_ON_DEMAND);
	after = free_kib();
	tap_result(
		before - after < (long)MANY * LIMIT_KIB,
		"an untouched 1 TiB region holds less than %d KiB: %ld KiB for %d of them",
		LIMIT_KIB, before - after, MANY);
	for (int i = 0; i < MANY; i++)
		ibv_dereg_mr(many[i]);
	ibv_dereg_mr(keep);
	return tap_done();
}
