/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Errors that were seen to come, for errors.sh: each of a man page must be. */
#ifndef COVERS_H
#define COVERS_H

#include <stdio.h>
#include <string.h>

/* @call gave @error (0: it did not fail), as it should. */
static inline int covers(const char *call, int error)
{
	if (error)
		printf("# %s: %s\n", call, strerrorname_np(error));
	return 0;
}

#endif
