// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Nothing of a scenario may be left when its processes are gone. */

#include <stdio.h>
#include <string.h>

#include "stress.h"

static const char *device;
static char before[400];

/* "sodp0: pd 1 cq 2 qp 1 cm_id 0 mr 0 ctx 0 srq 0 modrefs 1" */
static void look(char *text, size_t room)
{
	char command[100];
	size_t n = 0;
	FILE *f;

	snprintf(command, sizeof(command), "rdma resource show %s 2>&1",
		 device);
	f = popen(command, "r");
	if (f) {
		n = fread(text, 1, room - 40, f);
		pclose(f);
	}
	while (n && text[n - 1] <= ' ')
		n--;
	text[n] = 0;
	f = fopen("/sys/module/softodp/refcnt", "r");
	if (f) {
		strcpy(text + n, " modrefs ");
		n += strlen(" modrefs ");
		n += fread(text + n, 1, 20, f);
		fclose(f);
		text[n ? n - 1 : 0] = 0;
	}
}

void leak_baseline(const char *dev)
{
	device = dev;
	look(before, sizeof(before));
}

const char *leak_find(void)
{
	static char now[sizeof(before)], text[2 * sizeof(before) + 40];
	unsigned int i;

	for (i = 0; i < 50; i++) {
		look(now, sizeof(now));
		if (!strcmp(now, before))
			return NULL;
		sleep_ms(100);
	}
	snprintf(text, sizeof(text), "left behind: %s; before: %s", now,
		 before);
	return text;
}
