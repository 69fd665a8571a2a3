/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the audience sees, and the verdicts. A claim holds only if the bytes
 * are right and what must have happened for it was counted.
 */
#ifndef DEMO_SCREEN_H
#define DEMO_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

/* @results: a file that gets a line of JSON for each claim, or NULL. */
void screen_open(const char *results, bool colour);
int screen_close(void); /* how many claims failed */

#define LIKE_PRINTF(n) __attribute__((format(printf, n, n + 1)))

void heading(const char *format, ...) LIKE_PRINTF(1);
void say(const char *format, ...) LIKE_PRINTF(1);
/* A bar that is drawn over; terminals only. @total 0 wipes it away. */
void progress(const char *what, uint64_t done, uint64_t total);

/* Counters before and after something: what it must have caused. */
bool claim(const char *id, bool data, bool counters, const char *text,
	   const char *evidence, ...) LIKE_PRINTF(5);

/*
 * A strip of cells: how much of each @cell pages is in memory, on a scale of
 * powers of four, or (@of_swap) whether it is in memory or on swap.
 */
struct cell {
	uint32_t pages, present, swapped;
};

void strip(const struct cell *cells, unsigned int n, bool of_swap);

#endif
