// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The demo's second part: RDMA over a wire, between a softodp device whose
 * memory is on demand and a stock rdma_rxe device whose memory is pinned.
 *
 * demo_wire SOFTODP_DEVICE listen RESULTS COLOUR(0|1)
 * demo_wire RXE_DEVICE HOST
 */
#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "region.h"

typedef unsigned long long ull;

enum {
	SEED_IN = 7,
	SEED_AGAIN,
	SEED_OUT
};
#define TARGET (2 * MIB)
#define SOURCE (1 * MIB)

static struct ibv_mr *register_on_demand(struct ex_end *end, char *base,
					 uint64_t length)
{
	struct softodp_reg_result why;
	struct ibv_mr *mr =
		softodp_reg_mr(end->pd, base, length,
			       IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ |
				       IBV_ACCESS_REMOTE_WRITE,
			       SOFTODP_REG_NO_PIN, &why);

	if (!mr)
		err(1, "%s", softodp_reason_str(why.reason));
	return mr;
}

static uint64_t packets(const struct region *region, const char *name)
{
	uint64_t value;

	if (softodp_query_dev_counter(region->ends[0].context, name, &value))
		err(1, "counter %s", name);
	return value;
}

/* rdma_rxe writes and reads softodp's memory. */
static void be_target(struct region *region)
{
	const uint64_t before = packets(region, "rcvd_pkts");
	struct report cold, empty, again, back;
	struct moment start, end;
	uint64_t wrong;

	region->base = reserve(NULL, TARGET);
	region->length = TARGET;
	region->mr = register_on_demand(&region->ends[0], region->base, TARGET);
	start = moment(region);
	cold = peer_write(region, region->base, TARGET, SEED_IN);
	wrong = pattern_wrong(region->base, TARGET, SEED_IN, 0);
	if (madvise(region->base, TARGET, MADV_DONTNEED))
		err(1, "MADV_DONTNEED");
	empty = peer_read(region, region->base, TARGET, 0);
	again = peer_write(region, region->base, TARGET, SEED_AGAIN);
	back = peer_read(region, region->base, TARGET, SEED_AGAIN);
	wrong += pattern_wrong(region->base, TARGET, SEED_AGAIN, 0);
	end = moment(region);
	claim("rxe-to-softodp",
	      fine(&cold) && fine(&empty) && fine(&again) && fine(&back) &&
		      !wrong,
	      end.mr.page_faults > start.mr.page_faults &&
		      end.mr.page_invalidations_handled -
				      start.mr.page_invalidations_handled >=
			      TARGET / PAGE &&
		      packets(region, "rcvd_pkts") - before >= 512,
	      "stock rdma_rxe writes and reads memory that softodp pages on demand",
	      "%s, %llu wrong bytes; faults +%llu, invalidated pages +%llu, packets in +%llu",
	      status_text(cold.status ? cold.status : back.status),
	      (ull)(wrong + empty.wrong + back.wrong),
	      (ull)(end.mr.page_faults - start.mr.page_faults),
	      (ull)(end.mr.page_invalidations_handled -
		    start.mr.page_invalidations_handled),
	      (ull)(packets(region, "rcvd_pkts") - before));
	ibv_dereg_mr(region->mr);
	munmap(region->base, TARGET);
}

/* From or into all of a region, piece by piece. */
static enum ibv_wc_status move_all(struct ex_end *end, struct ibv_mr *mr,
				   enum ibv_wr_opcode opcode,
				   const struct ex_memory *there)
{
	enum ibv_wc_status status = IBV_WC_SUCCESS;

	for (uint64_t at = 0; at < there->length && !status;
	     at += TRAFFIC_MAX_LENGTH)
		status = ex_rdma(end, opcode, mr, (char *)mr->addr + at,
				 TRAFFIC_MAX_LENGTH, there->address + at,
				 there->rkey);
	return status;
}

/* softodp writes and reads rdma_rxe's memory, from and into cold memory. */
static void be_requester(struct region *region)
{
	struct ex_end *end = &region->ends[0];
	char *source = reserve(NULL, SOURCE), *sink = reserve(NULL, SOURCE);
	struct ibv_mr *source_mr = register_on_demand(end, source, SOURCE);
	struct ibv_mr *sink_mr = register_on_demand(end, sink, SOURCE);
	const uint64_t before = packets(region, "sent_pkts");
	const uint64_t faults = packets(region, "page_faults");
	enum ibv_wc_status out, in;
	uint64_t there, here;
	struct ex_memory far;

	ex_recv(end->sock, &far, sizeof(far));
	pattern_fill(source, SOURCE, SEED_OUT, 0);
	out = move_all(end, source_mr, IBV_WR_RDMA_WRITE, &far);
	ex_sync(end);
	ex_recv(end->sock, &there, sizeof(there)); /* wrong bytes */
	in = move_all(end, sink_mr, IBV_WR_RDMA_READ, &far);
	here = pattern_wrong(sink, SOURCE, SEED_OUT, 0);
	claim("softodp-to-rxe", !out && !in && !there && !here,
	      packets(region, "page_faults") - faults >= 2 &&
		      packets(region, "sent_pkts") - before >= 256,
	      "softodp writes and reads memory of stock rdma_rxe, from and into cold memory",
	      "%s, wrong bytes %llu there, %llu here; faults +%llu, packets out +%llu",
	      ibv_wc_status_str(out ? out : in), (ull)there, (ull)here,
	      (ull)(packets(region, "page_faults") - faults),
	      (ull)(packets(region, "sent_pkts") - before));
	ex_sync(end);
	ibv_dereg_mr(source_mr);
	ibv_dereg_mr(sink_mr);
}

/* rdma_rxe's end of that: an ordinary pinned region. */
static void lend(struct ex_end *end)
{
	char *base = reserve(NULL, SOURCE);
	struct ibv_mr *mr =
		ibv_reg_mr(end->pd, base, SOURCE,
			   IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ |
				   IBV_ACCESS_REMOTE_WRITE);
	struct ex_memory memory = { .address = (uintptr_t)base,
				    .length = SOURCE };
	uint64_t wrong;

	if (!mr)
		err(1, "ibv_reg_mr");
	memory.rkey = mr->rkey;
	ex_send(end->sock, &memory, sizeof(memory));
	ex_sync(end);
	wrong = pattern_wrong(base, SOURCE, SEED_OUT, 0);
	ex_send(end->sock, &wrong, sizeof(wrong));
	ex_sync(end);
	ibv_dereg_mr(mr);
}

int main(int argc, char **argv)
{
	struct traffic_progress unseen = { 0 };
	struct region region = { .progress = &unseen };

	if (argc != 3 && argc != 5)
		errx(2, "usage: %s DEVICE {listen RESULTS COLOUR | HOST}",
		     argv[0]);
	signal(SIGPIPE, SIG_IGN);
	ex_start(&region.ends[0], 3, argv);
	if (region.ends[0].role == EX_PEER) {
		traffic_serve(region.ends, &unseen);
		lend(&region.ends[0]);
		ex_stop(&region.ends[0]);
		return 0;
	}
	screen_open(argv[3], argv[4][0] == '1');
	be_target(&region);
	traffic_order(&region.ends[0], &(struct order){ .kind = ORDER_QUIT });
	be_requester(&region);
	ex_stop(&region.ends[0]);
	return screen_close() != 0;
}
