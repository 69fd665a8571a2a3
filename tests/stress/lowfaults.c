// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Page faults without memory. They run in kworkers, whose allocations are made
 * to fail from outside: the n-th one of each worker, for each n, and then all
 * for a while. Whichever worker the kernel takes, it is seen by its name who
 * has run the driver's work, and by what is left of n what it has met.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lowcrew.h"
#include "lowmem.h"

#define PAGES 3
#define TABLE (2UL << 20) /* what one of the CPU's page tables maps */
#define TRIES 12 /* until an armed worker takes the work */
#define SHORT 300 /* ms without any memory: it is waited for */
#define LONG  3000 /* ms: it is not */

static struct crew faults = { .prefix = "kworker/u", .queue = "sodp_mem" };
static struct crew transport = { .prefix = "kworker/",
				 .queue = "softodp_xport" };

/* --- accesses ----------------------------------------------------- */

/* Where a page, and its page table, is never there yet. */
struct cold {
	struct low *low;
	struct run *run;
	struct probe *p;
	uint8_t *at;
	int file; /* PAGES of a memfd, stamped */
	struct ibv_mr *mr;
};

struct access {
	const char *name;
	bool of_file;
	/* A status, -1 for silence, or an errno of prefetch. */
	int (*fn)(struct cold *c);
	/* That it did what it said. */
	bool (*right)(struct cold *c);
	bool is_call; /* it ends with an errno */
};

static void make_cold(struct cold *c, const struct access *a)
{
	void *p;

	munmap(c->at, PAGES * PAGE);
	p = mmap(c->at, PAGES * PAGE, PROT_READ | PROT_WRITE,
		 MAP_FIXED_NOREPLACE |
			 (a->of_file ? MAP_SHARED :
				       MAP_PRIVATE | MAP_ANONYMOUS),
		 a->of_file ? c->file : -1, 0);
	if (p != c->at)
		die("mmap at %p: %s", (void *)c->at, strerror(errno));
	if (!a->of_file)
		madvise(p, PAGES * PAGE, MADV_NOHUGEPAGE);
}

static void stamp_buf(struct cold *c)
{
	unsigned int i;

	c->p->version++;
	for (i = 0; i < PAGES; i++)
		stamp(c->p->buf + i * PAGE, i, c->p->version);
}

static int wait_ms(const struct cold *c)
{
	return 10 * c->run->limit_ms;
}

static int do_write(struct cold *c)
{
	stamp_buf(c);
	return rd_write(&c->p->peer, (uintptr_t)c->p->buf, c->p->mr->lkey,
			PAGES * PAGE, (uintptr_t)c->at, c->mr->rkey,
			wait_ms(c));
}

static bool is_stamped(struct cold *c)
{
	return !stamps_wrong(c->at, PAGES, c->p->version);
}

static int do_read(struct cold *c)
{
	memset(c->p->buf, 0xa5, PAGES * PAGE);
	return rd_read(&c->p->peer, (uintptr_t)c->p->buf, c->p->mr->lkey,
		       PAGES * PAGE, (uintptr_t)c->at, c->mr->rkey, wait_ms(c));
}

static bool is_the_file(struct cold *c)
{
	return !stamps_wrong(c->p->buf, PAGES, 1);
}

static bool is_zero(struct cold *c)
{
	return all_zero(c->p->buf, PAGES * PAGE);
}

/* From the cold pages to the peer, in place of the other way round. */
static int do_write_from(struct cold *c)
{
	memset(c->p->buf, 0xa5, PAGES * PAGE);
	return rd_write(&c->p->owner, (uintptr_t)c->at, c->mr->lkey,
			PAGES * PAGE, (uintptr_t)c->p->buf, c->p->mr->rkey,
			wait_ms(c));
}

