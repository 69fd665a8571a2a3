/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where this process's pages are, and how to get them out of memory. */
#ifndef GUEST_PAGES_H
#define GUEST_PAGES_H

#include "util.h"

/* Pages of the range that are in swap; that are present. */
unsigned int pages_swapped(const void *addr, unsigned int n);
unsigned int pages_present(const void *addr, unsigned int n);
/* Pages that wait in a CPU's batch for their list cannot be reclaimed. */
void drain_batches(void *addr);
/* MADV_PAGEOUT until at most an eighth of the pages is still present. */
bool page_out(void *addr, unsigned int n);
/* There is some. */
bool swap_is_on(void);

#endif
