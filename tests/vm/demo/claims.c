// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <err.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "claims.h"

typedef unsigned long long ull;

/*
 * Where things happen. Traffic goes to a spot each 64 MiB; the other acts use
 * windows between spots.
 */
enum {
	SPOT_LENGTH = 12000, /* with its offset: parts of 4 pages */
	SPOT_OFFSET = 300,
	SPOT_PAGES = 4,
	WINDOW_PAGES = 64,
};
#define SPOT_STRIDE	(64 * MIB)
#define WINDOW		(WINDOW_PAGES * PAGE)
#define SWAP_WINDOW	(8 * MIB)
#define AT(region, gib) ((region)->base + (gib)*GIB + 4 * MIB)

enum seed {
	ZEROS,
	SEED_SPOTS,
	SEED_OLD,
	SEED_NEW,
	SEED_CHILD,
	SEED_BELOW,
	SEED_ABOVE,
	SEED_SWAP = 100,
};

/* --- 1: registration ------------------------------------------------------ */

static double milliseconds(const struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - from->tv_sec) * 1e3 +
	       (now.tv_nsec - from->tv_nsec) / 1e6;
}

bool act_register(struct region *region)
{
	const unsigned int access = IBV_ACCESS_LOCAL_WRITE |
				    IBV_ACCESS_REMOTE_READ |
				    IBV_ACCESS_REMOTE_WRITE;
	struct softodp_reg_result pinned, why;
	struct timespec start;
	struct ibv_mr *mr;
	struct moment now;
	uint64_t pages;
	double took;

	heading("1  Register %llu GiB", (ull)(region->length / GIB));
	mr = softodp_reg_mr(region->ends[0].pd, region->base, region->length,
			    access, SOFTODP_REG_NO_ODP, &pinned);
	claim("pinned-refused", !mr && pinned.error == ENOMEM,
	      pinned.reason == SOFTODP_REASON_MEMLOCK && !self_status("VmPin"),
	      "pinned, as every RDMA device can: refused", "%s: %s",
	      mr ? "success" : strerrorname_np(pinned.error),
	      softodp_reason_str(pinned.reason));
	if (mr)
		ibv_dereg_mr(mr);

	clock_gettime(CLOCK_MONOTONIC, &start);
	region->mr = softodp_reg_mr(region->ends[0].pd, region->base,
				    region->length, access, SOFTODP_REG_NO_PIN,
				    &why);
	took = milliseconds(&start);
	if (!region->mr) {
		claim("on-demand", false, false, "on demand: registered",
		      "%s: %s", strerrorname_np(why.error),
		      softodp_reason_str(why.reason));
		return false;
	}
	now = moment(region);
	pages = resident(region, true);
	return claim(
		"on-demand", why.kind == SOFTODP_KIND_ON_DEMAND && !pages,
		!now.mr.resident_pages && !now.mr.page_faults &&
			now.mr.table_bytes <= 65536 && !self_status("VmPin") &&
			!self_status("VmLck"),
		"on demand: registered, by an unprivileged user, and nothing is pinned",
		"%.1f ms; %llu pages in memory, VmPin %llu kB, translation table %llu bytes",
		took, (ull)pages, (ull)self_status("VmPin"),
		(ull)now.mr.table_bytes);
}

/* --- 2: all over it ------------------------------------------------------- */

static struct report all_spots(struct region *region, uint32_t kind)
{
	const struct order order = {
		.kind = kind,
		.address = (uintptr_t)region->base + SPOT_OFFSET,
		.stride = SPOT_STRIDE,
		.count = region->length / SPOT_STRIDE,
		.length = SPOT_LENGTH,
		.rkey = region->mr->rkey,
		.origin = (uintptr_t)region->base,
		.seed = SEED_SPOTS,
	};

	return peer_does(region, &order, NULL, NULL);
}

/* Every spot as written, and what is around it in its pages untouched. */
static uint64_t wrong_at_spots(const struct region *region)
{
	const uint64_t end = SPOT_OFFSET + SPOT_LENGTH;
	uint64_t wrong = 0;

	for (uint64_t at = 0; at < region->length; at += SPOT_STRIDE) {
		const char *spot = region->base + at;

		wrong += pattern_wrong(spot, SPOT_OFFSET, ZEROS, 0);
		wrong += pattern_wrong(spot + SPOT_OFFSET, SPOT_LENGTH,
				       SEED_SPOTS, at + SPOT_OFFSET);
		wrong += pattern_wrong(spot + end, SPOT_PAGES * PAGE - end,
				       ZEROS, 0);
	}
	return wrong;
}

