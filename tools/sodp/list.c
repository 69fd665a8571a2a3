// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* sodp list: devices, and what is registered on them. */
#include <string.h>
#include <unistd.h>

#include "sodp.h"

static struct json_object *list_json(const struct snapshot *s)
{
	struct json_object *all = json_object_new_object();
	struct json_object *devices = json_object_new_array();
	struct json_object *regions = json_object_new_array();
	size_t i;

	for (i = 0; i < s->n_devices; i++) {
		const struct device *d = &s->devices[i];
		struct json_object *to = json_object_new_object();

		json_object_object_add(to, "name",
				       json_object_new_string(d->name));
		json_object_object_add(to, "netdev",
				       json_object_new_string(d->netdev));
		if (*d->mode)
			json_object_object_add(to, "odp_mode",
					       json_object_new_string(d->mode));
		json_object_object_add(to, "regions",
				       json_object_new_uint64(d->regions));
		json_object_array_add(devices, to);
	}
	for (i = 0; i < s->n_regions; i++)
		json_object_array_add(regions, region_json(&s->regions[i]));
	json_object_object_add(all, "devices", devices);
	json_object_object_add(all, "regions", regions);
	return all;
}

static void print_device(const struct device *d)
{
	printf("%-12s netdev %-12s %u region%s", d->name,
	       *d->netdev ? d->netdev : "-", d->regions,
	       d->regions == 1 ? "" : "s");
	if (*d->mode)
		printf(", on demand %s", strcmp(d->mode, "always") ?
						 "where requested" :
						 "always");
	putchar('\n');
}

static void print_region(const struct region *r)
{
	char name[2 * NAME_LEN], length[NAME_LEN], resident[NAME_LEN] = "-",
						   table[NAME_LEN] = "-";
	const uint64_t page = sysconf(_SC_PAGESIZE);

	snprintf(name, sizeof(name), "%s/%u", r->device, r->mrn);
	if (r->has_stats) {
		size_text(resident, r->stats.resident_pages * page);
		size_text(table, r->stats.table_bytes);
	}
	printf("%-14s %7u %-15s %-9s %9s %9s %9s %10llu %10llu\n", name, r->pid,
	       r->command, kind_name(r->kind), size_text(length, r->length),
	       resident, table, (unsigned long long)r->stats.page_faults,
	       (unsigned long long)r->stats.page_invalidations);
}

int cmd_list(const struct options *options)
{
	struct snapshot s;
	size_t i;

	snapshot_take(&s, options->device);
	if (options->json) {
		json_print(list_json(&s), true);
		snapshot_free(&s);
		return 0;
	}
	if (!s.n_devices)
		puts("no RDMA device here; one is made by: rdma link add sodp0 type softodp netdev eth0");
	for (i = 0; i < s.n_devices; i++)
		print_device(&s.devices[i]);
	if (s.n_regions)
		printf("\n%-14s %7s %-15s %-9s %9s %9s %9s %10s %10s\n",
		       "REGION", "PID", "COMMAND", "KIND", "LENGTH", "RESIDENT",
		       "TABLE", "FAULTS", "INVALID.");
	for (i = 0; i < s.n_regions; i++)
		print_region(&s.regions[i]);
	snapshot_free(&s);
	return 0;
}
