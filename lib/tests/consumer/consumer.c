// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* In C and in C++: what a program takes of the library, installed. */
#include <stdio.h>
#include <string.h>

#include <softodp/softodp.h>

/* Every part of it: with the static library this brings all that it needs. */
static int never(struct ibv_mr *mr)
{
	struct softodp_device_attr attr;
	struct softodp_mr_stats stats;
	struct softodp_reg reg;

	memset(&attr, 0, sizeof(attr));
	memset(&reg, 0, sizeof(reg));
	return softodp_query_device(mr->context, &attr) ||
	       softodp_query_mr_stats(mr, &stats) ||
	       !softodp_register(mr->pd, &reg);
}

int main(int argc, char **argv)
{
	static struct ibv_mr mr;

	(void)argv;
	puts(softodp_reason_str(SOFTODP_REASON_FIRST_CHOICE));
	return argc > 1 ? never(&mr) : 0;
}
