// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * After a failure: what is where in the memory of the scenario. To look must
 * not fault anything in, nor be a fault itself where nothing is mapped.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guestsys.h"
#include "stress.h"

#define ROW	  64
#define MOST_ROWS 64 /* of pages of an area */
#define MAX_AREAS 128

static struct area {
	uint8_t *at;
	size_t pages;
} areas[MAX_AREAS];
static _Atomic unsigned int area_count;
static struct field *fields;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t owner;

void map_area(void *at, size_t bytes)
{
	unsigned int i = atomic_fetch_add(&area_count, 1);

	if (i < MAX_AREAS)
		areas[i] = (struct area){ at, bytes / PAGE };
}

void map_field(struct field *f)
{
	pthread_mutex_lock(&lock);
	f->next = fields;
	fields = f;
	pthread_mutex_unlock(&lock);
}

void unmap_field(struct field *f)
{
	struct field **p;

	pthread_mutex_lock(&lock);
	for (p = &fields; *p; p = &(*p)->next) {
		if (*p != f)
			continue;
		*p = f->next;
		break;
	}
	pthread_mutex_unlock(&lock);
}

/* - nothing, s swapped out, p shared or a file's, P its own; ? unknown */
static void page_states(const uint8_t *at, size_t pages, char *to)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t word;

	for (size_t i = 0; i < pages; i++) {
		if (pread(fd, &word, 8, ((uintptr_t)at / PAGE + i) * 8) != 8)
			to[i] = '?';
		else if (word & PM_PRESENT)
			to[i] = word & PM_ALONE ? 'P' : 'p';
		else
			to[i] = word & PM_SWAPPED ? 's' : '-';
	}
	close(fd);
}

/* A page that is not there counts as what it must be: nobody looked. */
static void copy_present(const struct field *f, const char *state, uint8_t *to)
{
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

	memcpy(to, f->model, f->pages * PAGE);
	for (unsigned int i = 0; i < f->pages; i++) {
		if (state[i] != 'p' && state[i] != 'P')
			continue;
		if (pread(fd, to + i * PAGE, PAGE, (uintptr_t)page_at(f, i)) !=
		    (ssize_t)PAGE)
			memcpy(to + i * PAGE, f->model + i * PAGE, PAGE);
	}
	close(fd);
}

static void *room(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	return p;
}

void field_show(struct field *f)
{
	char *state = room(f->pages);
	uint8_t *got = room(f->pages * PAGE);

	if (state && got && !f->shown) {
		f->shown = true;
		page_states(f->view[0].base, f->pages, state);
		if (!f->view[0].no_cpu)
			copy_present(f, state, got);
		else
			memcpy(got, f->model, f->pages * PAGE);
		field_map(f, got, state);
	}
	if (state)
		munmap(state, f->pages);
	if (got)
		munmap(got, f->pages * PAGE);
}

static void show_area(const struct area *a)
{
	char row[ROW + 1];
	size_t i, n;

	tap_note("%zu pages from %p: - nothing, s swapped out, p shared or a "
		 "file's, P its own",
		 a->pages, a->at);
	for (i = 0; i < a->pages && i < ROW * MOST_ROWS; i += ROW) {
		n = a->pages - i < ROW ? a->pages - i : ROW;
		page_states(a->at + i * PAGE, n, row);
		row[n] = 0;
		tap_note("  %6zu %s", i, row);
	}
	if (i < a->pages)
		tap_note("  and %zu more", a->pages - i);
}

void map_show(void)
{
	unsigned int i, n = atomic_load(&area_count);
	static _Atomic bool shown;
	struct field *f;

	if (owner != getpid() || atomic_exchange(&shown, true))
		return;
	for (f = fields; f; f = f->next)
		field_show(f);
	for (i = 0; !fields && i < n && i < MAX_AREAS; i++)
		show_area(&areas[i]);
	fflush(stdout);
}

/* Its last act in any case; no care is taken of what it interrupts. */
static void on_signal(int sig)
{
	(void)sig;
	map_show();
}

void map_begin(void)
{
	owner = getpid();
	signal(MAP_SIGNAL, on_signal);
	/* For die(), which is none of the checks. */
	atexit(map_show);
}
