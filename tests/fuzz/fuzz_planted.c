// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* No target: it fails on purpose, so that kept_test.sh sees what comes of it. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= 2 && data[0] == 'N' && data[1] == 'o')
		abort();
	return 0;
}

size_t fuzz_seed(unsigned int i, uint8_t *data, size_t max)
{
	if (i || max < 2)
		return 0;
	memcpy(data, "no", 2);
	return 2;
}

void fuzz_summary(void)
{
}
