// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Regions that go while everything is at them, and faults that take long. */

#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe.h"
#include "uffdover.h"

#define PAGES 64

/* --- deregistration against everything ---------------------------- */

struct dereg {
	struct run *run;
	uint8_t *at;
	_Atomic uint32_t lkey, rkey; /* of the region, if there is one */
	_Atomic bool stop;
	_Atomic uint64_t regions, hits, misses, prefetches, drops;
};

/* Somebody's accesses, with whatever key there is or was. */
static void *dereg_traffic(void *arg)
{
	struct dereg *d = arg;
	struct run *r = d->run;
	struct rng g = { r->seed + 7 };
	struct ibv_mr key = {};
	struct probe p;
	bool write;
	int status;

	probe_open(&p, r, 0);
	while (!atomic_load(&d->stop) && !failed(r)) {
		key.rkey = atomic_load(&d->rkey);
		write = one_in(&g, 2);
		status = (write ? probe_write : probe_read)(
			&p, &key, d->at + below(&g, PAGES - 8) * PAGE,
			(1 + below(&g, 8)) * PAGE);
		if (status && status != IBV_WC_REM_ACCESS_ERR)
			fail(r, "an access while its region goes: %s",
			     rd_status(status));
		atomic_fetch_add(status ? &d->misses : &d->hits, 1);
	}
	if (!failed(r))
		probe_close(&p);
	return NULL;
}

static void *dereg_prefetch(void *arg)
{
	struct dereg *d = arg;
	struct run *r = d->run;
	struct rng g = { r->seed + 8 };
	int err;

	while (!atomic_load(&d->stop) && !failed(r)) {
		err = rd_prefetch(&r->dev, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				  one_in(&g, 2) ? IBV_ADVISE_MR_FLAG_FLUSH : 0,
				  (uintptr_t)d->at, PAGES * PAGE,
				  atomic_load(&d->lkey));
		if (err && err != ENOENT && err != EFAULT && err != EINVAL)
			fail(r, "a prefetch while its region goes: %s",
			     strerror(err));
		atomic_fetch_add(&d->prefetches, !err);
		usleep(below(&g, 200));
	}
	return NULL;
}

static void *dereg_drop(void *arg)
{
	struct dereg *d = arg;
	struct rng g = { d->run->seed + 9 };

	while (!atomic_load(&d->stop)) {
		madvise(d->at + below(&g, PAGES / 2) * PAGE, PAGES / 2 * PAGE,
			MADV_DONTNEED);
		atomic_fetch_add(&d->drops, 1);
		usleep(below(&g, 500));
	}
	return NULL;
}

/* No access with this key after this: with one's own eyes, and by asking. */
static void dereg_once(struct dereg *d, struct probe *p, struct rng *g)
{
	struct run *r = d->run;
	struct ibv_mr *mr = rd_reg(&r->dev, d->at, PAGES * PAGE,
				   RD_ALL | IBV_ACCESS_ON_DEMAND);
	struct ibv_mr was = *mr;
	uint64_t start;

	atomic_store(&d->lkey, mr->lkey);
	atomic_store(&d->rkey, mr->rkey);
	usleep(below(g, 10000));
	start = now_ms();
	if (ibv_dereg_mr(mr))
		fail(r, "dereg_mr: %s", strerror(errno));
	note_time(r, now_ms() - start, "dereg_mr");
	if (one_in(g, 4)) {
		probe_refused(p, &was, d->at, true, "after its region went");
		probe_refused(p, &was, d->at, false, "after its region went");
	}
	atomic_fetch_add(&d->regions, 1);
	note_events(r, 1);
}

