// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The demo's first part: one device, a process that owns a region far larger
 * than the machine, and a peer process that reaches it over RDMA alone.
 *
 * demo_odp DEVICE RESULTS COLOUR(0|1)
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "claims.h"

#define LENGTH (64 * GIB)

/* To pin 64 GiB for real would be the end of the machine. */
static void check_limits(struct rlimit *memlock)
{
	if (getrlimit(RLIMIT_MEMLOCK, memlock))
		err(2, "getrlimit");
	if (!geteuid() || memlock->rlim_cur > GIB)
		errx(2, "run as an ordinary user, with ulimit -l 65536");
}

static void introduce(const struct rlimit *memlock, const char *device)
{
	struct sysinfo info;

	sysinfo(&info);
	heading("softodp: an RDMA device that pages memory on demand");
	say("machine: %llu MiB of memory, %llu MiB of swap; device %s",
	    info.totalram * info.mem_unit / MIB,
	    info.totalswap * info.mem_unit / MIB, device);
	say("user: uid %u, may lock %llu MiB (ulimit -l)", getuid(),
	    (unsigned long long)(memlock->rlim_cur / MIB));
}

static void show_counters(const struct region *region)
{
	static const char *const names[] = {
		"page_faults_retried", "fence_hooks",	 "fence_waits",
		"resp_parks",	       "sent_rnr_fault", "req_timeouts",
		"req_retransmits",
	};
	struct moment now = moment(region);

	heading("At the end");
	resident(region, true);
	say("region: page_faults %llu (%llu pages), page_invalidations %llu (%llu pages), table %llu KiB",
	    (unsigned long long)now.mr.page_faults,
	    (unsigned long long)now.mr.page_faults_handled,
	    (unsigned long long)now.mr.page_invalidations,
	    (unsigned long long)now.mr.page_invalidations_handled,
	    (unsigned long long)now.mr.table_bytes / 1024);
	printf("     device:");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint64_t value = 0;

		softodp_query_dev_counter(region->ends[0].context, names[i],
					  &value);
		printf(" %s %llu%s", names[i], (unsigned long long)value,
		       i + 1 < sizeof(names) / sizeof(names[0]) ? "," : "\n");
	}
}

static int own(struct region *region)
{
	region->base = reserve(NULL, LENGTH);
	region->length = LENGTH;
	if (act_register(region)) {
		act_traffic(region);
		act_fork(region);
		act_remap(region);
		act_discard(region);
		act_swap(region);
		act_unmap(region);
		show_counters(region);
	}
	traffic_order(&region->ends[0], &(struct order){ .kind = ORDER_QUIT });
	if (region->mr)
		ibv_dereg_mr(region->mr);
	return screen_close();
}

int main(int argc, char **argv)
{
	struct region region = { 0 };
	struct rlimit memlock;
	int failed;

	if (argc != 4)
		errx(2, "usage: %s DEVICE RESULTS COLOUR", argv[0]);
	signal(SIGPIPE, SIG_IGN);
	check_limits(&memlock);
	region.progress = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (region.progress == MAP_FAILED)
		err(1, "mmap");
	ex_start(&region.ends[0], 2, argv); /* forks the peer */
	ex_add_qp(&region.ends[0], &region.ends[1]);
	if (region.ends[0].role == EX_PEER) {
		traffic_serve(region.ends, region.progress);
		return 0;
	}
	screen_open(argv[2], argv[3][0] == '1');
	introduce(&memlock, argv[1]);
	failed = own(&region);
	wait(NULL);
	return failed != 0;
}
