// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "bench.h"

struct bench bench = { .config = "unnamed", .most = GIB };

static const struct part {
	const char *name;
	void (*run)(void);
	const char *what;
} parts[] = {
	{ "latency", part_latency, "WRITE, READ, SEND of 8 bytes" },
	{ "rate", part_rate, "operations of 4 KiB a second" },
	{ "bandwidth", part_bandwidth, "messages of 64 KiB and 1 MiB" },
	{ "qps", part_qps, "1 to 16 queue pairs" },
	{ "registration", part_registration, "by size, and deregistration" },
	{ "touch", part_touch, "pages that the device does not have" },
	{ "notifier", part_notifier, "MADV_DONTNEED under regions" },
	{ "fork", part_fork, "fork with 1 GiB registered, WRITEs after it" },
	{ "memory", part_memory, "the table's, for each page" },
	{ "storm", part_storm, "faults beside invalidations, counted" },
};

static void usage(FILE *to)
{
	fputs("Measures an RDMA device, or two that talk, by libibverbs.\n\n"
	      "Usage: verbsbench --dev NAME [OPTION]... PART...\n\n"
	      "  --dev NAME         the device that asks, and is asked if there is no peer\n"
	      "  --peer NAME        the device that is asked\n"
	      "  --peer-netns NAME  the network namespace that it is in (ip netns)\n"
	      "  --on-demand        register on demand; otherwise pinned\n"
	      "  --most SIZE        the largest region to register, such as 64g (default 1g)\n"
	      "  --config NAME      what the lines of the results call it\n"
	      "  --has-odp          only says by its status whether the device pages on demand\n"
	      "  --list             the parts and what they measure\n",
	      to);
}

static int open_ns(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

/*
 * A device shows itself in its own namespace alone: go there, with the /sys
 * that belongs to it, open it and come back. What is open stays open.
 */
static void open_in(const char *netns, const char *name)
{
	int net = open_ns("/proc/self/ns/net");
	int mnt = open_ns("/proc/self/ns/mnt");
	char path[256];
	int there;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	there = open_ns(path);
	if (setns(there, CLONE_NEWNET) || unshare(CLONE_NEWNS) ||
	    mount("", "/", "none", MS_SLAVE | MS_REC, NULL) ||
	    umount2("/sys", MNT_DETACH) ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL))
		die("into the namespace %s: %s", netns, strerror(errno));
	rd_open(&bench.other, name);
	if (setns(mnt, CLONE_NEWNS) || setns(net, CLONE_NEWNET))
		die("back from the namespace %s: %s", netns, strerror(errno));
	close(there);
	close(mnt);
	close(net);
}

static size_t size_of(const char *text)
{
	static const char units[] = "kmgt";
	unsigned long long n;
	const char *unit;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit)
		end++;
	if (errno || end == text || *end || *text == '-' || !n)
		die("'%s' is not a size", text);
	return unit ? n << 10 * (unit - units + 1) : n;
}

static const struct part *part_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strcmp(parts[i].name, name))
			return &parts[i];
	die("no part named '%s' (--list has them)", name);
}

static void list(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		printf("%-13s %s\n", parts[i].name, parts[i].what);
}

struct arguments {
	const char *dev, *peer, *netns;
	bool has_odp;
};

static void take_option(struct arguments *a, int c)
{
	switch (c) {
	case 'd':
		a->dev = optarg;
		break;
	case 'p':
		a->peer = optarg;
		break;
	case 'n':
		a->netns = optarg;
		break;
	case 'o':
		bench.on_demand = true;
		break;
	case 'm':
		bench.most = size_of(optarg);
		break;
	case 'c':
		bench.config = optarg;
		break;
	case 'a':
		a->has_odp = true;
		break;
	case 'l':
		list();
		exit(0);
	case 'h':
		usage(stdout);
		exit(0);
	default:
		usage(stderr);
		exit(2);
	}
}

static void open_devices(const struct arguments *a)
{
	rd_open(&bench.asks, a->dev);
	bench.asked = a->peer ? &bench.other : &bench.asks;
	if (a->netns)
		open_in(a->netns, a->peer);
	else if (a->peer)
		rd_open(&bench.other, a->peer);
	if (bench.on_demand && !(bench.asks.odp && bench.asked->odp))
		die("%s has no paging on demand", a->dev);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dev", required_argument, NULL, 'd' },
		{ "peer", required_argument, NULL, 'p' },
		{ "peer-netns", required_argument, NULL, 'n' },
		{ "on-demand", no_argument, NULL, 'o' },
		{ "most", required_argument, NULL, 'm' },
		{ "config", required_argument, NULL, 'c' },
		{ "has-odp", no_argument, NULL, 'a' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct arguments a = {};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
		take_option(&a, c);
	if (!a.dev || (optind == argc && !a.has_odp) || (a.netns && !a.peer)) {
		usage(stderr);
		return 2;
	}
	for (c = optind; c < argc; c++)
		part_named(argv[c]);
	open_devices(&a);
	if (a.has_odp)
		return !bench.asks.odp;
	/* The clock runs on while the program's own pages are read in. */
	if (mlockall(MCL_CURRENT))
		die("mlockall: %s", strerror(errno));
	for (c = optind; c < argc; c++)
		part_named(argv[c])->run();
	if (a.peer)
		rd_close(&bench.other);
	rd_close(&bench.asks);
	return 0;
}