static void dereg_run(struct run *r)
{
	static void *(*const mains[])(void *) = { dereg_traffic, dereg_traffic,
						  dereg_prefetch, dereg_drop };
	struct dereg d = { .run = r, .at = map_anon(PAGES * PAGE) };
	struct rng g = { r->seed };
	uint64_t end = now_ms() + r->ms, late = end + 10000 * r->slow;
	pthread_t threads[ARRAY_SIZE(mains)];
	struct probe p;
	unsigned int i;

	probe_open(&p, r, 0);
	for (i = 0; i < ARRAY_SIZE(mains); i++)
		if (pthread_create(&threads[i], NULL, mains[i], &d))
			die("pthread_create");
	hooks_begin(r);
	while (!failed(r) &&
	       (now_ms() < end ||
		(now_ms() < late && (!d.hits || !d.misses || !d.prefetches))))
		dereg_once(&d, &p, &g);
	hooks_sample(r);
	atomic_store(&d.stop, true);
	for (i = 0; i < ARRAY_SIZE(mains); i++)
		pthread_join(threads[i], NULL);
	tap_note("%s: %llu regions, %llu accesses hit one, %llu missed, %llu "
		 "prefetches",
		 r->sc->name, (unsigned long long)d.regions,
		 (unsigned long long)d.hits, (unsigned long long)d.misses,
		 (unsigned long long)d.prefetches);
	if (failed(r))
		return;
	if (!d.hits || !d.misses || !d.prefetches)
		fail(r, "one of them never happened");
	probe_close(&p);
}

