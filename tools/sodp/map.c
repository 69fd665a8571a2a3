// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* sodp map: which pages of a region the device can reach without a fault. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sodp.h"

unsigned int map_parts(const struct softodp_mr_summary *m)
{
	uint64_t parts;

	if (!m->pages || !m->pages_per_part)
		return 0;
	parts = (m->pages - 1) / m->pages_per_part + 1;
	return parts < SOFTODP_MR_SUMMARY_PARTS ? parts :
						  SOFTODP_MR_SUMMARY_PARTS;
}

uint64_t map_pages_of(const struct softodp_mr_summary *m, unsigned int part)
{
	uint64_t before = part * m->pages_per_part;

	return m->pages - before < m->pages_per_part ? m->pages - before :
						       m->pages_per_part;
}

double map_share(const struct softodp_mr_summary *m, unsigned int part)
{
	return (double)m->resident[part] / (double)map_pages_of(m, part);
}

uint64_t map_resident(const struct softodp_mr_summary *m)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < map_parts(m); i++)
		sum += m->resident[i];
	return sum;
}

static struct json_object *map_json(const struct region *region,
				    const struct softodp_mr_summary *m)
{
	struct json_object *to = region_json(region);
	struct json_object *parts = json_object_new_array();
	unsigned int i;

	json_object_object_add(to, "pages", json_object_new_uint64(m->pages));
	json_object_object_add(to, "pages_per_part",
			       json_object_new_uint64(m->pages_per_part));
	for (i = 0; i < map_parts(m); i++)
		json_object_array_add(parts,
				      json_object_new_uint64(m->resident[i]));
	json_object_object_add(to, "resident", parts);
	return to;
}

static unsigned int width_of(const struct options *options)
{
	struct winsize size;

	if (options->width)
		return options->width;
	/* 13 columns for the offset; a power of two is easy to count in. */
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col >= 128 + 13)
		return 128;
	return 64;
}

/* Nothing, and four shades; the lightest is for a single page, too. */
static void print_cell(double share, bool colour)
{
	static const char *const shades[] = { "·", "░", "▒", "▓", "█" };
	static const char *const ansi[] = { "\033[90m", "\033[34m", "\033[36m",
					    "\033[32m", "\033[1;32m" };
	int shade = share <= 0 ? 0 : share >= 1 ? 4 : 1 + (int)(share * 3);

	if (colour)
		fputs(ansi[shade], stdout);
	fputs(shades[shade], stdout);
	if (colour)
		fputs("\033[0m", stdout);
}

static void print_map(const struct options *options,
		      const struct region *region,
		      const struct softodp_mr_summary *m)
{
	char length[NAME_LEN], cell[NAME_LEN], resident[NAME_LEN];
	const unsigned int width = width_of(options), parts = map_parts(m);
	const uint64_t page = sysconf(_SC_PAGESIZE);
	const bool colour = colours();
	unsigned int i;

	printf("%s/%u  %s, %s of %s (pid %u)\n", region->device, region->mrn,
	       kind_name(region->kind), size_text(length, region->length),
	       *region->command ? region->command : "?", region->pid);
	printf("resident %s of %llu pages; a cell is %s\n\n",
	       size_text(resident, map_resident(m) * page),
	       (unsigned long long)m->pages,
	       size_text(cell, m->pages_per_part * page));
	for (i = 0; i < parts; i++) {
		if (i % width == 0)
			printf("%s%11s  ", i ? "\n" : "",
			       size_text(cell, i * m->pages_per_part * page));
		print_cell(map_share(m, i), colour);
	}
	fputs("\n\n             ", stdout);
	print_cell(0, colour);
	fputs(" none  ", stdout);
	print_cell(0.01, colour);
	fputs(" few  ", stdout);
	print_cell(0.5, colour);
	fputs(" half  ", stdout);
	print_cell(0.9, colour);
	fputs(" most  ", stdout);
	print_cell(1, colour);
	fputs(" all\n", stdout);
}

int cmd_map(const struct options *options, const char *name)
{
	const struct region *region;
	struct softodp_mr_summary m;
	char device[NAME_LEN];
	struct snapshot s;
	uint32_t mrn;
	int err;

	if (!region_parse(name, device, &mrn))
		fail_usage(
			"%s: a region is named DEVICE/NUMBER, as in the list of `sodp list`",
			name);
	snapshot_take(&s, device);
	region = region_find(&s, name);
	err = region_summary(&s, region, &m);
	if (err == EPERM)
		fail("%s: only CAP_NET_ADMIN may look at the memory of others: as root, or in the program itself by softodp_query_residency(3)",
		     name);
	if (err == ENOENT)
		fail("%s: gone in the meantime", name);
	if (err)
		fail("%s: %s does not tell which pages are resident (%s)", name,
		     device, strerror(err));
	if (options->svg) {
		err = svg_write(options->svg, region, &m);
		if (err)
			fail("%s: %s", options->svg, strerror(err));
	}
	if (options->json)
		json_print(map_json(region, &m), true);
	else if (options->svg)
		printf("%s written\n", options->svg);
	else
		print_map(options, region, &m);
	snapshot_free(&s);
	return 0;
}
