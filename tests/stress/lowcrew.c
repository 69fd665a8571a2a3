// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lowcrew.h"
#include "util.h"

static int open_of(const char *pid, const char *file, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
	return open(path, flags | O_CLOEXEC);
}

/* False when it has ended. */
static bool read_text(int fd, char *text, size_t room)
{
	ssize_t n = pread(fd, text, room - 1, 0);

	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

static void write_number(int fd, unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	/* It may have ended: then it does no harm. */
	if (pwrite(fd, text, strlen(text), 0) < 0 && errno != ESRCH)
		tap_note("fail-nth of a worker: %s", strerror(errno));
}

void crew_leave(struct crew *c)
{
	unsigned int i;

	for (i = 0; i < c->n; i++) {
		write_number(c->worker[i].nth, 0);
		close(c->worker[i].name);
		close(c->worker[i].nth);
	}
	c->n = 0;
}

static void crew_add(struct crew *c, const char *pid)
{
	struct worker *w = &c->worker[c->n];
	char name[64];

	w->name = open_of(pid, "comm", O_RDONLY);
	if (w->name < 0)
		return;
	if (!read_text(w->name, name, sizeof(name)) ||
	    strncmp(name, c->prefix, strlen(c->prefix))) {
		close(w->name);
		return;
	}
	w->nth = open_of(pid, "fail-nth", O_RDWR);
	if (w->nth < 0) {
		close(w->name);
		return;
	}
	snprintf(w->pid, sizeof(w->pid), "%s", pid);
	c->n++;
}

void crew_find(struct crew *c)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (!proc)
		die("/proc: %s", strerror(errno));
	crew_leave(c);
	while (c->n < WORKERS && (entry = readdir(proc)))
		if (isdigit(entry->d_name[0]) && strlen(entry->d_name) < 16)
			crew_add(c, entry->d_name);
	closedir(proc);
	if (!c->n)
		die("no %s* in /proc", c->prefix);
}

void crew_arm(struct crew *c, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < c->n; i++)
		write_number(c->worker[i].nth, n);
}

enum met crew_met(struct crew *c, unsigned int n)
{
	enum met met = NOBODY, one;
	unsigned int i, left;
	char text[64];

	for (i = 0; i < c->n; i++) {
		left = read_text(c->worker[i].nth, text, sizeof(text)) ?
			       strtoul(text, NULL, 10) :
			       n;
		write_number(c->worker[i].nth, 0);
		if (left >= n ||
		    !read_text(c->worker[i].name, text, sizeof(text)) ||
		    !strstr(text, c->queue))
			continue;
		one = left ? SPARED : HIT;
		met = one > met ? one : met;
	}
	return met;
}

void crew_mark(struct crew *c, const char *text)
{
	unsigned int i;
	int fd;

	for (i = 0; i < c->n; i++) {
		fd = open_of(c->worker[i].pid, "make-it-fail", O_WRONLY);
		if (fd < 0)
			continue;
		if (write(fd, text, 1) < 0 && errno != ESRCH)
			tap_note("make-it-fail: %s", strerror(errno));
		close(fd);
	}
}
