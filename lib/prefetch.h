/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the parts of the library that prefetch share. */
#ifndef SOFTODP_PREFETCH_H
#define SOFTODP_PREFETCH_H

#include <errno.h>
#include <stdbool.h>

#include <softodp/softodp.h>

/* How a device or a provider says that it has no prefetch; a provider may also
 * mean that it does not know this advice. */
static inline bool prefetch_lacks(int error)
{
	return error == EOPNOTSUPP || error == ENOSYS;
}

/* Which way this protection domain's device takes; changes nothing. */
enum softodp_way prefetch_way(struct ibv_pd *pd);

#endif
