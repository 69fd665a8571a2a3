// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * limits DEVICE CGROUP: the kernel memory that the device's page faults need is
 * the owner's. A child in a control group with a memory limit has a page in
 * every 2 MiB of 1 TiB looked at by the device: a page of zeros costs it
 * nothing, a leaf of the device's table and one of the CPU's a page each. It
 * must come to a definite end at the limit, and until there the group must have
 * been charged for both.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <softodp/softodp.h>

#include "verbs.h"

#define LENGTH	 (1ULL << 40)
#define STRIDE	 (2ULL << 20)
#define LIMIT	 (32ULL << 20)
#define EVERY	 64 /* spots between two reports */
#define PATIENCE 60000 /* ms */

enum {
	REFUSED = 3
};

struct note {
	uint64_t spots, table_bytes;
};

static const char *group;

static void put(const char *file, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die("%s: %s", path, strerror(errno));
	close(fd);
}

/* The number after @key in a file of the group; the first one if it is "". */
static uint64_t get(const char *file, const char *key)
{
	char path[256], line[256];
	uint64_t value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	f = fopen(path, "r");
	if (!f)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, strlen(key)))
			continue;
		value = strtoull(line + strlen(key), NULL, 10);
		break;
	}
	fclose(f);
	return value;
}

/* The child: one byte of each spot, until an error. */
static void look_around(const char *name, int out)
{
	struct softodp_mr_stats stats;
	struct ibv_mr *mr, *sink;
	struct rd_qp peer, owner;
	static uint8_t byte[64];
	struct note note = {};
	struct rd_dev dev;
	uint8_t *base;

	put("cgroup.procs", "0");
	rd_open(&dev, name);
	base = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		die("mmap of 1 TiB");
	madvise(base, LENGTH, MADV_NOHUGEPAGE);
	mr = rd_reg(&dev, base, LENGTH, RD_ALL | IBV_ACCESS_ON_DEMAND);
	sink = rd_reg(&dev, byte, sizeof(byte), RD_ALL);
	rd_pair(&peer, &dev, &owner, &dev, NULL);
	for (; note.spots < LENGTH / STRIDE; note.spots++) {
		if (rd_read(&peer, (uintptr_t)byte, sink->lkey, 1,
			    (uintptr_t)base + note.spots * STRIDE, mr->rkey,
			    20000))
			_exit(REFUSED);
		if (note.spots % EVERY)
			continue;
		if (softodp_query_mr_stats(mr, &stats))
			die("softodp_query_mr_stats: %s", strerror(errno));
		note.table_bytes = stats.table_bytes;
		if (write(out, &note, sizeof(note)) != sizeof(note))
			_exit(2);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	uint64_t kernel, uncharged = 0, peak;
	struct note note = {}, first = {};
	struct pollfd pfd;
	int fds[2], status;
	char limit[32];
	pid_t child;

	if (argc != 3)
		die("usage: %s DEVICE CGROUP", argv[0]);
	group = argv[2];
	snprintf(limit, sizeof(limit), "%llu", (unsigned long long)LIMIT);
	put("memory.max", limit);
	put("memory.swap.max", "0");
	if (pipe(fds))
		die("pipe");
	child = fork();
	if (!child)
		look_around(argv[1], fds[1]);
	close(fds[1]);
	pfd = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	while (poll(&pfd, 1, PATIENCE) == 1 &&
	       read(fds[0], &note, sizeof(note)) == sizeof(note)) {
		if (!first.spots)
			first = note;
		/* Counted per CPU and summed up now and then: some slack. */
		kernel = get("memory.stat", "kernel ");
		if (kernel + (4 << 20) < note.table_bytes + note.spots * PAGE)
			uncharged++;
	}
	peak = get("memory.peak", "");
	tap_result(
		note.table_bytes > LIMIT / 8 && !uncharged,
		"tables are charged: %llu KiB of the device after %llu pages, %llu times the group had less",
		(unsigned long long)note.table_bytes >> 10,
		(unsigned long long)note.spots, (unsigned long long)uncharged);
	if (waitpid(child, &status, WNOHANG) != child) {
		sleep_ms(2000);
		if (waitpid(child, &status, WNOHANG) != child)
			die("the child does not end");
	}
	tap_result(
		note.spots < LENGTH / STRIDE &&
			((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
			 (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED)),
		"at the limit it %s (status %#x)",
		WIFSIGNALED(status) ? "was killed" : "got an error", status);
	tap_result(peak && peak <= LIMIT + (1 << 20),
		   "the group never had more than its limit: %llu KiB",
		   (unsigned long long)peak >> 10);
	return tap_done();
}
