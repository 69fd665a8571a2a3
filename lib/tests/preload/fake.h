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
	int open_error;
	/* ibv_rereg_mr(): its code and errno; how often it was called */
	int rereg_code, rereg_errno;
	unsigned int reregs;
	struct verbs_context verbs;
	struct ibv_device device;
	struct ibv_pd pd;
	struct ibv_mr mr;
};

/* A new one, whose registrations land in it. */
void fake_init(struct fake *fake, const char *name);
/* Looked for by name, with dlvsym. */
extern int fake;
/* That which ibv_import_device() finds. */
extern struct ibv_device *fake_device;
/* Bytes that ibv_dontfork_range() was called for and ibv_dofork_range() not. */
extern long fake_dontfork;

#endif
