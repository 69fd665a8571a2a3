/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The function that would have been called if the shim were not there. */
#ifndef SOFTODP_PRELOAD_NEXT_H
#define SOFTODP_PRELOAD_NEXT_H

#include <stdatomic.h>

struct next {
	const char *name;
	const char *version;
	_Atomic(void *) found;
};

#define NEXT(name_, version_)                      \
	{                                          \
		.name = name_, .version = version_ \
	}

/* NULL if there is none. From any thread. */
void *next_find(struct next *next);
/* Around fork(), so that no child finds it locked by a thread that it has not. */
void next_before_fork(void);
void next_after_fork(void);

#endif
