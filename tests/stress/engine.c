// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Traffic and events at the same time, and the reckoning afterwards. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"

struct starter {
	struct engine *e;
	unsigned int index;
};

/* Making threads maps and protects memory: not a hook of any event. */
static void wait_for_go(struct engine *e)
{
	while (!atomic_load(&e->go))
		sleep_ms(1);
}

static void *traffic_main(void *arg)
{
	struct starter *s = arg;
	struct traffic *t = s->e->traffic[s->index];

	wait_for_go(s->e);
	while (!atomic_load(&s->e->stop_traffic) && !failed(s->e->run))
		traffic_round(t);
	return NULL;
}

/* --- events ------------------------------------------------------- */

static const struct event *pick_event(const struct engine *e, struct rng *g)
{
	const struct event *ev;
	unsigned int sum = 0, at;

	for (ev = e->events; ev->fn; ev++)
		sum += ev->weight ?: 1;
	at = below(g, sum);
	for (ev = e->events;; ev++) {
		if (at < (ev->weight ?: 1))
			return ev;
		at -= ev->weight ?: 1;
	}
}

static struct field *pick_field(const struct engine *e, struct rng *g)
{
	struct field *f;

	do {
		f = e->field[below(g, e->fields)];
	} while (f->pinned);
	return f;
}

static void pick_range(const struct event *ev, const struct field *f,
		       struct rng *g, struct range *range)
{
	unsigned int max = ev->max ?: 16;

	if (max > f->pages || ev->flags & EV_WHOLE)
		max = f->pages;
	range->n = ev->flags & EV_WHOLE ? max : 1 + below(g, max);
	range->first = ev->flags & EV_TAIL ? f->pages - range->n :
					     below(g, f->pages - range->n + 1);
	range->at = page_at(f, range->first);
	range->len = range->n * PAGE;
}

static void one_event(struct engine *e, struct rng *g)
{
	const struct event *ev = pick_event(e, g);
	struct field *f = pick_field(e, g);
	unsigned int n;
	struct range range;
	bool happened;

	pick_range(ev, f, g, &range);
	n = ev->flags & EV_NO_PAGES ? 0 : range.n;
	if (ev->flags & EV_ALONE)
		pthread_mutex_lock(&f->alone);
	disturb_begin(f, range.first, n, ev->flags);
	happened = ev->fn(f, &range, g);
	disturb_end(f, range.first, n);
	if (!happened && ev->flags & EV_EMPTIES & ~EV_ZEROES)
		fail(e->run, "%s of %u pages: %s", ev->name, range.n,
		     strerror(errno));
	if (ev->flags & EV_ALONE)
		pthread_mutex_unlock(&f->alone);
	if (happened)
		atomic_fetch_add(&e->run->events, 1);
}

static void *event_main(void *arg)
{
	struct starter *s = arg;
	struct engine *e = s->e;
	struct rng g = { e->run->seed + 2000 + s->index };
	unsigned int pause = e->pause_us ?: 2000;

	wait_for_go(e);
	while (!atomic_load(&e->stop_events) && !failed(e->run)) {
		one_event(e, &g);
		if (pause > 1)
			usleep(below(&g, pause));
	}
	return NULL;
}

/* --- start and stop ----------------------------------------------- */

static void set_up_fields(struct engine *e)
{
	const struct event *ev;
	unsigned int i, flags = 0;
	bool paged = false;

	for (i = 0; i < MAX_FIELDS && e->field[i]; i++)
		e->fields = i + 1;
	for (ev = e->events; ev && ev->fn; ev++)
		flags |= ev->flags;
	for (i = 0; i < e->fields; i++) {
		if (e->field[i]->pinned)
			continue;
		e->field[i]->may_zero = flags & EV_ZEROES;
		e->field[i]->may_take = flags & EV_TAKES;
		e->field[i]->may_detour = flags & EV_DETOUR;
		paged = true;
	}
	if (!paged)
		die("%s: no field on demand", e->run->sc->name);
}

static void *no_thread(void *arg)
{
	return arg;
}

static pthread_t start_thread(void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 512 << 10);
	err = pthread_create(&thread, &attr, fn ?: no_thread, arg);
	if (err)
		die("pthread_create: %s", strerror(err));
	pthread_attr_destroy(&attr);
	return thread;
}

void engine_start(struct engine *e)
{
	static struct starter starters[MAX_THREADS];
	unsigned int i;

	e->threads = e->threads ?: 3;
	e->event_threads = e->events ? e->event_threads ?: 1 : 0;
	e->min_events = e->events ? e->min_events ?: 3 : 0;
	e->min_ops = e->min_ops ?: 100;
	e->depth = e->depth && e->depth < DEPTH ? e->depth : DEPTH;
	if (e->threads > MAX_THREADS || e->event_threads > MAX_THREADS)
		die("too many threads");
	set_up_fields(e);
	for (i = 0; i < MAX_THREADS; i++)
		starters[i] = (struct starter){ e, i };
	for (i = 0; i < e->threads; i++)
		e->traffic[i] = traffic_open(e, i);
	for (i = 0; i < e->threads; i++)
		e->thread[i] = start_thread(traffic_main, &starters[i]);
	for (i = 0; i < e->event_threads; i++)
		e->event_thread[i] = start_thread(event_main, &starters[i]);
	hooks_begin(e->run);
	e->end_ms = now_ms() + e->run->ms;
	atomic_store(&e->go, true);
}

