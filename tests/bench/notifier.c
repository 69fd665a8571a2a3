// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What regions cost who gives memory back: MADV_DONTNEED of 64 MiB that the CPU
 * has written to and each region has in its table, mean of nine.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

enum {
	ROUNDS = 9,
	REGIONS_MOST = 8,
};

#define SIZE (64 * MIB)

static double dontneed(uint8_t *at, struct ibv_mr **mr, unsigned int regions)
{
	uint64_t start, sum = 0;

	/* One round more, that is not counted. */
	for (int i = -1; i < ROUNDS; i++) {
		touch(at, SIZE);
		for (unsigned int r = 0; r < regions; r++)
			prefetch(mr[r], at, SIZE);
		start = bench_ns();
		if (madvise(at, SIZE, MADV_DONTNEED))
			die("MADV_DONTNEED: %s", strerror(errno));
		if (i >= 0)
			sum += bench_ns() - start;
	}
	return sum / 1e3 / ROUNDS;
}

void part_notifier(void)
{
	static const unsigned int regions[] = { 0, 1, REGIONS_MOST };
	struct ibv_mr *mr[REGIONS_MOST];
	uint8_t *at = fresh(SIZE);
	unsigned int n = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(regions); i++) {
		/* A pinned region's pages do not follow. */
		if (regions[i] && !bench.on_demand)
			break;
		while (n < regions[i])
			mr[n++] = reg_asked(at, SIZE);
		result(dontneed(at, mr, n), "us", "dontneed_%u", n);
	}
	while (n)
		dereg(mr[--n]);
	munmap(at, SIZE);
}
