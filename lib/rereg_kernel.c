// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rereg_kernel.h"
#include "uverbs.h"

/*
 * What the region was on before is given back to children, on demand or not:
 * ibv_rereg_mr() knows no better.
 */
int rereg_by_kernel(const struct rereg_change *c)
{
	const int translate = c->flags & IBV_REREG_MR_CHANGE_TRANSLATION;
	void *old_addr = c->mr->addr;
	const size_t old_length = c->mr->length;
	int ret;

	if (translate && ibv_dontfork_range(c->addr, c->length))
		return IBV_REREG_MR_ERR_DONT_FORK_NEW;
	ret = uverbs_rereg(c->mr, c->flags, c->pd, c->addr, c->length,
			   c->access);
	if (ret) {
		if (translate && ibv_dofork_range(c->addr, c->length)) {
			errno = ret;
			return IBV_REREG_MR_ERR_CMD_AND_DO_FORK_NEW;
		}
		errno = ret;
		return IBV_REREG_MR_ERR_CMD;
	}
	if (translate && ibv_dofork_range(old_addr, old_length))
		return IBV_REREG_MR_ERR_DO_FORK_OLD;
	return 0;
}