static uint64_t ops_done(const struct run *r)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < OPS; i++)
		sum += atomic_load(&((struct run *)r)->ops[i]);
	return sum;
}

bool engine_goes_on(struct engine *e)
{
	struct run *r = e->run;
	uint64_t now = now_ms(), slack = 1000ULL * (r->sc->slack_s ?: 30) / 2;

	if (failed(r))
		return false;
	sleep_ms(e->end_ms > now && e->end_ms - now < 20 ? e->end_ms - now :
							   20);
	if (now < e->end_ms)
		return true;
	/* Time is up; but what did not happen yet may still. */
	if (now > e->end_ms + slack * r->slow)
		return false;
	hooks_sample(r);
	return !hooks_seen(r, NULL) || (r->enough && !r->enough(r)) ||
	       ops_done(r) < e->min_ops ||
	       atomic_load(&r->events) < e->min_events;
}

void engine_stop_events(struct engine *e)
{
	unsigned int i;

	atomic_store(&e->stop_events, true);
	for (i = 0; i < e->event_threads; i++)
		pthread_join(e->event_thread[i], NULL);
	e->event_threads = 0;
}

void engine_stop(struct engine *e)
{
	struct run *r = e->run;
	unsigned int i;

	engine_stop_events(e);
	atomic_store(&e->stop_traffic, true);
	for (i = 0; i < e->threads; i++)
		pthread_join(e->thread[i], NULL);
	hooks_sample(r);
	if (failed(r))
		return;
	if (ops_done(r) < e->min_ops)
		fail(r, "%llu accesses, at least %u wanted",
		     (unsigned long long)ops_done(r), e->min_ops);
	if (atomic_load(&r->events) < e->min_events)
		fail(r, "%llu events, at least %u wanted",
		     (unsigned long long)atomic_load(&r->events),
		     e->min_events);
}

/* --- the reckoning ------------------------------------------------ */

static void check_by_cpu(struct field *f, const char *when)
{
	unsigned int wrong;

	if (f->view[0].no_cpu)
		return;
	wrong = field_wrong(f, f->view[0].base);
	if (!wrong)
		return;
	fail(f->run, "%s: %u of %u cells of %s are wrong", when, wrong,
	     f->cells, f->name);
}

static void each_block(struct engine *e, struct field *f,
		       bool (*fn)(struct traffic *, struct field *,
				  unsigned int, unsigned int),
		       const char *what)
{
	unsigned int i, n;

	for (i = 0; i < f->cells; i += BLOCK) {
		n = f->cells - i < BLOCK ? f->cells - i : BLOCK;
		if (!fn(e->traffic[0], f, i, n) && !failed(f->run))
			fail(f->run, "%s of %s, cell %u, after all: refused",
			     what, f->name, i);
		if (failed(f->run))
			return;
	}
}

/* Quiet now: everything is exactly known, and can still be written. */
static void check_field(struct engine *e, struct field *f)
{
	unsigned int i, ops = f->ops ?: OPS_ALL;
	uint32_t begun;

	for (i = 0; i < f->cells; i++)
		if (!cell_look(f, i, &begun))
			fail(f->run, "an event that never ended");
	check_by_cpu(f, "at the end");
	if (ops & OP(READ))
		each_block(e, f, traffic_read, "READ");
	if (ops & OP(WRITE))
		each_block(e, f, traffic_write, "WRITE");
	check_by_cpu(f, "after a last WRITE");
}

void engine_check(struct engine *e)
{
	unsigned int i;

	for (i = 0; i < e->fields; i++) {
		if (failed(e->run))
			check_by_cpu(e->field[i], "after the failure");
		else
			check_field(e, e->field[i]);
	}
	for (i = 0; i < e->fields && failed(e->run); i++)
		field_show(e->field[i]);
}

void engine_free(struct engine *e)
{
	unsigned int i;

	for (i = 0; i < e->threads; i++)
		traffic_close(e->traffic[i]);
	for (i = 0; i < e->fields; i++)
		field_free(e->field[i]);
}

void engine_run(struct engine *e)
{
	engine_start(e);
	while (engine_goes_on(e))
		;
	engine_stop(e);
	engine_check(e);
	engine_free(e);
}

/* --- helpers of scenarios ----------------------------------------- */

void run_events(struct run *r, struct field *f, const struct event *events)
{
	struct engine e = {
		.run = r,
		.field = { f, field_pinned(r, 32) },
		.events = events,
	};

	engine_run(&e);
}

void in_child(struct run *r, void (*fn)(struct run *r, void *arg), void *arg)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		fn(r, arg);
		_exit(0);
	}
	if (pid < 0)
		fail(r, "fork: %s", strerror(errno));
	else if (waitpid(pid, &status, 0) != pid || status)
		fail(r, "a child ended with status %#x", status);
}
