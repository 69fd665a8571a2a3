// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* userfaultfd: who watches writes, or missing page tables, in user space. */

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guestsys.h"

#define PAGES 128

static struct {
	int fd;
	uint8_t *base;
	struct run *run;
	pthread_t thread;
	_Atomic bool stop;
	_Atomic uint64_t faults;
	pthread_mutex_t lock;
	/* Since it was last protected: a write was announced. */
	bool announced[PAGES], known[PAGES];
	uint8_t copy[PAGES * PAGE];
} uffd = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A descriptor with these features, or -1. */
static int uffd_with(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static const char *feature_missing(uint64_t feature, const char *why)
{
	int fd = uffd_with(feature);

	if (fd < 0)
		return why;
	close(fd);
	return NULL;
}

static void *handler_main(void *arg)
{
	void (*handle)(const struct uffd_msg *) =
		(void (*)(const struct uffd_msg *))arg;
	struct pollfd p = { .fd = uffd.fd, .events = POLLIN };
	struct uffd_msg msg;

	while (!atomic_load(&uffd.stop)) {
		if (poll(&p, 1, 20) != 1 ||
		    read(uffd.fd, &msg, sizeof(msg)) != sizeof(msg) ||
		    msg.event != UFFD_EVENT_PAGEFAULT)
			continue;
		atomic_fetch_add(&uffd.faults, 1);
		handle(&msg);
	}
	return NULL;
}

static void handler_start(struct run *r, uint64_t features, uint64_t mode,
			  uint8_t *base,
			  void (*handle)(const struct uffd_msg *))
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)base, PAGES * PAGE }, .mode = mode
	};

	uffd.run = r;
	uffd.base = base;
	uffd.fd = uffd_with(features);
	if (uffd.fd < 0 || ioctl(uffd.fd, UFFDIO_REGISTER, &reg))
		die("userfaultfd: %s", strerror(errno));
	if (pthread_create(&uffd.thread, NULL, handler_main, (void *)handle))
		die("pthread_create");
}

/* Until then every fault needs it. */
static void handler_stop(void)
{
	atomic_store(&uffd.stop, true);
	pthread_join(uffd.thread, NULL);
	close(uffd.fd);
}

static void run_watched(struct engine *e)
{
	struct run *r = e->run;

	engine_start(e);
	while (engine_goes_on(e))
		;
	engine_stop(e);
	engine_check(e);
	engine_free(e);
	handler_stop();
	tap_note("%s: %llu faults were delivered", r->sc->name,
		 (unsigned long long)uffd.faults);
	if (!failed(r) && !uffd.faults)
		fail(r, "no fault came to the handler");
}

/* --- write protection --------------------------------------------- */

static const char *wp_missing(void)
{
	return feature_missing(UFFD_FEATURE_PAGEFAULT_FLAG_WP,
			       "userfaultfd without write protection");
}

static void protect(uint64_t at, size_t len, bool on)
{
	struct uffdio_writeprotect wp = {
		.range = { at, len },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	while (ioctl(uffd.fd, UFFDIO_WRITEPROTECT, &wp))
		if (errno != EAGAIN) {
			fail(uffd.run, "UFFDIO_WRITEPROTECT: %s",
			     strerror(errno));
			return;
		}
}

static void write_announced(const struct uffd_msg *msg)
{
	uint64_t at = msg->arg.pagefault.address & ~(PAGE - 1);

	pthread_mutex_lock(&uffd.lock);
	uffd.announced[(at - (uintptr_t)uffd.base) / PAGE] = true;
	protect(at, PAGE, false);
	pthread_mutex_unlock(&uffd.lock);
}

/*
 * As who takes a snapshot or migrates a process does: protect, copy. A page
 * that is not as it was copied must have been announced first.
 */
static bool snapshot(struct field *f, const struct range *g, struct rng *rng)
{
	unsigned int i, page;

	(void)rng;
	pthread_mutex_lock(&uffd.lock);
	for (i = 0; i < g->n; i++) {
		page = g->first + i;
		if (uffd.known[page] && !uffd.announced[page] &&
		    memcmp(uffd.copy + page * PAGE, g->at + i * PAGE, PAGE))
			fail(f->run, "page %u was written unannounced", page);
		uffd.announced[page] = false;
		uffd.known[page] = true;
	}
	protect((uintptr_t)g->at, g->len, true);
	memcpy(uffd.copy + g->first * PAGE, g->at, g->len);
	pthread_mutex_unlock(&uffd.lock);
	return true;
}

static bool page_out(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return !madvise(g->at, g->len, MADV_PAGEOUT);
}

static void wp_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "snapshot", .fn = snapshot, .weight = 3 },
		{ .name = "MADV_PAGEOUT", .fn = page_out },
		{}
	};
	struct engine e = { .run = r, .events = events, .pause_us = 5000 };
	uint8_t *p = map_anon(PAGES * PAGE);

	/* Only what is there can be protected. */
	memset(p, 0, PAGES * PAGE);
	handler_start(r, UFFD_FEATURE_PAGEFAULT_FLAG_WP,
		      UFFDIO_REGISTER_MODE_WP, p, write_announced);
	e.field[0] = field_over(r, "watched", p, PAGES);
	e.field[1] = field_pinned(r, 32);
	field_register(e.field[0], 0);
	run_watched(&e);
}

