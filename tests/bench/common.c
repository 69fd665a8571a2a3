// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bench.h"
#include "prefetch.h"

#define PREFETCH_ONCE (16 * MIB)

uint64_t bench_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

void result(double value, const char *unit, const char *name, ...)
{
	va_list args;

	fputs("bench ", stdout);
	va_start(args, name);
	vprintf(name, args);
	va_end(args);
	printf(" %s %.6g %s\n", bench.config, value, unit);
	fflush(stdout);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(double *values, unsigned int n)
{
	qsort(values, n, sizeof(*values), ascending);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

uint8_t *fresh(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap of %zu: %s", len, strerror(errno));
	madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

void touch(uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i += PAGE)
		((volatile uint8_t *)at)[i] = 1;
}

static int access_flags(void)
{
	return RD_ALL | (bench.on_demand ? IBV_ACCESS_ON_DEMAND : 0);
}

struct ibv_mr *reg_asked(void *at, size_t len)
{
	return rd_reg(bench.asked, at, len, access_flags());
}

void dereg(struct ibv_mr *mr)
{
	int err = ibv_dereg_mr(mr);

	if (err)
		die("dereg_mr: %s", strerror(err));
}

void prefetch(struct ibv_mr *mr, uint8_t *at, size_t len)
{
	size_t n;
	int err;

	for (; len; at += n, len -= n) {
		n = len < PREFETCH_ONCE ? len : PREFETCH_ONCE;
		err = rd_prefetch(bench.asked,
				  IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				  IBV_ADVISE_MR_FLAG_FLUSH, (uintptr_t)at, n,
				  mr->lkey);
		if (err)
			die("prefetch of %zu: %s", n, strerror(err));
	}
}
