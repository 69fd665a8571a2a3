/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-2-Clause */
/*
 * What driver and library agree on beyond <rdma/rdma_user_rxe.h>, which is the
 * interface that the stock librxe provider speaks.
 *
 * Rules: names and values here are never changed or reused, only added.
 */
#ifndef RDMA_SOFTODP_ABI_H
#define RDMA_SOFTODP_ABI_H

/*
 * Counters of a region: RDMA netlink, RDMA_NLDEV_CMD_STAT_GET for
 * RDMA_NLDEV_ATTR_RES_MR, as RDMA_NLDEV_ATTR_STAT_HWCOUNTERS; what
 * `rdma statistic show mr` prints. u64 each. The first five have the names
 * that mlx5 gave them.
 */
#define SOFTODP_STAT_PAGE_FAULTS		"page_faults"
#define SOFTODP_STAT_PAGE_FAULTS_HANDLED	"page_faults_handled"
#define SOFTODP_STAT_PAGE_INVALIDATIONS		"page_invalidations"
#define SOFTODP_STAT_PAGE_INVALIDATIONS_HANDLED "page_invalidations_handled"
#define SOFTODP_STAT_PAGE_PREFETCH		"page_prefetch"
#define SOFTODP_STAT_RESIDENT_PAGES		"resident_pages"
#define SOFTODP_STAT_TABLE_BYTES		"table_bytes"

#endif
