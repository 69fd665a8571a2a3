// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Memory windows: what their keys reach, for whom and how long.
 *
 *   mw DEVICE ondemand|pinned [N|hang]
 *
 * The owner binds windows into a region; the peer has their keys alone. Around
 * each window there is memory of the same region that must stay as it is.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/stamp.h"
#include "mw/mw.h"

struct rd_dev dev;
struct rd_qp peer, owner;
static struct rd_qp peer2, owner2; /* another pair of the same domain */
uint8_t *mem, *local;
struct ibv_mr *mr, *local_mr;
static int kind; /* IBV_ACCESS_ON_DEMAND or 0 */
static unsigned int rounds = 100;

/* --- cases ---------------------------------------------------------- */

static const enum ibv_mw_type types[] = { IBV_MW_TYPE_1, IBV_MW_TYPE_2 };

static void bounds_of(struct ibv_mw *mw)
{
	static const struct {
		int64_t offset;
		uint32_t len;
	} outside[] = {
		{ -1, 1 },	 { -1, 2 },	      { SIZE, 1 },
		{ SIZE - 1, 2 }, { 0, SIZE + 1 },     { -AT, LEN },
		{ SIZE, 4096 },	 { -4096, SIZE },     { -AT, 1 },
		{ -1, SIZE },	 { LEN - AT - 1, 1 }, { 1, SIZE },
	};
	size_t i;

	REFUSED(try_write(AT, 8, mw->rkey)); /* not bound yet */
	must_bind(mw, AT, SIZE, ALL);
	for (i = 0; i < ARRAY_SIZE(outside); i++) {
		uint64_t offset = AT + outside[i].offset;

		fresh();
		REFUSED(try_write(offset, outside[i].len, mw->rkey));
		check_around(0, 0);
		REFUSED(try_read(offset, outside[i].len, mw->rkey));
	}
	REFUSED(try_add(AT - 8, mw->rkey));
	REFUSED(try_add(AT + SIZE, mw->rkey));
	check_around(0, 0);
	TAKEN(try_write(AT, SIZE, mw->rkey));
	check(first_difference(mem + AT, local, SIZE) < 0, "all of it");
	check_around(AT, SIZE);
	memset(local, 0, LEN);
	TAKEN(try_read(AT, SIZE, mw->rkey));
	check(first_difference(mem + AT, local, SIZE) < 0, "and back");
	TAKEN(try_write(AT + SIZE - 1, 1, mw->rkey));
	TAKEN(try_add(AT + SIZE - 8, mw->rkey));
	TAKEN(try_write(0, 0, mw->rkey));
}

static void run_bounds(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct ibv_mw *mw = make(types[i]);

		bounds_of(mw);
		drop(mw);
	}
}

static void rights_of(enum ibv_mw_type type, int access)
{
	struct ibv_mw *mw = make(type);
	bool ok;

	fresh();
	must_bind(mw, AT, SIZE, access);
	ok = access & IBV_ACCESS_REMOTE_READ;
	check(try_read(AT, 100, mw->rkey) ==
		      (ok ? IBV_WC_SUCCESS : IBV_WC_REM_ACCESS_ERR),
	      "READ with %#x", access);
	ok = access & IBV_ACCESS_REMOTE_WRITE;
	check(try_write(AT, 100, mw->rkey) ==
		      (ok ? IBV_WC_SUCCESS : IBV_WC_REM_ACCESS_ERR),
	      "WRITE with %#x", access);
	check_around(AT, ok ? 100 : 0);
	ok = access & IBV_ACCESS_REMOTE_ATOMIC;
	check(try_add(AT + 200, mw->rkey) ==
		      (ok ? IBV_WC_SUCCESS : IBV_WC_REM_ACCESS_ERR),
	      "atomic with %#x", access);
	drop(mw);
}

static void run_rights(void)
{
	for (int bits = 0; bits < 8; bits++)
		for (size_t i = 0; i < ARRAY_SIZE(types); i++)
			rights_of(types[i],
				  (bits & 1 ? IBV_ACCESS_REMOTE_READ : 0) |
					  (bits & 2 ? IBV_ACCESS_REMOTE_WRITE :
						      0) |
					  (bits & 4 ? IBV_ACCESS_REMOTE_ATOMIC :
						      0));
}

