// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Events of the memory management while a device reads and writes the memory:
 * unmap, fork, protect, remap, reclaim. Each case checks the data, the status
 * of every access, and by the device's counters that its event reached it.
 *
 *   mmevents --dev D [--case NAME]... [--list]
 */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mmevents/bench.h"

static void open_bench(const char *dev)
{
	const char *kernel = getenv("SD_KERNEL");

	rd_open(&bench.dev, dev);
	bench.counts = counter_exists(dev, "page_faults");
	bench.limit_ms = kernel && strcmp(kernel, "stock") ? 10000 : 2000;
	rd_pair(&bench.peer, &bench.dev, &bench.owner, &bench.dev, NULL);
	bench.pbuf = map_anon(PBUF);
	bench.pmr = rd_reg(&bench.dev, bench.pbuf, PBUF, RD_ALL);
}

static void close_bench(void)
{
	rd_qp_destroy(&bench.peer);
	rd_qp_destroy(&bench.owner);
	if (ibv_dereg_mr(bench.pmr))
		die("dereg_mr");
	rd_close(&bench.dev);
}

static bool wanted(const char *name, char *const *only, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!strcmp(only[i], name))
			return true;
	return !n;
}

int main(int argc, char **argv)
{
	static const struct test *const groups[] = {
		bounds_tests,  unmap_tests,   fork_tests,
		protect_tests, reclaim_tests, race_tests,
	};
	static const struct option options[] = {
		{ "dev", required_argument, NULL, 'd' },
		{ "case", required_argument, NULL, 'c' },
		{ "list", no_argument, NULL, 'l' },
		{}
	};
	const char *dev = NULL;
	const struct test *t;
	unsigned int i, n = 0;
	char *only[64];
	bool list = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'd')
			dev = optarg;
		else if (c == 'c' && n < ARRAY_SIZE(only))
			only[n++] = optarg;
		else if (c == 'l')
			list = true;
		else
			return 2;
	}
	if (!dev && !list)
		die("usage: mmevents --dev DEVICE [--case NAME]... [--list]");
	if (!list)
		open_bench(dev);
	if (!list && !bench.dev.odp) {
		tap_skip("all", "the device has no on-demand paging");
		return tap_done();
	}
	for (i = 0; i < ARRAY_SIZE(groups); i++) {
		for (t = groups[i]; t->name; t++) {
			if (list)
				printf("%-24s %s\n", t->name, t->what);
			else if (wanted(t->name, only, n))
				case_run(t);
		}
	}
	if (list)
		return 0;
	close_bench();
	return tap_done();
}
