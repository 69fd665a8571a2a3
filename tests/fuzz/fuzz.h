/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What a target gives to libFuzzer and to replay.c. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MUST(what)                                                       \
	do {                                                             \
		if (!(what)) {                                           \
			fflush(stdout);                                  \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
				__LINE__, #what);                        \
			abort();                                         \
		}                                                        \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A good input to start from; 0: there are no more than @i of them. */
size_t fuzz_seed(unsigned int i, uint8_t *out, size_t max);
/* After all inputs: did they get to where they should? Prints what it counts. */
void fuzz_summary(void);

/*
 * Bytes that libFuzzer looks at after each input (and then clears): one that
 * becomes another than ever before is as good as a new line of code.
 */
#define FUZZ_COUNTERS(name, n) \
	static uint8_t name[n] \
		__attribute__((section("__libfuzzer_extra_counters"), used))

/* --- bytes as choices --------------------------------------------- */

struct fuzz_bytes {
	const uint8_t *at, *end;
};

/* 0 when there is nothing left. */
static inline uint8_t fuzz_u8(struct fuzz_bytes *b)
{
	return b->at < b->end ? *b->at++ : 0;
}

static inline uint32_t fuzz_u32(struct fuzz_bytes *b)
{
	uint32_t v = fuzz_u8(b);

	v = v << 8 | fuzz_u8(b);
	v = v << 8 | fuzz_u8(b);
	return v << 8 | fuzz_u8(b);
}

/* 0 .. n - 1; as many bytes as n needs. */
static inline uint32_t fuzz_below(struct fuzz_bytes *b, uint32_t n)
{
	uint32_t v = fuzz_u8(b);

	if (n > 1 << 8)
		v = v << 8 | fuzz_u8(b);
	if (n > 1 << 16)
		v = v << 8 | fuzz_u8(b);
	return n ? v % n : 0;
}

#endif
