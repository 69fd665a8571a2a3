// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A target without libFuzzer:
 *   replay                     the seeds, then mutations of them (always the
 * same) replay FILE...             these inputs, e.g. a crash that was found
 *   replay --write-seeds DIR   the seeds as files, for libFuzzer to start from
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum {
	MAX_INPUT = 1 << 17,
	ROUNDS = 20000,
	MAX_EDITS = 4
};

static uint8_t input[MAX_INPUT];

static int run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file) {
		perror(path);
		return 1;
	}
	size = fread(input, 1, sizeof(input), file);
	fclose(file);
	LLVMFuzzerTestOneInput(input, size);
	return 0;
}

static int write_seeds(const char *dir)
{
	size_t size;

	for (unsigned int i = 0; (size = fuzz_seed(i, input, MAX_INPUT)); i++) {
		char path[4096];
		FILE *file;

		snprintf(path, sizeof(path), "%s/seed-%03u", dir, i);
		file = fopen(path, "wb");
		if (!file || fwrite(input, 1, size, file) != size) {
			perror(path);
			return 1;
		}
		fclose(file);
	}
	return 0;
}

static size_t mutate(uint8_t *bytes, size_t size)
{
	for (long edits = random() % (MAX_EDITS + 1); edits; edits--) {
		switch (random() % 4) {
		case 0:
			if (size)
				bytes[random() % size] ^= 1 << random() % 8;
			break;
		case 1:
			if (size)
				bytes[random() % size] = (uint8_t)random();
			break;
		case 2:
			size = random() % (size + 1);
			break;
		default:
			for (long grow = random() % 16; grow; grow--)
				bytes[size++] = (uint8_t)random();
		}
	}
	return size;
}

static int run_mutations(void)
{
	unsigned long runs = 0;
	unsigned int seeds = 0;
	size_t size;

	srandom(1);
	while ((size = fuzz_seed(seeds, input, MAX_INPUT / 2))) {
		LLVMFuzzerTestOneInput(input, size);
		for (int round = 0; round < ROUNDS; round++, runs++) {
			size = fuzz_seed(seeds, input, MAX_INPUT / 2);
			LLVMFuzzerTestOneInput(input, mutate(input, size));
		}
		seeds++;
	}
	printf("%u seeds, %lu mutations\n", seeds, runs);
	return seeds ? 0 : 1;
}

int main(int argc, char **argv)
{
	int bad = 0;

	if (argc == 1)
		return run_mutations();
	if (argc == 3 && !strcmp(argv[1], "--write-seeds"))
		return write_seeds(argv[2]);
	for (int i = 1; i < argc; i++)
		bad |= run_file(argv[i]);
	return bad;
}
