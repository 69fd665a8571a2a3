// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A region to look at: of its 1024 pages every fourth run of 16 is brought in.
 * Says "ready"; then each line that it is told takes them away and brings them
 * in again, until there is no more.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "common/prefetch.h"
#include "common/verbs.h"

enum {
	PAGES = 1024,
	RUN = 16,
	EVERY = 4 * RUN,
};

static struct rd_dev dev;

static void bring_in(uint8_t *at, const struct ibv_mr *mr)
{
	for (size_t i = 0; i < PAGES; i += EVERY)
		if (rd_prefetch(&dev, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				IBV_ADVISE_MR_FLAG_FLUSH,
				(uintptr_t)at + i * PAGE, RUN * PAGE, mr->lkey))
			die("prefetch");
}

/* Faults, not prefetches: a WRITE of its own memory to its own memory. */
static void use(uint8_t *at, const struct ibv_mr *mr, struct rd_qp *a)
{
	for (size_t i = 0; i < PAGES; i += EVERY) {
		if (madvise(at + i * PAGE, RUN * PAGE, MADV_DONTNEED))
			die("MADV_DONTNEED");
		if (rd_write(a, (uintptr_t)at + i * PAGE, mr->lkey,
			     RUN / 2 * PAGE,
			     (uintptr_t)at + (i + RUN / 2) * PAGE, mr->rkey,
			     10000))
			die("a WRITE failed");
	}
}

int main(int argc, char **argv)
{
	struct rd_qp a, b;
	struct ibv_mr *mr;
	char line[100];
	uint8_t *at;

	if (argc != 2)
		die("usage: region DEVICE");
	rd_open(&dev, argv[1]);
	at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED || madvise(at, PAGES * PAGE, MADV_NOHUGEPAGE))
		die("memory");
	mr = rd_reg(&dev, at, PAGES * PAGE,
		    RD_ALL | (dev.odp ? IBV_ACCESS_ON_DEMAND : 0));
	if (dev.odp) {
		rd_pair(&a, &dev, &b, &dev, NULL);
		bring_in(at, mr);
	}
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) && dev.odp)
		use(at, mr, &a);
	if (dev.odp) {
		rd_qp_destroy(&a);
		rd_qp_destroy(&b);
	}
	ibv_dereg_mr(mr);
	rd_close(&dev);
	return 0;
}