static void run_type_1(void)
{
	struct ibv_mw *mw = make(IBV_MW_TYPE_1);
	uint32_t old;
	int status;

	fresh();
	must_bind(mw, AT, SIZE, RW);
	old = mw->rkey;
	/* every queue pair of the domain */
	TAKEN(try_op(&peer2, &owner2, IBV_WR_RDMA_WRITE, at(AT), 8, old));
	/* invalidation is not for it */
	status = ended(&owner, &peer, invalidate(&owner, old));
	check(status == IBV_WC_LOC_QP_OP_ERR, "LOCAL_INV: %s",
	      rd_status(status));
	TAKEN(try_write(AT, 8, old));
	/* another binding ends the first, by whatever queue pair */
	status = bind_1(&owner2, mw, mr, at(8192), 4096, RW);
	check(!status, "bind anew: %s", rd_status(status));
	REFUSED(try_write(AT, 8, old));
	REFUSED(try_write(8192, 8, old));
	TAKEN(try_write(8192, 4096, mw->rkey));
	REFUSED(try_write(8192, 4097, mw->rkey));
	/* to nothing */
	check(ibv_dereg_mr(mr) == EBUSY, "a region that is in use goes");
	must_bind(mw, 0, 0, 0);
	REFUSED(try_write(8192, 8, mw->rkey));
	drop(mw);
}

static void send_with_inv(uint32_t key)
{
	struct ibv_send_wr *bad, wr = {
		.opcode = IBV_WR_SEND_WITH_INV,
		.send_flags = IBV_SEND_SIGNALED,
		.invalidate_rkey = key,
	};
	struct ibv_wc wc = {};
	int status;

	if (rd_post_recv(&owner, NULL, 0, 9) ||
	    ibv_post_send(peer.qp, &wr, &bad))
		die("post");
	status = rd_wait(peer.scq, NULL, PATIENCE_MS);
	check(!status, "SEND with invalidate: %s", rd_status(status));
	status = rd_wait(owner.rcq, &wc, PATIENCE_MS);
	check(!status && wc.wc_flags & IBV_WC_WITH_INV &&
		      wc.invalidated_rkey == key,
	      "receive: %s, flags %#x, key %#x", rd_status(status), wc.wc_flags,
	      wc.invalidated_rkey);
}

static void run_type_2(void)
{
	struct ibv_mw *mw = make(IBV_MW_TYPE_2);
	uint32_t old;
	int status;

	fresh();
	must_bind(mw, AT, SIZE, RW);
	old = mw->rkey;
	TAKEN(try_write(AT, SIZE, old));
	/* for the queue pair that bound it, and ended by it */
	REFUSED(try_op(&peer2, &owner2, IBV_WR_RDMA_READ, at(AT), 8, old));
	status = ended(&owner2, &peer2, invalidate(&owner2, old));
	check(status == IBV_WC_LOC_QP_OP_ERR, "another's LOCAL_INV: %s",
	      rd_status(status));
	TAKEN(try_write(AT, SIZE, old));
	check(ibv_dereg_mr(mr) == EBUSY, "a region that is in use goes");
	TAKEN(invalidate(&owner, old));
	REFUSED(try_write(AT, 8, old));
	REFUSED(try_read(AT, 8, old));
	/* free: for any other one */
	status = bind_2(&owner2, mw, mr, at(AT), SIZE, RW);
	check(!status, "bound by another: %s", rd_status(status));
	REFUSED(try_write(AT, 8, mw->rkey));
	TAKEN(try_op(&peer2, &owner2, IBV_WR_RDMA_READ, at(AT), 8, mw->rkey));
	TAKEN(invalidate(&owner2, mw->rkey));
	/* and by the peer */
	must_bind(mw, AT, SIZE, RW);
	TAKEN(try_write(AT, SIZE, mw->rkey));
	send_with_inv(mw->rkey);
	REFUSED(try_write(AT, 8, mw->rkey));
	drop(mw);
}

