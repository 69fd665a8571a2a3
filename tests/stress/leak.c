// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Nothing of a scenario may be left when its processes are gone. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stress.h"

static const char *device;
static char before[400];
static uint64_t refs_before;

/* UINT64_MAX: there is no such file. */
static uint64_t number_in(const char *path)
{
	uint64_t number = UINT64_MAX;
	char text[32];
	FILE *f = fopen(path, "r");

	if (f && fgets(text, sizeof(text), f))
		number = strtoull(text, NULL, 10);
	if (f)
		fclose(f);
	return number;
}

static uint64_t module_refs(void)
{
	return number_in("/sys/module/softodp/refcnt");
}

/* The driver's own count, which only it has. */
static uint64_t live(const char *what)
{
	char path[100];

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/live_%s", device,
		 what);
	return number_in(path);
}

/* Pages that are pinned for a device, in all of the machine. */
static uint64_t pinned_pages(void)
{
	uint64_t got = 0, given = 0, n;
	FILE *f = fopen("/proc/vmstat", "r");
	char line[100];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "nr_foll_pin_acquired %" SCNu64, &n) == 1)
			got = n;
		if (sscanf(line, "nr_foll_pin_released %" SCNu64, &n) == 1)
			given = n;
	}
	if (f)
		fclose(f);
	return got - given;
}

/* "sodp0: pd 1 cq 2 qp 1 cm_id 0 mr 0 ctx 0 srq 0", "module references 1" ... */
static void look(char *text, size_t room)
{
	uint64_t regions = live("regions"), notifiers = live("notifiers");
	uint64_t tables = live("table_pages");
	char command[100];
	size_t n = 0;
	FILE *f;

	snprintf(command, sizeof(command), "rdma resource show %s 2>&1",
		 device);
	f = popen(command, "r");
	if (f) {
		n = fread(text, 1, room - 180, f);
		pclose(f);
	}
	while (n && text[n - 1] <= ' ')
		n--;
	n += snprintf(text + n, room - n, ", pinned pages %" PRIu64,
		      pinned_pages());
	if (module_refs() == UINT64_MAX)
		return; /* another driver */
	if (regions == UINT64_MAX || notifiers == UINT64_MAX ||
	    tables == UINT64_MAX)
		die("%s does not say what it has in memory", device);
	snprintf(text + n, room - n,
		 ", regions %" PRIu64 ", notifiers %" PRIu64
		 ", pages of tables %" PRIu64 ", module references %" PRIu64,
		 regions, notifiers, tables, module_refs());
}

void leak_baseline(const char *dev)
{
	device = dev;
	refs_before = module_refs();
	look(before, sizeof(before));
	/* Without it a leak could not be seen. */
	if (!strstr(before, " mr "))
		die("rdma resource show %s: %s", dev, before);
	tap_note("%s", before);
}

const char *leak_find(unsigned int ms)
{
	static char now[sizeof(before)], text[2 * sizeof(before) + 40];
	uint64_t end = now_ms() + ms;

	/* Contexts and faults hold one each; cheaper to ask than the tool. */
	while (module_refs() != refs_before && now_ms() < end)
		sleep_ms(10);
	for (;;) {
		look(now, sizeof(now));
		if (!strcmp(now, before))
			return NULL;
		if (now_ms() >= end)
			break;
		sleep_ms(100);
	}
	snprintf(text, sizeof(text), "left behind: %s; before: %s", now,
		 before);
	return text;
}
