/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A device made of nothing: what of libibverbs and of the kernel the library
 * calls is here. A test sets what the device says and answers, and looks at
 * what it was asked.
 */
#ifndef FAKE_H
#define FAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <softodp/softodp.h>

#include "covers.h"

enum {
	RC_ALL = IBV_ODP_SUPPORT_SEND | IBV_ODP_SUPPORT_RECV |
		 IBV_ODP_SUPPORT_WRITE | IBV_ODP_SUPPORT_READ |
		 IBV_ODP_SUPPORT_ATOMIC,
	LW = IBV_ACCESS_LOCAL_WRITE,
	RW = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
	RR = IBV_ACCESS_REMOTE_READ,
	AT = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_ATOMIC,
	OD = IBV_ACCESS_ON_DEMAND,
	UNTOUCHED = ESTALE, /* errno before a call that shall leave it */
};

struct fake {
	/* What it says, and what registration answers. */
	uint64_t general;
	uint32_t rc, ud;
	int query_error, pd_error, odp_error, pin_error, dmabuf_error;
	char attempts[8]; /* o: on demand, p: pinned */
	uint64_t iova;
	size_t length;

	/* ibv_advise_mr(), and the kernel's: EOPNOTSUPP if they are not there */
	int provider_advise, kernel_advise;
	bool foreign_abi; /* not the one whose commands the library knows */
	/* Which of the library's threads may go on, if it is to be stopped. */
	atomic_int held;
	atomic_uint calls; /* to either of them */
	atomic_ullong bytes; /* that these were about */
	atomic_uint ranges;
	atomic_int cmd_fd; /* of the kernel's last */

	/* ibv_rereg_mr(): its code and errno; the kernel's errno value */
	int rereg_code, rereg_errno, kernel_rereg;
	atomic_int rereg_flags; /* of the last one to get there */
	int fork_calls_left; /* before one of ibv_*fork_range() fails; 0: none */

	/* What the device's table has, a byte each; NULL: it does not tell */
	const uint8_t *states;
	atomic_ullong states_told; /* pages, of which it was asked */

	int stats_errno; /* softodp_query_mr_stats(), where that is made up */

	atomic_int pds, mrs; /* that are there now */
	struct ibv_device device;
	struct verbs_context verbs;
	struct ibv_pd pd;
	struct ibv_mr mr; /* what is registered in that domain */
};

/* The only one. */
extern struct fake fake;

/* A device that can do everything, and on demand for RC. */
void fake_reset(void);

/* One line for a failure. */
#define CHECK(what)                                                   \
	((what) ? 0 :                                                 \
		  (printf("%s:%d: not so: %s (errno %d)\n", __FILE__, \
			  __LINE__, #what, errno),                    \
		   1))

#endif
