/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Bad input, table-driven. A victim QP on the device under test is connected
 * to a peer that is no device at all: a raw socket in another network
 * namespace that builds packets by hand (its own headers, its own CRC, so that
 * nothing of the driver's is trusted to test the driver).
 *
 * Each row names what must come back on the wire, what completes at the
 * victim, which counter moves, and in which state the QP is afterwards. A
 * healthy pair of QPs exchanges data after each row and must be unharmed.
 */
#ifndef BADINPUT_H
#define BADINPUT_H

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "wirepeer.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* --- the device under test: victim.c -----------------------------------------
 */

enum {
	MTU = 1024,
	BUF_LEN = 4 * 4096, /* each region's length, in the middle of ... */
	GUARD = 4096, /* ... guards, never to be touched */
	RECV_LEN = 2048,
	VICTIM_PSN = 1000, /* first request PSN the victim expects */
	VICTIM_SQ_PSN = 5000,
	PEER_QPN = 0xabcdef,
	WINDOW_AT = 64, /* from the first byte of the region K_ALL */
	WINDOW_LEN = 2000,
};

enum key { /* regions, by what they lack */
	K_ALL,
	K_NO_WRITE,
	K_NO_READ,
	K_NO_ATOMIC,
	K_OTHER_PD,
	K_NUM,
	K_NONE, /* a number that is no key */
	K_STALE, /* of a region that was deregistered */
	/* of windows to some bytes of the first region */
	K_WINDOW,
	K_WINDOW_QP, /* bound by another queue pair than the victim */
	K_WINDOW_GONE, /* invalidated */
};

struct region {
	uint8_t *map; /* guard, buffer, guard */
	uint8_t *buf;
	struct ibv_mr *mr;
};

struct dut {
	const char *name;
	struct ibv_context *ctx;
	int gid_index;
	union ibv_gid gid, peer_gid;
	struct ibv_pd *pd, *other_pd;
	struct region regions[K_NUM];
	uint32_t stale_rkey;
	uint32_t window_rkey[3]; /* from K_WINDOW on */
	/* the healthy pair */
	struct ibv_cq *good_cq;
	struct ibv_qp *good[2];
	struct region good_region;
	unsigned good_round;
};

struct victim {
	struct dut *dut;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct region recv;
};

void dut_open(struct dut *dut, const char *name, const char *peer_ip);
/* True: the healthy pair still moves bytes. */
bool dut_healthy(struct dut *dut);
uint64_t dut_counter(const struct dut *dut, const char *name);
uint32_t dut_rkey(const struct dut *dut, enum key key);
/* Every byte of buffers and guards is what it was (0x5a). */
bool dut_untouched(struct dut *dut);
void dut_refill(struct dut *dut);

/* In RTS towards the raw peer, @receives posted. access: 0 for none. */
void victim_open(struct victim *v, struct dut *dut, int access, int receives,
		 int max_dest_rd_atomic);
void victim_close(struct victim *v);
enum ibv_qp_state victim_state(struct victim *v);
/* The first completion within @ms, or -1. */
int victim_completion(struct victim *v, int ms);
struct ibv_qp *rc_qp(struct ibv_pd *pd, struct ibv_cq *cq, int wrs, int sges,
		     int inline_bytes);
int rc_connect(struct ibv_qp *qp, const union ibv_gid *dgid, int gid_index,
	       uint32_t dest_qpn, uint32_t rq_psn, uint32_t sq_psn, int access,
	       int max_dest_rd_atomic);

/* --- results: main.c
 * --------------------------------------------------------------- */

/* One TAP line; @why is printed when !ok. */
void report(bool ok, const char *table, const char *name, const char *why);
#define report_f(ok, table, name, ...)                     \
	do {                                               \
		char why_[256];                            \
		snprintf(why_, sizeof(why_), __VA_ARGS__); \
		report(ok, table, name, why_);             \
	} while (0)
void die(const char *what);

void run_packets(struct dut *dut, struct peer *peer);
void run_verbs(struct dut *dut);
void run_rings(struct dut *dut);
void run_binds(struct dut *dut);

#endif
