// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Bytes a second of long messages, some in flight. 1 MB is 1000000 bytes. */
#include <stdio.h>

#include "bench.h"

static const struct {
	const char *name;
	uint32_t len;
	unsigned int depth, count;
} sizes[] = {
	{ "64k", 64 * KIB, 16, 192 },
	{ "1m", MIB, 4, 24 },
};

static void bandwidth(unsigned int mtu)
{
	struct traffic t;
	struct lanes l;
	char name[32];
	double ns;

	lanes_open(&l, 1, mtu);
	for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++) {
		traffic_open(&t, &l, sizes[s].len, sizes[s].depth);
		for (unsigned int op = 0; op < ARRAY_SIZE(op_names); op++) {
			snprintf(name, sizeof(name), "bw_%s_%s_%u",
				 op_names[op], sizes[s].name, mtu);
			ns = traffic_run(&t, op, sizes[s].count, name);
			result(sizes[s].len * 1000.0 / ns, "MB/s", "%s", name);
		}
		traffic_close(&t);
	}
	lanes_close(&l);
}

void part_bandwidth(void)
{
	bandwidth(1024);
	bandwidth(4096);
}
