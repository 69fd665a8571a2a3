/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-2-Clause */
/*
 * What driver and library agree on beyond <rdma/rdma_user_rxe.h>, which is the
 * interface that the stock librxe provider speaks.
 *
 * Rules: names and values here are never changed or reused, only added.
 */
#ifndef RDMA_SOFTODP_ABI_H
#define RDMA_SOFTODP_ABI_H

#include <linux/types.h>
#include <rdma/ib_user_ioctl_cmds.h>

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
#define SOFTODP_STAT_PAGE_FAULTS_MAJOR		"page_faults_major"
#define SOFTODP_STAT_PAGE_FAULTS_RETRIED	"page_faults_retried"
#define SOFTODP_STAT_FENCE_WAITS		"fence_waits"
#define SOFTODP_STAT_RESIDENT_PAGES		"resident_pages"
#define SOFTODP_STAT_TABLE_BYTES		"table_bytes"

/*
 * Which pages of a region are in the device's table: uverbs ioctl, object
 * UVERBS_OBJECT_MR, on the descriptor that registered it. A byte for each page
 * from FIRST on, as many as STATES has room for, at most 65536 at once.
 * Errors: EINVAL when FIRST is not a page of the region.
 */
enum softodp_methods_mr {
	SOFTODP_METHOD_MR_RESIDENCY = (1U << UVERBS_ID_NS_SHIFT),
};

enum softodp_attrs_mr_residency {
	SOFTODP_ATTR_MR_RESIDENCY_HANDLE = (1U << UVERBS_ID_NS_SHIFT),
	SOFTODP_ATTR_MR_RESIDENCY_FIRST, /* in, u64: a page of the region */
	SOFTODP_ATTR_MR_RESIDENCY_TOTAL, /* out, u64: pages of the region */
	SOFTODP_ATTR_MR_RESIDENCY_STATES, /* out, optional: a byte each */
};

enum softodp_page_state {
	SOFTODP_PAGE_PRESENT = 1 << 0,
	SOFTODP_PAGE_WRITE = 1 << 1,
	SOFTODP_PAGE_ACCESSED = 1 << 2, /* since the kernel last asked */
};

/*
 * The same in equal parts, to CAP_NET_ADMIN: RDMA netlink,
 * RDMA_NLDEV_CMD_RES_MR_GET_RAW, as RDMA_NLDEV_ATTR_RES_RAW.
 */
#define SOFTODP_MR_SUMMARY_VERSION 1
#define SOFTODP_MR_SUMMARY_PARTS   256

struct softodp_mr_summary {
	__u32 version;
	__u32 parts; /* entries of resident[] */
	__aligned_u64 pages; /* of the region */
	__aligned_u64 pages_per_part;
	__u32 resident[SOFTODP_MR_SUMMARY_PARTS]; /* pages in each part */
};

#endif
