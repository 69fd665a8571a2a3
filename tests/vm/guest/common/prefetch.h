/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef GUEST_PREFETCH_H
#define GUEST_PREFETCH_H

#include "verbs.h"

/*
 * ibv_advise_mr, which the provider of rdma-core 44 lacks, straight through
 * the kernel's interface; at most 4095 ranges. 0 or an errno.
 */
int rd_advise(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
	      uint32_t flags, const struct ibv_sge *list, uint32_t n);
/* One range of a region in the device's own domain. */
int rd_prefetch(struct rd_dev *dev, enum ibv_advise_mr_advice advice,
		uint32_t flags, uint64_t addr, uint32_t len, uint32_t lkey);

#endif
