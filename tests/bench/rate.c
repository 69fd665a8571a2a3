// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Operations of 4 KiB a second: by depth, and by the number of queue pairs. */
#include <stdio.h>

#include "bench.h"

enum {
	MESSAGES = 1600, /* divides by all the depths */
	MTU = 1024,
	QP_DEPTH = 4,
};

void part_rate(void)
{
	static const unsigned int depths[] = { 1, 16 };
	struct traffic t;
	struct lanes l;
	char name[32];

	lanes_open(&l, 1, MTU);
	for (unsigned int d = 0; d < ARRAY_SIZE(depths); d++) {
		traffic_open(&t, &l, 4 * KIB, depths[d]);
		for (unsigned int op = 0; op < ARRAY_SIZE(op_names); op++) {
			snprintf(name, sizeof(name), "rate_%s_4k_d%u",
				 op_names[op], depths[d]);
			result(1e9 / traffic_run(&t, op, MESSAGES, name),
			       "op/s", "%s", name);
		}
		traffic_close(&t);
	}
	lanes_close(&l);
}

/* WRITEs, a few in flight of each pair; all pairs use the same region. */
void part_qps(void)
{
	struct traffic t;
	struct lanes l;
	char name[32];

	for (unsigned int n = 1; n <= LANES_MOST; n *= 2) {
		lanes_open(&l, n, MTU);
		traffic_open(&t, &l, 4 * KIB, QP_DEPTH);
		snprintf(name, sizeof(name), "qps_%u", n);
		result(1e9 / traffic_run(&t, 0, MESSAGES, name), "op/s", "%s",
		       name);
		traffic_close(&t);
		lanes_close(&l);
	}
}
