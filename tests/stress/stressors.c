// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Other processes that keep the memory management busy, by a program that
 * others wrote for that: they take the same swap, frames and locks.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guestsys.h"

#define REPORT "/run/stress-ng.yaml"

/* None that breaks pages, or takes whatever memory there is. */
static const char *const stressors[] = { "vm", "mremap", "pageswap", "fork" };

static struct {
	pid_t pid;
	bool ended;
	int status;
} others;

static const char *program_missing(void)
{
	const char *lacks = swap_missing();

	if (lacks)
		return lacks;
	return command("stress-ng --version") ? NULL :
						"no stress-ng (Debian package)";
}

static void be_stress_ng(unsigned int seconds)
{
	char timeout[20];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* It makes groups of its own; whoever ends this ends all of them. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* In the background: the CPUs are for the traffic first. */
	if (nice(10) < 0)
		_exit(126);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	snprintf(timeout, sizeof(timeout), "%u", seconds);
	execlp("stress-ng", "stress-ng", "--quiet", "--temp-path", "/run",
	       "--no-madvise", "--metrics", "--yaml", REPORT, "--timeout",
	       timeout, "--vm", "1", "--vm-bytes", "24m", "--mremap", "1",
	       "--mremap-bytes", "8m", "--pageswap", "1", "--fork", "1",
	       (char *)NULL);
	_exit(127);
}

static void others_start(struct run *r)
{
	unsigned int seconds = r->ms / 1000;

	unlink(REPORT);
	others.pid = fork();
	if (!others.pid)
		be_stress_ng(seconds > 4 * r->slow ? seconds : 4 * r->slow);
	if (others.pid < 0)
		die("fork: %s", strerror(errno));
}

static bool others_ended(void)
{
	if (!others.ended)
		others.ended = waitpid(others.pid, &others.status, WNOHANG) ==
			       others.pid;
	return others.ended;
}

static void others_stop(struct run *r)
{
	uint64_t late = now_ms() + 20000 * r->slow;

	while (!others_ended() && now_ms() < late && !failed(r))
		sleep_ms(20);
	if (others.ended)
		return;
	if (!failed(r))
		fail(r, "stress-ng does not end");
	kill(-others.pid, SIGKILL);
	waitpid(others.pid, &others.status, 0);
}

/* "- stressor: NAME" and then "bogo-ops: N", of each; 0 if it is not there. */
static unsigned long long work_of(const char *name)
{
	unsigned long long n = 0;
	char line[200], now[40] = "";
	FILE *f = fopen(REPORT, "re");

	while (f && !n && fgets(line, sizeof(line), f)) {
		sscanf(line, " - stressor: %39s", now);
		if (!strcmp(now, name))
			sscanf(line, " bogo-ops: %llu", &n);
	}
	if (f)
		fclose(f);
	return n;
}

static void check_others(struct run *r)
{
	unsigned long long n;

	if (others.status)
		fail(r, "stress-ng ended with status %#x", others.status);
	for (unsigned int i = 0; i < ARRAY_SIZE(stressors); i++) {
		n = work_of(stressors[i]);
		tap_note("%s: %s %llu", r->sc->name, stressors[i], n);
		if (!n)
			fail(r, "stress-ng's %s did nothing", stressors[i]);
	}
}

static bool page_out(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return !madvise(g->at, g->len, MADV_PAGEOUT);
}

static bool drop(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return !madvise(g->at, g->len, MADV_DONTNEED);
}

static void stressors_run(struct run *r)
{
	static const char *const swapped[] = { "pswpout", "pswpin", NULL };
	static const struct event events[] = {
		{ .name = "MADV_PAGEOUT",
		  .fn = page_out,
		  .max = 32,
		  .weight = 3 },
		{ .name = "MADV_DONTNEED", .fn = drop, .flags = EV_EMPTIES },
		{}
	};
	struct engine e = { .run = r, .events = events };

	/* They have the CPUs and the disk, too. */
	r->limit_ms *= 5;
	/* Before there are regions: its fork is no event of this one. */
	others_start(r);
	e.field[0] = field_anon(r, 512);
	e.field[1] = field_pinned(r, 32);
	engine_count(&e, swapped, others_ended);
	others_stop(r);
	if (!failed(r))
		check_others(r);
	engine_check(&e);
	engine_free(&e);
}

SCENARIO(beside_stressors) = {
	.name = "stress-ng",
	.rows = "9,20",
	.what = "not a byte is lost while stress-ng wears the memory out",
	.missing = program_missing,
	.run = stressors_run,
	.hooks = CLEAR,
	.slack_s = 90,
};
