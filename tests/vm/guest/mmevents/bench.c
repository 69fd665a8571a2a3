// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mmevents/bench.h"

struct bench bench;

void watch_start(struct watch *w)
{
	memset(w, 0, sizeof(*w));
	if (!bench.counts)
		return;
	w->faults = counter(bench.dev.name, "page_faults");
	w->handled = counter(bench.dev.name, "page_faults_handled");
	w->invalidations = counter(bench.dev.name, "page_invalidations");
	w->invalidated = counter(bench.dev.name, "page_invalidations_handled");
}

void watch_faults(const struct watch *w, uint64_t pages)
{
	struct watch now;

	if (!bench.counts)
		return;
	watch_start(&now);
	check(now.faults > w->faults, "the device did not fault");
	check(now.handled - w->handled >= pages,
	      "%llu pages faulted in, at least %llu expected",
	      (unsigned long long)(now.handled - w->handled),
	      (unsigned long long)pages);
}

void watch_invalidations(const struct watch *w, uint64_t pages)
{
	struct watch now;

	if (!bench.counts)
		return;
	watch_start(&now);
	check(now.invalidations > w->invalidations,
	      "no invalidation reached the region");
	check(now.invalidated - w->invalidated >= pages,
	      "%llu pages invalidated, at least %llu expected",
	      (unsigned long long)(now.invalidated - w->invalidated),
	      (unsigned long long)pages);
}

static int access_done(int status, const char *what)
{
	if (status < 0)
		check(false, "%s: no completion in %u ms", what,
		      bench.limit_ms);
	if (status)
		rd_reconnect(&bench.peer, &bench.owner);
	return status;
}

int peer_write(const struct ibv_mr *mr, const void *at, size_t len)
{
	return access_done(rd_write(&bench.peer, (uintptr_t)bench.pbuf,
				    bench.pmr->lkey, len, (uintptr_t)at,
				    mr->rkey, bench.limit_ms),
			   "WRITE");
}

int peer_read(const struct ibv_mr *mr, const void *at, size_t len)
{
	return access_done(rd_read(&bench.peer, (uintptr_t)bench.pbuf,
				   bench.pmr->lkey, len, (uintptr_t)at,
				   mr->rkey, bench.limit_ms),
			   "READ");
}

int peer_add(const struct ibv_mr *mr, const void *at, uint64_t add,
	     uint64_t *old)
{
	struct rd_op op = {
		.opcode = IBV_WR_ATOMIC_FETCH_AND_ADD,
		.addr = (uintptr_t)bench.pbuf,
		.lkey = bench.pmr->lkey,
		.len = 8,
		.raddr = (uintptr_t)at,
		.rkey = mr->rkey,
		.compare_add = add,
	};
	int status = access_done(rd_do(&bench.peer, &op, bench.limit_ms),
				 "FETCH_ADD");

	if (old)
		memcpy(old, bench.pbuf, 8);
	return status;
}

/* --- contents
 * ------------------------------------------------------------------ */

void peer_stamp(const struct ibv_mr *mr, void *base, unsigned int first,
		unsigned int n, uint32_t version)
{
	unsigned int i, batch, status;

	for (; n; first += batch, n -= batch) {
		batch = n < PBUF / PAGE ? n : PBUF / PAGE;
		for (i = 0; i < batch; i++)
			stamp(bench.pbuf + i * PAGE, first + i, version);
		status = peer_write(mr, (uint8_t *)base + first * PAGE,
				    batch * PAGE);
		check(!status, "WRITE of pages %u+%u: %s", first, batch,
		      rd_status(status));
	}
}

void cpu_stamp(void *base, unsigned int n, uint32_t version)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		stamp((uint8_t *)base + i * PAGE, i, version);
}

/* --- memory
 * ---------------------------------------------------------------------- */

void *map_anon(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap of %zu: %s", len, strerror(errno));
	madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

struct ibv_mr *reg_odp(void *addr, size_t len)
{
	return rd_reg(&bench.dev, addr, len, RD_ALL | IBV_ACCESS_ON_DEMAND);
}

void dereg(struct ibv_mr *mr)
{
	int err = ibv_dereg_mr(mr);

	check(!err, "dereg_mr: %s", strerror(err));
}