static int do_recv(struct cold *c)
{
	struct ibv_sge sge = { (uintptr_t)c->at, PAGES * PAGE, c->mr->lkey };
	struct rd_op op = {
		.opcode = IBV_WR_SEND,
		.addr = (uintptr_t)c->p->buf,
		.len = PAGES * PAGE,
		.lkey = c->p->mr->lkey,
	};
	int status;

	stamp_buf(c);
	if (rd_post_recv(&c->p->owner, &sge, 1, 0))
		die("post_recv: %s", strerror(errno));
	status = rd_do(&c->p->peer, &op, wait_ms(c));
	return status ? status : rd_wait(c->p->owner.rcq, NULL, wait_ms(c));
}

static int do_atomic(struct cold *c, enum ibv_wr_opcode opcode)
{
	struct rd_op op = {
		.opcode = opcode,
		.addr = (uintptr_t)c->p->buf,
		.len = 8,
		.lkey = c->p->mr->lkey,
		.raddr = (uintptr_t)c->at + 64,
		.rkey = c->mr->rkey,
		.swap = 7,
		.compare_add = opcode == IBV_WR_ATOMIC_FETCH_AND_ADD ? 7 : 0,
	};

	memset(c->p->buf, 0xa5, 8);
	return rd_do(&c->p->peer, &op, wait_ms(c));
}

static int do_add(struct cold *c)
{
	return do_atomic(c, IBV_WR_ATOMIC_FETCH_AND_ADD);
}

static int do_swap(struct cold *c)
{
	return do_atomic(c, IBV_WR_ATOMIC_CMP_AND_SWP);
}

/* Once, and not twice. */
static bool is_seven(struct cold *c)
{
	uint64_t old, now;

	memcpy(&old, c->p->buf, 8);
	memcpy(&now, c->at + 64, 8);
	return !old && now == 7;
}

static int do_prefetch(struct cold *c)
{
	return rd_prefetch(&c->run->dev, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			   IBV_ADVISE_MR_FLAG_FLUSH, (uintptr_t)c->at,
			   PAGES * PAGE, c->mr->lkey);
}

static bool is_new(struct cold *c)
{
	return all_zero(c->at, PAGES * PAGE);
}

static const struct access accesses[] = {
	{ .name = "WRITE", .fn = do_write, .right = is_stamped },
	{ .name = "WRITE to a file",
	  .of_file = true,
	  .fn = do_write,
	  .right = is_stamped },
	{ .name = "READ", .fn = do_read, .right = is_zero },
	{ .name = "READ of a file",
	  .of_file = true,
	  .fn = do_read,
	  .right = is_the_file },
	{ .name = "WRITE from cold pages",
	  .fn = do_write_from,
	  .right = is_zero },
	{ .name = "RECV", .fn = do_recv, .right = is_stamped },
	{ .name = "FETCH_ADD", .fn = do_add, .right = is_seven },
	{ .name = "CMP_SWAP", .fn = do_swap, .right = is_seven },
	{ .name = "prefetch",
	  .fn = do_prefetch,
	  .right = is_new,
	  .is_call = true },
};

/* An error that speaks of the memory; a peer that times out is none. */
static bool clean(const struct access *a, int status)
{
	if (a->is_call)
		return status == ENOMEM || status == EFAULT ||
		       status == EAGAIN || status == EINTR;
	return status == IBV_WC_REM_ACCESS_ERR || status == IBV_WC_REM_OP_ERR ||
	       status == IBV_WC_LOC_PROT_ERR ||
	       status == IBV_WC_LOC_ACCESS_ERR ||
	       status == IBV_WC_LOC_QP_OP_ERR;
}

static void refill(struct cold *c)
{
	uint8_t page[PAGE];
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		stamp(page, i, 1);
		if (pwrite(c->file, page, PAGE, i * PAGE) != (ssize_t)PAGE)
			die("memfd: %s", strerror(errno));
	}
}

static const char *told(const struct access *a, int status)
{
	return a->is_call ? strerror(status) : rd_status(status);
}

