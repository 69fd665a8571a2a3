/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A registered buffer with a shadow that says what every byte of it must be.
 * Offsets count from the end of a leading guard page; there is one behind, too.
 */
#ifndef GUEST_ARENA_H
#define GUEST_ARENA_H

#include "verbs.h"

enum arena_kind {
	ARENA_PINNED,
	ARENA_PINNED_IOVA, /* iova != va */
	ARENA_WARM, /* on demand, pages known to the device */
	ARENA_COLD, /* on demand, anonymous, dropped before every case */
	ARENA_COLD_FILE, /* on demand, a memfd's pages, not mapped yet */
	ARENA_COLD_IOVA, /* as before, iova != va */
	ARENA_KINDS
};

struct arena {
	enum arena_kind kind;
	uint8_t *map;
	uint8_t *alias; /* second mapping of a memfd, to fill it by */
	uint8_t *shadow;
	size_t size; /* with guards */
	uint64_t shift; /* iova - va */
	struct ibv_mr *mr;
};

extern const char *const arena_names[ARENA_KINDS];

static inline bool arena_on_demand(enum arena_kind kind)
{
	return kind >= ARENA_WARM;
}

static inline bool arena_cold(enum arena_kind kind)
{
	return kind >= ARENA_COLD;
}

void arena_create(struct arena *a, struct rd_dev *dev, enum arena_kind kind,
		  size_t room);
void arena_destroy(struct arena *a);
/* New content, in buffer and shadow, of [off, off + len) and a page around. */
void arena_prepare(struct arena *a, size_t off, size_t len, uint64_t seed);
/* What the device must call this place. */
uint64_t arena_iova(const struct arena *a, size_t off);
uint8_t *arena_shadow(const struct arena *a, size_t off);
/* Compares that window; -1 or the offset of a byte that is wrong. */
ssize_t arena_check(const struct arena *a, size_t off, size_t len);
ssize_t arena_check_all(const struct arena *a);

#endif
