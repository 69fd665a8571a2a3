// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "hostile.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "census.h"

enum {
	NOBODY = 65534,
	FIRST_HARMS = 12, /* that are printed */
	PROGRESS_MS = 10000,
	SILENCE_MS = 90000, /* without any progress: it hangs */
};

struct board *board;

static const struct villain *const villains[] = { &villain_peer,
						  &villain_program,
						  &villain_uverbs };

void accuse(const char *fmt, ...)
{
	va_list args;
	char text[256];

	if (atomic_fetch_add(&board->harms, 1) >= FIRST_HARMS)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	tap_note("HARM: %s", text);
}

static void usage(void)
{
	fputs("usage: hostile peer|program|uverbs DEVICE --count N [--seed S]\n"
	      "               [--local IP --peer IP --namespace NAME] [--lie] [--brief]\n"
	      "\n"
	      "  --count N   packets, ring states or calls\n"
	      "  --local, --peer, --namespace   peer: the device's address, the peer's, and where it is\n"
	      "  --lie       regions are larger than the judge is told, or an honest byte changes: it must notice\n"
	      "  --brief     too few for what must be met: only harm is judged\n",
	      stderr);
	exit(2);
}

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{ "count", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "local", required_argument, NULL, 'l' },
		{ "peer", required_argument, NULL, 'p' },
		{ "namespace", required_argument, NULL, 'N' },
		{ "lie", no_argument, NULL, 'L' },
		{ "brief", no_argument, NULL, 'b' },
		{},
	};
	int c;

	*o = (struct options){ .seed = now_ms() * 2654435761u };
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'n':
			o->count = strtoul(optarg, NULL, 0);
			break;
		case 's':
			o->seed = strtoull(optarg, NULL, 0);
			break;
		case 'l':
			o->local_ip = optarg;
			break;
		case 'p':
			o->peer_ip = optarg;
			break;
		case 'N':
			o->peer_ns = optarg;
			break;
		case 'L':
			o->lie = true;
			break;
		case 'b':
			o->brief = true;
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 2 || !o->count)
		usage();
	o->mode = argv[optind];
	o->dev = argv[optind + 1];
}

static const struct villain *find(const struct options *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(villains); i++)
		if (!strcmp(villains[i]->mode, o->mode)) {
			if (!strcmp(o->mode, "peer") &&
			    (!o->local_ip || !o->peer_ip || !o->peer_ns))
				usage();
			return villains[i];
		}
	usage();
	return NULL;
}

/* --- processes --- */

static pid_t spawn(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork: %s", strerror(errno));
	return pid;
}

static void honest_process(const struct villain *v, const struct options *o)
{
	honest_run(o->dev, &board->honest[0], o->seed + 1,
		   o->lie && v->honest_lies);
	exit(0);
}

static void *honest_thread(void *arg)
{
	const struct options *o = arg;

	honest_run(o->dev, &board->honest[1], o->seed + 2, false);
	return NULL;
}

static void become_nobody(void)
{
	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		die("cannot become nobody: %s", strerror(errno));
}

static void villain_process(const struct villain *v, struct options *o)
{
	pthread_t thread;

	if (v->unprivileged)
		become_nobody();
	if (!v->beside) {
		v->run(o);
		exit(0);
	}
	if (pthread_create(&thread, NULL, honest_thread, o))
		die("pthread_create");
	/* what it needs it has when it moves */
	while (!board->honest[1].ops && !board->harms)
		sleep_ms(10);
	v->run(o);
	board->stop = true;
	pthread_join(thread, NULL);
	exit(0);
}

static bool ended_well(const char *who, int status)
{
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return true;
	if (WIFSIGNALED(status))
		accuse("%s was ended by signal %d", who, WTERMSIG(status));
	else
		accuse("%s ended with status %d", who, WEXITSTATUS(status));
	return false;
}

