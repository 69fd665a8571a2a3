/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A device made of nothing, in a library that takes the place of libibverbs. */
#ifndef FAKE_H
#define FAKE_H

#include <infiniband/verbs.h>

struct fake {
	/* What it says, and what registration answers. */
	uint64_t general;
	uint32_t rc;
	uint32_t ud;
	int query_error;
	int odp_error;
	int pin_error;
	/* What was tried: o on demand, p pinned, and with which address. */
	char attempts[8];
	uint64_t iova;
	struct verbs_context verbs;
	struct ibv_device device;
	struct ibv_pd pd;
	struct ibv_mr mr;
};

/* A new one, whose registrations land in it. */
void fake_init(struct fake *fake, const char *name);
/* Looked for by name, with dlvsym. */
extern int fake;

#endif
