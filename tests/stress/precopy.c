// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Who copies a process while it runs asks the kernel which pages were written
 * since the last time, and copies those alone: by soft-dirty, and by
 * PAGEMAP_SCAN, which also protects what it has found, in one go.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guestsys.h"

#define PAGES	512
#define THREADS 2

static const char *soft_dirty_missing(void)
{
	uint8_t *p = map_anon(PAGE);
	uint64_t word;

	*(volatile uint8_t *)p = 1;
	pagemap_open();
	pagemap_read(p, &word, 1);
	munmap(p, PAGE);
	return word & PM_SOFT_DIRTY ? NULL : "a kernel without soft-dirty";
}

/* Newer than the headers that this is built with: Linux 6.7. */
#define ASYNC (1ULL << 15) /* of userfaultfd: a write ends the protection */

struct scan {
	uint64_t size, flags;
	uint64_t start, end, walk_end;
	uint64_t vec, vec_len, max_pages;
	uint64_t inverted, all_of, any_of, report; /* enum scan_pages */
};
#define SCAN _IOWR('f', 16, struct scan)

enum scan_flags {
	SCAN_PROTECT = 1 << 0, /* what is found */
	SCAN_ASYNC = 1 << 1, /* only where ASYNC is on */
};

enum scan_pages {
	SCAN_WRITTEN = 1 << 1,
};

struct scan_found {
	uint64_t start, end, what;
};

static int open_async(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = ASYNC };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || !ioctl(fd, UFFDIO_API, &api))
		return fd;
	close(fd);
	return -1;
}

static const char *scan_missing(void)
{
	struct scan nothing = { .size = sizeof(nothing) };
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), err;

	err = ioctl(fd, SCAN, &nothing) ? errno : 0;
	close(fd);
	if (err == ENOTTY)
		return "a kernel without PAGEMAP_SCAN (Linux 6.7)";
	fd = open_async();
	if (fd < 0)
		return "no userfaultfd with WP_ASYNC";
	close(fd);
	return NULL;
}

static struct {
	struct engine e;
	/* Which pages were written; from now on it is anew. */
	void (*take)(void);
	bool beside; /* ... while the traffic goes on */
	int uffd, pagemap;
	pthread_t thread[THREADS];
	_Atomic bool pause, stop;
	_Atomic unsigned int busy;
	uint8_t *image;
	uint64_t words[PAGES];
	bool dirty[PAGES];
	uint64_t copied, rounds;
} pre;

/* Traffic that can be held up for a moment, as a frozen process's is. */
static void *traffic_main(void *arg)
{
	struct traffic *t = arg;

	while (!atomic_load(&pre.stop) && !failed(pre.e.run)) {
		atomic_fetch_add(&pre.busy, 1);
		if (!atomic_load(&pre.pause))
			traffic_round(t);
		atomic_fetch_sub(&pre.busy, 1);
		while (atomic_load(&pre.pause) && !atomic_load(&pre.stop))
			sleep_ms(1);
	}
	return NULL;
}

/* In two steps, between which nobody may write. */
static void take_soft_dirty(void)
{
	unsigned int i;

	pagemap_read(page_at(pre.e.field[0], 0), pre.words, PAGES);
	for (i = 0; i < PAGES; i++)
		pre.dirty[i] = pre.words[i] & PM_SOFT_DIRTY;
	if (!sys_set("/proc/self/clear_refs", "4"))
		fail(pre.e.run, "clear_refs: %s", strerror(errno));
}

/* In one, and whoever writes meanwhile is found now or the next time. */
static void take_scanned(void)
{
	static struct scan_found found[PAGES];
	uint64_t base = (uintptr_t)page_at(pre.e.field[0], 0), at;
	struct scan scan = {
		.size = sizeof(scan),
		.flags = SCAN_PROTECT | SCAN_ASYNC,
		.start = base,
		.end = base + PAGES * PAGE,
		.vec = (uintptr_t)found,
		.vec_len = PAGES,
		.all_of = SCAN_WRITTEN,
		.report = SCAN_WRITTEN,
	};
	int i, n = ioctl(pre.pagemap, SCAN, &scan);

	memset(pre.dirty, 0, sizeof(pre.dirty));
	if (n < 0)
		fail(pre.e.run, "PAGEMAP_SCAN: %s", strerror(errno));
	else if (scan.walk_end != scan.end)
		fail(pre.e.run, "PAGEMAP_SCAN ends %llu pages too early",
		     (unsigned long long)(scan.end - scan.walk_end) / PAGE);
	for (i = 0; i < n; i++)
		for (at = found[i].start; at < found[i].end; at += PAGE)
			pre.dirty[(at - base) / PAGE] = true;
}