void act_traffic(struct region *region)
{
	const uint64_t spots = region->length / SPOT_STRIDE;
	struct moment start, written, read;
	struct report write, back;
	uint64_t wrong, faults, touched;

	heading("2  A peer writes all over it");
	say("%llu WRITEs of %u bytes, one each %llu MiB. The owner of the memory sleeps.",
	    (ull)spots, SPOT_LENGTH, (ull)(SPOT_STRIDE / MIB));
	start = moment(region);
	write = all_spots(region, ORDER_WRITE);
	written = moment(region);
	resident(region, true);
	wrong = wrong_at_spots(region);
	faults = written.mr.page_faults - start.mr.page_faults;
	touched = written.cpu_faults - start.cpu_faults;
	claim("cold-writes", fine(&write) && !wrong,
	      faults >= spots &&
		      written.mr.page_faults_handled -
				      start.mr.page_faults_handled >=
			      spots * SPOT_PAGES &&
		      written.mr.resident_pages >= spots * SPOT_PAGES &&
		      touched < spots / 8,
	      "written to memory that no CPU had touched",
	      "%s, %llu wrong bytes; page faults of the device +%llu (%llu pages), of the owner +%llu",
	      status_text(write.status), (ull)(write.wrong + wrong),
	      (ull)faults,
	      (ull)(written.mr.page_faults_handled -
		    start.mr.page_faults_handled),
	      (ull)touched);

	start = moment(region);
	back = all_spots(region, ORDER_READ);
	read = moment(region);
	faults = read.mr.page_faults - start.mr.page_faults;
	claim("warm-reads", fine(&back) && back.completed == spots,
	      faults <= spots / 16, "read back; what is there needs no fault",
	      "%s, %llu wrong bytes; page faults of the device +%llu",
	      status_text(back.status), (ull)back.wrong, (ull)faults);
}

/* --- 3: fork -------------------------------------------------------------- */

/* The child: overwrites its upper half, tells its wrong bytes, ends on go. */
static void be_child(const char *lower, char *upper, int go, int answer)
{
	uint64_t wrong;
	char c;

	if (read(go, &c, 1) != 1)
		_exit(1);
	pattern_fill(upper, WINDOW / 2, SEED_CHILD, 0);
	wrong = pattern_wrong(lower, WINDOW / 2, SEED_OLD, 0);
	if (write(answer, &wrong, sizeof(wrong)) != sizeof(wrong) ||
	    read(go, &c, 1) != 1)
		_exit(1);
	_exit(0);
}

/* Let the child do its part: its wrong bytes. */
static uint64_t ask_child(int go, int answer)
{
	uint64_t wrong;

	if (write(go, "g", 1) != 1 ||
	    read(answer, &wrong, sizeof(wrong)) != sizeof(wrong))
		err(1, "child");
	return wrong;
}

void act_fork(struct region *region)
{
	char *lower = AT(region, 8), *upper = lower + WINDOW / 2;
	struct report old[2], new, kept;
	struct moment start, end;
	uint64_t child_wrong, wrong;
	int go[2], answer[2];
	pid_t child;

	heading("3  fork()");
	say("The parent forks. Then the peer overwrites the lower half of 256 KiB, the child the upper.");
	old[0] = peer_write(region, lower, WINDOW / 2, SEED_OLD);
	old[1] = peer_write(region, upper, WINDOW / 2, SEED_OLD);
	start = moment(region);
	if (pipe(go) || pipe(answer))
		err(1, "pipe");
	child = fork();
	if (!child) {
		close(go[1]);
		be_child(lower, upper, go[0], answer[1]);
	}
	new = peer_write(region, lower, WINDOW / 2, SEED_NEW);
	child_wrong = ask_child(go[1], answer[0]);
	kept = peer_read(region, upper, WINDOW / 2, SEED_OLD);
	close(go[1]); /* the child ends */
	waitpid(child, NULL, 0);
	wrong = pattern_wrong(lower, WINDOW / 2, SEED_NEW, 0) +
		pattern_wrong(upper, WINDOW / 2, SEED_OLD, 0);
	end = moment(region);
	claim("fork",
	      fine(&old[0]) && fine(&old[1]) && fine(&new) && fine(&kept) &&
		      !wrong && !child_wrong,
	      end.mr.page_invalidations_handled -
				      start.mr.page_invalidations_handled >=
			      WINDOW_PAGES &&
		      end.mr.page_faults > start.mr.page_faults,
	      "the peer's writes go to the parent; the child keeps the old bytes",
	      "wrong bytes: parent %llu, child %llu, peer %llu; invalidations +%llu (%llu pages), faults +%llu",
	      (ull)wrong, (ull)child_wrong, (ull)kept.wrong,
	      (ull)(end.mr.page_invalidations - start.mr.page_invalidations),
	      (ull)(end.mr.page_invalidations_handled -
		    start.mr.page_invalidations_handled),
	      (ull)(end.mr.page_faults - start.mr.page_faults));
	close(go[0]);
	close(answer[0]);
	close(answer[1]);
}

