// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Changing a region in place, by the provider or past one that cannot. */
#include <errno.h>

#include <softodp/softodp.h>

#include "rereg_kernel.h"

static int rereg(const struct rereg_change *c)
{
	int ret = ibv_rereg_mr(c->mr, c->flags, c->pd, c->addr, c->length,
			       (int)c->access);

	if (ret == IBV_REREG_MR_ERR_CMD && rereg_lacks(errno))
		ret = rereg_by_kernel(c);
	/* Any positive value is an errno value of a provider. */
	if (ret > 0) {
		errno = ret;
		ret = IBV_REREG_MR_ERR_CMD;
	}
	return ret;
}

static enum softodp_rereg_state state_of(int code)
{
	switch (code) {
	case 0:
	case IBV_REREG_MR_ERR_DO_FORK_OLD:
		return SOFTODP_REREG_CHANGED;
	case IBV_REREG_MR_ERR_INPUT:
	case IBV_REREG_MR_ERR_DONT_FORK_NEW:
		return SOFTODP_REREG_UNCHANGED;
	default:
		/* Who cannot says so before touching anything. */
		return rereg_lacks(errno) ? SOFTODP_REREG_UNCHANGED :
					    SOFTODP_REREG_LOST;
	}
}

int softodp_rereg_mr(struct ibv_mr *mr, int flags, struct ibv_pd *pd,
		     void *addr, size_t length, unsigned int access,
		     enum softodp_rereg_state *state)
{
	const struct rereg_change change = {
		mr, flags, pd, addr, length, access
	};
	enum softodp_rereg_state unused;
	const int saved = errno;
	int ret;

	if (!state)
		state = &unused;
	*state = SOFTODP_REREG_UNCHANGED;
	/* What not every libibverbs looks at. */
	if (!flags || (flags & ~IBV_REREG_MR_FLAGS_SUPPORTED) ||
	    ((flags & IBV_REREG_MR_CHANGE_PD) &&
	     (!pd || pd->context != mr->context))) {
		errno = EINVAL;
		return -1;
	}
	errno = 0;
	ret = rereg(&change);
	*state = state_of(ret);
	if (!ret) {
		errno = saved;
		return 0;
	}
	if (errno == ENOSYS)
		errno = EOPNOTSUPP;
	else if (!errno)
		errno = EINVAL;
	return -1;
}
