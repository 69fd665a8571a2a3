/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the environment says about the shim. softodp-odp(1) describes it. */
#ifndef SOFTODP_PRELOAD_SETTINGS_H
#define SOFTODP_PRELOAD_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

struct settings {
	const char *devices; /* shell patterns with commas; NULL: all */
	size_t min_size;
	unsigned int transports; /* SOFTODP_REG_FOR_* */
	int verbose; /* 1: at exit, 2: each region too */
};

/* One line on standard error for each value that makes no sense; the default
 * stands for it. */
void settings_read(struct settings *settings);
bool settings_device(const struct settings *settings, const char *device);

#endif
