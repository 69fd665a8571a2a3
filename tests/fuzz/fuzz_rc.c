// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Bytes as what a hostile peer, a hostile program and an unlucky machine do to
 * one queue pair of RC, UC or UD: packets with everything right but one thing,
 * scribbled rings, answers to what it asks, memory that comes and goes, timers,
 * no memory. It may fail in any way that the wire and the CQ can tell. It must
 * not touch memory that it was not given, show memory that may not be read,
 * hang, warn, or leave anything behind.
 */
#include "hostile.h"

#define MAX_STEPS 120

struct fuzz_bytes rc_bytes;
struct rc_end victim;
u32 rc_mtu;

static struct rc_attr attr;
static unsigned long runs, steps, statuses[RC_WC_STATUSES],
	events[SODP_CNT_NUM];
FUZZ_COUNTERS(kinds, SODP_CNT_NUM + RC_WC_STATUSES);

/* The rings may hold anything, what is put there may not. */
static void poll_step(void)
{
	struct ib_uverbs_wc wc;

	while (rc_poll(&victim, &wc))
		if (wc.status < RC_WC_STATUSES)
			statuses[wc.status]++,
				kinds[SODP_CNT_NUM + wc.status]++;
}

/* --- states --------------------------------------------------------- */

static void draw_attributes(void)
{
	attr = (struct rc_attr){
		.mtu = (enum ib_mtu[]){ IB_MTU_256, IB_MTU_1024,
					IB_MTU_4096 }[pick(3)],
		.access = rarely(4) ? (int)pick(16) :
				      IB_ACCESS_REMOTE_WRITE |
					      IB_ACCESS_REMOTE_READ |
					      IB_ACCESS_REMOTE_ATOMIC,
		.rq_psn = rarely(4) ? SODP_PSN_MASK - pick(3) : 1000,
		.sq_psn = rarely(4) ? SODP_PSN_MASK - pick(3) : 5000,
		.dest_qpn = RC_PEER_QPN,
		.dest = RC_PEER,
		.dest_rd_atomic = (u8)(rarely(4) ? pick(3) : 4),
		.rd_atomic = (u8)(rarely(4) ? pick(3) : 4),
		.min_rnr_timer = (u8)pick(32),
		.timeout = (u8)(rarely(2) ? pick(32) : 10),
		.retry = (u8)pick(8),
		.rnr_retry = (u8)pick(8),
	};
	rc_mtu = victim.type == IB_QPT_UD ? SODP_MAX_MTU :
					    ib_mtu_enum_to_int(attr.mtu);
}

static void reconnect(void)
{
	rc_wire_step(1000);
	rc_modify(&victim, IB_QPS_RESET);
	victim.sq_posted = victim.qp->req.ring.index;
	victim.rq_posted = victim.qp->resp.ring.index;
	draw_attributes();
	rc_connect(&victim, &attr,
		   rarely(8) ? IB_QPS_INIT + pick(2) : IB_QPS_RTS);
}

static void state_step(void)
{
	switch (pick(4)) {
	case 0: /* what it may change while it runs */
		rc_modify(&victim, IB_QPS_RTS);
		break;
	case 1:
		rc_modify(&victim, IB_QPS_ERR);
		break;
	default:
		reconnect();
	}
}

/* --- the sequence ---------------------------------------------------- */

static void step(void)
{
	if (sodp_qp_state(victim.qp) == IB_QPS_ERR && !pick(4))
		reconnect();
	switch (pick(24)) {
	case 0 ... 5:
		rc_request();
		break;
	case 6 ... 7:
		rc_response();
		break;
	case 8:
		rc_raw_packet();
		break;
	case 9 ... 10:
		rc_post_some_send();
		break;
	case 11 ... 12:
		rc_post_some_recv();
		break;
	case 13:
		rc_scribble();
		break;
	case 14 ... 15:
		rc_wire_step(1 + pick(8));
		break;
	case 16 ... 17:
		rc_work(1 + pick(4));
		break;
	case 18:
		rc_pass(1 + pick(10));
		break;
	case 19:
		rc_pass(pick(5000));
		break;
	case 20 ... 21:
		rc_memory_step();
		break;
	case 22:
		shim_cpu = (int)pick(2);
		poll_step();
		break;
	case 23:
		state_step();
		break;
	}
}

/* In the error state all ends in a bounded time, whatever came before. */
static void wind_up(void)
{
	int i;

	shim_alloc_budget = -1;
	rc_modify(&victim, IB_QPS_ERR);
	for (i = 0; i < 5; i++) {
		rc_work(100);
		poll_step();
		rc_wire_step(1000);
		rc_pass(20);
	}
	MUST(!victim.qp->req.rx.qlen && !victim.qp->resp.rx.qlen);
	MUST(!victim.qp->req.park.fault && !victim.qp->resp.park.fault);
	rc_check_guards();
}

static __attribute__((constructor)) void abort_on_failure(void)
{
	setenv("CMOCKA_TEST_ABORT", "1", 1);
}

/* By the last byte, so that the same choices are tried with all of them. */
static enum ib_qp_type type_of(const uint8_t *data, size_t size)
{
	switch (size ? data[size - 1] % 8 : 0) {
	case 6:
		return IB_QPT_UC;
	case 7:
		return IB_QPT_UD;
	default:
		return IB_QPT_RC;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int i;

	rc_bytes = (struct fuzz_bytes){ data, data + size };
	rc_up();
	rc_map_memory();
	MUST(rc_open(&victim, type_of(data, size), 1, 4 << pick(3), 1 + pick(4),
		     pick(2) * 64));
	draw_attributes();
	MUST(rc_connect(&victim, &attr, IB_QPS_RTS));
	for (i = 0; i < MAX_STEPS && rc_bytes.at < rc_bytes.end; i++)
		step();
	steps += i;
	runs++;
	wind_up();
	rc_close(&victim);
	rc_end_regions();
	for (i = 0; i < SODP_CNT_NUM; i++) {
		events[i] += count(rc_bed, i);
		kinds[i] = (uint8_t)min((u64)255, count(rc_bed, i));
	}
	rc_down();
	return 0;
}

/* Mostly small choices, with something odd now and then. */
size_t fuzz_seed(unsigned int i, uint8_t *out, size_t max)
{
	static const uint8_t masks[] = { 0x1f, 0, 0x1f, 0x12, 0, 1, 0x1f, 0xff };
	uint32_t x = i + 77;
	size_t n;

	if (i >= 24 || max < 700)
		return 0;
	for (n = 0; n < 700; n++) {
		x = x * 1664525 + 1013904223;
		out[n] = (uint8_t)(x >> 24 & masks[x >> 16 & 7]);
	}
	return n;
}

void fuzz_summary(void)
{
	size_t i;

	printf("%lu runs, %lu steps, %lu packets sent, %lu received; NAKs %lu %lu %lu, RNR %lu, duplicates %lu\n",
	       runs, steps, rc_sent, events[SODP_CNT_RX_PACKETS],
	       events[SODP_CNT_TX_INV_NAK], events[SODP_CNT_TX_ACC_NAK],
	       events[SODP_CNT_TX_OP_NAK], events[SODP_CNT_TX_RNR],
	       events[SODP_CNT_DUPLICATES]);
	for (i = 0; i < RC_WC_STATUSES; i++)
		if (statuses[i])
			printf("status %zu: %lu\n", i, statuses[i]);
	MUST(events[SODP_CNT_RX_PACKETS] && statuses[IB_WC_SUCCESS]);
}
