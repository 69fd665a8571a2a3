// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Mappings that go away, change places or were never there. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mmevents/bench.h"

#define N 32

static void expect_refused(const struct ibv_mr *mr, const void *at, size_t len,
			   const char *what)
{
	int status = peer_write(mr, at, len);

	check(status == IBV_WC_REM_ACCESS_ERR, "WRITE %s: %s", what,
	      rd_status(status));
	status = peer_read(mr, at, len);
	check(status == IBV_WC_REM_ACCESS_ERR, "READ %s: %s", what,
	      rd_status(status));
}

static void unmap_under_stream(void)
{
	struct stream s = { .ends_with_error = true };
	uint8_t *p = map_anon(N * PAGE);
	struct ibv_mr *mr = reg_odp(p, N * PAGE);
	struct watch w;

	watch_start(&w);
	stream_start(&s, mr, p, N);
	stream_wait(&s, 3 * N);
	munmap(p, N * PAGE);
	expect_refused(mr, p, PAGE, "after munmap");
	stream_stop(&s);
	check(s.last_status == IBV_WC_REM_ACCESS_ERR, "the stream ended in %s",
	      rd_status(s.last_status));
	watch_faults(&w, N);
	watch_invalidations(&w, N);
	dereg(mr);
}

static void unmap_poster(void)
{
	uint8_t *p = map_anon(2 * PAGE);
	struct ibv_mr *mr = reg_odp(p, 2 * PAGE);
	struct ibv_sge sge = { (uintptr_t)p, PAGE, mr->lkey };
	struct rd_op op = { .opcode = IBV_WR_SEND,
			    .len = 64,
			    .addr = (uintptr_t)bench.pbuf,
			    .lkey = bench.pmr->lkey };
	struct ibv_wc wc;
	int status;

	munmap(p, 2 * PAGE);
	status = rd_write(&bench.owner, (uintptr_t)p, mr->lkey, 100,
			  (uintptr_t)bench.pbuf, bench.pmr->rkey,
			  bench.limit_ms);
	check(status == IBV_WC_LOC_PROT_ERR, "WRITE out of nothing: %s",
	      rd_status(status));
	check(rd_state(&bench.owner) == IBV_QPS_ERR, "QP in state %d",
	      rd_state(&bench.owner));
	rd_reconnect(&bench.peer, &bench.owner);
	status = rd_read(&bench.owner, (uintptr_t)p, mr->lkey, 100,
			 (uintptr_t)bench.pbuf, bench.pmr->rkey,
			 bench.limit_ms);
	check(status == IBV_WC_LOC_PROT_ERR, "READ into nothing: %s",
	      rd_status(status));
	rd_reconnect(&bench.peer, &bench.owner);
	rd_post_recv(&bench.owner, &sge, 1, 1);
	status = rd_do(&bench.peer, &op, bench.limit_ms);
	check(status == IBV_WC_REM_OP_ERR, "SEND into nothing: %s",
	      rd_status(status));
	status = rd_wait(bench.owner.rcq, &wc, bench.limit_ms);
	check(status == IBV_WC_LOC_PROT_ERR, "receive into nothing: %s",
	      rd_status(status));
	rd_reconnect(&bench.peer, &bench.owner);
	dereg(mr);
}

static void unmap_hole(void)
{
	uint8_t *p = map_anon(3 * PAGE);
	struct ibv_mr *mr = reg_odp(p, 3 * PAGE);
	struct watch w;
	int status;

	watch_start(&w);
	peer_stamp(mr, p, 0, 3, 1);
	munmap(p + PAGE, PAGE);
	stamp(bench.pbuf, 0, 2);
	stamp(bench.pbuf + PAGE, 1, 2);
	stamp(bench.pbuf + 2 * PAGE, 2, 2);
	status = peer_write(mr, p, 3 * PAGE);
	check(status == IBV_WC_REM_ACCESS_ERR, "WRITE over a hole: %s",
	      rd_status(status));
	check(stamp_version(p + 2 * PAGE, 2) == 1,
	      "what lies behind the hole was written");
	check(!peer_write(mr, p, PAGE) && !peer_write(mr, p + 2 * PAGE, PAGE),
	      "the pages beside the hole cannot be written any more");
	watch_faults(&w, 3);
	watch_invalidations(&w, 1);
	munmap(p, 3 * PAGE);
	dereg(mr);
}

