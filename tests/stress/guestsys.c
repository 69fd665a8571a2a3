// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The guest around the program: settings, counters, swap, page frames. */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

#include "guestsys.h"
#include "pages.h"

/* --- files -------------------------------------------------------- */

bool sys_set(const char *path, const char *fmt, ...)
{
	char text[120];
	va_list args;
	ssize_t n;
	int fd, len;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = write(fd, text, len);
	len = errno;
	close(fd);
	errno = len;
	return n > 0;
}

static ssize_t sys_text(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, room - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return n;
}

uint64_t sys_get(const char *path, uint64_t otherwise)
{
	uint64_t value;
	char text[80];

	if (sys_text(path, text, sizeof(text)) <= 0 ||
	    sscanf(text, "%lu", &value) != 1)
		return otherwise;
	return value;
}

static struct {
	char path[100], value[80];
} settings[16];
static unsigned int set;

bool sys_set_for_now(const char *path, const char *value)
{
	char *old = settings[set].value;
	char *chosen;

	if (set == ARRAY_SIZE(settings))
		die("too many settings");
	if (sys_text(path, old, sizeof(settings[set].value)) <= 0)
		return false;
	/* "always [madvise] never" */
	chosen = strchr(old, '[');
	if (chosen) {
		memmove(old, chosen + 1, strlen(chosen));
		old[strcspn(old, "]")] = 0;
	}
	if (!sys_set(path, "%s", value))
		return false;
	strcpy(settings[set++].path, path);
	return true;
}

void sys_leave_pages(void)
{
	sys_set_for_now("/proc/sys/kernel/numa_balancing", "0");
	sys_set_for_now("/proc/sys/vm/compaction_proactiveness", "0");
}

void sys_restore(void)
{
	while (set) {
		set--;
		sys_set(settings[set].path, "%s", settings[set].value);
	}
}

uint64_t vmstat(const char *name)
{
	static char text[32768];
	size_t len = strlen(name), n = 0;
	int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	ssize_t got;
	char *at;

	while (fd >= 0 && n < sizeof(text) - 1 &&
	       (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += got;
	if (fd >= 0)
		close(fd);
	text[n] = 0;
	for (at = text; *at; at += strcspn(at, "\n"), at += *at == '\n')
		if (!strncmp(at, name, len) && at[len] == ' ')
			return strtoull(at + len, NULL, 10);
	return 0;
}

bool command(const char *fmt, ...)
{
	char text[300], all[340];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	snprintf(all, sizeof(all), "{ %s; } >/dev/null 2>&1", text);
	return !system(all);
}

/* --- pages -------------------------------------------------------- */

static int pagemap = -1;
static pid_t pagemap_pid;

void pagemap_open(void)
{
	if (pagemap >= 0 && pagemap_pid == getpid())
		return;
	/* One that was inherited shows the pages of who opened it. */
	if (pagemap >= 0)
		close(pagemap);
	pagemap_pid = getpid();
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		die("pagemap: %s", strerror(errno));
}

void pagemap_read(const void *at, uint64_t *words, unsigned int pages)
{
	off_t off = (uintptr_t)at / PAGE * 8;
	ssize_t len = pages * 8;

	if (pread(pagemap, words, len, off) != len)
		die("pagemap: %s", strerror(errno));
}

/* --- swap --------------------------------------------------------- */

const char *swap_missing(void)
{
	return swap_is_on() ? NULL : "there is no swap";
}

bool swap_first(const char *path)
{
	return !swapon(path, SWAP_FLAG_PREFER | 100);
}

bool zram_open(struct zram *z, unsigned int megabytes)
{
	static const char add[] = "/sys/class/zram-control/hot_add";
	char path[64];

	if (access(add, F_OK))
		command("modprobe zram");
	z->id = sys_get(add, ~0U);
	if (z->id == ~0U)
		return false;
	snprintf(z->path, sizeof(z->path), "/dev/zram%u", z->id);
	snprintf(path, sizeof(path), "/sys/block/zram%u/disksize", z->id);
	return sys_set(path, "%uM", megabytes) &&
	       command("mkswap %s", z->path) && swap_first(z->path);
}

uint64_t zram_peak(const struct zram *z)
{
	uint64_t peak = 0;
	char path[64], text[120];

	snprintf(path, sizeof(path), "/sys/block/zram%u/mm_stat", z->id);
	sys_text(path, text, sizeof(text));
	sscanf(text, "%*u %*u %*u %*u %lu", &peak);
	return peak;
}

void zram_close(struct zram *z)
{
	char path[64];

	swapoff(z->path);
	snprintf(path, sizeof(path), "/sys/block/zram%u/reset", z->id);
	sys_set(path, "1");
	sys_set("/sys/class/zram-control/hot_remove", "%u", z->id);
}

/* --- engine ------------------------------------------------------- */

#define COUNTERS 4

static bool all_moved(const char *const *names, const uint64_t *before,
		      const char **stuck)
{
	unsigned int i;

	for (i = 0; names[i]; i++) {
		if (vmstat(names[i]) != before[i])
			continue;
		*stuck = names[i];
		return false;
	}
	return true;
}

void engine_count(struct engine *e, const char *const *names,
		  bool (*enough)(void))
{
	uint64_t before[COUNTERS], late;
	const char *stuck;
	unsigned int i;

	for (i = 0; names[i]; i++) {
		if (i == COUNTERS)
			die("more than %d counters", COUNTERS);
		before[i] = vmstat(names[i]);
	}
	engine_start(e);
	late = now_ms() + e->run->ms + 10000 * e->run->slow;
	while (engine_goes_on(e) ||
	       (!(all_moved(names, before, &stuck) && (!enough || enough())) &&
		!failed(e->run) && now_ms() < late))
		;
	engine_stop(e);
	if (!failed(e->run) && !all_moved(names, before, &stuck))
		fail(e->run, "%s of /proc/vmstat did not move", stuck);
	for (i = 0; names[i]; i++)
		tap_note("%s: %s %llu", e->run->sc->name, names[i],
			 (unsigned long long)(vmstat(names[i]) - before[i]));
}

void engine_run_counting(struct engine *e, const char *const *names)
{
	engine_count(e, names, NULL);
	engine_check(e);
	engine_free(e);
}
