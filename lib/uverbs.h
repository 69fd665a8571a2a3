/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The kernel's verbs themselves, for providers that lack some. The commands are
 * marked with the user ABI that softodp and rdma_rxe devices speak, so other
 * devices refuse them: EOPNOTSUPP.
 */
#ifndef SOFTODP_UVERBS_H
#define SOFTODP_UVERBS_H

#include <infiniband/verbs.h>

enum {
	/* An attribute's length is 16 bits wide. */
	UVERBS_MAX_SGE = 0xffff / sizeof(struct ibv_sge),
};

/* Each: 0 or an errno value; errno itself is not touched. */

/* At most UVERBS_MAX_SGE ranges. @cmd_fd is that of the device's context. */
int uverbs_advise(int cmd_fd, uint32_t pd_handle,
		  enum ibv_advise_mr_advice advice, uint32_t flags,
		  const struct ibv_sge *sg_list, uint32_t num_sge);
/* On success @mr has its new keys, domain and addresses. */
int uverbs_rereg(struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr,
		 size_t length, unsigned int access);
/*
 * What the device's table has of @n pages, from the
 * region's page @first on: a byte of enum softodp_page_state each.
 */
int uverbs_residency(const struct ibv_mr *mr, uint64_t first, uint16_t n,
		     uint8_t *states);

#endif
