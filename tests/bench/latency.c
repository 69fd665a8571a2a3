// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * From post to completion of 8 bytes, one at a time, mean of many: a WRITE
 * until its ACK, a READ until its data, a SEND until its ACK and until the
 * other side has it.
 */
#include <stdio.h>

#include "bench.h"

enum {
	MESSAGES = 2000,
	BYTES = 8,
	MTU = 1024,
};

void part_latency(void)
{
	struct traffic t;
	struct lanes l;
	char name[32];

	lanes_open(&l, 1, MTU);
	traffic_open(&t, &l, BYTES, 1);
	for (unsigned int op = 0; op < ARRAY_SIZE(op_names); op++) {
		snprintf(name, sizeof(name), "lat_%s_8", op_names[op]);
		result(traffic_run(&t, op, MESSAGES, name) / 1000, "us", "%s",
		       name);
	}
	traffic_close(&t);
	lanes_close(&l);
}
