// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <stdarg.h>
#include <stdio.h>

#include "util.h"

static int results, failed, skipped;

void tap_result(bool ok, const char *fmt, ...)
{
	va_list args;

	results++;
	failed += !ok;
	printf("%sok %d - ", ok ? "" : "not ", results);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

void tap_skip(const char *name, const char *why)
{
	results++;
	skipped++;
	printf("ok %d - %s # SKIP %s\n", results, name, why);
	fflush(stdout);
}

void tap_note(const char *fmt, ...)
{
	va_list args;

	fputs("# ", stdout);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

int tap_failed(void)
{
	return failed;
}

int tap_done(void)
{
	printf("1..%d\n", results);
	fflush(stdout);
	if (failed)
		return 1;
	return results == skipped ? 77 : 0;
}
