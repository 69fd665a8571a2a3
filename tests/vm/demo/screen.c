// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "screen.h"

static struct {
	FILE *results;
	bool terminal;
	bool bar; /* a bar is on the screen */
	int failed;
	struct timespec start;
	const char *bold, *dim, *good, *bad, *blue, *off;
} screen = { .bold = "",
	     .dim = "",
	     .good = "",
	     .bad = "",
	     .blue = "",
	     .off = "" };

void screen_open(const char *results, bool colour)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	clock_gettime(CLOCK_MONOTONIC, &screen.start);
	screen.terminal = colour;
	if (colour) {
		screen.bold = "\033[1m";
		screen.dim = "\033[2m";
		screen.good = "\033[1;32m";
		screen.bad = "\033[1;31m";
		screen.blue = "\033[36m";
		screen.off = "\033[0m";
	}
	if (results) {
		screen.results = fopen(results, "ae");
		if (!screen.results)
			err(1, "%s", results);
	}
}

int screen_close(void)
{
	if (screen.results && fclose(screen.results))
		err(1, "results");
	return screen.failed;
}

void progress(const char *what, uint64_t done, uint64_t total)
{
	enum {
		WIDTH = 40
	};
	unsigned int filled = total ? done * WIDTH / total : 0;

	if (!screen.terminal || (!total && !screen.bar))
		return;
	printf("\r\033[K");
	screen.bar = total;
	if (total) {
		printf("     %s%-10s ", screen.dim, what);
		for (unsigned int i = 0; i < WIDTH; i++)
			fputs(i < filled ? "━" : "╌", stdout);
		printf(" %3u %%%s", (unsigned int)(done * 100 / total),
		       screen.off);
	}
	fflush(stdout);
}

static double elapsed(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - screen.start.tv_sec +
	       (now.tv_nsec - screen.start.tv_nsec) / 1e9;
}

void heading(const char *format, ...)
{
	va_list args;

	progress("", 0, 0);
	printf("\n%s", screen.bold);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("%s  %s(%.0f s)%s\n", screen.off, screen.dim, elapsed(),
	       screen.off);
}

void say(const char *format, ...)
{
	va_list args;

	progress("", 0, 0);
	printf("     ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* Of what claims say, only quotes and backslashes mean something to JSON. */
static void put_json(FILE *file, const char *text)
{
	fputc('"', file);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', file);
		fputc(*text, file);
	}
	fputc('"', file);
}

bool claim(const char *id, bool data, bool counters, const char *text,
	   const char *evidence, ...)
{
	const bool pass = data && counters;
	char detail[512];
	va_list args;

	va_start(args, evidence);
	vsnprintf(detail, sizeof(detail), evidence, args);
	va_end(args);
	progress("", 0, 0);
	printf("%s%s%s %s%s\n     %s%s%s\n", pass ? screen.good : screen.bad,
	       pass ? "PASS" : "FAIL", screen.off, text,
	       pass	? "" :
	       data	? " (counters)" :
	       counters ? " (data)" :
			  " (data and counters)",
	       screen.dim, detail, screen.off);
	if (!pass)
		screen.failed++;
	if (screen.results) {
		fprintf(screen.results,
			"{\"claim\": \"%s\", \"verdict\": \"%s\", ", id,
			pass ? "PASS" : "FAIL");
		fprintf(screen.results, "\"data\": %s, \"counters\": %s, ",
			data ? "true" : "false", counters ? "true" : "false");
		fputs("\"text\": ", screen.results);
		put_json(screen.results, text);
		fputs(", \"evidence\": ", screen.results);
		put_json(screen.results, detail);
		fputs("}\n", screen.results);
		fflush(screen.results);
	}
	return pass;
}

static const char *by_amount(const struct cell *cell)
{
	static const char *const blocks[] = { "·", "▁", "▂", "▃", "▄",
					      "▅", "▆", "▇", "█" };
	unsigned int level = 0;

	for (uint32_t pages = cell->present; pages && level < 8; pages /= 4)
		level++;
	return blocks[level];
}

static const char *by_place(const struct cell *cell)
{
	if (!cell->present && !cell->swapped)
		return "·";
	if (!cell->swapped)
		return "█";
	return cell->present ? "▒" : "░";
}

void strip(const struct cell *cells, unsigned int n, bool of_swap)
{
	enum {
		WIDTH = 64
	};

	progress("", 0, 0);
	for (unsigned int i = 0; i < n; i++) {
		if (i % WIDTH == 0)
			printf("     %s", screen.blue);
		fputs(of_swap ? by_place(&cells[i]) : by_amount(&cells[i]),
		      stdout);
		if (i % WIDTH == WIDTH - 1 || i == n - 1)
			printf("%s\n", screen.off);
	}
}