SCENARIO(dereg) = {
	.name = "dereg",
	.rows = "42",
	.what = "faults, hooks and prefetches while the region goes",
	.run = dereg_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* --- userfaultfd: slow, never, closed ------------------------------ */

struct slow {
	struct run *run;
	uint8_t *at;
	int fd;
	_Atomic bool stop;
	_Atomic unsigned int never; /* a page that is not supplied */
	_Atomic uint64_t served, others;
};

static void *slow_handler(void *arg)
{
	static uint8_t page[PAGE] __attribute__((aligned(PAGE)));
	struct slow *s = arg;
	struct rng g = { s->run->seed + 4 };
	struct pollfd poll_fd = { .fd = s->fd, .events = POLLIN };
	struct uffdio_copy copy;
	struct uffd_msg msg;

	while (!atomic_load(&s->stop)) {
		if (poll(&poll_fd, 1, 20) != 1 ||
		    read(s->fd, &msg, sizeof(msg)) != sizeof(msg) ||
		    msg.event != UFFD_EVENT_PAGEFAULT)
			continue;
		copy = (struct uffdio_copy){
			.dst = msg.arg.pagefault.address & -PAGE,
			.src = (uintptr_t)page,
			.len = PAGE,
		};
		if (copy.dst ==
		    (uintptr_t)s->at + atomic_load(&s->never) * PAGE)
			continue;
		usleep(below(&g, one_in(&g, 8) ? 300000 : 10000));
		stamp(page, (copy.dst - (uintptr_t)s->at) / PAGE, 1);
		if (ioctl(s->fd, UFFDIO_COPY, &copy) && errno != EEXIST &&
		    errno != EAGAIN)
			fail(s->run, "UFFDIO_COPY: %s", strerror(errno));
		atomic_fetch_add(&s->served, 1);
	}
	return NULL;
}

/* Who has nothing to do with it must not wait for it. */
static void *slow_others(void *arg)
{
	struct slow *s = arg;
	struct probe p;

	probe_open(&p, s->run, 8);
	while (!atomic_load(&s->stop) && !failed(s->run)) {
		patch_stamp(&p);
		patch_check(&p, "beside slow faults");
		atomic_fetch_add(&s->others, 1);
	}
	if (!failed(s->run))
		probe_close(&p);
	return NULL;
}

/* Each page supplied late, but supplied: read as it came, then written. */
static void slow_round(struct slow *s, struct probe *p, const struct ibv_mr *mr,
		       unsigned int page)
{
	struct run *r = s->run;
	uint8_t *at = s->at + page * PAGE;

	if (madvise(at, PAGE, MADV_DONTNEED))
		fail(r, "MADV_DONTNEED: %s", strerror(errno));
	if (probe_read(p, mr, at, PAGE))
		fail(r, "a READ of a slow page failed");
	else if (stamp_version(p->buf, page) != 1)
		fail(r, "a READ of a slow page brought something else");
	stamp(p->buf, page, 2);
	if (probe_write(p, mr, at, PAGE) || stamp_version(at, page) != 2)
		fail(r, "a WRITE into a slow page failed");
	note_events(r, 1);
}

/* A page that never comes: an error in time, and nobody waits for it. */
static void never_round(struct slow *s, const struct ibv_mr *mr)
{
	const struct rd_qp_opts opts = { .rnr_retry = 3, .rnr_timer = 10 };
	static uint8_t *buf;
	struct run *r = s->run;
	uint64_t before, start;
	struct ibv_mr *buf_mr;
	struct rd_qp a, b;
	int status;

	buf = buf ?: map_anon(PAGE);
	buf_mr = rd_reg(&r->dev, buf, PAGE, RD_ALL);
	rd_pair(&a, &r->dev, &b, &r->dev, &opts);
	atomic_store(&s->never, PAGES - 1);
	before = atomic_load(&s->others);
	start = now_ms();
	status = rd_write(&a, (uintptr_t)buf, buf_mr->lkey, PAGE,
			  (uintptr_t)s->at + (PAGES - 1) * PAGE, mr->rkey,
			  10 * r->limit_ms);
	note_time(r, now_ms() - start, "a WRITE into a page that never comes");
	if (status != IBV_WC_RNR_RETRY_EXC_ERR)
		fail(r, "a WRITE into a page that never comes: %s",
		     rd_status(status));
	sleep_ms(100);
	if (atomic_load(&s->others) == before)
		fail(r, "others wait for a page that never comes");
	start = now_ms();
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
	if (ibv_dereg_mr(buf_mr))
		fail(r, "dereg_mr: %s", strerror(errno));
	note_time(r, now_ms() - start, "destroying what waits for ever");
}

static void slow_run(struct run *r)
{
	struct slow s = { .run = r,
			  .at = map_anon(PAGES * PAGE),
			  .never = PAGES };
	uint64_t end = now_ms() + r->ms;
	pthread_t handler, others;
	struct ibv_mr *mr;
	unsigned int i;
	struct probe p;

	s.fd = uffd_over(s.at, PAGES * PAGE);
	mr = rd_reg(&r->dev, s.at, PAGES * PAGE, RD_ALL | IBV_ACCESS_ON_DEMAND);
	probe_open(&p, r, 0);
	if (pthread_create(&handler, NULL, slow_handler, &s) ||
	    pthread_create(&others, NULL, slow_others, &s))
		die("pthread_create");
	hooks_begin(r);
	for (i = 0; (now_ms() < end || i < 4) && !failed(r); i++)
		slow_round(&s, &p, mr, i / 2 % (PAGES / 2)); /* each twice */
	never_round(&s, mr);
	hooks_sample(r);
	/* Its fault waits still; a page of zeros comes with the end of it. */
	atomic_store(&s.stop, true);
	pthread_join(handler, NULL);
	pthread_join(others, NULL);
	close(s.fd);
	if (failed(r))
		return;
	if (!s.served)
		fail(r, "no fault came to the handler");
	if (probe_read(&p, mr, s.at + (PAGES - 1) * PAGE, PAGE) ||
	    !all_zero(p.buf, PAGE))
		fail(r, "a page that nobody watches any more did not come");
	probe_close(&p);
	if (ibv_dereg_mr(mr))
		fail(r, "dereg_mr: %s", strerror(errno));
}

SCENARIO(uffd_slow) = {
	.name = "uffd-slow",
	.rows = "34",
	.what = "pages that come late, or never: nobody else waits",
	.missing = uffd_missing,
	.run = slow_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};
