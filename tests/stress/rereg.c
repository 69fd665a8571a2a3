// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A region that is registered anew all the time: who had rights has those that
 * it has now, and no byte of what it was before is reached.
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <softodp/softodp.h>

#include "link.h"
#include "pages.h"
#include "probe.h"

#define PAGES 8
#define LEN   (PAGES * PAGE)
#define READS (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ)

struct shift {
	struct run *run;
	struct probe probe;
	struct ibv_pd *pd[2]; /* the probe's, and another */
	uint8_t *place[2];
	struct ibv_mr *mr;
	unsigned int at; /* which place it is */
	unsigned int domain;
	int access;
	struct rng rng;
};

/* --- somebody who goes on with keys that were right a moment ago --- */

struct hammer {
	struct link link;
	_Atomic(uint8_t *) at;
	_Atomic uint32_t rkey;
	_Atomic uint64_t done, refused;
	_Atomic bool stop;
	pthread_t thread;
};

static void *hammer_main(void *arg)
{
	struct hammer *h = arg;

	memset(h->link.buf, 0xee, LINK_BUF);
	while (!atomic_load(&h->stop)) {
		if (link_write(&h->link, atomic_load(&h->at),
			       atomic_load(&h->rkey), LEN))
			atomic_fetch_add(&h->refused, 1);
		else
			atomic_fetch_add(&h->done, 1);
	}
	return NULL;
}

static void aim(struct hammer *h, struct shift *s)
{
	atomic_store(&h->at, s->place[s->at]);
	atomic_store(&h->rkey, s->mr->rkey);
}

/* --- one change, and what must hold after it ---------------------- */

static bool change(struct shift *s, int flags)
{
	enum softodp_rereg_state state;
	int err;
	bool moves = flags & IBV_REREG_MR_CHANGE_TRANSLATION;

	/* What does not change must not be given. */
	err = softodp_rereg_mr(
		s->mr, flags,
		flags & IBV_REREG_MR_CHANGE_PD ? s->pd[s->domain] : NULL,
		moves ? s->place[s->at] : NULL, moves ? LEN : 0,
		flags & IBV_REREG_MR_CHANGE_ACCESS ? s->access : 0, &state);
	if (err)
		fail(s->run, "rereg of %#x: %s", flags, strerror(errno));
	note_events(s->run, 1);
	return !err;
}

static void old_key_is_refused(struct shift *s, uint32_t rkey, uint8_t *at)
{
	struct ibv_mr old = { .rkey = rkey };

	if (rkey != s->mr->rkey)
		probe_refused(&s->probe, &old, at, one_in(&s->rng, 2),
			      "by the key of before");
}

static void rights_are_those_of_now(struct shift *s)
{
	uint8_t *at = s->place[s->at] + below(&s->rng, LEN / 8) * 8;

	if (s->domain) {
		probe_refused(&s->probe, s->mr, at, false,
			      "in another protection domain");
		return;
	}
	probe_works(&s->probe, s->mr, at, false, "of what may be read");
	if (s->access & IBV_ACCESS_REMOTE_WRITE)
		probe_works(&s->probe, s->mr, at, true,
			    "of what may be written");
	else
		probe_refused(&s->probe, s->mr, at, true,
			      "of what may not be written");
}

/* Nobody reaches where it was before; it was filled when nobody could. */
static void old_place_is_left_alone(struct shift *s, unsigned int old)
{
	if (old != s->at)
		unchanged(s->run, s->place[old], LEN, 1, "what it was before");
}

/* The next change comes in the middle of what it may do now. */
static void let_hammer(struct shift *s, struct hammer *h)
{
	uint64_t done = atomic_load(&h->done);
	unsigned int i, ms = 0;

	if (!s->domain && s->access & IBV_ACCESS_REMOTE_WRITE)
		ms = 50;
	aim(h, s);
	for (i = 0; i < ms && atomic_load(&h->done) == done; i++)
		sleep_ms(1);
}

static void one_round(struct shift *s, struct hammer *h)
{
	uint32_t rkey = s->mr->rkey;
	unsigned int old = s->at;
	int flags = 1 + below(&s->rng, 7);

	if (flags & IBV_REREG_MR_CHANGE_TRANSLATION) {
		s->at = !s->at;
		memset(s->place[s->at], 0x11, LEN);
	}
	if (flags & IBV_REREG_MR_CHANGE_PD)
		s->domain = !s->domain;
	if (flags & IBV_REREG_MR_CHANGE_ACCESS)
		s->access = (one_in(&s->rng, 2) ? (int)RD_ALL : READS) |
			    (one_in(&s->rng, 3) ? 0 : IBV_ACCESS_ON_DEMAND);
	if (!change(s, flags))
		return;
	old_place_is_left_alone(s, old);
	old_key_is_refused(s, rkey, s->place[old]);
	rights_are_those_of_now(s);
	let_hammer(s, h);
}

static const char *rereg_missing(struct shift *s)
{
	enum softodp_rereg_state state;

	if (!softodp_rereg_mr(s->mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0,
			      s->access, &state) ||
	    errno != EOPNOTSUPP)
		return NULL;
	return "the device cannot register anew";
}

/* A slow machine needs longer for both to happen. */
static bool go_on(struct run *r, const struct hammer *h, uint64_t end,
		  unsigned int n)
{
	return once_more(r, end, n) ||
	       (!failed(r) && now_ms() < end + 10000 * r->slow &&
		(!atomic_load(&h->done) || !atomic_load(&h->refused)));
}

static void rereg_run(struct run *r)
{
	struct shift s = { .run = r, .access = RD_ALL | IBV_ACCESS_ON_DEMAND };
	struct hammer h = {};
	uint64_t end = now_ms() + r->ms;
	const char *missing;
	unsigned int i, n;

	probe_open(&s.probe, r, 0);
	s.rng.x = r->seed;
	s.pd[0] = r->dev.pd;
	s.pd[1] = ibv_alloc_pd(r->dev.ctx);
	for (i = 0; i < 2; i++)
		s.place[i] = map_anon(LEN);
	s.mr = rd_reg(&r->dev, s.place[0], LEN, s.access);
	missing = rereg_missing(&s);
	if (missing) {
		skip(r, "%s", missing);
		goto out;
	}
	link_open(&h.link, r);
	aim(&h, &s);
	hooks_begin(r);
	pthread_create(&h.thread, NULL, hammer_main, &h);
	for (n = 0; go_on(r, &h, end, n); n++)
		one_round(&s, &h);
	atomic_store(&h.stop, true);
	pthread_join(h.thread, NULL);
	hooks_sample(r);
	link_close(&h.link);
	tap_note("%s: %u changes under %llu WRITEs of another thread, of which "
		 "%llu were refused",
		 r->sc->name, n, (unsigned long long)(h.done + h.refused),
		 (unsigned long long)h.refused);
	if (!failed(r) && (!h.done || !h.refused))
		fail(r, "the other thread was %s refused",
		     h.refused ? "always" : "never");
out:
	ibv_dereg_mr(s.mr);
	ibv_dealloc_pd(s.pd[1]);
	probe_close(&s.probe);
}

SCENARIO(rereg) = {
	.name = "rereg",
	.what = "rights and places are those of the last registration",
	.run = rereg_run,
	.flags = SC_OWN_TRAFFIC | SC_CLEARS_NOTHING,
};