static void unmap_and_remap(void)
{
	uint8_t *p = map_anon(N * PAGE), *q;
	struct ibv_mr *mr = reg_odp(p, N * PAGE);
	struct watch w;
	unsigned int i, wrong = 0;

	watch_start(&w);
	for (i = 1; i <= 100; i++) {
		peer_stamp(mr, p, 0, 2, i);
		wrong += stamps_wrong(p, 2, i);
		munmap(p, N * PAGE);
		q = mmap(p, N * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		check(q == p, "mmap: %s", strerror(errno));
		if (peer_read(mr, p, 2 * PAGE) ||
		    !all_zero(bench.pbuf, 2 * PAGE))
			wrong++;
	}
	check(!wrong, "%u rounds of 100 saw another mapping's data", wrong);
	watch_faults(&w, 200);
	watch_invalidations(&w, 200);
	munmap(p, N * PAGE);
	dereg(mr);
}

static void map_over(void)
{
	uint8_t *p = map_anon(N * PAGE), *q;
	struct ibv_mr *mr = reg_odp(p, N * PAGE);
	int id = shmget(IPC_PRIVATE, N * PAGE, 0600), fd;
	struct watch w;

	watch_start(&w);
	peer_stamp(mr, p, 0, N, 1);
	fd = memfd_create("over", 0);
	check(!ftruncate(fd, N * PAGE), "ftruncate");
	q = mmap(p, N * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 fd, 0);
	check(q == p, "mmap over the region: %s", strerror(errno));
	check(!peer_read(mr, p, N * PAGE) && all_zero(bench.pbuf, N * PAGE),
	      "old data after mmap over the region");
	peer_stamp(mr, p, 0, N, 2);
	check(!stamps_wrong(p, N, 2), "the new mapping has not got the data");
	q = shmat(id, p, SHM_REMAP);
	check(q == p, "shmat over the region: %s", strerror(errno));
	check(!peer_read(mr, p, N * PAGE) && all_zero(bench.pbuf, N * PAGE),
	      "old data after shmat over the region");
	peer_stamp(mr, p, 0, N, 3);
	check(!stamps_wrong(p, N, 3), "shared memory has not got the data");
	q = mmap(NULL, N * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	check(!stamps_wrong(q, N, 2), "the file changed after it was covered");
	munmap(q, N * PAGE);
	watch_faults(&w, 3 * N);
	watch_invalidations(&w, 2 * N);
	shmdt(p);
	shmctl(id, IPC_RMID, NULL);
	close(fd);
	dereg(mr);
}

static void dontneed(void)
{
	uint8_t *p = map_anon(N * PAGE);
	struct ibv_mr *mr = reg_odp(p, N * PAGE);
	unsigned int i, wrong = 0;
	struct watch w;

	watch_start(&w);
	for (i = 1; i <= 20; i++) {
		peer_stamp(mr, p, 0, N, i);
		wrong += stamps_wrong(p, N, i);
		madvise(p, N * PAGE, MADV_DONTNEED);
		if (peer_read(mr, p, N * PAGE) ||
		    !all_zero(bench.pbuf, N * PAGE))
			wrong++;
		madvise(p, N * PAGE, MADV_DONTNEED);
	}
	check(!wrong, "%u wrong", wrong);
	watch_faults(&w, 40 * N);
	watch_invalidations(&w, 40 * N);
	munmap(p, N * PAGE);
	dereg(mr);
}

static void remap_move(void)
{
	uint8_t *p = map_anon(N * PAGE), *to = map_anon(N * PAGE), *q;
	struct ibv_mr *mr = reg_odp(p, N * PAGE);
	struct watch w;

	watch_start(&w);
	peer_stamp(mr, p, 0, N, 1);
	q = mremap(p, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	check(q == to, "mremap: %s", strerror(errno));
	expect_refused(mr, p, PAGE, "where memory has moved away");
	check(!stamps_wrong(to, N, 1), "moved memory lost what was written");
	/* Back again, and away with an empty mapping left behind. */
	q = mremap(to, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p);
	check(q == p, "mremap back: %s", strerror(errno));
	check(!peer_read(mr, p, N * PAGE) && !stamps_wrong(bench.pbuf, N, 1),
	      "memory that came back reads wrong");
	q = mremap(p, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
		   NULL);
	check(q != MAP_FAILED, "mremap DONTUNMAP: %s", strerror(errno));
	check(!peer_read(mr, p, N * PAGE) && all_zero(bench.pbuf, N * PAGE),
	      "what DONTUNMAP left is not empty");
	peer_stamp(mr, p, 0, N, 2);
	check(!stamps_wrong(p, N, 2), "new pages have not got the data");
	check(!stamps_wrong(q, N, 1), "the moved pages were written to");
	watch_faults(&w, 3 * N);
	watch_invalidations(&w, 2 * N);
	munmap(p, N * PAGE);
	munmap(q, N * PAGE);
	dereg(mr);
}

static void remap_resize(void)
{
	uint8_t *p = map_anon(2 * N * PAGE), *q;
	struct ibv_mr *mr = reg_odp(p, 2 * N * PAGE);
	struct watch w;
	int status;

	watch_start(&w);
	peer_stamp(mr, p, 0, 2 * N, 1);
	q = mremap(p, 2 * N * PAGE, N * PAGE, 0);
	check(q == p, "shrink: %s", strerror(errno));
	status = peer_write(mr, p + N * PAGE - 8, 16);
	check(status == IBV_WC_REM_ACCESS_ERR, "WRITE over the end: %s",
	      rd_status(status));
	stamp(bench.pbuf, N - 1, 2);
	check(!peer_write(mr, p + (N - 1) * PAGE, PAGE), "WRITE below the end");
	q = mremap(p, N * PAGE, 2 * N * PAGE, 0);
	check(q == p, "grow: %s", strerror(errno));
	peer_stamp(mr, p, N, N, 3);
	check(stamp_version(p + (N - 1) * PAGE, N - 1) == 2, "last old page");
	check(stamp_version(p + N * PAGE, N) == 3, "first new page");
	watch_faults(&w, 3 * N);
	watch_invalidations(&w, N);
	munmap(p, 2 * N * PAGE);
	dereg(mr);
}

/* A mapping of page frames without struct page, which every process has. */
static uint8_t *find_vvar(void)
{
	unsigned long start;
	uint8_t *found = NULL;
	char line[256];
	FILE *maps = fopen("/proc/self/maps", "r");

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "[vvar]") && sscanf(line, "%lx-", &start) == 1)
			found = (uint8_t *)start;
	if (maps)
		fclose(maps);
	return found;
}

static void no_access_vmas(void)
{
	uint8_t *p = map_anon(4 * PAGE), *q;
	struct ibv_mr *mr;
	struct watch w;
	int fd, status;

	watch_start(&w);
	mprotect(p + PAGE, PAGE, PROT_NONE);
	munmap(p + 2 * PAGE, PAGE);
	mr = reg_odp(p, 4 * PAGE);
	expect_refused(mr, p + PAGE, 8, "in PROT_NONE");
	expect_refused(mr, p + 2 * PAGE, 8, "in a hole");
	check(!peer_write(mr, p, PAGE) && !peer_write(mr, p + 3 * PAGE, PAGE),
	      "pages beside cannot be written");
	watch_faults(&w, 2);
	dereg(mr);
	munmap(p, 4 * PAGE);

	q = find_vvar();
	if (q) {
		mr = rd_reg(&bench.dev, q, PAGE,
			    IBV_ACCESS_REMOTE_READ | IBV_ACCESS_ON_DEMAND);
		status = peer_read(mr, q, 64);
		check(status == IBV_WC_REM_ACCESS_ERR, "READ of [vvar]: %s",
		      rd_status(status));
		dereg(mr);
	}
	fd = syscall(447 /* memfd_secret */, 0);
	if (fd < 0) {
		tap_note("no memfd_secret here");
		return;
	}
	check(!ftruncate(fd, PAGE), "ftruncate");
	q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	mr = reg_odp(q, PAGE);
	q[0] = 1;
	expect_refused(mr, q, 8, "of secret memory");
	dereg(mr);
	munmap(q, PAGE);
	close(fd);
}

const struct test unmap_tests[] = {
	{ "munmap", unmap_under_stream, "the peer gets an error, no page" },
	{ "munmap-poster", unmap_poster, "the poster gets a local error" },
	{ "munmap-hole", unmap_hole, "a message never skips a hole" },
	{ "munmap-mmap", unmap_and_remap, "only the new mapping is seen" },
	{ "mmap-over", map_over, "only the new mapping is seen" },
	{ "dontneed", dontneed, "zeros are read, new pages are written" },
	{ "mremap-move", remap_move, "memory that moves is left alone" },
	{ "mremap-resize", remap_resize, "the end moves" },
	{ "no-access", no_access_vmas, "registered, refused on access" },
	{}
};
