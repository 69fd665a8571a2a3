/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One process does what it should not, by a grammar and at random; others carry
 * honest traffic meanwhile and judge it. What is common to the three kinds:
 * peer.c (packets), program.c (rings), uverbs.c (system calls).
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdatomic.h>

#include "util.h"

struct options {
	const char *mode; /* peer, program, uverbs */
	const char *dev;
	const char *local_ip, *peer_ip, *peer_ns; /* peer */
	uint64_t seed;
	unsigned long count; /* packets, states or calls */
	bool lie; /* something happens that must be noticed */
	bool brief; /* only harm is judged, not how much was met */
};

/* --- the board: what the processes of a run know of each other --- */

enum {
	HONEST_PARTIES = 2, /* a process, and a thread beside the villain */
	HONEST_QPS = 4,
	BREAKDOWN = 64, /* lines of what was done */
};

struct honest_score {
	_Atomic uint64_t ops, bytes, worst_ms;
	_Atomic uint32_t qpn[HONEST_QPS];
	_Atomic bool running;
};

struct board {
	_Atomic bool stop; /* honest traffic may end */
	_Atomic uint32_t harms; /* what should not have been possible */
	struct honest_score honest[HONEST_PARTIES];
	_Atomic uint64_t done; /* of options.count */
	_Atomic uint64_t checks; /* of all memory */
	_Atomic uint64_t kinds[BREAKDOWN]; /* what was done, by kind */
};

extern struct board *board;

/* One harm: it is printed, the first few of them. From any process. */
void accuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static inline void count_kind(unsigned int kind)
{
	atomic_fetch_add_explicit(&board->kinds[kind], 1, memory_order_relaxed);
}

/* --- honest.c --- */

/*
 * Traffic with every byte judged, until the board says stop. With @lie a byte
 * changes in some volley, as if somebody had written there.
 */
void honest_run(const char *dev, struct honest_score *score, uint64_t seed,
		bool lie);

/* --- the villains: return when options.count is reached --- */

struct villain {
	const char *mode, *unit; /* what is counted */
	void (*prepare)(void); /* before there are processes; may be NULL */
	void (*run)(const struct options *o);
	const char *const *kinds; /* names of board->kinds, NULL at the end */
	/* Judges counters of the device (census.h); NULL: nothing to judge. */
	void (*judge)(const struct options *o);
	bool unprivileged;
	bool honest_lies; /* with --lie it is the honest traffic that is spoilt */
	bool beside; /* an honest thread in the same process */
};

extern const struct villain villain_peer, villain_program, villain_uverbs;

#endif
