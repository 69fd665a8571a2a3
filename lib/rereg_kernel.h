/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* ibv_rereg_mr() past a provider that has none: for the library, the shim. */
#ifndef SOFTODP_REREG_KERNEL_H
#define SOFTODP_REREG_KERNEL_H

#include <errno.h>
#include <stdbool.h>

#include <infiniband/verbs.h>

struct rereg_change {
	struct ibv_mr *mr;
	int flags;
	struct ibv_pd *pd;
	void *addr;
	size_t length;
	unsigned int access;
};

/*
 * Of libibverbs, for providers: a child of fork() shall not have (shall have
 * again) this memory. Nothing happens unless ibv_fork_init() was called.
 */
int ibv_dontfork_range(void *base, size_t size);
int ibv_dofork_range(void *base, size_t size);

/* What one says who cannot: it has touched nothing. */
static inline bool rereg_lacks(int error)
{
	return error == EOPNOTSUPP || error == ENOSYS;
}

/* As ibv_rereg_mr(): its codes, with errno. */
int rereg_by_kernel(const struct rereg_change *change);

#endif
