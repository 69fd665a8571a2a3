// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * One scenario: in a process group of its own, with a canary beside it and a
 * watchdog over it. Whatever it does to itself, the next one begins clean.
 */

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guestsys.h"
#include "stress.h"
#include "wire.h"

#define PROGRESS_MS 5000
#define LATE_MS	    30 /* that a sleeper of 10 ms may wake too late */

void fail(struct run *r, const char *fmt, ...)
{
	unsigned int before;
	char text[240];
	va_list args;

	keep_stop();
	if (!strncmp(fmt, "split:", 6))
		atomic_fetch_add(&r->splits, 1);
	before = atomic_fetch_add(&r->failures, 1);
	if (before > 20)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!before)
		strcpy(r->why, text);
	tap_note("%s failed: %s", r->sc->name, text);
}

void skip(struct run *r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, args);
	va_end(args);
	atomic_store(&r->skipped, true);
}

void note_ops(struct run *r, enum op op, uint64_t n)
{
	atomic_fetch_add(&r->ops[op], n);
}

void note_events(struct run *r, uint64_t n)
{
	atomic_fetch_add(&r->events, n);
}

void note_time(struct run *r, uint64_t ms, const char *what)
{
	uint64_t worst = atomic_load(&r->worst_ms);

	while (ms > worst &&
	       !atomic_compare_exchange_weak(&r->worst_ms, &worst, ms))
		;
	if (ms > r->limit_ms)
		fail(r, "%s took %llu ms, at most %u", what,
		     (unsigned long long)ms, r->limit_ms);
}

/*
 * Milliseconds for which this machine ran nobody who wanted to run: an
 * emulated one may stand still for seconds when its host is busy.
 */
uint64_t stalled_ms(const struct run *r)
{
	return atomic_load(&((struct run *)r)->stalled);
}

static uint64_t sum_ops(struct run *r)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < OPS; i++)
		sum += atomic_load(&r->ops[i]);
	return sum;
}

/* --- the watchdog ------------------------------------------------- */

static void print_file(const char *path, const char *what)
{
	char text[2000], *line, *rest = text;
	ssize_t n;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			tap_note("  %s %s", what, line);
}

/* Where its threads are, for who has to find out why. */
static void dump_threads(pid_t pid)
{
	static const char *const files[] = { "comm", "stack" };
	char path[300];
	struct dirent *d;
	unsigned int i;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		for (i = 0; i < ARRAY_SIZE(files); i++) {
			snprintf(path, sizeof(path), "/proc/%d/task/%s/%s", pid,
				 d->d_name, files[i]);
			print_file(path, d->d_name);
		}
	}
	if (dir)
		closedir(dir);
}

static void print_progress(struct run *r, uint64_t ms)
{
	tap_note("%s: %llu s of %u, %llu accesses, %llu events", r->sc->name,
		 (unsigned long long)ms / 1000, r->ms / 1000,
		 (unsigned long long)sum_ops(r),
		 (unsigned long long)atomic_load(&r->events));
}

static bool wait_for(struct run *r, pid_t pid, int *status)
{
	unsigned int slack = (r->sc->slack_s ?: 30) * 1000 * r->slow;
	uint64_t start = now_ms(), shown = start, now = start, before;

	while (waitpid(pid, status, WNOHANG) != pid) {
		before = now;
		now = now_ms();
		if (now - before > 10 + LATE_MS)
			atomic_fetch_add(&r->stalled, now - before - 10);
		complaint_look(r);
		if (now - start > r->ms + slack)
			return false;
		if (now - shown >= PROGRESS_MS) {
			shown = now;
			print_progress(r, now - start);
		}
		sleep_ms(10);
	}
	return true;
}

/* --- the scenario's process --------------------------------------- */

static void child_main(struct run *r)
{
	const struct scenario *sc = r->sc;

	setpgid(0, 0);
	map_begin();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, sc->name);
	if (!(sc->flags & SC_NO_DEVICE)) {
		rd_open(&r->dev, r->dev_name);
		if (!r->dev.odp)
			skip(r, "the device has no on-demand paging");
	}
	if (!r->skipped)
		sc->run(r);
	if (r->failures)
		map_show();
	/* After a failure anything may still be in use. */
	if (!(sc->flags & SC_NO_DEVICE) && !r->failures && !r->skipped)
		rd_close(&r->dev);
	fflush(stdout);
	_exit(0);
}