static void print_progress(uint64_t now)
{
	static uint64_t last;

	if (last && now - last > PROGRESS_MS)
		tap_note("... %llu, and %llu honest messages",
			 (unsigned long long)board->done,
			 (unsigned long long)board->honest[0].ops);
	if (!last || now - last > PROGRESS_MS)
		last = now;
}

/* Until the villain is through: everybody must move. */
static void watch(pid_t villain, pid_t honest)
{
	uint64_t seen[2] = {}, at[2] = { now_ms(), now_ms() };
	bool both = true;
	int status;

	for (;;) {
		uint64_t now = now_ms();
		uint64_t is[2] = { board->done, board->honest[0].ops };
		pid_t pid = waitpid(-1, &status, WNOHANG);

		print_progress(now);

		if (pid == villain) {
			ended_well("the villain", status);
			break;
		}
		if (pid == honest) {
			both = false;
			if (ended_well("the honest process", status) &&
			    !board->stop)
				accuse("the honest process ended too early");
		}
		for (int i = 0; i < 2; i++) {
			if (is[i] != seen[i] || (i && !both))
				at[i] = now;
			seen[i] = is[i];
			if (now - at[i] < SILENCE_MS)
				continue;
			accuse("%s made no progress for %d s",
			       i ? "honest traffic" : "the villain",
			       SILENCE_MS / 1000);
			kill(villain, SIGKILL);
			at[i] = now;
		}
		sleep_ms(20);
	}
	board->stop = true;
	if (both && waitpid(honest, &status, 0) == honest)
		ended_well("the honest process", status);
}

/* --- the result --- */

static void print_kinds(const struct villain *v)
{
	for (int i = 0; v->kinds[i]; i++)
		if (board->kinds[i])
			tap_note("  %-48s %10llu", v->kinds[i],
				 (unsigned long long)board->kinds[i]);
}

static void verdicts(const struct villain *v, const struct options *o,
		     uint64_t ms)
{
	const char *const names[HONEST_PARTIES] = {
		"another process", "the villain's own process"
	};

	tap_note("%llu %s in %llu ms; all memory was looked at %llu times",
		 (unsigned long long)board->done, v->unit,
		 (unsigned long long)ms, (unsigned long long)board->checks);
	print_kinds(v);
	tap_note("counters of the device:");
	census_print();
	for (int i = 0; i < (v->beside ? 2 : 1); i++)
		tap_result(board->honest[i].ops,
			   "%s: honest traffic of %s went on: %llu messages, "
			   "%llu bytes, the slowest took %llu ms",
			   o->mode, names[i],
			   (unsigned long long)board->honest[i].ops,
			   (unsigned long long)board->honest[i].bytes,
			   (unsigned long long)board->honest[i].worst_ms);
	tap_result(board->done >= o->count && !board->harms,
		   "%s: %llu %s, seed %#llx, %u harms", o->mode,
		   (unsigned long long)board->done, v->unit,
		   (unsigned long long)o->seed, board->harms);
	if (v->judge && !board->harms && !o->brief)
		v->judge(o);
}

int main(int argc, char **argv)
{
	const struct villain *v;
	struct options o;
	pid_t honest, villain;
	uint64_t started;

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(&o, argc, argv);
	v = find(&o);
	if (v->prepare)
		v->prepare();
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	tap_note("%s: seed %#llx, %lu %s%s", o.mode, (unsigned long long)o.seed,
		 o.count, v->unit, o.lie ? ", and a lie" : "");
	census_begin(o.dev);
	honest = spawn();
	if (!honest)
		honest_process(v, &o);
	for (int i = 0; i < 3000 && !board->honest[0].ops; i++)
		sleep_ms(10);
	started = now_ms();
	villain = spawn();
	if (!villain)
		villain_process(v, &o);
	watch(villain, honest);
	started = now_ms() - started;
	census_end(o.dev);
	verdicts(v, &o, started);
	return tap_done();
}
