// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* sodp explain: an error, a region, or a device, in words. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <infiniband/verbs.h>

#include "sodp.h"

/* What is said, for a reader or a program. */
struct words {
	struct json_object *json; /* NULL: print */
	struct json_object *remarks;
};

static void begin(struct words *w, bool json, const char *what,
		  const char *means)
{
	w->json = json ? json_object_new_object() : NULL;
	w->remarks = NULL;
	if (!json) {
		printf("%s: %s\n", what, means);
		return;
	}
	w->remarks = json_object_new_array();
	json_object_object_add(w->json, "what", json_object_new_string(what));
	json_object_object_add(w->json, "means", json_object_new_string(means));
	json_object_object_add(w->json, "remarks", w->remarks);
}

static void remark(struct words *w, const char *text)
{
	if (w->json)
		json_object_array_add(w->remarks, json_object_new_string(text));
	else
		printf("  - %s\n", text);
}

static void end(struct words *w)
{
	if (w->json)
		json_print(w->json, true);
}

static void explain_error(const struct options *o, const struct advice *a)
{
	char what[128];
	struct words w;
	int i;

	snprintf(what, sizeof(what), "%s (%d, %s)", a->name, a->number,
		 a->completion ? ibv_wc_status_str(a->number) :
				 strerror(a->number));
	begin(&w, o->json, what, a->means);
	for (i = 0; i < 6 && a->why[i]; i++)
		remark(&w, a->why[i]);
	end(&w);
}

/* --- a region ------------------------------------------------------------- */

static void about_faults(struct words *w, const struct region *r)
{
	const struct softodp_mr_stats *s = &r->stats;
	char text[300];

	if (!s->page_faults && !s->page_prefetch)
		remark(w,
		       "nobody has reached it yet: no page fault, no prefetch");
	if (s->page_faults > 100 &&
	    s->page_faults_handled < 2 * s->page_faults) {
		snprintf(
			text, sizeof(text),
			"%llu faults brought %llu pages, about one each: small accesses at random, or pages that are taken away again; softodp_prefetch(3) brings many at once",
			(unsigned long long)s->page_faults,
			(unsigned long long)s->page_faults_handled);
		remark(w, text);
	}
	if (s->page_faults_major * 2 > s->page_faults && s->page_faults > 10)
		remark(w,
		       "in most faults the CPU did not have the page either: memory that was never touched, or that is swapped out or on disk");
	if (s->page_faults_retried > s->page_faults_handled / 10 &&
	    s->page_faults_retried > 10)
		remark(w,
		       "many pages were taken back while they were looked up: somebody changes this memory all the time (madvise, fork, munmap)");
}

static void about_invalidations(struct words *w, const struct region *r)
{
	const struct softodp_mr_stats *s = &r->stats;

	if (s->page_invalidations_handled > s->resident_pages &&
	    s->page_invalidations > 10)
		remark(w,
		       "more pages were taken back than are resident now: look for fork, MADV_DONTNEED, free() of large blocks, or memory pressure (vmstat 1)");
	if (s->fence_waits > s->page_invalidations / 10 && s->fence_waits > 10)
		remark(w,
		       "invalidations often met a transfer in flight and waited for it, for a page copy at most");
}

static void explain_region(const struct options *o, const char *name)
{
	char device[NAME_LEN], length[NAME_LEN], resident[NAME_LEN], means[300];
	const struct region *r;
	struct snapshot s;
	struct words w;
	uint32_t mrn;

	region_parse(name, device, &mrn);
	snapshot_take(&s, device);
	r = region_find(&s, name);
	snprintf(means, sizeof(means),
		 "%s of %s (pid %u), %s, %s reachable now",
		 size_text(length, r->length),
		 *r->command ? r->command : "a process", r->pid,
		 kind_name(r->kind),
		 r->has_stats ?
			 size_text(resident, r->stats.resident_pages *
						     sysconf(_SC_PAGESIZE)) :
			 "nobody tells how much");
	begin(&w, o->json, name, means);
	if (r->kind == KIND_PINNED)
		remark(&w,
		       "pinned: its pages stay where they are and count against RLIMIT_MEMLOCK; after a fork or munmap of its owner the peer reaches pages that the owner may not see");
	if (r->kind == KIND_UNKNOWN)
		remark(&w,
		       "the driver of this device does not tell whether it is on demand, and has no counters of regions");
	if (r->kind == KIND_IMPLICIT)
		remark(&w,
		       "the whole address space by one key: who has the rkey reaches heap and stacks, too");
	if (r->has_stats && r->kind != KIND_PINNED) {
		about_faults(&w, r);
		about_invalidations(&w, r);
	}
	end(&w);
	snapshot_free(&s);
}