static void watch_writes(void)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)page_at(pre.e.field[0], 0),
			   PAGES * PAGE },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	pre.uffd = open_async();
	if (pre.uffd < 0 || ioctl(pre.uffd, UFFDIO_REGISTER, &reg))
		die("userfaultfd: %s", strerror(errno));
	pre.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pre.pagemap < 0)
		die("pagemap: %s", strerror(errno));
}

static void copy_dirty(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		if (!pre.dirty[i])
			continue;
		memcpy(pre.image + i * PAGE, page_at(pre.e.field[0], i), PAGE);
		pre.copied++;
	}
	pre.rounds++;
	note_events(pre.e.run, 1);
}

/* The copying itself goes on beside the traffic: what it tears is dirty. */
static void round_beside(void)
{
	if (!pre.beside) {
		atomic_store(&pre.pause, true);
		while (atomic_load(&pre.busy))
			sched_yield();
	}
	pre.take();
	atomic_store(&pre.pause, false);
	copy_dirty();
}

static void start(struct run *r)
{
	unsigned int i;

	pre.e = (struct engine){
		.run = r,
		.field = { field_anon(r, PAGES), field_pinned(r, 32) },
		.fields = 2,
		.threads = THREADS,
		.depth = DEPTH,
		/* What is dirty is dirty by the device. */
		.ops = OPS_ALL & ~OP(STORE),
	};
	pre.image = map_anon(PAGES * PAGE);
	pagemap_open();
	memset(page_at(pre.e.field[0], 0), 0, PAGES * PAGE);
	for (i = 0; i < THREADS; i++)
		pre.e.traffic[i] = traffic_open(&pre.e, i);
	if (pre.beside)
		watch_writes();
	/* The first time everything is copied. */
	pre.take();
	memset(pre.dirty, 1, sizeof(pre.dirty));
	copy_dirty();
	hooks_begin(r);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&pre.thread[i], NULL, traffic_main,
				   pre.e.traffic[i]))
			die("pthread_create");
}

static void compare(struct run *r)
{
	const uint8_t *now = page_at(pre.e.field[0], 0);
	ssize_t bad = first_difference(pre.image, now, PAGES * PAGE);

	tap_note("%s: %llu pages copied in %llu rounds", r->sc->name,
		 (unsigned long long)pre.copied,
		 (unsigned long long)pre.rounds);
	if (bad >= 0)
		fail(r, "byte %zd of page %zu of the image is not in memory",
		     bad % PAGE, bad / PAGE);
	if (pre.copied == pre.rounds * PAGES)
		fail(r, "every page was dirty each time");
	if (pre.copied == PAGES)
		fail(r, "no page was ever dirty");
}

static void precopy(struct run *r)
{
	uint64_t end;
	unsigned int i;

	start(r);
	end = now_ms() + r->ms;
	while ((now_ms() < end || pre.rounds < 5) && !failed(r)) {
		sleep_ms(20);
		round_beside();
	}
	atomic_store(&pre.stop, true);
	for (i = 0; i < THREADS; i++)
		pthread_join(pre.thread[i], NULL);
	hooks_sample(r);
	pre.take();
	copy_dirty();
	if (!failed(r))
		compare(r);
	engine_check(&pre.e);
	engine_free(&pre.e);
}

static void soft_dirty_run(struct run *r)
{
	pre.take = take_soft_dirty;
	precopy(r);
}

SCENARIO(precopy) = {
	.name = "soft-dirty",
	.rows = "36",
	.what = "pages called dirty are all that changed: a copy ends up exact",
	.missing = soft_dirty_missing,
	.run = soft_dirty_run,
	.hooks = SOFT_DIRTY,
};

static void scan_run(struct run *r)
{
	pre.take = take_scanned;
	pre.beside = true;
	precopy(r);
	close(pre.uffd);
	close(pre.pagemap);
}

SCENARIO(scan) = {
	.name = "pagemap-scan",
	.rows = "36",
	.what = "pages found written are all that changed, without a pause",
	.missing = scan_missing,
	.run = scan_run,
	.hooks = PROT_VMA,
};
