// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "region.h"

/* --- numbers -------------------------------------------------------------- */

/* The number after @name at the beginning of a line of @path. */
static uint64_t number_in(const char *path, const char *name)
{
	unsigned long long value = 0;
	FILE *file = fopen(path, "re");
	char line[256];

	if (!file)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) &&
		    sscanf(line + strlen(name), "%*[: \t]%llu", &value) == 1)
			break;
	fclose(file);
	return value;
}

uint64_t self_status(const char *name)
{
	return number_in("/proc/self/status", name);
}

static uint64_t device_counter(const struct region *region, const char *name)
{
	uint64_t value;

	if (softodp_query_dev_counter(region->ends[0].context, name, &value))
		err(1, "counter %s", name);
	return value;
}

struct moment moment(const struct region *region)
{
	struct moment now;
	struct rusage usage;

	if (softodp_query_mr_stats(region->mr, &now.mr))
		err(1, "the region's counters");
	now.access_naks = device_counter(region, "sent_remote_access_err");
	now.failed_faults = device_counter(region, "page_faults_failed");
	now.swapped_out = number_in("/proc/vmstat", "pswpout");
	now.swapped_in = number_in("/proc/vmstat", "pswpin");
	getrusage(RUSAGE_SELF, &usage);
	now.cpu_faults = usage.ru_minflt + usage.ru_majflt;
	return now;
}

/* --- memory --------------------------------------------------------------- */

char *reserve(void *where, uint64_t length)
{
	char *base = mmap(where, length, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
				  (where ? MAP_FIXED : 0),
			  -1, 0);

	if (base == MAP_FAILED)
		err(1, "mmap of %llu MiB", (unsigned long long)(length / MIB));
	/* One page a fault: a picture of single pages, not of 2 MiB blocks. */
	if (madvise(base, length, MADV_NOHUGEPAGE))
		warn("MADV_NOHUGEPAGE");
	return base;
}

struct report peer_does(const struct region *region, const struct order *order,
			void (*meanwhile)(void *), void *arg)
{
	static const char *const names[] = {
		[ORDER_WRITE] = "WRITE",
		[ORDER_READ] = "READ",
		[ORDER_CHURN] = "churn",
	};
	const bool churn = order->kind == ORDER_CHURN;

	region->progress->done = 0;
	region->progress->total =
		(churn ? 2ULL * order->passes : 1) * order->count;
	traffic_order(&region->ends[0], order);
	return traffic_wait(&region->ends[0], names[order->kind],
			    region->progress, meanwhile, arg);
}

static struct report transfer(const struct region *region, uint32_t kind,
			      const char *at, uint64_t length, uint64_t seed)
{
	const uint32_t piece = length < TRAFFIC_MAX_LENGTH ? length :
							     TRAFFIC_MAX_LENGTH;
	const struct order order = {
		.kind = kind,
		.address = (uintptr_t)at,
		.stride = piece,
		.count = length / piece,
		.length = piece,
		.rkey = region->mr->rkey,
		.origin = (uintptr_t)at,
		.seed = seed,
	};

	return peer_does(region, &order, NULL, NULL);
}

struct report peer_write(const struct region *region, const char *at,
			 uint64_t length, uint64_t seed)
{
	return transfer(region, ORDER_WRITE, at, length, seed);
}

struct report peer_read(const struct region *region, const char *at,
			uint64_t length, uint64_t seed)
{
	return transfer(region, ORDER_READ, at, length, seed);
}

bool fine(const struct report *report)
{
	return report->status == IBV_WC_SUCCESS && report->completed &&
	       !report->wrong;
}

const char *status_text(uint32_t status)
{
	return status == TRAFFIC_NO_ANSWER ? "no completion at all" :
					     ibv_wc_status_str(status);
}

/* --- pictures ------------------------------------------------------------- */

uint64_t resident(const struct region *region, bool draw)
{
	enum {
		CELLS = 256
	};
	const uint64_t step = region->length / CELLS;
	const uint64_t pages = step / PAGE;
	unsigned char *here = malloc(pages);
	struct cell cells[CELLS] = { 0 };
	uint64_t total = 0;

	if (!here)
		err(1, "no memory");
	for (unsigned int i = 0; i < CELLS; i++) {
		if (mincore(region->base + i * step, step, here))
			err(1, "mincore");
		for (uint64_t page = 0; page < pages; page++)
			cells[i].present += here[page] & 1;
		cells[i].pages = pages;
		total += cells[i].present;
	}
	free(here);
	if (draw) {
		say("pages in memory: %llu of %llu  (a cell is %llu MiB)",
		    (unsigned long long)total,
		    (unsigned long long)(region->length / PAGE),
		    (unsigned long long)(step / MIB));
		strip(cells, CELLS, false);
	}
	return total;
}

uint64_t swapped(const char *window, uint64_t length, bool draw)
{
	enum {
		CELLS = 64
	};
	const uint64_t pages = length / PAGE;
	uint64_t *map = malloc(pages * sizeof(*map));
	const off_t at = (uintptr_t)window / PAGE * sizeof(*map);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	struct cell cells[CELLS] = { 0 };
	uint64_t total = 0;

	if (!map || fd < 0 ||
	    pread(fd, map, pages * sizeof(*map), at) !=
		    (ssize_t)(pages * sizeof(*map)))
		err(1, "pagemap");
	close(fd);
	for (uint64_t page = 0; page < pages; page++) {
		struct cell *cell = &cells[page * CELLS / pages];

		cell->present += map[page] >> 63;
		cell->swapped += map[page] >> 62 & 1;
		total += map[page] >> 62 & 1;
	}
	free(map);
	if (draw) {
		say("pages on swap: %llu of %llu  (█ in memory, ░ on swap, ▒ both)",
		    (unsigned long long)total, (unsigned long long)pages);
		strip(cells, CELLS, true);
	}
	return total;
}