SCENARIO(uffd_wp) = {
	.name = "uffd-wp",
	.rows = "35",
	.what = "no byte changes before the watcher was told",
	.missing = wp_missing,
	.run = wp_run,
	.hooks = PROT_VMA,
};

/* --- minor faults ------------------------------------------------- */

static const char *minor_missing(void)
{
	return feature_missing(UFFD_FEATURE_MINOR_SHMEM,
			       "userfaultfd without minor faults of shmem");
}

static void map_it(const struct uffd_msg *msg)
{
	uint64_t at = msg->arg.pagefault.address & ~(PAGE - 1);
	struct uffdio_continue c = { .range = { at, PAGE } };

	while (ioctl(uffd.fd, UFFDIO_CONTINUE, &c)) {
		if (errno == EAGAIN)
			continue;
		/* Somebody else was faster: the one who waits may go on. */
		if (errno != EEXIST || ioctl(uffd.fd, UFFDIO_WAKE, &c.range))
			fail(uffd.run, "UFFDIO_CONTINUE: %s", strerror(errno));
		return;
	}
}

/* The page stays, its place in the page table is empty. */
static bool unmap(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return !madvise(g->at, g->len, MADV_DONTNEED);
}

static void minor_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "MADV_DONTNEED", .fn = unmap }, {}
	};
	struct engine e = { .run = r, .events = events, .pause_us = 5000 };
	int fd = memfd_create("stress", MFD_CLOEXEC);

	/* All of it is there: none is missing, only unmapped. */
	if (fd < 0 || ftruncate(fd, PAGES * PAGE) ||
	    fallocate(fd, 0, 0, PAGES * PAGE))
		die("memfd: %s", strerror(errno));
	e.field[0] = field_file(r, fd, PAGES);
	handler_start(r, UFFD_FEATURE_MINOR_SHMEM, UFFDIO_REGISTER_MODE_MINOR,
		      page_at(e.field[0], 0), map_it);
	e.field[1] = field_pinned(r, 32);
	field_register(e.field[0], 0);
	run_watched(&e);
}

SCENARIO(uffd_minor) = {
	.name = "uffd-minor",
	.rows = "35",
	.what = "pages that are mapped by a watcher only, under way and not",
	.missing = minor_missing,
	.run = minor_run,
	.hooks = CLEAR,
};

/* --- pages that are moved away ------------------------------------ */

#ifndef UFFDIO_MOVE
#define UFFD_FEATURE_MOVE (1 << 16)
struct uffdio_move {
	__u64 dst, src, len, mode;
	__s64 move;
};
#define UFFDIO_MOVE _IOWR(UFFDIO, 0x05, struct uffdio_move)
#endif

static uint8_t *aside; /* as many pages, empty but during an event */

static const char *move_missing(void)
{
	return feature_missing(UFFD_FEATURE_MOVE,
			       "userfaultfd without UFFDIO_MOVE (Linux 6.8)");
}

/* Nothing to do: who waits is woken when the page is back. */
static void wait_for_it(const struct uffd_msg *msg)
{
	(void)msg;
}

/* Not while somebody has a reference: then again. */
static bool move_page(void *dst, void *src, unsigned int tries)
{
	struct uffdio_move m = { .dst = (uintptr_t)dst,
				 .src = (uintptr_t)src,
				 .len = PAGE };

	while (ioctl(uffd.fd, UFFDIO_MOVE, &m)) {
		if ((errno != EBUSY && errno != EAGAIN) || !tries--)
			return false;
		usleep(50);
	}
	return true;
}

static bool away_and_back(struct field *f, const struct range *g,
			  struct rng *rng)
{
	bool away[16];
	unsigned int i, n = 0;

	for (i = 0; i < g->n; i++) {
		away[i] = move_page(aside + i * PAGE, g->at + i * PAGE, 20);
		n += away[i];
	}
	usleep(below(rng, 1000));
	for (i = 0; i < g->n; i++)
		if (away[i] &&
		    !move_page(g->at + i * PAGE, aside + i * PAGE, 10000))
			fail(f->run, "UFFDIO_MOVE back: %s", strerror(errno));
	return n;
}

static void move_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "UFFDIO_MOVE", .fn = away_and_back }, {}
	};
	struct engine e = { .run = r, .events = events, .pause_us = 5000 };
	struct uffdio_register reg = { .range.len = PAGES * PAGE,
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	uint8_t *p = map_anon(PAGES * PAGE);

	aside = map_anon(PAGES * PAGE);
	memset(p, 0, PAGES * PAGE);
	handler_start(r, UFFD_FEATURE_MOVE, UFFDIO_REGISTER_MODE_MISSING, p,
		      wait_for_it);
	reg.range.start = (uintptr_t)aside;
	if (ioctl(uffd.fd, UFFDIO_REGISTER, &reg))
		die("userfaultfd: %s", strerror(errno));
	e.field[0] = field_over(r, "moved", p, PAGES);
	e.field[1] = field_pinned(r, 32);
	field_register(e.field[0], 0);
	run_watched(&e);
}

SCENARIO(uffd_move) = {
	.name = "uffd-move",
	.rows = "35",
	.what = "a page that is moved away takes all its bytes, and back",
	.missing = move_missing,
	.run = move_run,
	.hooks = CLEAR,
};
