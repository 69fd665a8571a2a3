// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "sodp.h"

static void complain(const char *fmt, va_list args)
{
	fflush(stdout);
	fputs("sodp: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

void fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
	exit(1);
}

void fail_usage(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
	exit(2);
}

const char *size_text(char *text, uint64_t bytes)
{
	static const char *const units[] = { "B",   "KiB", "MiB", "GiB",
					     "TiB", "PiB", "EiB" };
	double value = bytes;
	size_t unit = 0;

	if (bytes >= 1ULL << 62) {
		snprintf(text, NAME_LEN, "all");
		return text;
	}
	while (value >= 1024 && unit < sizeof(units) / sizeof(units[0]) - 1) {
		value /= 1024;
		unit++;
	}
	snprintf(text, NAME_LEN, value < 10 && unit ? "%.1f %s" : "%.0f %s",
		 value, units[unit]);
	return text;
}

static void put(struct json_object *to, const char *name, uint64_t value)
{
	json_object_object_add(to, name, json_object_new_uint64(value));
}

static void put_text(struct json_object *to, const char *name, const char *text)
{
	json_object_object_add(to, name, json_object_new_string(text));
}

static struct json_object *stats_json(const struct softodp_mr_stats *s)
{
	struct json_object *to = json_object_new_object();

	put(to, SOFTODP_STAT_PAGE_FAULTS, s->page_faults);
	put(to, SOFTODP_STAT_PAGE_FAULTS_HANDLED, s->page_faults_handled);
	put(to, SOFTODP_STAT_PAGE_FAULTS_MAJOR, s->page_faults_major);
	put(to, SOFTODP_STAT_PAGE_FAULTS_RETRIED, s->page_faults_retried);
	put(to, SOFTODP_STAT_PAGE_INVALIDATIONS, s->page_invalidations);
	put(to, SOFTODP_STAT_PAGE_INVALIDATIONS_HANDLED,
	    s->page_invalidations_handled);
	put(to, SOFTODP_STAT_PAGE_PREFETCH, s->page_prefetch);
	put(to, SOFTODP_STAT_FENCE_WAITS, s->fence_waits);
	put(to, SOFTODP_STAT_RESIDENT_PAGES, s->resident_pages);
	put(to, SOFTODP_STAT_TABLE_BYTES, s->table_bytes);
	return to;
}

struct json_object *region_json(const struct region *r)
{
	struct json_object *to = json_object_new_object();
	char name[2 * NAME_LEN];

	snprintf(name, sizeof(name), "%s/%u", r->device, r->mrn);
	put_text(to, "region", name);
	put_text(to, "device", r->device);
	put(to, "mrn", r->mrn);
	put(to, "pid", r->pid);
	put_text(to, "command", r->command);
	put(to, "length", r->length);
	put_text(to, "kind", kind_name(r->kind));
	if (r->has_keys) {
		put(to, "lkey", r->lkey);
		put(to, "rkey", r->rkey);
	}
	if (r->has_stats)
		json_object_object_add(to, "statistics", stats_json(&r->stats));
	return to;
}

void json_print(struct json_object *object, bool pretty)
{
	puts(json_object_to_json_string_ext(
		object, pretty ? JSON_C_TO_STRING_PRETTY |
					 JSON_C_TO_STRING_SPACED |
					 JSON_C_TO_STRING_NOSLASHESCAPE :
				 JSON_C_TO_STRING_NOSLASHESCAPE));
	fflush(stdout);
	json_object_put(object);
}

bool colours(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && term && term[0] != '\0';
}
