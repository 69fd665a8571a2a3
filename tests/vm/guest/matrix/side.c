// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "matrix/matrix.h"

const struct op_info ops[NUM_OPS] = {
	[SEND] = { "SEND", IBV_WR_SEND, true, true, false, false },
	[SEND_IMM] = { "SEND_IMM", IBV_WR_SEND_WITH_IMM, true, true, true,
		       false },
	[SEND_INLINE] = { "SEND inline", IBV_WR_SEND, true, true, false, true },
	[WRITE] = { "WRITE", IBV_WR_RDMA_WRITE, true, false, false, false },
	[WRITE_IMM] = { "WRITE_IMM", IBV_WR_RDMA_WRITE_WITH_IMM, true, true,
			true, false },
	[WRITE_INLINE] = { "WRITE inline", IBV_WR_RDMA_WRITE, true, false,
			   false, true },
	[READ] = { "READ", IBV_WR_RDMA_READ, false, false, false, false },
	[CMP_SWAP] = { "CMP_SWAP", IBV_WR_ATOMIC_CMP_AND_SWP, false, false,
		       false, false },
	[FETCH_ADD] = { "FETCH_ADD", IBV_WR_ATOMIC_FETCH_AND_ADD, false, false,
			false, false },
};

const unsigned int mtus[NUM_MTUS] = { 1024, 4096 };

struct side me;
struct run run;

unsigned int total(const struct seg *seg, unsigned int n)
{
	unsigned int i, sum = 0;

	for (i = 0; i < n; i++)
		sum += seg[i].len;
	return sum;
}

/* Segments in one arena are prepared and checked as one stretch. */
static bool stretch(const struct seg *seg, unsigned int n, uint32_t kind,
		    size_t *off, size_t *len)
{
	size_t end = 0;
	unsigned int i;

	*off = SIZE_MAX;
	for (i = 0; i < n; i++) {
		if (seg[i].kind != kind)
			continue;
		if (seg[i].off < *off)
			*off = seg[i].off;
		if (seg[i].off + seg[i].len > end)
			end = seg[i].off + seg[i].len;
	}
	*len = end - *off;
	return *off != SIZE_MAX;
}

void prepare(const struct seg *seg, unsigned int n, uint64_t seed)
{
	size_t off, len;
	uint32_t k;

	for (k = 0; k < ARENA_KINDS; k++)
		if (stretch(seg, n, k, &off, &len))
			arena_prepare(&me.arena[k], off, len, seed + k);
}

void gather(const struct seg *seg, unsigned int n)
{
	uint8_t *to = me.board;
	unsigned int i;

	for (i = 0; i < n; to += seg[i].len, i++)
		memcpy(to, arena_shadow(&me.arena[seg[i].kind], seg[i].off),
		       seg[i].len);
}

void scatter(const struct seg *seg, unsigned int n)
{
	const uint8_t *from = me.board;
	unsigned int i;

	for (i = 0; i < n; from += seg[i].len, i++)
		memcpy(arena_shadow(&me.arena[seg[i].kind], seg[i].off), from,
		       seg[i].len);
}

unsigned int make_sge(struct ibv_sge *sge, const struct seg *seg,
		      unsigned int n, bool inline_data)
{
	const struct arena *a;
	unsigned int i, used = 0;

	for (i = 0; i < n; i++) {
		if (!seg[i].len)
			continue;
		a = &me.arena[seg[i].kind];
		/* The CPU copies inline data: it needs the address. */
		sge[used].addr = arena_iova(a, seg[i].off) -
				 (inline_data ? a->shift : 0);
		sge[used].length = seg[i].len;
		sge[used++].lkey = a->mr->lkey;
	}
	return used;
}

bool verify(const struct seg *seg, unsigned int n, char *text, size_t room)
{
	const struct arena *a;
	size_t off, len;
	ssize_t bad;
	uint32_t k;

	for (k = 0; k < ARENA_KINDS; k++) {
		a = &me.arena[k];
		if (!stretch(seg, n, k, &off, &len))
			continue;
		bad = arena_check(a, off, len);
		if (bad < 0)
			continue;
		snprintf(text, room,
			 "%s: byte %zd of [%zu, +%zu) is %02x, not %02x",
			 arena_names[k], bad - (ssize_t)(PAGE + off), off, len,
			 a->map[bad], a->shadow[bad]);
		return false;
	}
	return true;
}

/* A group's faults at this side; both sides know what they must be. */
void judge_group(const struct request *r, struct reply *rep)
{
	uint64_t n;

	memset(rep, 0, sizeof(*rep));
	if (!me.counts)
		return;
	n = counter(me.dev.name, "page_faults") - me.faults;
	rep->faults = n;
	if (r->must_not && n) {
		rep->wrong = 1;
		snprintf(rep->text, sizeof(rep->text),
			 "%s: %llu page faults, none expected", me.dev.name,
			 (unsigned long long)n);
	} else if (n < r->must_fault) {
		rep->wrong = 1;
		snprintf(rep->text, sizeof(rep->text),
			 "%s: %llu page faults in %u cold cases", me.dev.name,
			 (unsigned long long)n, r->must_fault);
	}
}

void begin_group(void)
{
	if (me.counts)
		me.faults = counter(me.dev.name, "page_faults");
}

/* --- set-up ------------------------------------------------------------------
 */

struct hello {
	bool odp;
	struct rd_addr addr[NUM_MTUS];
};

void set_up(const char *dev, bool pinned)
{
	struct hello mine = {}, theirs;
	struct rd_qp_opts opts = { .sge = MAX_SEGS, .inline_data = 511 };
	enum arena_kind kind;
	unsigned int i;

	rd_open(&me.dev, dev);
	me.odp = me.dev.odp && !pinned;
	me.counts = counter_exists(dev, "page_faults");
	for (kind = 0; kind < ARENA_KINDS; kind++)
		if (me.odp || !arena_on_demand(kind))
			arena_create(&me.arena[kind], &me.dev, kind, ROOM);
	mine.odp = me.odp;
	for (i = 0; i < NUM_MTUS; i++) {
		opts.mtu = mtus[i];
		opts.psn = mix64(getpid() + i) & 0xffffff;
		rd_qp_create(&me.qp[i], &me.dev, &opts);
		mine.addr[i] = rd_qp_addr(&me.qp[i]);
	}
	sock_send(me.sock, &mine, sizeof(mine));
	if (!sock_recv(me.sock, &theirs, sizeof(theirs), WAIT_MS))
		die("the other side has gone");
	run.odp = theirs.odp;
	for (i = 0; i < NUM_MTUS; i++)
		rd_connect(&me.qp[i], &theirs.addr[i]);
	/* Nobody sends before both are ready. */
	sock_send(me.sock, &i, sizeof(i));
	if (!sock_recv(me.sock, &i, sizeof(i), WAIT_MS))
		die("the other side has gone");
}

void tear_down(void)
{
	enum arena_kind kind;
	unsigned int i;

	for (i = 0; i < NUM_MTUS; i++)
		rd_qp_destroy(&me.qp[i]);
	for (kind = 0; kind < ARENA_KINDS; kind++) {
		if (!me.arena[kind].mr)
			continue;
		/* What lies outside the windows must be untouched as well. */
		if (arena_check_all(&me.arena[kind]) >= 0) {
			run.mismatches++;
			tap_note("MISMATCH far from any access: %s, byte %zd",
				 arena_names[kind],
				 arena_check_all(&me.arena[kind]));
		}
		arena_destroy(&me.arena[kind]);
	}
	rd_close(&me.dev);
}
