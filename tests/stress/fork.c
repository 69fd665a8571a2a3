// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* fork and copy on write. */

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"

/* The child's pages must stay as they were at the fork. */
static void child_watches(struct field *f, const struct range *g,
			  unsigned int ms)
{
	static uint8_t copy[16 * PAGE];

	memcpy(copy, g->at, g->len);
	sleep_ms(ms);
	if (memcmp(copy, g->at, g->len))
		fail(f->run, "a child's page changed");
	_exit(0);
}

static bool fork_watch(struct field *f, const struct range *g, struct rng *rng)
{
	unsigned int ms = below(rng, 6);
	int status;
	pid_t pid = fork();

	if (!pid)
		child_watches(f, g, ms);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		fail(f->run, "fork: %s", strerror(errno));
	return pid > 0;
}

static void fork_parent_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "fork", .fn = fork_watch }, {}
	};

	run_events(r, field_anon(r, 128), events);
}

SCENARIO(fork_parent) = {
	.name = "fork-parent",
	.rows = "11,14",
	.what = "the parent keeps its data, the child its snapshot",
	.run = fork_parent_run,
	.hooks = PROT_PAGE | CLEAR,
};