/* After an access with allocations that fail, and none that does any more. */
static void judge(struct cold *c, const struct access *a, int status,
		  const char *when)
{
	struct run *r = c->run;

	if (status && !clean(a, status))
		fail(r, "%s, %s: %s", a->name, when, told(a, status));
	else if (!status && !a->right(c))
		fail(r, "%s, %s: it is not what it said", a->name, when);
	if (!status || failed(r))
		return;
	if (!a->is_call)
		rd_reconnect(&c->p->peer, &c->p->owner);
	if (a->of_file)
		refill(c);
	make_cold(c, a);
	status = a->fn(c);
	if (status)
		fail(r, "%s, after %s: %s", a->name, when, told(a, status));
	else if (!a->right(c))
		fail(r, "%s, after %s: it is not what it said", a->name, when);
}

/* --- the n-th of each worker -------------------------------------- */

static enum met once(struct cold *c, const struct access *a, struct crew *crew,
		     unsigned int n, unsigned int *refused)
{
	enum met met;
	char when[64];
	int status;

	if (a->of_file)
		refill(c);
	make_cold(c, a);
	crew_arm(crew, n);
	status = a->fn(c);
	met = crew_met(crew, n);
	*refused += status != 0;
	snprintf(when, sizeof(when), "allocation %u of %s", n, crew->queue);
	judge(c, a, status, when);
	return met;
}

/* Until a worker that was armed has run it. */
static enum met until_met(struct cold *c, const struct access *a,
			  struct crew *crew, unsigned int n,
			  unsigned int *refused)
{
	enum met met = NOBODY;
	unsigned int i;

	for (i = 0; i < TRIES && met == NOBODY && !failed(c->run); i++) {
		if (i)
			crew_find(crew);
		met = once(c, a, crew, n, refused);
	}
	return met;
}

static void sweep(struct cold *c, const struct access *a, struct crew *crew)
{
	unsigned int n, refused = 0, spared = 0;
	struct run *r = c->run;
	enum met met = HIT;

	crew_find(crew);
	/* Workers differ: one that was spared is not the last word. */
	for (n = 1; n < MOST && spared < 2 && !failed(r);) {
		met = until_met(c, a, crew, n, &refused);
		if (met == NOBODY)
			break;
		spared = met == SPARED ? spared + 1 : 0;
		n += met == HIT;
	}
	crew_leave(crew);
	if (failed(r))
		return;
	if (n >= MOST)
		fail(r,
		     "%s: allocation %u of its worker still failed: not all "
		     "were met",
		     a->name, n - 1);
	/* A pass of the transport may do without. */
	if (crew == &faults && (n < 2 || met == NOBODY))
		fail(r,
		     "%s: no worker was seen to allocate after %u "
		     "allocations",
		     a->name, n - 1);
	tap_note("%s: %s: %u allocations in %s, %u times refused", r->sc->name,
		 a->name, n - 1, crew->queue, refused);
	note_events(r, n - 1);
}

/* --- none at all for a while -------------------------------------- */

struct famine {
	struct crew *crew;
	unsigned int ms;
	pthread_t thread;
};

static void attributes(const char *name, const char *value)
{
	char path[100];

	snprintf(path, sizeof(path), FAILSLAB "%s", name);
	inject_set(path, value);
	snprintf(path, sizeof(path), FAILPAGE "%s", name);
	inject_set(path, value);
}

static void *end_famine(void *arg)
{
	struct famine *f = arg;

	sleep_ms(f->ms);
	attributes("probability", "0");
	return NULL;
}

static void begin_famine(struct famine *f)
{
	crew_find(f->crew);
	crew_mark(f->crew, "1");
	/* Only those who are marked, each time, and not a word of it. */
	attributes("task-filter", "Y");
	attributes("interval", "1");
	attributes("times", "1000000000");
	attributes("verbose", "0");
	attributes("probability", "100");
	if (pthread_create(&f->thread, NULL, end_famine, f))
		die("pthread_create");
}

