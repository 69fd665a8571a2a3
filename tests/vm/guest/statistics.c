// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * statistics DEVICE [wait]: a life of a region, step by step, with the numbers
 * of docs/semantics.md ("Reading the numbers"). Nothing else happens to its
 * memory meanwhile, so each is exact. With "wait" it says "# step" after each,
 * and goes on when it is told a line: who looks from outside has the time to.
 * At the end there is a region of the whole address space as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <softodp/softodp.h>

#include "verbs.h"

#define PAGES 64
#define TAKEN 16
#define LEN   (PAGES * PAGE)

static struct rd_dev dev;
static bool waits;
static struct rd_qp peer, owner;
static uint8_t *memory, *buf;
static struct ibv_mr *region, *mine;

static void nothing(void)
{
}

static void write_all(void)
{
	if (rd_write(&peer, (uintptr_t)buf, mine->lkey, LEN, (uintptr_t)memory,
		     region->rkey, 20000))
		die("WRITE");
}

static void read_all(void)
{
	if (rd_read(&peer, (uintptr_t)buf, mine->lkey, LEN, (uintptr_t)memory,
		    region->rkey, 20000))
		die("READ");
}

static void drop_some(void)
{
	if (madvise(memory, TAKEN * PAGE, MADV_DONTNEED))
		die("madvise: %s", strerror(errno));
}

/*
 * The child's copy of the page tables goes with it. A page may for a while be
 * in a list of a CPU, as if somebody still shared it: ask for those.
 */
static void fork_and_exit(void)
{
	int status, fd;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		die("fork");
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (fd < 0 || write(fd, "1", 1) != 1)
		die("drop_caches: %s", strerror(errno));
	close(fd);
}

static void unmap(void)
{
	if (munmap(memory, LEN))
		die("munmap: %s", strerror(errno));
}

static const struct step {
	const char *what;
	void (*fn)(void);
	/* In the order of the columns; after the step, since registration. */
	uint64_t faults, major, brought, hooks, taken, resident;
} steps[] = {
	{ "register 64 pages", nothing, 0, 0, 0, 0, 0, 0 },
	{ "WRITE all", write_all, 1, 1, 64, 0, 0, 64 },
	{ "MADV_DONTNEED of 16", drop_some, 1, 1, 64, 1, 16, 48 },
	{ "READ all", read_all, 2, 2, 128, 1, 16, 64 },
	{ "fork, exit", fork_and_exit, 2, 2, 128, 2, 80, 0 },
	/* Where only zeros were read, a page takes the place of each zero page.
	 */
	{ "WRITE all", write_all, 3, 3, 192, 18, 80, 64 },
	{ "munmap", unmap, 3, 3, 192, 19, 144, 0 },
};

/* Page by page, from the device's own table. */
static bool device_has(uint64_t pages)
{
	struct softodp_residency r = { .size = sizeof(r) };

	return !softodp_query_residency(region, memory, LEN, NULL, &r) &&
	       r.source == SOFTODP_SOURCE_DEVICE && r.device == pages;
}

static void run_step(const struct step *s)
{
	struct softodp_mr_stats got;

	s->fn();
	if (softodp_query_mr_stats(region, &got))
		die("statistics: %s", strerror(errno));
	tap_result(got.page_faults == s->faults &&
			   got.page_faults_major == s->major &&
			   got.page_faults_handled == s->brought &&
			   got.page_invalidations == s->hooks &&
			   got.page_invalidations_handled == s->taken &&
			   got.resident_pages == s->resident &&
			   device_has(s->resident) &&
			   !got.page_faults_retried && !got.page_prefetch,
		   "%-20s faults %llu (major %llu), pages in %llu, "
		   "invalidations %llu, pages out %llu, resident %llu",
		   s->what, (unsigned long long)got.page_faults,
		   (unsigned long long)got.page_faults_major,
		   (unsigned long long)got.page_faults_handled,
		   (unsigned long long)got.page_invalidations,
		   (unsigned long long)got.page_invalidations_handled,
		   (unsigned long long)got.resident_pages);
}

static void let_look(const char *what)
{
	char line[16];

	if (!waits)
		return;
	tap_note("step %s", what);
	if (!fgets(line, sizeof(line), stdin))
		die("nobody looks any more");
}

int main(int argc, char **argv)
{
	unsigned int i;

	waits = argc == 3 && !strcmp(argv[2], "wait");
	if (argc != 2 && !waits)
		die("usage: %s DEVICE [wait]", argv[0]);
	rd_open(&dev, argv[1]);
	rd_pair(&peer, &dev, &owner, &dev, NULL);
	buf = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memory = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buf == MAP_FAILED || memory == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	madvise(memory, LEN, MADV_NOHUGEPAGE);
	memset(buf, 0x5a, LEN);
	mine = rd_reg(&dev, buf, LEN, RD_ALL);
	region = rd_reg(&dev, memory, LEN, RD_ALL | IBV_ACCESS_ON_DEMAND);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		run_step(&steps[i]);
		let_look(steps[i].what);
	}
	rd_reg(&dev, NULL, SIZE_MAX, RD_ALL | IBV_ACCESS_ON_DEMAND);
	let_look("whole");
	return tap_done();
}
