/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Small things that every test program in the guest needs. */
#ifndef GUEST_UTIL_H
#define GUEST_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PAGE	      4096UL

/* A failed set-up, not a failed check: says why and exits with 2. */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

uint64_t now_ms(void);
void sleep_ms(unsigned int ms);

/* A stream of words that depends on @seed and the word's position alone. */
uint64_t mix64(uint64_t x);
void fill(void *buf, size_t len, uint64_t seed);
/* Offset of the first byte that differs, or -1. */
ssize_t first_difference(const void *a, const void *b, size_t len);

/* --- chance: the same sequence for the same seed --- */

struct rng {
	uint64_t x;
};

static inline uint64_t rnd(struct rng *g)
{
	g->x += 0x9e3779b97f4a7c15ULL;
	return mix64(g->x);
}

/* 0 .. n - 1 */
static inline uint64_t below(struct rng *g, uint64_t n)
{
	return rnd(g) % n;
}

static inline bool one_in(struct rng *g, unsigned int n)
{
	return !below(g, n);
}

/*
 * Two processes that talk: a unix socket, which network namespaces do not
 * separate. Both block up to @ms for each other; they return the descriptor.
 */
int sock_listen(const char *path, unsigned int ms);
int sock_connect(const char *path, unsigned int ms);
void sock_send(int fd, const void *buf, size_t len);
/* False when the other side has gone or was silent for @ms. */
bool sock_recv(int fd, void *buf, size_t len, unsigned int ms);

/* The test anything protocol. */
void tap_result(bool ok, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void tap_skip(const char *name, const char *why);
void tap_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Prints the plan; the exit status: 0, 1 when one failed, 77 all skipped. */
int tap_done(void);
int tap_failed(void);

/* Counters of port 1 of a device, by name. */
uint64_t counter(const char *dev, const char *name);
/* Several, all of about the same moment. */
void counters(const char *dev, const char *const *names, uint64_t *values,
	      unsigned int n);
bool counter_exists(const char *dev, const char *name);

#endif