/* Zero is where it begins. Said by the work request, for type 2 alone. */
static void run_zero_based(void)
{
	struct ibv_mw *mw = make(IBV_MW_TYPE_2);

	fresh();
	must_bind(mw, AT, SIZE, RW | IBV_ACCESS_ZERO_BASED);
	TAKEN(try_op(&peer, &owner, IBV_WR_RDMA_WRITE, 0, SIZE, mw->rkey));
	check(first_difference(mem + AT, local, SIZE) < 0, "the bytes");
	check_around(AT, SIZE);
	REFUSED(try_op(&peer, &owner, IBV_WR_RDMA_WRITE, 0, SIZE + 1,
		       mw->rkey));
	REFUSED(try_op(&peer, &owner, IBV_WR_RDMA_WRITE, SIZE, 1, mw->rkey));
	REFUSED(try_op(&peer, &owner, IBV_WR_RDMA_WRITE, -1UL, 2, mw->rkey));
	REFUSED(try_write(AT, 8, mw->rkey));
	drop(mw);
}

static void bind_fails(const char *name, enum ibv_mw_type type,
		       struct ibv_mr *to, uint64_t offset, uint64_t len,
		       int access)
{
	struct ibv_mw *mw = make(type);
	int status = (type == IBV_MW_TYPE_1 ? bind_1 : bind_2)(
		&owner, mw, to, at(offset), len, access);

	check(status == IBV_WC_MW_BIND_ERR, "%s, type %d: %s", name, type,
	      rd_status(status));
	check(rd_state(&owner) == IBV_QPS_ERR, "%s: the queue pair goes on",
	      name);
	rd_reconnect(&peer, &owner);
	drop(mw);
}

static void run_errors(void)
{
	struct ibv_pd *other = ibv_alloc_pd(dev.ctx);
	struct ibv_mr *closed = rd_reg(&dev, mem, LEN, RD_ALL | kind);
	struct ibv_mr *readonly =
		rd_reg(&dev, mem, LEN, IBV_ACCESS_MW_BIND | kind);
	struct ibv_mr *alien =
		ibv_reg_mr(other, mem, LEN, RD_ALL | IBV_ACCESS_MW_BIND | kind);
	struct ibv_mw *mw = make(IBV_MW_TYPE_2);
	int status;

	if (!other || !alien)
		die("another domain: %s", strerror(errno));
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		bind_fails("no MW_BIND", types[i], closed, AT, SIZE, RW);
		bind_fails("beyond the end", types[i], mr, AT, LEN, RW);
		bind_fails("before it", types[i], mr, -1, 8, RW);
		bind_fails("wraps", types[i], mr, AT, -1UL, RW);
		bind_fails("no LOCAL_WRITE", types[i], readonly, AT, SIZE, RW);
		bind_fails("an access of nobody", types[i], mr, AT, SIZE,
			   1 << 15);
	}
	/* of type 1 it never comes to the device: libibverbs says EPERM */
	bind_fails("another domain", IBV_MW_TYPE_2, alien, AT, SIZE, RW);
	must_bind(mw, AT, SIZE, RW);
	status = bind_2(&owner, mw, mr, at(AT), SIZE, RW);
	check(status == IBV_WC_MW_BIND_ERR, "bound twice: %s",
	      rd_status(status));
	rd_reconnect(&peer, &owner);
	TAKEN(try_write(AT, SIZE, mw->rkey));
	drop(mw);
	/* what reads alone needs no right to write */
	mw = make(IBV_MW_TYPE_1);
	status = bind_1(&owner, mw, readonly, at(AT), SIZE,
			IBV_ACCESS_REMOTE_READ);
	check(!status, "READ of a region that is read: %s", rd_status(status));
	TAKEN(try_read(AT, SIZE, mw->rkey));
	drop(mw);
	check(!ibv_dereg_mr(closed) && !ibv_dereg_mr(readonly) &&
		      !ibv_dereg_mr(alien) && !ibv_dealloc_pd(other),
	      "all are free again");
}

