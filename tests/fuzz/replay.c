// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A target without libFuzzer:
 *   replay                     the seeds, then mutations of them: always the
 *                              same ones, as many as go into a few seconds
 *   replay FILE|FOLDER...      the seeds and these, e.g. the corpus or a crash;
 *                              a folder after --if-any need not be there
 *   replay --write-seeds DIR   the seeds as files, for libFuzzer to start from
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

enum {
	MAX_BYTES = 1 << 17,
	ROUNDS = 20000, /* mutations of a seed */
	SECONDS = 6,
	MAX_EDITS = 4
};

static uint8_t input[MAX_BYTES];
static unsigned long files;
static char running[8192]; /* what to say if this input is the end */

/* However it ends: a sanitizer, a failed assertion, exit(). */
extern void __sanitizer_set_death_callback(void (*fn)(void))
	__attribute__((weak));

static void say_which(void)
{
	size_t len = strlen(running);

	if (len && write(STDERR_FILENO, running, len) != (ssize_t)len)
		return;
	running[0] = 0;
}

static void on_signal(int signal_nr)
{
	say_which();
	signal(signal_nr, SIG_DFL);
	raise(signal_nr);
}

static void watch_the_end(void)
{
	atexit(say_which);
	signal(SIGABRT, on_signal);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(say_which);
}

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
	snprintf(running, sizeof(running), "it fails on %s\n", path);
	LLVMFuzzerTestOneInput(input, size);
	running[0] = 0;
	files++;
	return 0;
}

static int run_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	char name[4096];
	int bad = 0;

	if (!folder) {
		perror(path);
		return 1;
	}
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		bad |= run_file(name);
	}
	closedir(folder);
	return bad;
}

static int run_path(const char *path)
{
	struct stat st;

	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return run_folder(path);
	return run_file(path);
}

/* At @argv[*i], or behind --if-any. */
static int run_argument(char **argv, int *i)
{
	struct stat st;

	if (strcmp(argv[*i], "--if-any"))
		return run_path(argv[*i]);
	if (!argv[++*i]) {
		fprintf(stderr, "--if-any needs a folder\n");
		return 1;
	}
	if (stat(argv[*i], &st) && errno == ENOENT)
		return 0;
	return run_path(argv[*i]);
}

static int write_seeds(const char *dir)
{
	size_t size;

	for (unsigned int i = 0; (size = fuzz_seed(i, input, MAX_BYTES)); i++) {
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

static void run_seeds(void)
{
	size_t size;

	for (unsigned int i = 0; (size = fuzz_seed(i, input, MAX_BYTES)); i++)
		LLVMFuzzerTestOneInput(input, size);
}

/* Round by round over all seeds, so that each has its share of the time. */
static int run_mutations(void)
{
	time_t end = time(NULL) + SECONDS;
	unsigned long runs = 0;
	unsigned int i = 0;
	size_t size;

	srandom(1);
	run_seeds();
	for (int round = 0; round < ROUNDS && time(NULL) < end; round++) {
		for (i = 0; (size = fuzz_seed(i, input, MAX_BYTES / 2)); i++) {
			LLVMFuzzerTestOneInput(input, mutate(input, size));
			runs++;
		}
	}
	printf("%u seeds, %lu mutations\n", i, runs);
	fuzz_summary();
	return i ? 0 : 1;
}

int main(int argc, char **argv)
{
	int bad = 0;

	if (argc == 1)
		return run_mutations();
	if (argc == 3 && !strcmp(argv[1], "--write-seeds"))
		return write_seeds(argv[2]);
	watch_the_end();
	run_seeds();
	for (int i = 1; i < argc; i++)
		bad |= run_argument(argv, &i);
	printf("%lu inputs\n", files);
	fuzz_summary();
	return bad || !files;
}
