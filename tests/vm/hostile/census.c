// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "census.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

enum {
	MAX_COUNTERS = 128
};

static char names[MAX_COUNTERS][48];
static const char *list[MAX_COUNTERS];
static uint64_t before[MAX_COUNTERS], after[MAX_COUNTERS];
static unsigned int number;

static void find_names(const char *dev)
{
	char path[256];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path),
		 "/sys/class/infiniband/%s/ports/1/hw_counters", dev);
	dir = opendir(path);
	if (!dir)
		die("no counters in %s", path);
	while ((e = readdir(dir)) && number < MAX_COUNTERS) {
		if (e->d_name[0] == '.' || !strcmp(e->d_name, "lifespan"))
			continue;
		snprintf(names[number], sizeof(names[0]), "%.47s", e->d_name);
		list[number] = names[number];
		number++;
	}
	closedir(dir);
}

void census_begin(const char *dev)
{
	find_names(dev);
	counters(dev, list, before, number);
}

void census_end(const char *dev)
{
	counters(dev, list, after, number);
}

uint64_t census_delta(const char *name)
{
	unsigned int i;

	for (i = 0; i < number; i++)
		if (!strcmp(list[i], name))
			return after[i] - before[i];
	die("the device has no counter named %s", name);
}

void census_print(void)
{
	unsigned int i;

	for (i = 0; i < number; i++)
		if (after[i] != before[i])
			tap_note("  %-28s %12llu", list[i],
				 (unsigned long long)(after[i] - before[i]));
}
