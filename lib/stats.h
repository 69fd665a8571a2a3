/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Tables of counters in an answer of RDMA netlink. */
#ifndef SOFTODP_STATS_H
#define SOFTODP_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include <softodp/softodp.h>

struct nlattr;

/* RDMA_NLDEV_ATTR_STAT_HWCOUNTERS: each name and value. */
typedef void (*stats_fn)(void *arg, const char *name, uint64_t value);

/* False if there is no table. */
bool stats_for_each(const struct nlattr *table, stats_fn fn, void *arg);
bool stats_of_region(const struct nlattr *table,
		     struct softodp_mr_stats *stats);

#endif
