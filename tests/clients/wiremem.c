// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What every byte of both hosts' memory is, by the request alone. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "wire.h"

static uint8_t shadow[ROOM];

/* Bytes of the memory that a case may concern: its own, a page more. */
static size_t window(const struct request *r, enum side side)
{
	return (r->off[side] + r->len + GRH + 2 * PAGE - 1) & ~(PAGE - 1);
}

static size_t message_at(const struct request *r, enum side side)
{
	bool grh = r->transport == UD && side == SERVER;

	return r->off[side] + (grh ? GRH : 0);
}

static bool is_source(const struct request *r, enum side side)
{
	return (r->op < READ) == (side == CLIENT);
}

static void background(const struct request *r, enum side side)
{
	fill(shadow, window(r, side), r->seed * 4 + side);
}

uint64_t memory_word(const struct request *r)
{
	uint64_t word;

	fill(&word, sizeof(word), r->seed * 4 + 2);
	return word;
}

static void before(const struct request *r, enum side side)
{
	background(r, side);
	if (is_source(r, side))
		fill(shadow + message_at(r, side), r->len, r->seed * 4 + 2);
}

static void after(const struct request *r, enum side side)
{
	uint8_t *at = shadow + message_at(r, side);
	uint64_t word = memory_word(r);

	background(r, side);
	/* Both have it now. */
	fill(at, r->len, r->seed * 4 + 2);
	if (side == CLIENT || r->op < CMP_SWAP)
		return;
	if (r->op == FETCH_ADD)
		word += r->compare_add;
	else if (word == r->compare_add)
		word = r->swap;
	memcpy(at, &word, sizeof(word));
}

void memory_prepare(const struct request *r, enum side side)
{
	struct memory *m = &me.memory[r->odp[side]];
	size_t len = window(r, side);

	before(r, side);
	memcpy(m->alias ? m->alias : m->map, shadow, len);
	/* The pages stay in the file; nobody has them mapped. */
	if (m->alias && madvise(m->map, ROOM, MADV_DONTNEED))
		die("MADV_DONTNEED: %s", strerror(errno));
}

int memory_check(const struct request *r, enum side side, char *text,
		 size_t room)
{
	struct memory *m = &me.memory[r->odp[side]];
	ssize_t bad;

	after(r, side);
	/* Of a GRH not every byte is defined. */
	if (r->transport == UD && side == SERVER)
		memcpy(shadow + r->off[side], m->map + r->off[side], GRH);
	bad = first_difference(m->map, shadow, window(r, side));
	if (bad < 0)
		return GOOD;
	snprintf(text, room,
		 "%s: byte %zd of a message at %zu is %02x, not %02x",
		 side == CLIENT ? "client" : "server",
		 bad - (ssize_t)message_at(r, side), message_at(r, side),
		 m->map[bad], shadow[bad]);
	return WRONG;
}

void memory_settle(const struct request *r, unsigned int ms)
{
	uint64_t end = now_ms() + ms;
	char text[160];

	while (memory_check(r, SERVER, text, sizeof(text)) && now_ms() < end)
		sleep_ms(5);
}

bool memory_partly(const struct request *r)
{
	const uint8_t *map = me.memory[r->odp[SERVER]].map;
	static uint8_t old[ROOM];
	size_t i, len = window(r, SERVER);

	before(r, SERVER);
	memcpy(old, shadow, len);
	after(r, SERVER);
	for (i = 0; i < len; i++)
		if (map[i] != old[i] && map[i] != shadow[i])
			return false;
	return true;
}