/* --- 4: mremap ------------------------------------------------------------ */

void act_remap(struct region *region)
{
	char *from = AT(region, 16), *to = AT(region, 24);
	struct report below, above, moved, empty, onto;
	struct moment start, end;
	uint64_t wrong;

	heading("4  mremap()");
	say("256 KiB move from 16 GiB to 24 GiB of the region, over what was there.");
	below = peer_write(region, from, WINDOW, SEED_BELOW);
	above = peer_write(region, to, WINDOW, SEED_ABOVE);
	start = moment(region);
	if (mremap(from, WINDOW, WINDOW, MREMAP_MAYMOVE | MREMAP_FIXED, to) !=
	    to)
		err(1, "mremap");
	reserve(from, WINDOW);
	moved = peer_read(region, to, WINDOW, SEED_BELOW);
	empty = peer_read(region, from, WINDOW, ZEROS);
	onto = peer_write(region, to, WINDOW, SEED_NEW);
	wrong = pattern_wrong(to, WINDOW, SEED_NEW, 0);
	end = moment(region);
	claim("mremap",
	      fine(&below) && fine(&above) && fine(&moved) && fine(&empty) &&
		      fine(&onto) && !wrong,
	      end.mr.page_invalidations_handled -
				      start.mr.page_invalidations_handled >=
			      2 * WINDOW_PAGES &&
		      end.mr.page_faults >= start.mr.page_faults + 2,
	      "the device follows the addresses, not the pages",
	      "wrong bytes: %llu there, %llu at the old place, %llu after a WRITE; invalidated pages +%llu, faults +%llu",
	      (ull)moved.wrong, (ull)empty.wrong, (ull)wrong,
	      (ull)(end.mr.page_invalidations_handled -
		    start.mr.page_invalidations_handled),
	      (ull)(end.mr.page_faults - start.mr.page_faults));
}

/* --- 5: MADV_DONTNEED ----------------------------------------------------- */

void act_discard(struct region *region)
{
	char *window = AT(region, 32);
	struct report old, empty, new;
	struct moment start, end;
	uint64_t wrong;

	heading("5  madvise(MADV_DONTNEED)");
	say("The owner gives 256 KiB back to the kernel, as malloc() and garbage collectors do.");
	old = peer_write(region, window, WINDOW, SEED_OLD);
	start = moment(region);
	if (madvise(window, WINDOW, MADV_DONTNEED))
		err(1, "MADV_DONTNEED");
	empty = peer_read(region, window, WINDOW, ZEROS);
	new = peer_write(region, window, WINDOW, SEED_NEW);
	wrong = pattern_wrong(window, WINDOW, SEED_NEW, 0);
	end = moment(region);
	claim("dontneed", fine(&old) && fine(&empty) && fine(&new) && !wrong,
	      end.mr.page_invalidations_handled -
				      start.mr.page_invalidations_handled >=
			      WINDOW_PAGES &&
		      end.mr.page_faults >= start.mr.page_faults + 2,
	      "the peer reads zeros, and its next WRITE lands in the new pages",
	      "wrong bytes: READ %llu, WRITE %llu; invalidated pages +%llu, faults +%llu",
	      (ull)empty.wrong, (ull)wrong,
	      (ull)(end.mr.page_invalidations_handled -
		    start.mr.page_invalidations_handled),
	      (ull)(end.mr.page_faults - start.mr.page_faults));
}

/* --- 6: swap -------------------------------------------------------------- */

/*
 * Twice: what the device has used lately is young to the kernel, as if a CPU
 * had used it, and the first call only makes it old.
 */
static void page_out(void *window)
{
	madvise(window, SWAP_WINDOW, MADV_PAGEOUT);
	madvise(window, SWAP_WINDOW, MADV_PAGEOUT);
}

static struct report churn(struct region *region, char *window, uint32_t passes)
{
	const struct order order = {
		.kind = ORDER_CHURN,
		.address = (uintptr_t)window,
		.stride = TRAFFIC_MAX_LENGTH,
		.count = SWAP_WINDOW / TRAFFIC_MAX_LENGTH,
		.length = TRAFFIC_MAX_LENGTH,
		.rkey = region->mr->rkey,
		.origin = (uintptr_t)window,
		.seed = SEED_SWAP,
		.passes = passes,
	};

	return peer_does(region, &order, page_out, window);
}