/* --- a device ------------------------------------------------------------- */

static struct ibv_context *open_device(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *context = NULL;
	int i;

	for (i = 0; list && list[i] && !context; i++)
		if (!strcmp(ibv_get_device_name(list[i]), name))
			context = ibv_open_device(list[i]);
	if (list)
		ibv_free_device_list(list);
	return context;
}

static void about_features(struct words *w, const struct softodp_device_attr *a)
{
	static const struct {
		uint32_t bit;
		const char *has, *lacks;
	} features[] = {
		{ SOFTODP_ON_DEMAND,
		  "regions on demand: nothing is pinned, `ulimit -l` does not apply",
		  "no regions on demand: memory is pinned and counts against `ulimit -l`" },
		{ SOFTODP_IMPLICIT,
		  "the whole address space as one region (addr NULL, length SIZE_MAX)",
		  "no region of the whole address space" },
		{ SOFTODP_PREFETCH, "prefetch (softodp_prefetch(3))",
		  "no prefetch" },
		{ SOFTODP_STATS,
		  "counters for each region (sodp top, rdma statistic show mr)",
		  "no counters for each region" },
		{ SOFTODP_REREG_TRANSLATION,
		  "a region can be given other memory (softodp_rereg_mr(3))",
		  "a region cannot be given other memory: register a new one" },
	};
	char text[200];
	size_t i;

	for (i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (a->unknown & features[i].bit) {
			snprintf(text, sizeof(text),
				 "could not be found out: %s", features[i].has);
			remark(w, text);
			continue;
		}
		remark(w, a->features & features[i].bit ? features[i].has :
							  features[i].lacks);
	}
}

static void explain_device(const struct options *o, const char *name)
{
	struct softodp_device_attr attr = { .size = sizeof(attr) };
	struct ibv_context *context;
	struct snapshot s;
	struct words w;

	snapshot_take(&s, name);
	context = open_device(name);
	if (!context)
		fail("%s: cannot be opened (%s); is libibverbs' provider for it installed (ibverbs-providers), and may you read /dev/infiniband?",
		     name, strerror(errno));
	if (softodp_query_device(context, &attr))
		fail("%s: %s", name, strerror(errno));
	begin(&w, o->json, name,
	      *s.devices[0].mode ? "a softodp device" : "an RDMA device");
	about_features(&w, &attr);
	if (!strcmp(s.devices[0].mode, "always"))
		remark(&w,
		       "odp_mode is always: what programs register pinned is served on demand, too");
	end(&w);
	ibv_close_device(context);
	snapshot_free(&s);
}

int cmd_explain(const struct options *options, const char *what)
{
	const struct advice *a = advice_find(what);
	char device[NAME_LEN];
	uint32_t mrn;
	size_t i;

	if (a) {
		explain_error(options, a);
	} else if (region_parse(what, device, &mrn)) {
		explain_region(options, what);
	} else if (*what >= 'a' && *what <= 'z' && !strchr(what, ' ')) {
		explain_device(options, what);
	} else {
		fprintf(stderr,
			"sodp: '%s' is no error that is known, no region (sodp0/3) and no device. Errors:\n",
			what);
		for (i = 0; (a = advice_at(i)); i++)
			fprintf(stderr, "  %s\n", a->name);
		return 2;
	}
	return 0;
}
