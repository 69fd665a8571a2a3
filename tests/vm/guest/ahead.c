// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * ahead DEVICE: how many page faults a pass over cold memory costs, in order
 * and not; and how a peer that writes recovers from a fork of the owner.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/verbs.h"

enum {
	PAGES = 2048,
	STRIDE = 797, /* prime, and far: each page once */
	SLICE_MS = 100,
};

static struct rd_dev dev;
static struct rd_qp peer, owner;
static struct ibv_mr *mine, *region;
static uint8_t *word, *memory;

static void new_memory(void)
{
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED ||
	    madvise(memory, PAGES * PAGE, MADV_NOHUGEPAGE))
		die("mmap: %s", strerror(errno));
	region = rd_reg(&dev, memory, PAGES * PAGE,
			RD_ALL | IBV_ACCESS_ON_DEMAND);
}

static void end_memory(void)
{
	ibv_dereg_mr(region);
	munmap(memory, PAGES * PAGE);
}

static void write_page(unsigned int i)
{
	if (rd_write(&peer, (uintptr_t)word, mine->lkey, 8,
		     (uintptr_t)memory + (size_t)i * PAGE, region->rkey, 20000))
		die("WRITE");
}

static uint64_t faults(void)
{
	return counter(dev.name, "page_faults");
}

static unsigned int in_memory(void)
{
	static unsigned char map[PAGES];
	unsigned int i, n = 0;

	if (mincore(memory, PAGES * PAGE, map))
		die("mincore: %s", strerror(errno));
	for (i = 0; i < PAGES; i++)
		n += map[i] & 1;
	return n;
}

static void test_in_order(void)
{
	uint64_t before;
	unsigned int i;

	new_memory();
	before = faults();
	for (i = 0; i < PAGES; i++)
		write_page(i);
	before = faults() - before;
	tap_result(before <= PAGES / 64, "%u pages in order: %llu page faults",
		   PAGES, (unsigned long long)before);
	end_memory();
}

/* Half of them, so that what was brought in for nothing would show. */
static void test_at_random(void)
{
	uint64_t before;
	unsigned int i;

	new_memory();
	before = faults();
	for (i = 0; i < PAGES / 2; i++)
		write_page(i * STRIDE % PAGES);
	before = faults() - before;
	tap_result(before <= PAGES / 2 && in_memory() <= PAGES / 2 + PAGES / 64,
		   "%u pages at random: %llu page faults, %u pages in memory",
		   PAGES / 2, (unsigned long long)before, in_memory());
	end_memory();
}

/* WRITEs to pages all over the place in the next 100 ms. */
static unsigned int one_slice(unsigned int *turn)
{
	uint64_t end = now_ms() + SLICE_MS;
	unsigned int n = 0;

	for (; now_ms() < end; n++, ++*turn)
		write_page(*turn * STRIDE % PAGES);
	return n;
}

static void test_fork(void)
{
	unsigned int turn = 0, usual = 0, first = 0, slices, n, i;
	uint64_t before, ranges, lost;
	int status;
	pid_t child;

	new_memory();
	for (i = 0; i < PAGES; i++)
		write_page(i);
	for (i = 0; i < 5; i++)
		usual += one_slice(&turn) / 5;
	child = fork();
	if (child < 0)
		die("fork: %s", strerror(errno));
	if (!child) {
		pause();
		_exit(0);
	}
	before = faults();
	ranges = counter(dev.name, "page_invalidations");
	lost = counter(dev.name, "page_faults_retried");
	for (slices = 0, n = 0; n < usual * 8 / 10 && slices < 200; slices++) {
		n = one_slice(&turn);
		first += slices < 10 ? n : 0;
	}
	/* What is left of them, if the rate was back before. */
	for (i = 0; i < PAGES; i++)
		write_page(i * STRIDE % PAGES);
	before = faults() - before;
	ranges = counter(dev.name, "page_invalidations") - ranges;
	lost = counter(dev.name, "page_faults_retried") - lost;
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	tap_note("before the fork %u WRITEs in 100 ms; after it %u in the "
		 "first %u ms; at 80 %% again after %u ms",
		 usual, first, (slices < 10 ? slices : 10) * SLICE_MS,
		 slices * SLICE_MS);
	tap_note("%llu invalidations meanwhile, %llu entries lost to them",
		 (unsigned long long)ranges, (unsigned long long)lost);
	tap_result(before <= PAGES / 8,
		   "%u pages after a fork, at random: %llu page faults", PAGES,
		   (unsigned long long)before);
	end_memory();
}

int main(int argc, char **argv)
{
	if (argc != 2)
		die("usage: ahead DEVICE");
	rd_open(&dev, argv[1]);
	rd_pair(&peer, &dev, &owner, &dev, NULL);
	word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mine = rd_reg(&dev, word, PAGE, RD_ALL);
	test_in_order();
	test_at_random();
	test_fork();
	ibv_dereg_mr(mine);
	rd_qp_destroy(&peer);
	rd_qp_destroy(&owner);
	rd_close(&dev);
	return tap_done();
}
