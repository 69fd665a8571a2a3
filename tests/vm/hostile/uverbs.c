// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Nonsense to the verbs interface, by a grammar: several threads of an ordinary
 * user call what there is to be called, with objects that exist, mostly.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "desk.h"

enum {
	REOPEN_EVERY = 600, /* calls of a caller, about */
	CHECK_MS = 500,
	PATIENCE = 8,
	ENOUGH_PERCENT = 15, /* of the calls must be carried out */
};

static const char *kinds[BREAKDOWN];
static unsigned int kind_map, kind_event, kind_reopen, kind_refused;

static void name_kinds(void)
{
	static char names[BREAKDOWN][48];
	unsigned int n = 0;

	for (unsigned int i = 0; i < num_commands; i++, n++)
		snprintf(names[n], sizeof(names[0]), "done: command %s",
			 command_names[i]);
	for (unsigned int i = 0; i < num_methods; i++, n++)
		snprintf(names[n], sizeof(names[0]), "done: method %s",
			 method_names[i]);
	kind_map = n;
	snprintf(names[n++], sizeof(names[0]), "done: a ring mapped");
	kind_event = n;
	snprintf(names[n++], sizeof(names[0]), "done: events read");
	kind_reopen = n;
	snprintf(names[n++], sizeof(names[0]),
		 "done: a file closed with all that it has");
	kind_refused = n;
	snprintf(names[n++], sizeof(names[0]), "(refused)");
	for (unsigned int i = 0; i < n; i++)
		kinds[i] = names[i];
}

/* --- calls that are no commands --- */

static bool map_ring(struct caller *c)
{
	unsigned int slot = below(&c->rng, SLOTS);
	size_t size = c->desk->sizes[slot];
	off_t offset = c->desk->offsets[slot];
	uint32_t *ring;

	if (one_in(&c->rng, 8))
		size = below(&c->rng, 1 << 20);
	if (one_in(&c->rng, 8))
		offset = (off_t)below(&c->rng, 1 << 20) * PAGE;
	ring = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    one_in(&c->rng, 16) ? MAP_PRIVATE : MAP_SHARED, c->desk->fd,
		    offset);
	if (ring == MAP_FAILED)
		return false;
	for (int i = 0; i < 8; i++)
		ring[below(&c->rng, size / 4)] = rnd(&c->rng) >>
						 below(&c->rng, 64);
	if (one_in(&c->rng, 2))
		ring[32] = below(&c->rng, 64); /* the producer's index */
	munmap(ring, size);
	count_kind(kind_map);
	return true;
}

static bool read_events(struct caller *c)
{
	uint32_t fd = c->desk->slots[A_CHANNEL][below(&c->rng, SLOTS)];
	char bytes[256];

	if (!fd || fcntl((int)fd - 1, F_SETFL, O_NONBLOCK))
		return false;
	if (read((int)fd - 1, bytes, below(&c->rng, sizeof(bytes))) < 0 &&
	    errno != EAGAIN)
		return false;
	count_kind(kind_event);
	return true;
}

/* With all that was made there, while others may be at work there. */
static bool reopen(struct caller *c)
{
	desk_close(c->own);
	while (!desk_open(c->own, c->u, &c->rng))
		sleep_ms(1); /* a call of others may have taken the context */
	count_kind(kind_reopen);
	return true;
}

/* --- a caller --- */

static bool one_call(struct caller *c)
{
	c->desk = one_in(&c->rng, 3) ? &c->u->desks[below(&c->rng, DESKS)] :
				       c->own;
	switch (below(&c->rng, 16)) {
	case 0:
		return map_ring(c);
	case 1:
		return one_in(&c->rng, 4) ? read_events(c) :
					    call_by_name(c, "req_notify_cq");
	case 2:
	case 3:
	case 4:
	case 5:
		return call_method(c);
	case 6:
		/* so that there is always something to work with */
		return call_by_name(c, one_in(&c->rng, 3) ? "alloc_pd" :
				       one_in(&c->rng, 2) ? "create_cq" :
							    "create_qp");
	default:
		return call_command(c);
	}
}

/* Calls that must have been carried out, of each kind that works at all. */
static const char *const must_work[] = {
	"command alloc_pd",
	"command dealloc_pd",
	"command reg_mr",
	"command dereg_mr",
	"command rereg_mr",
	"command create_cq",
	"command ex create_cq",
	"command destroy_cq",
	"command create_qp",
	"command ex create_qp",
	"command query_qp",
	"command modify_qp",
	"command destroy_qp",
	"command post_send",
	"command create_comp_channel",
	"method cq_create",
	"method qp_create",
	"method mr_destroy",
	"method advise_mr",
	"method async_event_alloc",
};

