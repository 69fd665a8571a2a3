// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Nothing of a scenario may be left when its processes are gone. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stress.h"

static const char *device;
static char before[400];
static uint64_t refs_before;

static uint64_t module_refs(void)
{
	uint64_t refs = 0;
	char text[32] = "";
	FILE *f = fopen("/sys/module/softodp/refcnt", "r");

	if (f && fgets(text, sizeof(text), f))
		refs = strtoull(text, NULL, 10);
	if (f)
		fclose(f);
	return refs;
}

/* "sodp0: pd 1 cq 2 qp 1 cm_id 0 mr 0 ctx 0 srq 0", "module references 1" */
static void look(char *text, size_t room)
{
	char command[100];
	size_t n = 0;
	FILE *f;

	snprintf(command, sizeof(command), "rdma resource show %s 2>&1",
		 device);
	f = popen(command, "r");
	if (f) {
		n = fread(text, 1, room - 60, f);
		pclose(f);
	}
	while (n && text[n - 1] <= ' ')
		n--;
	snprintf(text + n, room - n, ", module references %llu",
		 (unsigned long long)module_refs());
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
