// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <stdarg.h>
#include <stdio.h>

#include "case.h"

#define PRINTED 20 /* failures of one case; the others are only counted */

static unsigned int failures;
static const char *skipped;

void check(bool ok, const char *fmt, ...)
{
	va_list args;

	if (ok || __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED) > PRINTED)
		return;
	fputs("#   ", stdout);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

void skip(const char *why)
{
	skipped = why;
}

void case_run(const struct test *t)
{
	uint64_t start = now_ms();

	failures = 0;
	skipped = NULL;
	t->run();
	if (skipped && !failures)
		tap_skip(t->name, skipped);
	else
		tap_result(!failures, "%s%s%s (%llu ms)", t->name,
			   t->what ? ": " : "", t->what ? t->what : "",
			   (unsigned long long)(now_ms() - start));
}
