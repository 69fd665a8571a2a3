// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A process that takes the frames that others gave up, fills them with its own
 * tag, and sees whether somebody still writes there. It owns no region, so
 * whatever changes in its memory was not its business to change.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"

#define CHUNK  16 /* pages that come and go at once */
#define CHUNKS 64

static void tag(uint64_t *page, uint64_t round)
{
	unsigned int i;

	for (i = 0; i < PAGE / 8; i++)
		page[i] = CANARY_TAG ^ (round << 56);
}

static void look(struct canary *c, const uint8_t *chunk, uint64_t round)
{
	static uint64_t want[PAGE / 8];
	unsigned int i;
	ssize_t bad;
	uint64_t word;

	tag(want, round);
	for (i = 0; i < CHUNK; i++) {
		bad = first_difference(chunk + i * PAGE, want, PAGE);
		if (bad < 0)
			continue;
		if (atomic_fetch_add(&c->hits, 1) > 4)
			continue;
		keep_stop();
		memcpy(&word, chunk + i * PAGE + (bad & ~7), 8);
		tap_note(
			"canary: a page of another process has %#018llx at %zd",
			(unsigned long long)word, bad);
	}
}

static void canary_main(struct canary *c)
{
	const size_t size = CHUNKS * CHUNK * PAGE;
	uint8_t round[CHUNKS] = {};
	struct rng g = { 1 };
	unsigned int i, k;
	uint8_t *map, *at;

	map = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		_exit(2);
	madvise(map, size, MADV_NOHUGEPAGE);
	for (i = 0; i < CHUNKS * CHUNK; i++)
		tag((uint64_t *)(map + i * PAGE), 0);
	while (!atomic_load(&c->stop)) {
		k = below(&g, CHUNKS);
		at = map + k * CHUNK * PAGE;
		look(c, at, round[k]);
		/* Give these up, and take what is free now. */
		madvise(at, CHUNK * PAGE, MADV_DONTNEED);
		round[k]++;
		for (i = 0; i < CHUNK; i++)
			tag((uint64_t *)(at + i * PAGE), round[k]);
		atomic_fetch_add(&c->pages, CHUNK);
		if (!(atomic_fetch_add(&c->rounds, 1) % 4))
			sleep_ms(1);
	}
	for (k = 0; k < CHUNKS; k++)
		look(c, map + k * CHUNK * PAGE, round[k]);
	_exit(0);
}

void canary_start(struct canary *c)
{
	pid_t pid;

	memset(c, 0, sizeof(*c));
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		canary_main(c);
	}
	c->pid = pid;
}

void canary_stop(struct canary *c, struct run *r)
{
	int status;

	atomic_store(&c->stop, true);
	if (waitpid(c->pid, &status, 0) != c->pid || status)
		fail(r, "the canary ended with status %#x", status);
	if (c->hits)
		fail(r, "%llu pages of another process were written to",
		     (unsigned long long)c->hits);
	if (!c->rounds)
		fail(r, "the canary did not run");
}
