// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * To register and to deregister, by size. "Untouched": nobody has used the
 * memory; a pinned registration brings it in. "Touched": the CPU has written to
 * each page, and on demand the device has it in its table when it goes.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

enum {
	ROUNDS_MOST = 50,
};

static const struct {
	const char *name;
	size_t len;
	unsigned int rounds;
} sizes[] = {
	{ "4k", 4 * KIB, ROUNDS_MOST },
	{ "64k", 64 * KIB, 20 },
	{ "1m", MIB, 10 },
	{ "64m", 64 * MIB, 3 },
	{ "1g", GIB, 1 },
	{ "64g", 64 * GIB, 10 },
	{ "1t", TIB, 10 },
};

/* Nobody has so much memory as to touch more than this. */
#define TOUCHED_MOST GIB

struct times {
	double reg[ROUNDS_MOST], dereg[ROUNDS_MOST];
};

static void one(uint8_t *at, size_t len, bool touched, double *reg_us,
		double *dereg_us)
{
	uint64_t start = bench_ns();
	struct ibv_mr *mr = reg_asked(at, len);

	*reg_us = (bench_ns() - start) / 1e3;
	if (touched && bench.on_demand)
		prefetch(mr, at, len);
	start = bench_ns();
	dereg(mr);
	*dereg_us = (bench_ns() - start) / 1e3;
}

static void of_size(unsigned int s, bool touched)
{
	const char *how = touched ? "touched" : "untouched";
	unsigned int rounds = sizes[s].rounds;
	size_t len = sizes[s].len;
	struct times t;
	uint8_t *at = fresh(len);
	double unused;

	if (touched)
		touch(at, len);
	/* The first of a kind fills caches of the allocator. */
	if (rounds > 1)
		one(at, len, touched, &unused, &unused);
	for (unsigned int i = 0; i < rounds; i++) {
		/* A pinned one has brought it in. */
		if (!touched && !bench.on_demand &&
		    madvise(at, len, MADV_DONTNEED))
			die("MADV_DONTNEED: %s", strerror(errno));
		one(at, len, touched, &t.reg[i], &t.dereg[i]);
	}
	result(median(t.reg, rounds), "us", "reg_%s_%s", how, sizes[s].name);
	result(median(t.dereg, rounds), "us", "dereg_%s_%s", how,
	       sizes[s].name);
	munmap(at, len);
}

/* One key for the whole address space. */
static void implicit(void)
{
	struct times t;

	if (!bench.on_demand || !(bench.asked->attr.odp_caps.general_caps &
				  IBV_ODP_SUPPORT_IMPLICIT))
		return;
	for (int i = -1; i < ROUNDS_MOST; i++)
		one(NULL, SIZE_MAX, false, &t.reg[i < 0 ? 0 : i],
		    &t.dereg[i < 0 ? 0 : i]);
	result(median(t.reg, ROUNDS_MOST), "us", "reg_implicit");
	result(median(t.dereg, ROUNDS_MOST), "us", "dereg_implicit");
}

void part_registration(void)
{
	for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++) {
		if (sizes[s].len > bench.most)
			continue;
		of_size(s, false);
		if (sizes[s].len <= TOUCHED_MOST)
			of_size(s, true);
	}
	implicit();
}
