// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* sodp top: who faults now. As lines, or (topscreen.c) on a screen. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sodp.h"

const char *const sort_names[SORT_KEYS] = {
	[SORT_FAULTS] = "faults",     [SORT_INVALIDATIONS] = "invalidations",
	[SORT_RESIDENT] = "resident", [SORT_LENGTH] = "length",
	[SORT_REGION] = "region",
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static const struct region *seen_before(const struct top *t,
					const struct region *r)
{
	size_t i;

	for (i = 0; i < t->before.n_regions; i++) {
		const struct region *b = &t->before.regions[i];

		/* A number may be another region's by now. */
		if (b->mrn == r->mrn && !strcmp(b->device, r->device) &&
		    b->pid == r->pid &&
		    b->stats.page_faults <= r->stats.page_faults)
			return b;
	}
	return NULL;
}

static double per_second(const struct top *t, uint64_t now, uint64_t before)
{
	uint64_t ns = t->now_ns - t->before_ns;

	return now > before && ns ? (double)(now - before) * 1e9 / (double)ns :
				    0;
}

static void set_rate(const struct top *t, struct rate *rate,
		     const struct region *r)
{
	const struct region *b = seen_before(t, r);

	memset(rate, 0, sizeof(*rate));
	rate->region = r;
	if (!b)
		return;
	rate->faults =
		per_second(t, r->stats.page_faults, b->stats.page_faults);
	rate->invalidations = per_second(t, r->stats.page_invalidations,
					 b->stats.page_invalidations);
	rate->waits = per_second(t, r->stats.fence_waits, b->stats.fence_waits);
}

void top_look(struct top *t)
{
	size_t i;

	snapshot_free(&t->before);
	t->before = t->now;
	t->before_ns = t->now_ns;
	snapshot_take(&t->now, t->options->device);
	t->now_ns = now_ns();
	free(t->rates);
	t->n = t->now.n_regions;
	t->rates = calloc(t->n + 1, sizeof(*t->rates));
	if (!t->rates)
		fail("out of memory");
	for (i = 0; i < t->n; i++)
		set_rate(t, &t->rates[i], &t->now.regions[i]);
	top_order(t);
}

static double key_of(const struct rate *r, enum sort_key key)
{
	switch (key) {
	case SORT_FAULTS:
		return r->faults;
	case SORT_INVALIDATIONS:
		return r->invalidations;
	case SORT_RESIDENT:
		return r->region->stats.resident_pages;
	case SORT_LENGTH:
		return r->region->length;
	default:
		return 0;
	}
}

/* The largest first; those that are equal stay in the order of the list. */
static int by_key(const void *a, const void *b, void *key)
{
	const struct rate *x = a, *y = b;
	double kx = key_of(x, *(enum sort_key *)key);
	double ky = key_of(y, *(enum sort_key *)key);

	if (kx != ky)
		return kx < ky ? 1 : -1;
	return (x->region > y->region) - (x->region < y->region);
}

void top_order(struct top *t)
{
	qsort_r(t->rates, t->n, sizeof(*t->rates), by_key, &t->sort);
}

void top_line(char *text, size_t size, const struct rate *rate)
{
	char name[2 * NAME_LEN], length[NAME_LEN], resident[NAME_LEN] = "-";
	const struct region *r;

	if (!rate) {
		snprintf(text, size, "%-14s %7s %-15s %-9s %9s %9s %9s %9s %8s",
			 "REGION", "PID", "COMMAND", "KIND", "LENGTH",
			 "RESIDENT", "FAULTS/s", "INVAL./s", "WAITS/s");
		return;
	}
	r = rate->region;
	snprintf(name, sizeof(name), "%s/%u", r->device, r->mrn);
	if (r->has_stats)
		size_text(resident,
			  r->stats.resident_pages * sysconf(_SC_PAGESIZE));
	snprintf(text, size, "%-14s %7u %-15s %-9s %9s %9s %9.0f %9.0f %8.0f",
		 name, r->pid, r->command, kind_name(r->kind),
		 size_text(length, r->length), resident, rate->faults,
		 rate->invalidations, rate->waits);
}

void top_totals(char *text, size_t size, const struct top *t)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	char resident[NAME_LEN], tables[NAME_LEN];
	uint64_t pages = 0, bytes = 0;
	double faults = 0, invalidations = 0;
	size_t i;

	for (i = 0; i < t->n; i++) {
		pages += t->rates[i].region->stats.resident_pages;
		bytes += t->rates[i].region->stats.table_bytes;
		faults += t->rates[i].faults;
		invalidations += t->rates[i].invalidations;
	}
	snprintf(
		text, size,
		"%zu region%s: %s resident, %s of tables, %.0f faults/s, %.0f invalidations/s",
		t->n, t->n == 1 ? "" : "s", size_text(resident, pages * page),
		size_text(tables, bytes), faults, invalidations);
}

static struct json_object *look_json(const struct top *t)
{
	struct json_object *to = json_object_new_object();
	struct json_object *regions = json_object_new_array();
	size_t i;

	for (i = 0; i < t->n; i++) {
		const struct rate *rate = &t->rates[i];
		struct json_object *r = region_json(rate->region);

		json_object_object_add(r, "faults_per_second",
				       json_object_new_double(rate->faults));
		json_object_object_add(
			r, "invalidations_per_second",
			json_object_new_double(rate->invalidations));
		json_object_object_add(r, "fence_waits_per_second",
				       json_object_new_double(rate->waits));
		json_object_array_add(regions, r);
	}
	json_object_object_add(
		to, "seconds",
		json_object_new_double((double)(t->now_ns - t->before_ns) /
				       1e9));
	json_object_object_add(to, "regions", regions);
	return to;
}

static void print_look(const struct top *t)
{
	char line[512];
	size_t i;

	if (t->options->json) {
		json_print(look_json(t), false);
		return;
	}
	top_totals(line, sizeof(line), t);
	puts(line);
	top_line(line, sizeof(line), NULL);
	puts(line);
	for (i = 0; i < t->n; i++) {
		top_line(line, sizeof(line), &t->rates[i]);
		puts(line);
	}
	putchar('\n');
	fflush(stdout);
}

static void as_lines(struct top *t)
{
	const struct timespec delay = {
		.tv_sec = (time_t)t->options->delay,
		.tv_nsec = (long)((t->options->delay -
				   (double)(time_t)t->options->delay) *
				  1e9),
	};
	unsigned int i;

	top_look(t); /* rates need two */
	for (i = 0; !t->options->count || i < t->options->count; i++) {
		nanosleep(&delay, NULL);
		top_look(t);
		print_look(t);
	}
}

int cmd_top(const struct options *options)
{
	struct top t = { .options = options };
	int status = 0;

	while (t.sort < SORT_KEYS && strcmp(sort_names[t.sort], options->sort))
		t.sort++;
	if (t.sort == SORT_KEYS)
		fail_usage(
			"--sort %s: faults, invalidations, resident, length or region",
			options->sort);
	if (!options->json && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO))
		status = top_on_screen(&t);
	else
		as_lines(&t);
	snapshot_free(&t.now);
	snapshot_free(&t.before);
	free(t.rates);
	return status;
}
