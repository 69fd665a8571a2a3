// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* mprotect. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe.h"

static bool flip(void *at, size_t len, int prot)
{
	return !mprotect(at, len, prot) &&
	       !mprotect(at, len, PROT_READ | PROT_WRITE);
}

static bool flip_read_only(struct field *f, const struct range *g,
			   struct rng *rng)
{
	(void)f;
	(void)rng;
	return flip(g->at, g->len, PROT_READ);
}

static bool flip_none(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return flip(g->at, g->len, PROT_NONE);
}

/* Where nobody else is: refused as soon as mprotect has returned. */
static bool protect_patch(struct field *f, const struct range *g,
			  struct rng *rng)
{
	struct probe *p = f->arg;
	const size_t len = p->pages * PAGE;
	const uint8_t *at = p->patch + below(rng, len / 8) * 8;

	(void)g;
	patch_stamp(p);
	if (mprotect(p->patch, len, PROT_READ))
		return false;
	memset(p->buf, 0xee, 8);
	probe_refused(p, p->patch_mr, at, true, "of read-only memory");
	patch_check(p, "read-only");
	if (mprotect(p->patch, len, PROT_NONE))
		return false;
	memset(p->buf, 0xee, 8);
	probe_refused(p, p->patch_mr, at, one_in(rng, 2), "of PROT_NONE");
	if (mprotect(p->patch, len, PROT_READ | PROT_WRITE))
		return false;
	patch_check(p, "after PROT_NONE");
	return true;
}

static void mprotect_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "read-only, read-write",
		  .fn = flip_read_only,
		  .flags = EV_TAKES },
		{ .name = "none, read-write",
		  .fn = flip_none,
		  .flags = EV_TAKES },
		{ .name = "by turns",
		  .fn = protect_patch,
		  .flags = EV_NO_PAGES | EV_ALONE },
		{}
	};
	struct field *f = field_anon(r, 128);

	run_probed(r, f, events, 4);
}

SCENARIO(mprotect) = {
	.name = "mprotect",
	.rows = "19",
	.what = "never more rights than the VMA has, no data lost",
	.run = mprotect_run,
	.hooks = PROT_VMA,
};

/* --- protection keys: a thread's, not a device's ------------------ */

static int pkey;

static const char *no_pkeys(void)
{
	pkey = pkey_alloc(0, 0);
	if (pkey < 0)
		return "no protection keys here";
	pkey_free(pkey);
	return NULL;
}

/* Nobody is refused by a key: the device has none. */
static bool change_key(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	return !pkey_mprotect(g->at, g->len, PROT_READ | PROT_WRITE,
			      one_in(rng, 2) ? pkey : 0);
}

static void pkey_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "pkey_mprotect", .fn = change_key }, {}
	};
	struct field *f = field_anon(r, 64);

	/* Of every thread that comes after this one. */
	pkey = pkey_alloc(0, PKEY_DISABLE_ACCESS);
	if (pkey < 0)
		skip(r, "no protection key: %s", strerror(errno));
	f->view[0].no_cpu = true;
	run_events(r, f, events);
}

SCENARIO(pkey) = {
	.name = "pkey",
	.rows = "19",
	.what = "the device is not bound by a thread's protection key",
	.missing = no_pkeys,
	.run = pkey_run,
	.hooks = PROT_VMA,
};

/* --- row 46: a storm over few pages ------------------------------- */

static bool flip_a_lot(struct field *f, const struct range *g, struct rng *rng)
{
	bool ok = true;
	unsigned int i;

	(void)f;
	for (i = 0; i < 5; i++)
		ok &= flip(g->at, g->len,
			   one_in(rng, 2) ? PROT_READ : PROT_NONE);
	return ok;
}

/*
 * 64 queue pairs and a thread that does nothing but flip: each access ends, in
 * time, and some of them well.
 */
static void storm_run(struct run *r)
{
	static const struct event events[] = { { .name = "mprotect",
						 .fn = flip_a_lot,
						 .flags = EV_TAKES | EV_WHOLE },
					       {} };
	struct engine e = {
		.run = r,
		.field = { field_anon(r, 4), field_pinned(r, 4) },
		.events = events,
		.threads = 32,
		.pause_us = 1,
		.depth = 1,
		.ops = OP(WRITE) | OP(READ) | OP(ADD) | OP(READ_INTO),
	};

	field_split(e.field[0], 64);
	field_split(e.field[1], 64);
	engine_run(&e);
}

SCENARIO(storm) = {
	.name = "storm",
	.rows = "46",
	.what = "64 queue pairs against mprotect: every access ends in time",
	.run = storm_run,
	.hooks = PROT_VMA,
	.weight = 2,
};
