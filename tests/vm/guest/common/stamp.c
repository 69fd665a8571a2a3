// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <string.h>

#include "stamp.h"

void stamp(void *page, uint32_t number, uint32_t version)
{
	uint32_t head[2] = { number, version };

	memcpy(page, head, 8);
	fill((uint8_t *)page + 8, PAGE - 8, (uint64_t)number << 32 | version);
}

int64_t stamp_version(const void *page, uint32_t number)
{
	uint8_t want[PAGE];
	uint32_t head[2];

	memcpy(head, page, 8);
	if (head[0] != number)
		return -1;
	stamp(want, number, head[1]);
	return memcmp(page, want, PAGE) ? -1 : (int64_t)head[1];
}

unsigned int stamps_wrong(const void *pages, unsigned int n, uint32_t version)
{
	const uint8_t *p = pages;
	unsigned int i, wrong = 0;

	for (i = 0; i < n; i++)
		wrong += stamp_version(p + i * PAGE, i) != version;
	return wrong;
}

bool all_zero(const void *p, size_t len)
{
	const uint8_t *b = p;

	return !len || (!b[0] && !memcmp(b, b + 1, len - 1));
}
