// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * bigreads DEVICE SECONDS [MTU]: eight READs of 1 GiB at once, of a region on
 * demand that nobody touched, into one sink that is named 32 times. An
 * unrelated pair of QPs measures its own longest wait meanwhile.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "verbs.h"

enum {
	READERS = 8,
	SGES = 32,
	SINK = 32 << 20,
	MAX_GAP_MS = 2000
};

#define LENGTH (1ULL << 30)

static struct rd_dev dev;

static void *map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap of %zu bytes", len);
	return p;
}

static void start_read(struct rd_qp *q, struct ibv_mr *source,
		       struct ibv_mr *sink)
{
	struct ibv_sge sge[SGES];
	struct rd_op op = { .opcode = IBV_WR_RDMA_READ,
			    .sge = sge,
			    .num_sge = SGES,
			    .raddr = (uintptr_t)source->addr,
			    .rkey = source->rkey };

	for (int i = 0; i < SGES; i++)
		sge[i] = (struct ibv_sge){ (uintptr_t)sink->addr, SINK,
					   sink->lkey };
	if (rd_post(q, &op))
		die("a READ of 1 GiB was refused");
}

int main(int argc, char **argv)
{
	struct rd_qp_opts opts = { .sge = SGES, .sq = 4, .mtu = 4096 };
	struct rd_qp_opts small = { .mtu = 1024 };
	struct rd_qp reader[READERS], source[READERS], a, b;
	struct ibv_mr *big, *sink, *word;
	uint64_t end, worst = 0, rounds = 0, pkts;
	int status = 0;

	if (argc != 3 && argc != 4)
		die("usage: %s DEVICE SECONDS [MTU]", argv[0]);
	if (argc == 4)
		opts.mtu = atoi(argv[3]);
	rd_open(&dev, argv[1]);
	big = rd_reg(&dev, map(LENGTH), LENGTH, RD_ALL | IBV_ACCESS_ON_DEMAND);
	sink = rd_reg(&dev, map(SINK), SINK, RD_ALL | IBV_ACCESS_ON_DEMAND);
	word = rd_reg(&dev, map(PAGE), PAGE, RD_ALL | IBV_ACCESS_ON_DEMAND);
	for (int i = 0; i < READERS; i++)
		rd_pair(&reader[i], &dev, &source[i], &dev, &opts);
	rd_pair(&a, &dev, &b, &dev, &small);

	pkts = counter(dev.name, "sent_pkts");
	for (int i = 0; i < READERS; i++)
		start_read(&reader[i], big, sink);
	for (end = now_ms() + 1000 * atoi(argv[2]); now_ms() < end; rounds++) {
		uint64_t start = now_ms();

		status = rd_write(&a, (uintptr_t)word->addr, word->lkey, 8,
				  (uintptr_t)word->addr + 2048, word->rkey,
				  MAX_GAP_MS * 5);
		if (status)
			break;
		if (now_ms() - start > worst)
			worst = now_ms() - start;
		sleep_ms(1);
	}
	pkts = counter(dev.name, "sent_pkts") - pkts;
	tap_result(pkts > 4 * rounds + 1000,
		   "the READs were under way: %llu packets",
		   (unsigned long long)pkts);
	tap_result(
		!status && worst < MAX_GAP_MS,
		"an unrelated QP kept moving: %llu WRITEs, longest %llu ms (%s)",
		(unsigned long long)rounds, (unsigned long long)worst,
		rd_status(status));
	end = now_ms();
	for (int i = 0; i < READERS; i++) {
		rd_qp_destroy(&reader[i]);
		rd_qp_destroy(&source[i]);
	}
	tap_result(now_ms() - end < 5000,
		   "the QPs were destroyed in the middle of it in %llu ms",
		   (unsigned long long)(now_ms() - end));
	return tap_done();
}
