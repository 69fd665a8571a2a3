/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef STRESS_UFFDOVER_H
#define STRESS_UFFDOVER_H

#include <stddef.h>

/* A userfaultfd that is told of every page missing there. */
int uffd_over(void *at, size_t len);
const char *uffd_missing(void);

#endif
