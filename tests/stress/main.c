// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The stress program: which scenarios, for how long, and what came of them. */

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

extern const struct scenario *const __start_scenarios[];
extern const struct scenario *const __stop_scenarios[];

#define MAX_SCENARIOS 256
#define MAX_WANTED    64
#define SHORTEST_MS   1000

static const struct scenario *list[MAX_SCENARIOS];
static struct run *runs[MAX_SCENARIOS];
static enum verdict verdicts[MAX_SCENARIOS];
static unsigned int count;

static void usage(FILE *to)
{
	fputs("Usage: stress --dev DEVICE [OPTION]...\n"
	      "\n"
	      "  --minutes N, --seconds N  for all scenarios together; default 3 minutes\n"
	      "  --scenario PATTERN        only these (repeat)\n"
	      "  --seed S                  as printed by another run: the same again\n"
	      "  --keep DIR                what a failure leaves: the driver's trace\n"
	      "  --slow N                  accesses may take N times 2 s; default 5 on debug kernels,\n"
	      "                            times what SD_SLOW says\n"
	      "  --json                    a summary in JSON as the last line\n"
	      "  --list                    the scenarios, with rows of the catalogue\n",
	      to);
}

static int by_row(const void *a, const void *b)
{
	const struct scenario *x = *(const struct scenario *const *)a;
	const struct scenario *y = *(const struct scenario *const *)b;
	int row_x = x->rows ? atoi(x->rows) : 1000;
	int row_y = y->rows ? atoi(y->rows) : 1000;

	return row_x != row_y ? row_x - row_y : strcmp(x->name, y->name);
}

static void choose(char *const *wanted, unsigned int n)
{
	const struct scenario *const *p;
	unsigned int i;

	for (p = __start_scenarios; p < __stop_scenarios; p++) {
		for (i = 0; i < n; i++)
			if (!fnmatch(wanted[i], (*p)->name, 0))
				break;
		if (n && i == n)
			continue;
		if (count == MAX_SCENARIOS)
			die("more than %d scenarios", MAX_SCENARIOS);
		list[count++] = *p;
	}
	qsort(list, count, sizeof(*list), by_row);
}

static int print_list(void)
{
	const char *why;
	unsigned int i;

	for (i = 0; i < count; i++) {
		why = list[i]->missing ? list[i]->missing() : NULL;
		printf("%-24s %-8s %s%s%s%s\n", list[i]->name,
		       list[i]->rows ?: "-", list[i]->what, why ? " (" : "",
		       why ?: "", why ? ")" : "");
	}
	return 0;
}

static uint64_t seed_of(uint64_t master, const char *name)
{
	uint64_t x = master;

	while (*name)
		x = mix64(x * 31 + (unsigned char)*name++);
	return x;
}

static void print_summary(void)
{
	static const char *const words[] = { "ok", "FAILED", "skipped" };
	unsigned int i, k;
	uint64_t ops;

	tap_note("%-24s %-8s %-8s %9s %8s %8s %7s", "scenario", "rows", "",
		 "accesses", "events", "pages in", "slowest");
	for (i = 0; i < count; i++) {
		const struct run *r = runs[i];

		for (k = 0, ops = 0; k < OPS; k++)
			ops += r->ops[k];
		if (verdicts[i] == SKIPPED)
			tap_note("%-24s %-8s %-8s %s", list[i]->name,
				 list[i]->rows ?: "-", words[verdicts[i]],
				 r->why);
		else
			tap_note("%-24s %-8s %-8s %9llu %8llu %8llu %4llu ms",
				 list[i]->name, list[i]->rows ?: "-",
				 words[verdicts[i]], (unsigned long long)ops,
				 (unsigned long long)r->events,
				 (unsigned long long)r->faults,
				 (unsigned long long)r->worst_ms);
	}
}

/* One line for tests/stress/RESULTS: results.sh reads it. */
static void print_total(const struct options *o, uint64_t ms)
{
	unsigned int i, k, verdict[3] = {};
	uint64_t ops = 0, events = 0, faults = 0;

	for (i = 0; i < count; i++) {
		verdict[verdicts[i]]++;
		for (k = 0; k < OPS; k++)
			ops += runs[i]->ops[k];
		events += runs[i]->events;
		faults += runs[i]->faults;
	}
	tap_note("total: seed %#llx, %llu s, %u passed, %u failed, %u skipped, "
		 "%llu accesses, %llu events, %llu pages in",
		 (unsigned long long)o->seed, (unsigned long long)ms / 1000,
		 verdict[PASSED], verdict[FAILED], verdict[SKIPPED],
		 (unsigned long long)ops, (unsigned long long)events,
		 (unsigned long long)faults);
}

static void print_json(const struct options *o)
{
	static const char *const words[] = { "passed", "failed", "skipped" };
	unsigned int i, k;
	uint64_t ops;

	printf("{\"seed\":\"%#llx\",\"scenarios\":[",
	       (unsigned long long)o->seed);
	for (i = 0; i < count; i++) {
		const struct run *r = runs[i];

		for (k = 0, ops = 0; k < OPS; k++)
			ops += r->ops[k];
		printf("%s{\"name\":\"%s\",\"rows\":\"%s\",\"verdict\":\"%s\",",
		       i ? "," : "", list[i]->name, list[i]->rows ?: "",
		       words[verdicts[i]]);
		printf("\"accesses\":%llu,\"events\":%llu,\"pages_in\":%llu,"
		       "\"pages_out\":%llu,\"slowest_ms\":%llu,\"ms\":%u}",
		       (unsigned long long)ops, (unsigned long long)r->events,
		       (unsigned long long)r->faults,
		       (unsigned long long)r->invalidated,
		       (unsigned long long)r->worst_ms, r->ms);
	}
	puts("]}");
}