static void run_child(struct run *r)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid)
		child_main(r);
	setpgid(pid, pid);
	if (!wait_for(r, pid, &status)) {
		fail(r, "hangs: killed");
		dump_threads(pid);
		kill(pid, MAP_SIGNAL);
		sleep_ms(500);
		kill(-pid, SIGKILL);
		sleep_ms(2000);
		if (waitpid(pid, &status, WNOHANG) != pid) {
			dump_threads(pid);
			keep_save(r->sc->name);
			die("%s does not go away, even killed", r->sc->name);
		}
	} else if (status) {
		fail(r, "its process ended with status %#x", status);
	}
	kill(-pid, SIGKILL); /* children that it left */
}

/* --- verdicts ----------------------------------------------------- */

static void judge_run(struct run *r, const struct hook_counts *before)
{
	bool whole = r->sc->flags & SC_NO_DEVICE; /* its set-up is the event */
	const char *why;

	if (whole && !r->hooks_known)
		hooks_set(r, before);
	if (failed(r))
		return;
	/* What came while it was set up, or taken down, proves nothing. */
	if (!whole && !r->hooks_known)
		fail(r, "it did not say when to count hooks");
	if (!sum_ops(r))
		fail(r, "there was no traffic");
	if (!hooks_seen(r, &why))
		fail(r, "%s", why);
}

static void print_run(const struct run *r)
{
	char text[300] = "";
	size_t n = 0;
	int i;

	for (i = 0; i < OPS; i++)
		if (r->ops[i])
			n += snprintf(text + n, sizeof(text) - n, " %s %llu,",
				      op_names[i],
				      (unsigned long long)r->ops[i]);
	tap_note("%s:%s %llu MB, slowest %llu ms", r->sc->name, text,
		 (unsigned long long)r->bytes >> 20,
		 (unsigned long long)r->worst_ms);
	text[0] = 0;
	for (i = 0, n = 0; i < HOOKS; i++)
		if (r->hooks[i])
			n += snprintf(text + n, sizeof(text) - n, " %s %llu,",
				      hook_names[i],
				      (unsigned long long)r->hooks[i]);
	tap_note("  %llu events; hooks:%s %llu pages in, %llu out; %llu "
		 "accesses met an event, %llu refused",
		 (unsigned long long)r->events, text,
		 (unsigned long long)r->faults,
		 (unsigned long long)r->invalidated,
		 (unsigned long long)r->loose, (unsigned long long)r->refused);
}

/*
 * One device's packets to itself: by the shortcut in one scenario, through the
 * IP stack and its softirqs in another. Stock rxe has but one way.
 */
static void choose_way(const struct run *r)
{
	const char *wanted = getenv("SD_SHORTCUT");
	char path[100];
	bool on = wanted ? atoi(wanted) != 0 : (mix64(r->seed) & 1) != 0;

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/local_shortcut",
		 r->dev_name);
	if (sys_set(path, "%d", on))
		tap_note("%s: the local shortcut is %s", r->sc->name,
			 on ? "on" : "off");
}

enum verdict run_scenario(const struct options *o, const struct scenario *sc,
			  unsigned int ms, struct run *r)
{
	struct hook_counts before;
	static struct canary *canary;
	const char *left = sc->missing ? sc->missing() : NULL;

	r->sc = sc;
	if (left) {
		skip(r, "%s", left);
		return SKIPPED;
	}
	if (!canary)
		canary = mmap(NULL, sizeof(*canary), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	r->dev_name = o->dev;
	r->ms = ms;
	choose_way(r);
	keep_begin();
	complaint_begin(r);
	canary_start(canary);
	hooks_read(&before);
	run_child(r);
	wire_mend(r);
	judge_run(r, &before);
	canary_stop(canary, r);
	if (!r->failures) {
		left = leak_find(5000 * r->slow);
		if (left)
			fail(r, "%s", left);
	}
	complaint_end(r);
	if (r->failures)
		keep_save(sc->name);
	else if (r->skipped)
		return SKIPPED;
	print_run(r);
	return r->failures ? FAILED : PASSED;
}
