// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <softodp/softodp.h>

#include "settings.h"

static void refuse(const char *name, const char *value, const char *want)
{
	fprintf(stderr, "softodp-odp: %s='%s' is ignored: %s\n", name, value,
		want);
}

static bool read_size(const char *text, size_t *size)
{
	static const char units[] = "KMGT";
	unsigned long long value;
	const char *unit;
	unsigned int shift = 0;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno)
		return false;
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		shift = 10 * (unit - units + 1);
		end++;
	}
	if (*end || value > SIZE_MAX >> shift)
		return false;
	*size = (size_t)value << shift;
	return true;
}

static bool read_transports(const char *text, unsigned int *transports)
{
	static const struct {
		const char *name;
		unsigned int flag;
	} table[] = {
		{ "rc", SOFTODP_REG_FOR_RC },
		{ "uc", SOFTODP_REG_FOR_UC },
		{ "ud", SOFTODP_REG_FOR_UD },
	};
	unsigned int found = 0;

	for (;;) {
		const size_t n = strcspn(text, ",");
		size_t i = 0;

		while (i < 3 &&
		       (n != 2 || strncmp(text, table[i].name, 2) != 0))
			i++;
		if (i == 3)
			return false;
		found |= table[i].flag;
		if (!text[n])
			break;
		text += n + 1;
	}
	*transports = found;
	return true;
}

void settings_read(struct settings *settings)
{
	const char *value;

	/* Copies: programs write over their environment. */
	*settings = (struct settings){ .transports = SOFTODP_REG_FOR_RC };
	value = getenv("SOFTODP_ODP_DEVICES");
	if (value && *value)
		settings->devices = strdup(value);
	value = getenv("SOFTODP_ODP_MIN_SIZE");
	if (value && !read_size(value, &settings->min_size))
		refuse("SOFTODP_ODP_MIN_SIZE", value,
		       "a number of bytes is wanted, with K, M, G or T if you like");
	value = getenv("SOFTODP_ODP_TRANSPORTS");
	if (value && !read_transports(value, &settings->transports))
		refuse("SOFTODP_ODP_TRANSPORTS", value,
		       "rc, uc and ud are wanted, with commas between");
	value = getenv("SOFTODP_ODP_VERBOSE");
	if (value && *value) {
		if (strlen(value) == 1 && strchr("012", *value))
			settings->verbose = *value - '0';
		else
			refuse("SOFTODP_ODP_VERBOSE", value,
			       "0, 1 or 2 is wanted");
	}
}

bool settings_device(const struct settings *settings, const char *device)
{
	const char *pattern = settings->devices;

	while (pattern) {
		const size_t n = strcspn(pattern, ",");
		char one[256];

		if (n < sizeof(one)) {
			memcpy(one, pattern, n);
			one[n] = '\0';
			if (!fnmatch(one, device, 0))
				return true;
		}
		pattern = pattern[n] ? pattern + n + 1 : NULL;
	}
	return !settings->devices;
}
