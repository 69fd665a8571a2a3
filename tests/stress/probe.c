// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "probe.h"

void probe_open(struct probe *p, struct run *r, unsigned int patch_pages)
{
	memset(p, 0, sizeof(*p));
	p->run = r;
	pthread_mutex_init(&p->lock, NULL);
	rd_pair(&p->peer, &r->dev, &p->owner, &r->dev, NULL);
	p->buf = map_anon(PROBE_PAGES * PAGE);
	p->mr = rd_reg(&r->dev, p->buf, PROBE_PAGES * PAGE, RD_ALL);
	p->pages = patch_pages;
	if (!patch_pages)
		return;
	p->patch = map_anon(patch_pages * PAGE);
	p->patch_mr = rd_reg(&r->dev, p->patch, patch_pages * PAGE,
			     RD_ALL | IBV_ACCESS_ON_DEMAND);
}

void probe_close(struct probe *p)
{
	rd_qp_destroy(&p->peer);
	rd_qp_destroy(&p->owner);
	if (ibv_dereg_mr(p->mr) || (p->patch_mr && ibv_dereg_mr(p->patch_mr)))
		fail(p->run, "dereg_mr: %s", strerror(errno));
	munmap(p->buf, PROBE_PAGES * PAGE);
	if (p->patch)
		munmap(p->patch, p->pages * PAGE);
}

static int done(struct probe *p, int status, enum op op, uint64_t start,
		uint64_t stalled)
{
	uint64_t ms = now_ms() - start;

	stalled = stalled_ms(p->run) - stalled;
	if (status < 0)
		fail(p->run, "a probing %s never ended", op_names[op]);
	else
		note_time(p->run, ms > stalled ? ms - stalled : 0,
			  op_names[op]);
	if (status)
		rd_reconnect(&p->peer, &p->owner);
	else
		note_ops(p->run, op, 1);
	return status;
}

int probe_write(struct probe *p, const struct ibv_mr *mr, const void *at,
		size_t len)
{
	uint64_t start = now_ms(), stalled = stalled_ms(p->run);

	return done(p,
		    rd_write(&p->peer, (uintptr_t)p->buf, p->mr->lkey, len,
			     (uintptr_t)at, mr->rkey, 10 * p->run->limit_ms),
		    OP_WRITE, start, stalled);
}

int probe_read(struct probe *p, const struct ibv_mr *mr, const void *at,
	       size_t len)
{
	uint64_t start = now_ms(), stalled = stalled_ms(p->run);

	return done(p,
		    rd_read(&p->peer, (uintptr_t)p->buf, p->mr->lkey, len,
			    (uintptr_t)at, mr->rkey, 10 * p->run->limit_ms),
		    OP_READ, start, stalled);
}

static int probe(struct probe *p, const struct ibv_mr *mr, const void *at,
		 bool write)
{
	return write ? probe_write(p, mr, at, 8) : probe_read(p, mr, at, 8);
}

void probe_refused(struct probe *p, const struct ibv_mr *mr, const void *at,
		   bool write, const char *when)
{
	int status = probe(p, mr, at, write);

	if (status != IBV_WC_REM_ACCESS_ERR)
		fail(p->run, "%s %s: %s", write ? "WRITE" : "READ", when,
		     rd_status(status));
}

void probe_works(struct probe *p, const struct ibv_mr *mr, const void *at,
		 bool write, const char *when)
{
	int status = probe(p, mr, at, write);

	if (status)
		fail(p->run, "%s %s: %s", write ? "WRITE" : "READ", when,
		     rd_status(status));
}

void patch_stamp(struct probe *p)
{
	unsigned int i;
	int status;

	p->version++;
	for (i = 0; i < p->pages; i++)
		stamp(p->buf + i * PAGE, i, p->version);
	status = probe_write(p, p->patch_mr, p->patch, p->pages * PAGE);
	if (status)
		fail(p->run, "WRITE of a quiet patch: %s", rd_status(status));
}

void patch_check(struct probe *p, const char *when)
{
	unsigned int wrong = stamps_wrong(p->patch, p->pages, p->version);
	int status = probe_read(p, p->patch_mr, p->patch, p->pages * PAGE);

	if (status)
		fail(p->run, "READ of a quiet patch %s: %s", when,
		     rd_status(status));
	else if (wrong || stamps_wrong(p->buf, p->pages, p->version))
		fail(p->run,
		     "%s: %u pages are wrong for the CPU, %u for the "
		     "device",
		     when, wrong, stamps_wrong(p->buf, p->pages, p->version));
}

bool unchanged(struct run *r, const void *at, size_t len, unsigned int ms,
	       const char *what)
{
	/* One for each thread, and no heap in event functions. */
	static __thread uint8_t copy[16 * PAGE];
	ssize_t bad;

	if (len > sizeof(copy))
		len = sizeof(copy);
	memcpy(copy, at, len);
	sleep_ms(ms);
	bad = first_difference(copy, at, len);
	if (bad < 0)
		return true;
	fail(r, "%s changed, at byte %zd of %zu", what, bad, len);
	return false;
}

void run_probed(struct run *r, struct field *f, const struct event *events,
		unsigned int patch_pages)
{
	struct probe p;

	probe_open(&p, r, patch_pages);
	/* The field does not outlive run_events(). */
	/* cppcheck-suppress autoVariables */
	f->arg = &p;
	run_events(r, f, events);
	probe_close(&p);
}
