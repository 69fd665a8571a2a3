// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What a failure leaves behind: the driver's trace of the moments before it. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stress.h"

#define TRACEFS	 "/sys/kernel/tracing"
#define INSTANCE TRACEFS "/instances/softodp-stress"

static const char *folder;
static int on = -1;

static bool put(const char *name, const char *text)
{
	char path[160];
	int fd;
	bool ok;

	snprintf(path, sizeof(path), INSTANCE "/%s", name);
	fd = open(path, O_WRONLY | O_TRUNC);
	ok = fd >= 0 && write(fd, text, strlen(text)) > 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

void keep_open(const char *dir)
{
	struct stat st;

	if (!dir)
		return;
	if (mkdir(dir, 0755) && errno != EEXIST)
		die("%s: %s", dir, strerror(errno));
	folder = dir;
	if (stat(TRACEFS "/instances", &st))
		mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	if (mkdir(INSTANCE, 0755) && errno != EEXIST) {
		tap_note("no traces are kept: %s: %s", INSTANCE,
			 strerror(errno));
		return;
	}
	put("buffer_size_kb", "4096");
	if (!put("events/softodp/enable", "1"))
		tap_note("the driver has no tracepoints here");
	on = open(INSTANCE "/tracing_on", O_WRONLY);
}

static void switch_trace(const char *value)
{
	if (on >= 0 && write(on, value, 1) != 1)
		tap_note("tracing_on: %s", strerror(errno));
}

void keep_begin(void)
{
	if (on < 0)
		return;
	put("trace", "\n");
	switch_trace("1");
}

void keep_stop(void)
{
	switch_trace("0");
}

void keep_save(const char *name)
{
	static char buf[1 << 16];
	char path[512];
	size_t sum = 0;
	ssize_t n;
	int from, to;

	if (on < 0)
		return;
	snprintf(path, sizeof(path), "%s/%s.trace", folder, name);
	from = open(INSTANCE "/trace", O_RDONLY);
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	while (from >= 0 && to >= 0 && sum < 64UL << 20) {
		n = read(from, buf, sizeof(buf));
		if (n <= 0 || write(to, buf, n) != n)
			break;
		sum += n;
	}
	tap_note("trace kept in %s (%zu KB)", path, sum >> 10);
	close(from);
	close(to);
}