void act_swap(struct region *region)
{
	const uint32_t passes = 2;
	const uint64_t pages = SWAP_WINDOW / PAGE;
	char *window = AT(region, 40);
	struct report filled, back, churned;
	struct moment start, read, end;
	uint64_t out, wrong;

	heading("6  Swap");
	say("%llu MiB are swapped out, then read by the peer.",
	    (ull)(SWAP_WINDOW / MIB));
	filled = peer_write(region, window, SWAP_WINDOW, SEED_OLD);
	start = moment(region);
	page_out(window);
	out = swapped(window, SWAP_WINDOW, true);
	back = peer_read(region, window, SWAP_WINDOW, SEED_OLD);
	swapped(window, SWAP_WINDOW, true);
	read = moment(region);
	claim("swap-in", fine(&filled) && fine(&back),
	      out >= pages * 9 / 10 &&
		      read.mr.page_invalidations_handled -
				      start.mr.page_invalidations_handled >=
			      out &&
		      read.mr.page_faults > start.mr.page_faults,
	      "swapped out, and back in by the device's faults",
	      "%llu wrong bytes; %llu pages went to swap, invalidated +%llu, faults +%llu, swapped in +%llu",
	      (ull)back.wrong, (ull)out,
	      (ull)(read.mr.page_invalidations_handled -
		    start.mr.page_invalidations_handled),
	      (ull)(read.mr.page_faults - start.mr.page_faults),
	      (ull)(read.swapped_in - start.swapped_in));

	say("Now the owner swaps it out again and again while the peer writes and reads it.");
	churned = churn(region, window, passes);
	wrong = pattern_wrong(window, SWAP_WINDOW, SEED_SWAP + passes - 1, 0);
	end = moment(region);
	claim("swap-traffic",
	      fine(&churned) && !wrong &&
		      churned.completed ==
			      2 * passes * (SWAP_WINDOW / TRAFFIC_MAX_LENGTH),
	      end.mr.page_invalidations_handled -
				      read.mr.page_invalidations_handled >=
			      pages &&
		      end.mr.page_faults > read.mr.page_faults &&
		      end.swapped_out > read.swapped_out,
	      "under traffic: no byte is lost on the way to swap or back",
	      "%u messages, %s, %llu wrong bytes; swapped out +%llu, in +%llu, invalidated +%llu, faults +%llu",
	      churned.completed, status_text(churned.status),
	      (ull)(churned.wrong + wrong),
	      (ull)(end.swapped_out - read.swapped_out),
	      (ull)(end.swapped_in - read.swapped_in),
	      (ull)(end.mr.page_invalidations_handled -
		    read.mr.page_invalidations_handled),
	      (ull)(end.mr.page_faults - read.mr.page_faults));
}

/* --- 7: munmap ------------------------------------------------------------ */

void act_unmap(struct region *region)
{
	char *window = AT(region, 48), *hole = window + WINDOW / 4;
	struct report old, gone, again, now;
	struct order order = {
		.kind = ORDER_WRITE,
		.qp = 1, /* its error state must not matter to the other */
		.address = (uintptr_t)hole + PAGE,
		.count = 1,
		.length = 1000,
		.rkey = region->mr->rkey,
		.origin = (uintptr_t)hole,
		.seed = SEED_NEW,
	};
	struct moment start, end;
	uint64_t wrong;

	heading("7  munmap()");
	say("The owner unmaps the middle of a window; the peer does not know and writes there.");
	old = peer_write(region, window, WINDOW, SEED_OLD);
	start = moment(region);
	if (munmap(hole, WINDOW / 2))
		err(1, "munmap");
	gone = peer_does(region, &order, NULL, NULL);
	end = moment(region);
	wrong = pattern_wrong(window, WINDOW / 4, SEED_OLD, 0) +
		pattern_wrong(hole + WINDOW / 2, WINDOW / 4, SEED_OLD,
			      WINDOW * 3 / 4);
	reserve(hole, WINDOW / 2);
	now = peer_read(region, hole, WINDOW / 2, ZEROS);
	again = peer_write(region, hole, WINDOW / 2, SEED_NEW);
	wrong += pattern_wrong(hole, WINDOW / 2, SEED_NEW, 0);
	claim("munmap",
	      fine(&old) && gone.status == IBV_WC_REM_ACCESS_ERR &&
		      fine(&now) && fine(&again) && !wrong,
	      end.access_naks == start.access_naks + 1 &&
		      end.failed_faults > start.failed_faults &&
		      end.mr.page_invalidations_handled -
				      start.mr.page_invalidations_handled >=
			      WINDOW_PAGES / 2,
	      "the peer gets a definite error, its neighbours lose nothing, and a new mapping works",
	      "WRITE to the hole: %s; %llu wrong bytes; access NAKs +%llu, failed faults +%llu, invalidated pages +%llu",
	      status_text(gone.status), (ull)(wrong + now.wrong),
	      (ull)(end.access_naks - start.access_naks),
	      (ull)(end.failed_faults - start.failed_faults),
	      (ull)(end.mr.page_invalidations_handled -
		    start.mr.page_invalidations_handled));
}