static void famine_over(struct famine *f)
{
	pthread_join(f->thread, NULL);
	crew_mark(f->crew, "0");
	attributes("task-filter", "N");
	attributes("times", "1");
	attributes("verbose", "2");
	crew_leave(f->crew);
}

/* How many of all accesses it has held up or ended. */
static unsigned int starve(struct cold *c, unsigned int ms)
{
	unsigned int i, n = 0, refused = 0;
	struct run *r = c->run;
	char when[64];

	snprintf(when, sizeof(when), "%u ms without memory", ms);
	for (i = 0; i < ARRAY_SIZE(accesses) && !failed(r); i++) {
		const struct access *a = &accesses[i];
		struct famine f = { .crew = &faults, .ms = ms };
		uint64_t start;
		int status;

		if (a->of_file)
			refill(c);
		make_cold(c, a);
		begin_famine(&f);
		start = now_ms();
		status = a->fn(c);
		/* At half of it, whatever the timer's grain is. */
		n += status || now_ms() - start >= ms / 2;
		famine_over(&f);
		refused += status != 0;
		judge(c, a, status, when);
	}
	tap_note("%s: %s: %u of %zu accesses met it, %u were refused",
		 r->sc->name, when, n, ARRAY_SIZE(accesses), refused);
	note_events(r, n);
	return n;
}

/* --- the scenario ------------------------------------------------- */

static void cold_open(struct cold *c)
{
	uint8_t *hole = place(3 * TABLE);

	/* Nobody else is in its page table, which so goes with it. */
	c->at = (uint8_t *)(((uintptr_t)hole + TABLE) & ~(TABLE - 1));
	c->file = memfd_create("lowmem", MFD_CLOEXEC);
	if (c->file < 0 || ftruncate(c->file, PAGES * PAGE))
		die("memfd: %s", strerror(errno));
	refill(c);
	make_cold(c, &accesses[0]);
	c->mr = rd_reg(&c->run->dev, c->at, PAGES * PAGE,
		       RD_ALL | IBV_ACCESS_ON_DEMAND);
}

static void cold_close(struct cold *c)
{
	if (ibv_dereg_mr(c->mr))
		fail(c->run, "dereg_mr: %s", strerror(errno));
	munmap(c->at, PAGES * PAGE);
	close(c->file);
}

static void faults_run(struct run *r)
{
	struct low l = { .run = r, .netlink = -1 };
	struct cold c = { .low = &l, .run = r, .p = &l.p };
	uint64_t end = now_ms() + r->ms;
	unsigned int i;

	inject_all_kinds();
	/* What programs' pages are made of, too. */
	inject_set(FAILPAGE "ignore-gfp-highmem", "N");
	probe_open(&l.p, r, 8);
	cold_open(&c);
	do {
		for (i = 0; i < ARRAY_SIZE(accesses) && !failed(r); i++) {
			sweep(&c, &accesses[i], &faults);
			if (!failed(r))
				sweep(&c, &accesses[i], &transport);
		}
		if (!failed(r) && starve(&c, SHORT) + starve(&c, LONG) < 3)
			fail(r, "without memory nothing was held up");
		if (!failed(r)) {
			patch_stamp(&l.p);
			patch_check(&l.p, "in the end");
		}
	} while (now_ms() < end && !failed(r));
	inject_set(FAILPAGE "ignore-gfp-highmem", "Y");
	if (failed(r))
		return;
	cold_close(&c);
	probe_close(&l.p);
}

SCENARIO(lowmem_faults) = {
	.name = "lowmem-faults",
	.rows = "47",
	.what = "each allocation of a fault's worker fails, and then all do",
	.missing = no_injection,
	.run = faults_run,
	.hooks = UNMAP,
	.flags = SC_OWN_TRAFFIC,
	.slack_s = 300,
};