static void run_one(const struct options *o, unsigned int i, unsigned int ms)
{
	const struct scenario *sc = list[i];
	struct run *r = runs[i];
	uint64_t start = now_ms();

	r->seed = seed_of(o->seed, sc->name);
	r->slow = o->slow;
	r->limit_ms = 2000 * r->slow;
	verdicts[i] = run_scenario(o, sc, ms, r);
	if (verdicts[i] == SKIPPED) {
		tap_skip(sc->name, r->why);
		return;
	}
	tap_result(verdicts[i] == PASSED, "%s: %s%s%s # %llu ms", sc->name,
		   sc->what, r->failures ? ": " : "", r->failures ? r->why : "",
		   (unsigned long long)(now_ms() - start));
	if (verdicts[i] == FAILED)
		tap_note("again: --scenario %s --seed %#llx", sc->name,
			 (unsigned long long)o->seed);
}

/*
 * Its share of the time that is left, less what setting up and checking took
 * the others on top of theirs.
 */
static unsigned int share(unsigned int i, uint64_t end_ms, unsigned int weights,
			  uint64_t over_ms)
{
	uint64_t now = now_ms(), ms;

	ms = now < end_ms ? (end_ms - now) * (list[i]->weight ?: 1) / weights :
			    0;
	over_ms /= i ?: 1;
	return ms > over_ms + SHORTEST_MS ? ms - over_ms : SHORTEST_MS;
}

static int run_all(const struct options *o, uint64_t ms)
{
	uint64_t start, took, over = 0, end = now_ms() + ms;
	unsigned int i, sum = 0;

	tap_note("seed %#llx, %u scenarios, %llu s",
		 (unsigned long long)o->seed, count,
		 (unsigned long long)ms / 1000);
	keep_open(o->keep);
	hooks_open(o->dev);
	complaint_open();
	leak_baseline(o->dev);
	if (!hooks_have_types())
		tap_note("the driver has no hook_* counters: only that "
			 "something was invalidated is checked");
	for (i = 0; i < count; i++) {
		sum += list[i]->weight ?: 1;
		runs[i] = mmap(NULL, sizeof(*runs[i]), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (runs[i] == MAP_FAILED)
			die("mmap: %s", strerror(errno));
	}
	for (i = 0; i < count; i++) {
		start = now_ms();
		run_one(o, i, share(i, end, sum, over));
		sum -= list[i]->weight ?: 1;
		took = now_ms() - start;
		over += took > runs[i]->ms ? took - runs[i]->ms : 0;
	}
	print_summary();
	print_total(o, now_ms() - (end - ms));
	i = tap_done();
	if (o->json)
		print_json(o);
	return i;
}

static uint64_t number(const char *text, const char *what)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-')
		die("%s: '%s' is not a number", what, text);
	return n;
}

/* One with checkers built in takes its time, and so does a busy machine. */
static unsigned int slow_kernel(void)
{
	const char *kernel = getenv("SD_KERNEL"), *busy = getenv("SD_SLOW");
	unsigned long n = busy ? strtoul(busy, NULL, 10) : 1;

	if (!n || n > 100)
		n = 1;
	return kernel && (!strcmp(kernel, "debug") ||
			  !strcmp(kernel, "kcsan")) ?
		       5 * n :
		       n;
}

struct arguments {
	struct options o;
	uint64_t ms;
	char *names[MAX_WANTED];
	unsigned int wanted;
	bool list;
};

static void take_option(struct arguments *a, int c)
{
	switch (c) {
	case 'd':
		a->o.dev = optarg;
		break;
	case 'm':
		a->ms = number(optarg, "--minutes") * 60000;
		break;
	case 's':
		a->ms = number(optarg, "--seconds") * 1000;
		break;
	case 'S':
		a->o.seed = number(optarg, "--seed");
		break;
	case 'k':
		a->o.keep = optarg;
		break;
	case 'w':
		a->o.slow = number(optarg, "--slow");
		break;
	case 'j':
		a->o.json = true;
		break;
	case 'l':
		a->list = true;
		break;
	case 'n':
		if (a->wanted == MAX_WANTED)
			die("more than %d --scenario", MAX_WANTED);
		a->names[a->wanted++] = optarg;
		break;
	case 'h':
		usage(stdout);
		exit(0);
	default:
		usage(stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dev", required_argument, NULL, 'd' },
		{ "minutes", required_argument, NULL, 'm' },
		{ "seconds", required_argument, NULL, 's' },
		{ "scenario", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 'S' },
		{ "keep", required_argument, NULL, 'k' },
		{ "slow", required_argument, NULL, 'w' },
		{ "json", no_argument, NULL, 'j' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{}
	};
	static struct arguments a = { .ms = 180000 };
	int c;

	a.o.slow = slow_kernel();
	a.o.seed = mix64(time(NULL) ^ (uint64_t)getpid() << 20);
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1)
		take_option(&a, c);
	if (optind < argc)
		die("stress: what is '%s'? see --help", argv[optind]);
	choose(a.names, a.wanted);
	if (!count)
		die("stress: there is no such scenario; see --list");
	if (a.list)
		return print_list();
	if (!a.o.slow || a.o.slow > 1000)
		die("--slow: 1 to 1000");
	if (!a.o.dev || !a.ms)
		die("stress: --dev DEVICE and some time are needed; see --help");
	return run_all(&a.o, a.ms);
}
