/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A test program as a table of cases, each of which makes many checks. */
#ifndef GUEST_CASE_H
#define GUEST_CASE_H

#include "util.h"

struct test {
	const char *name;
	void (*run)(void);
	const char *what;
};

/* A check of the running case, from any thread; what failed is printed. */
void check(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The running case cannot be had here. */
void skip(const char *why);
/* Runs one and prints its result. */
void case_run(const struct test *t);

#endif
