// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Prefetch, by the provider or past one that has no advise_mr. */
#include <errno.h>

#include "prefetch.h"
#include "uverbs.h"

enum {
	/* An SGE's length is 32 bits wide; keep its pieces page-aligned. */
	RANGE_SGE = 1U << 30,
	RANGE_BATCH = 16,
};

enum softodp_way prefetch_way(struct ibv_pd *pd)
{
	/*
	 * A flag that nobody knows: who has prefetch looks at the flags first
	 * and says EINVAL.
	 */
	const uint32_t no_such = 1U << 31;
	struct ibv_sge sge = { 0 };
	int ret;

	ret = ibv_advise_mr(pd, IBV_ADVISE_MR_ADVICE_PREFETCH, no_such, &sge,
			    1);
	if (!prefetch_lacks(ret))
		return SOFTODP_WAY_PROVIDER;
	ret = uverbs_advise(pd->context->cmd_fd, pd->handle,
			    IBV_ADVISE_MR_ADVICE_PREFETCH, no_such, &sge, 1);
	return prefetch_lacks(ret) ? SOFTODP_WAY_NONE : SOFTODP_WAY_KERNEL;
}

static int advise(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
		  uint32_t flags, struct ibv_sge *sg_list, uint32_t num_sge)
{
	int ret = ibv_advise_mr(pd, advice, flags, sg_list, num_sge);

	if (prefetch_lacks(ret))
		ret = uverbs_advise(pd->context->cmd_fd, pd->handle, advice,
				    flags, sg_list, num_sge);
	return ret;
}

int softodp_prefetch(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
		     uint32_t flags, struct ibv_sge *sg_list, uint32_t num_sge)
{
	const int saved = errno;
	int ret = num_sge ? 0 : EINVAL;

	while (num_sge && !ret) {
		const uint32_t n = num_sge < UVERBS_MAX_SGE ? num_sge :
							      UVERBS_MAX_SGE;

		ret = advise(pd, advice, flags, sg_list, n);
		sg_list += n;
		num_sge -= n;
	}
	errno = saved;
	return ret;
}

int softodp_prefetch_range(struct ibv_mr *mr, uint64_t iova, size_t length,
			   unsigned int flags)
{
	const enum ibv_advise_mr_advice advice =
		flags & SOFTODP_PREFETCH_WRITE ?
			IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE :
			IBV_ADVISE_MR_ADVICE_PREFETCH;
	const uint32_t advise_flags =
		flags & SOFTODP_PREFETCH_WAIT ? IBV_ADVISE_MR_FLAG_FLUSH : 0;

	if (flags & ~(SOFTODP_PREFETCH_WRITE | SOFTODP_PREFETCH_WAIT))
		return EINVAL;
	do {
		struct ibv_sge sge[RANGE_BATCH];
		uint32_t n = 0;
		int ret;

		do {
			sge[n].addr = iova;
			sge[n].length = length < RANGE_SGE ? length : RANGE_SGE;
			sge[n].lkey = mr->lkey;
			iova += sge[n].length;
			length -= sge[n].length;
		} while (++n < RANGE_BATCH && length);
		ret = softodp_prefetch(mr->pd, advice, advise_flags, sge, n);
		if (ret)
			return ret;
	} while (length);
	return 0;
}
