// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * In place of the kernel: one device with the regions below. Each look finds
 * 100 faults and 50 invalidations more of the first one, a second later.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sodp.h"

enum {
	PARTS = SOFTODP_MR_SUMMARY_PARTS,
	FIRST_PAGES = 1024,
	LAST_PAGES = 1000, /* the last part has fewer than the others */
};

static const struct region regions[] = {
	{ .mrn = 0,
	  .pid = 178,
	  .command = "region",
	  .length = FIRST_PAGES * 4096,
	  .kind = KIND_ON_DEMAND,
	  .has_keys = true,
	  .lkey = 0x100,
	  .rkey = 0x100,
	  .has_stats = true,
	  .stats = { .resident_pages = 256, .table_bytes = 12288 } },
	{ .mrn = 3,
	  .length = UINT64_MAX,
	  .kind = KIND_IMPLICIT,
	  .has_stats = true,
	  .stats = { .resident_pages = 2, .table_bytes = 8192 } },
	{ .mrn = 4,
	  .pid = 9,
	  .command = "pinned",
	  .length = LAST_PAGES * 4096,
	  .kind = KIND_PINNED,
	  .has_stats = true },
};

#define N_REGIONS (sizeof(regions) / sizeof(regions[0]))

static void *copy_of(const void *what, size_t size)
{
	void *to = malloc(size);

	if (!to)
		abort();
	return memcpy(to, what, size);
}

void __wrap_snapshot_take(struct snapshot *s, const char *device);
void __wrap_snapshot_take(struct snapshot *s, const char *device)
{
	static const struct device sodp0 = { .name = "sodp0",
					     .netdev = "d0",
					     .mode = "requested",
					     .regions = N_REGIONS };
	static unsigned int looks;
	size_t i;

	if (device && strcmp(device, sodp0.name) != 0)
		fail("there is no device %s here", device);
	s->devices = copy_of(&sodp0, sizeof(sodp0));
	s->n_devices = 1;
	s->regions = copy_of(regions, sizeof(regions));
	s->n_regions = N_REGIONS;
	for (i = 0; i < N_REGIONS; i++)
		strcpy(s->regions[i].device, sodp0.name);
	/* The second is of a process with a name that means harm. */
	prctl(PR_SET_NAME, "\033[1m<x&\"'\xff");
	s->regions[1].pid = getpid();
	region_command(&s->regions[1]);
	s->regions[0].stats.page_faults = 100ULL * looks;
	s->regions[0].stats.page_invalidations = 50ULL * looks;
	looks++;
}

/* 4 parts full, 12 empty, and so on; half a part; a page of a huge one. */
int __wrap_region_summary(const struct snapshot *s, const struct region *region,
			  struct softodp_mr_summary *m);
int __wrap_region_summary(const struct snapshot *s, const struct region *region,
			  struct softodp_mr_summary *m)
{
	unsigned int i;

	(void)s;
	memset(m, 0, sizeof(*m));
	m->version = SOFTODP_MR_SUMMARY_VERSION;
	m->parts = PARTS;
	switch (region->mrn) {
	case 0:
		m->pages = FIRST_PAGES;
		m->pages_per_part = 4;
		for (i = 0; i < PARTS; i++)
			m->resident[i] = i % 16 < 4 ? 4 : 0;
		return 0;
	case 3:
		m->pages = 1ULL << 52;
		m->pages_per_part = 1ULL << 44;
		m->resident[1] = 2;
		return 0;
	case 4:
		m->pages = LAST_PAGES;
		m->pages_per_part = 16;
		for (i = 0; i < PARTS; i++)
			m->resident[i] = 16;
		m->resident[0] = 8;
		m->resident[LAST_PAGES / 16] = LAST_PAGES % 16;
		return 0;
	default:
		return ENOENT;
	}
}