/* A queue pair that is destroyed takes its windows of type 2 along. */
static void run_ends(void)
{
	struct ibv_mr *own =
		rd_reg(&dev, mem, LEN, RD_ALL | IBV_ACCESS_MW_BIND | kind);
	struct ibv_mw *mw[4];
	struct rd_qp a, b;
	int status;

	rd_pair(&a, &dev, &b, &dev, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(mw); i++) {
		mw[i] = make(IBV_MW_TYPE_2);
		status = bind_2(&b, mw[i], own, at(AT), SIZE, RW);
		check(!status, "bind: %s", rd_status(status));
	}
	drop(mw[1]);
	check(ibv_dereg_mr(own) == EBUSY, "a region that is in use goes");
	TAKEN(try_op(&a, &b, IBV_WR_RDMA_WRITE, at(AT), 8, mw[3]->rkey));
	rd_qp_destroy(&b);
	rd_qp_destroy(&a);
	check(!ibv_dereg_mr(own), "the region is free: %s", strerror(errno));
	/* the windows are there and can be bound again */
	must_bind(mw[3], AT, SIZE, RW);
	TAKEN(try_write(AT, SIZE, mw[3]->rkey));
	drop(mw[0]);
	drop(mw[2]);
	drop(mw[3]);
}

/* Cold pages come by a window as by a region, and holes do not. */
static void run_cold(void)
{
	uint64_t faults = counter(dev.name, "page_faults");
	struct ibv_mw *mw = make(IBV_MW_TYPE_2);
	uint8_t *hole = mem + 8 * 4096;

	if (!kind) {
		skip("pinned");
		drop(mw);
		return;
	}
	fresh();
	must_bind(mw, 0, LEN, ALL);
	if (madvise(mem, LEN, MADV_DONTNEED))
		die("madvise");
	TAKEN(try_write(4096 - 3, 5000, mw->rkey));
	check(all_zero(mem, 4000) &&
		      first_difference(mem + 4096 - 3, local, 5000) < 0,
	      "a WRITE to cold pages");
	TAKEN(try_read(10 * 4096, 4096, mw->rkey));
	check(all_zero(local, 4096), "a READ of cold pages");
	TAKEN(try_add(12 * 4096, mw->rkey));
	check(*(uint64_t *)(mem + 12 * 4096) == 1, "an atomic on a cold page");
	check(counter(dev.name, "page_faults") >= faults + 3, "it faulted");
	if (munmap(hole, 4096))
		die("munmap");
	REFUSED(try_read(8 * 4096 - 50, 100, mw->rkey));
	if (mmap(hole, 4096, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != hole)
		die("mmap");
	TAKEN(try_read(8 * 4096 - 50, 100, mw->rkey));
	drop(mw);
}

static void run_uc(void)
{
	struct rd_qp_opts opts = { .uc = true };
	struct ibv_mw *mw = make(IBV_MW_TYPE_2);
	struct rd_qp a, b;
	int status;

	fresh();
	rd_pair(&a, &dev, &b, &dev, &opts);
	status = bind_2(&b, mw, mr, at(AT), SIZE, RW);
	check(!status, "bind: %s", rd_status(status));
	/* Nobody answers: what is after it says that it was looked at. */
	TAKEN(try_op(&a, &b, IBV_WR_RDMA_WRITE, at(AT - 1), 8, mw->rkey));
	TAKEN(try_op(&a, &b, IBV_WR_RDMA_WRITE, at(AT), SIZE + 1, mw->rkey));
	TAKEN(try_op(&a, &b, IBV_WR_RDMA_WRITE, at(AT + 8), 8, mw->rkey));
	for (int i = 0; i < 2000 && mem[AT + 15] != 0xc3; i++)
		sleep_ms(1);
	check(mem[AT + 8] == 0xc3 && mem[AT + 15] == 0xc3, "inside");
	check_around(AT + 8, 8);
	TAKEN(invalidate(&b, mw->rkey));
	TAKEN(try_op(&a, &b, IBV_WR_RDMA_WRITE, at(AT + 64), 8, mw->rkey));
	sleep_ms(50);
	check_around(AT + 8, 8);
	rd_qp_destroy(&a);
	rd_qp_destroy(&b);
	drop(mw);
}

/* --- while the peer is at it ----------------------------------------- */

static struct {
	uint32_t key;
	unsigned long writes;
} traffic;

/* Until it is refused: then it is over for this key. */
static void *write_on(void *arg)
{
	struct rd_op op = {
		.opcode = IBV_WR_RDMA_WRITE,
		.addr = (uintptr_t)local,
		.len = SIZE,
		.lkey = local_mr->lkey,
		.raddr = at(AT),
		.rkey = traffic.key,
	};
	uint64_t turn = 0;
	int *status = arg;

	do {
		memset(local, (int)++turn, SIZE);
		*status = rd_do(&peer, &op, PATIENCE_MS);
		traffic.writes += !*status;
	} while (!*status);
	return NULL;
}

static void revoke_once(struct ibv_mw *mw, unsigned int round)
{
	static uint8_t then[LEN];
	pthread_t thread;
	int status = -2;

	must_bind(mw, AT, SIZE, RW);
	traffic.key = mw->rkey;
	if (pthread_create(&thread, NULL, write_on, &status))
		die("thread");
	usleep(mix64(round) % 3000);
	TAKEN(invalidate(&owner, mw->rkey));
	/* From here on not one byte. */
	memcpy(then, mem, LEN);
	pthread_join(thread, NULL);
	check(status == IBV_WC_REM_ACCESS_ERR, "it was refused: %s",
	      rd_status(status));
	sleep_ms(2);
	check(!memcmp(then, mem, LEN), "round %u: written after the end",
	      round);
	ended(&peer, &owner, 1);
}

static void run_revoke(void)
{
	struct ibv_mw *mw = make(IBV_MW_TYPE_2);

	fresh();
	traffic.writes = 0;
	for (unsigned int i = 0; i < rounds; i++)
		revoke_once(mw, i);
	check_around(AT, SIZE);
	check(traffic.writes > rounds / 4, "%lu writes in %u rounds",
	      traffic.writes, rounds);
	drop(mw);
}

/* --- main ------------------------------------------------------------ */

static const struct test tests[] = {
	{ "bounds", run_bounds, "not a byte beyond the window" },
	{ "rights", run_rights, "what it was bound for and nothing else" },
	{ "type-1", run_type_1, "for the domain, bound anew, to nothing" },
	{ "type-2", run_type_2, "for its queue pair, until invalidated" },
	{ "zero-based", run_zero_based, "its first byte at address 0" },
	{ "errors", run_errors, "what cannot be bound" },
	{ "ends", run_ends, "the end of the queue pair that bound it" },
	{ "cold", run_cold, "on demand" },
	{ "uc", run_uc, "by an unreliable connection" },
	{ "revoke", run_revoke, "invalidated while a peer writes" },
};

/* Windows made before and after the regions that they are bound to. */
static void hang(void)
{
	struct ibv_mw *mw[3];
	struct ibv_mr *late;

	mw[0] = make(IBV_MW_TYPE_1);
	mw[1] = make(IBV_MW_TYPE_2);
	late = rd_reg(&dev, mem, LEN, RD_ALL | IBV_ACCESS_MW_BIND | kind);
	mw[2] = make(IBV_MW_TYPE_2);
	if (bind_1(&owner, mw[0], late, at(0), LEN, RW) ||
	    bind_2(&owner, mw[1], late, at(0), LEN, RW) ||
	    bind_2(&owner2, mw[2], late, at(0), LEN, RW))
		die("bind");
	puts("bound");
	fflush(stdout);
	pause();
}

int main(int argc, char **argv)
{
	if (argc < 3)
		die("usage: mw DEVICE ondemand|pinned [N|hang]");
	rd_open(&dev, argv[1]);
	kind = strcmp(argv[2], "pinned") ? IBV_ACCESS_ON_DEMAND : 0;
	mem = mmap(NULL, 2 * LEN, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		die("mmap");
	local = mem + LEN;
	mr = rd_reg(&dev, mem, LEN,
		    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND | kind);
	local_mr = rd_reg(&dev, local, LEN, IBV_ACCESS_LOCAL_WRITE | kind);
	rd_pair(&peer, &dev, &owner, &dev, NULL);
	rd_pair(&peer2, &dev, &owner2, &dev, NULL);
	if (argc > 3 && !strcmp(argv[3], "hang"))
		hang();
	if (argc > 3)
		rounds = atoi(argv[3]);
	tap_note("%s", argv[2]);
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		case_run(&tests[i]);
	rd_qp_destroy(&peer);
	rd_qp_destroy(&owner);
	rd_qp_destroy(&peer2);
	rd_qp_destroy(&owner2);
	tap_result(!ibv_dereg_mr(mr) && !ibv_dereg_mr(local_mr),
		   "all regions are free");
	rd_close(&dev);
	return tap_done();
}
