// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The kernel's memory for a table, as the driver counts it: of a region without
 * a page, and for each page of one that is all there. Nothing is printed of a
 * device that does not say.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <softodp/softodp.h>

#include "bench.h"

#define DENSE (64 * MIB)

static bool table(struct ibv_mr *mr, struct softodp_mr_stats *stats)
{
	if (!softodp_query_mr_stats(mr, stats))
		return true;
	if (errno != EOPNOTSUPP && errno != ENOENT)
		die("counters of a region: %s", strerror(errno));
	return false;
}

void part_memory(void)
{
	struct softodp_mr_stats stats = {};
	struct ibv_mr *mr;
	uint8_t *at;

	at = fresh(bench.most + DENSE);
	if (bench.on_demand) {
		mr = reg_asked(at, bench.most);
		if (table(mr, &stats))
			result(stats.table_bytes, "B", "table_empty");
		dereg(mr);
	}
	touch(at, DENSE);
	mr = reg_asked(at, DENSE);
	if (bench.on_demand)
		prefetch(mr, at, DENSE);
	if (table(mr, &stats)) {
		if (stats.resident_pages != DENSE / PAGE)
			die("%llu pages of %zu are resident",
			    (unsigned long long)stats.resident_pages,
			    DENSE / PAGE);
		result((double)stats.table_bytes / stats.resident_pages, "B",
		       "table_page");
	}
	dereg(mr);
	munmap(at, bench.most + DENSE);
}