static uint64_t times_done(const char *name)
{
	for (unsigned int i = 0; kinds[i]; i++)
		if (!strcmp(kinds[i] + strlen("done: "), name))
			return board->kinds[i];
	die("no call named %s", name);
}

/* Fewer than these are too few for each to have come. */
static bool wanted(uint64_t calls)
{
	return calls >= 1000;
}

static bool all_worked(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(must_work); i++)
		if (!times_done(must_work[i]))
			return false;
	return true;
}

/* A call that is rare may need some luck: up to PATIENCE times as many. */
static bool go_on(const struct uverbs *u)
{
	if (board->harms)
		return false;
	if (board->done < u->limit)
		return true;
	return wanted(u->limit) && board->done / PATIENCE < u->limit &&
	       !all_worked();
}

static void *caller_run(void *arg)
{
	struct caller *c = arg;

	while (go_on(c->u)) {
		if (one_in(&c->rng, REOPEN_EVERY))
			reopen(c);
		else if (!one_call(c))
			count_kind(kind_refused);
		board->done++;
	}
	return NULL;
}

/* Two pages, and nothing behind. */
static uint8_t *paper(void)
{
	uint8_t *p = mmap(NULL, PAPER + PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + PAPER, PAGE, PROT_NONE))
		die("mmap: %s", strerror(errno));
	return p;
}

static void caller_start(struct uverbs *u, struct caller *c, unsigned int i,
			 uint64_t seed)
{
	c->u = u;
	c->rng.x = seed + 1000 * i;
	c->own = &u->desks[i + 1];
	c->in = paper();
	c->out = paper();
	if (!desk_open(c->own, u, &c->rng))
		die("%s: %s", u->path, strerror(errno));
	if (pthread_create(&c->thread, NULL, caller_run, c))
		die("pthread_create");
}

static uint8_t *reserve(size_t size, int prot)
{
	void *p = mmap(NULL, size, prot,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	return p;
}

static void run(const struct options *o)
{
	struct uverbs *u = calloc(1, sizeof(*u));
	struct caller callers[CALLERS] = {};
	struct rng rng = { o->seed };
	struct ground ground;
	struct rd_dev dev;

	if (!u)
		die("out of memory");
	rd_open(&dev, o->dev);
	ground_open(&ground, &dev, false, false);
	u->dev = &dev;
	u->ground = &ground;
	u->limit = o->count;
	snprintf(u->path, sizeof(u->path), "/dev/infiniband/%s",
		 dev.ctx->device->dev_name);
	u->wide = reserve(WIDE_SIZE, PROT_READ);
	u->none = reserve(WIDE_SIZE, PROT_NONE);
	if (!desk_open(&u->desks[0], u, &rng))
		die("%s: %s", u->path, strerror(errno));
	for (unsigned int i = 0; i < CALLERS; i++)
		caller_start(u, &callers[i], i, o->seed);
	while (go_on(u)) {
		ground_check(&ground);
		sleep_ms(CHECK_MS);
	}
	for (unsigned int i = 0; i < CALLERS; i++)
		pthread_join(callers[i].thread, NULL);
	/* those of the others go with the process, objects and all */
	desk_close(&u->desks[0]);
	ground_check(&ground);
	ground_close(&ground);
	rd_close(&dev);
}

static void judge(const struct options *o)
{
	uint64_t done = board->done - board->kinds[kind_refused];

	tap_result(done * 100 >= board->done * ENOUGH_PERCENT,
		   "uverbs: %llu %% of %llu calls were carried out (%d %% "
		   "must be)",
		   (unsigned long long)(done * 100 / board->done),
		   (unsigned long long)board->done, ENOUGH_PERCENT);
	if (!wanted(o->count))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(must_work); i++)
		if (!times_done(must_work[i]))
			tap_result(false, "uverbs: %s never worked",
				   must_work[i]);
}

const struct villain villain_uverbs = {
	.mode = "uverbs",
	.unit = "calls",
	.prepare = name_kinds,
	.run = run,
	.kinds = kinds,
	.judge = judge,
	.unprivileged = true,
	.honest_lies = true,
};
