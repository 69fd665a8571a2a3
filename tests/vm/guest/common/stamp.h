/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Page contents that say which page, which version, and whether all is there */
#ifndef GUEST_STAMP_H
#define GUEST_STAMP_H

#include "util.h"

void stamp(void *page, uint32_t number, uint32_t version);
/* The version, or -1 if the page is not one whole version of @number. */
int64_t stamp_version(const void *page, uint32_t number);
/* How many of @n pages from @pages on are not at @version. */
unsigned int stamps_wrong(const void *pages, unsigned int n, uint32_t version);
bool all_zero(const void *p, size_t len);

#endif
