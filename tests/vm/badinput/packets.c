// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Packets that a peer should not send, and what each must be answered with. */
#include "packets.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum expect {
	SILENT,
	IS_ACK,
	NAK_SEQ,
	NAK_INV,
	NAK_ACC,
	NAK_OP,
	RNR,
	DATA
};

static const char *const expect_name[] = {
	"silence",	     "ACK",
	"NAK sequence",	     "NAK invalid request",
	"NAK remote access", "NAK remote operation",
	"RNR NAK",	     "data",
};

#define ANY_ACCESS                                          \
	(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | \
	 IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC)

enum {
	WC_NONE,
	WC_ANY = -1
};
#define WC(status) ((status) + 1)

struct row {
	const char *name;
	struct spec packets[3];
	int count;
	enum expect answer; /* to the last packet */
	int answer_psn; /* from VICTIM_PSN */
	const char *counter; /* moves by one at least */
	int wc; /* first completion; WC_NONE: none, or a flush in ERR */
	bool error; /* QP in ERR afterwards */
	bool writes; /* the region may have changed */
	bool hides; /* nobody can reach it any more when the last is sent */
	int no_access; /* taken from the QP's access flags */
	int no_receives; /* nothing posted */
	int rd_atomic; /* 0: 4; -1: none */
};

#define DROP(n, cnt, ...)                                          \
	{                                                          \
		.name = n, .packets = { __VA_ARGS__ }, .count = 1, \
		.counter = cnt                                     \
	}
#define FATAL(n, nak, cnt, ...)                                    \
	{                                                          \
		.name = n, .packets = { __VA_ARGS__ }, .count = 1, \
		.answer = nak, .counter = cnt, .error = true       \
	}
/* the receive that the first packet took ends as IBTA 11.6.2 says, not flushed */
#define FATAL2(n, nak, cnt, ...)                                               \
	{                                                                      \
		.name = n, .packets = { __VA_ARGS__ }, .count = 2,             \
		.answer = nak, .answer_psn = 1, .counter = cnt, .error = true, \
		.wc = WC(IBV_WC_REM_INV_REQ_ERR)                               \
	}
#define INV "sent_invalid_request_err"
#define ACC "sent_remote_access_err"

/* clang-format off: a table */
static const struct row rows[] = {
	/* bytes that are no packet */
	DROP("empty datagram", "drop_short_packet",
	     { .op = SEND_ONLY, .tweak = T_CUT0 }),
	DROP("4 bytes", "drop_short_packet",
	     { .op = SEND_ONLY, .tweak = T_CUT4 }),
	DROP("11 bytes", "drop_short_packet",
	     { .op = SEND_ONLY, .tweak = T_CUT11 }),
	DROP("15 bytes: no room for the ICRC", "drop_short_packet",
	     { .op = SEND_ONLY, .tweak = T_CUT15 }),
	DROP("RETH cut short", "drop_short_packet",
	     { .op = WRITE_ONLY, .tweak = T_CUT_ETH }),
	DROP("AtomicETH cut short", "drop_short_packet",
	     { .op = CMP_SWAP, .tweak = T_CUT_ETH }),
	DROP("AETH cut short", "drop_short_packet",
	     { .op = ACK, .tweak = T_CUT_ETH }),
	DROP("wrong ICRC, SEND", "drop_icrc_error",
	     { .op = SEND_ONLY, .len = 64, .tweak = T_ICRC }),
	DROP("wrong ICRC, WRITE", "drop_icrc_error",
	     { .op = WRITE_ONLY, .len = 64, .dma = 64, .tweak = T_ICRC }),
	DROP("transport version 1", "drop_bad_header",
	     { .op = SEND_ONLY, .len = 8, .tweak = T_TVER }),
	DROP("pad longer than the payload", "drop_bad_header",
	     { .op = SEND_ONLY, .tweak = T_PAD }),
	DROP("wrong partition", "drop_bad_pkey",
	     { .op = SEND_ONLY, .len = 8, .tweak = T_PKEY }),
	DROP("QP number of nobody", "drop_unknown_qp",
	     { .op = SEND_ONLY, .len = 8, .tweak = T_QPN }),
	DROP("RC to a multicast group", "drop_bad_opcode",
	     { .op = SEND_ONLY, .len = 8, .tweak = T_GROUP }),
	DROP("from a host that is not the peer", "drop_wrong_address",
	     { .op = SEND_ONLY, .len = 8, .tweak = T_SADDR }),
	DROP("reserved RC opcode 0x15", "drop_bad_opcode",
	     { .op = 0x15, .len = 8 }),
	DROP("reserved opcode 0x1f", "drop_bad_opcode",
	     { .op = 0x1f, .len = 8 }),
	DROP("UC opcode at an RC QP", "drop_bad_opcode",
	     { .op = 0x24, .len = 8 }),
	DROP("opcode 0xff", "drop_bad_opcode", { .op = 0xff, .len = 8 }),

	/* order of opcodes in a message */
	FATAL("SEND middle without first", NAK_INV, INV,
	      { .op = SEND_MIDDLE, .len = MTU }),
	FATAL("SEND last without first", NAK_INV, INV,
	      { .op = SEND_LAST, .len = 8 }),
	FATAL("WRITE middle without first", NAK_INV, INV,
	      { .op = WRITE_MIDDLE, .len = MTU }),
	FATAL("WRITE last without first", NAK_INV, INV,
	      { .op = WRITE_LAST, .len = 8 }),
	FATAL2("SEND first, then only", NAK_INV, INV,
	       { .op = SEND_FIRST, .len = MTU },
	       { .op = SEND_ONLY, .psn = 1, .len = 8 }),
	FATAL2("SEND first, then first", NAK_INV, INV,
	       { .op = SEND_FIRST, .len = MTU },
	       { .op = SEND_FIRST, .psn = 1, .len = MTU }),
	FATAL2("SEND first, then WRITE middle", NAK_INV, INV,
	       { .op = SEND_FIRST, .len = MTU },
	       { .op = WRITE_MIDDLE, .psn = 1, .len = MTU }),
	FATAL2("SEND first, then READ", NAK_INV, INV,
	       { .op = SEND_FIRST, .len = MTU },
	       { .op = READ_REQ, .psn = 1, .dma = 8 }),
	FATAL2("SEND first, then atomic", NAK_INV, INV,
	       { .op = SEND_FIRST, .len = MTU }, { .op = FETCH_ADD, .psn = 1 }),

	/* lengths that lie */
	FATAL("SEND first, shorter than the MTU", NAK_INV, INV,
	      { .op = SEND_FIRST, .len = MTU - 4 }),
	FATAL("SEND only, longer than the MTU", NAK_INV, INV,
	      { .op = SEND_ONLY, .len = MTU + 4 }),
	FATAL2("SEND last, empty", NAK_INV, INV,
	       { .op = SEND_FIRST, .len = MTU }, { .op = SEND_LAST, .psn = 1 }),
	FATAL("WRITE first, shorter than the MTU", NAK_INV, INV,
	      { .op = WRITE_FIRST, .len = 512, .dma = 2048 }),
	FATAL("WRITE only, longer than its RETH says", NAK_INV, INV,
	      { .op = WRITE_ONLY, .len = 64, .dma = 32 }),
	FATAL("WRITE only, shorter than its RETH says", NAK_INV, INV,
	      { .op = WRITE_ONLY, .len = 64, .dma = 128 }),
	FATAL("WRITE first of a message that fits one packet", NAK_INV, INV,
	      { .op = WRITE_FIRST, .len = MTU, .dma = 64 }),
	FATAL("WRITE of more than 2^31 bytes", NAK_INV, INV,
	      { .op = WRITE_FIRST, .len = MTU, .dma = 0x80000001 }),
	FATAL("READ of more than 2^31 bytes", NAK_INV, INV,
	      { .op = READ_REQ, .dma = 0x80000001 }),
	{ .name = "WRITE last, more than is left",
	  .packets = { { .op = WRITE_FIRST, .len = MTU, .dma = MTU + 8 },
		       { .op = WRITE_LAST, .psn = 1, .len = 16 } },
	  .count = 2,
	  .answer = NAK_INV,
	  .answer_psn = 1,
	  .counter = INV,
	  .error = true,
	  .writes = true },
	{ .name = "WRITE last, less than is left",
	  .packets = { { .op = WRITE_FIRST, .len = MTU, .dma = MTU + 8 },
		       { .op = WRITE_LAST, .psn = 1, .len = 4 } },
	  .count = 2,
	  .answer = NAK_INV,
	  .answer_psn = 1,
	  .counter = INV,
	  .error = true,
	  .writes = true },
	{ .name = "SEND longer than the receive buffer",
	  .packets = { { .op = SEND_FIRST, .len = MTU },
		       { .op = SEND_MIDDLE, .psn = 1, .len = MTU },
		       { .op = SEND_LAST, .psn = 2, .len = 4 } },
	  .count = 3,
	  .answer = NAK_INV,
	  .answer_psn = 2,
	  .counter = INV,
	  .error = true,
	  .wc = WC(IBV_WC_LOC_LEN_ERR) },
	{ .name = "SEND without a receive",
	  .packets = { { .op = SEND_ONLY, .len = 8 } },
	  .count = 1,
	  .answer = RNR,
	  .counter = "sent_rnr_err",
	  .no_receives = 1 },
	{ .name = "WRITE with immediate without a receive",
	  .packets = { { .op = WRITE_ONLY_IMM } },
	  .count = 1,
	  .answer = RNR,
	  .counter = "sent_rnr_err",
	  .no_receives = 1 },

	/* keys, rights, bounds */
	FATAL("WRITE, key of nobody", NAK_ACC, ACC,
	      { .op = WRITE_ONLY, .len = 8, .dma = 8, .key = K_NONE }),
	FATAL("READ, key of nobody", NAK_ACC, ACC,
	      { .op = READ_REQ, .dma = 8, .key = K_NONE }),
	FATAL("atomic, key of nobody", NAK_ACC, ACC,
	      { .op = FETCH_ADD, .key = K_NONE }),
	FATAL("WRITE, key that was deregistered", NAK_ACC, ACC,
	      { .op = WRITE_ONLY, .len = 8, .dma = 8, .key = K_STALE }),
	FATAL("WRITE, key of another protection domain", NAK_ACC, ACC,
	      { .op = WRITE_ONLY, .len = 8, .dma = 8, .key = K_OTHER_PD }),
	FATAL("READ, key of another protection domain", NAK_ACC, ACC,
	      { .op = READ_REQ, .dma = 8, .key = K_OTHER_PD }),
	FATAL("WRITE without REMOTE_WRITE", NAK_ACC, ACC,
	      { .op = WRITE_ONLY, .len = 8, .dma = 8, .key = K_NO_WRITE }),
	FATAL("READ without REMOTE_READ", NAK_ACC, ACC,
	      { .op = READ_REQ, .dma = 8, .key = K_NO_READ }),
	FATAL("atomic without REMOTE_ATOMIC", NAK_ACC, ACC,
	      { .op = CMP_SWAP, .key = K_NO_ATOMIC }),
	FATAL("WRITE, one byte before the region", NAK_ACC, ACC,
	      { .op = WRITE_ONLY, .len = 8, .dma = 8, .va = -1 }),
	FATAL("WRITE, one byte behind the region", NAK_ACC, ACC,
	      { .op = WRITE_ONLY, .len = 8, .dma = 8, .va = BUF_LEN - 7 }),
	FATAL("READ, one byte before the region", NAK_ACC, ACC,
	      { .op = READ_REQ, .dma = 8, .va = -1 }),
	FATAL("READ, one byte behind the region", NAK_ACC, ACC,
	      { .op = READ_REQ, .dma = 8, .va = BUF_LEN - 7 }),
	FATAL("READ, longer than the region", NAK_ACC, ACC,
	      { .op = READ_REQ, .dma = BUF_LEN + 1 }),
	FATAL("WRITE first, message leaves the region", NAK_ACC, ACC,
	      { .op = WRITE_FIRST, .len = MTU, .dma = BUF_LEN + 1 }),
	FATAL("atomic, 8 bytes behind the region", NAK_ACC, ACC,
	      { .op = FETCH_ADD, .va = BUF_LEN }),
	FATAL("WRITE, wraps at 2^64", NAK_ACC, ACC,
	      { .op = WRITE_ONLY, .len = 64, .dma = 64, .va = INT64_MIN }),
	FATAL("READ, wraps at 2^64", NAK_ACC, ACC,
	      { .op = READ_REQ, .dma = 0x80000000, .va = INT64_MIN }),
	FATAL("atomic, misaligned by 1", NAK_INV, INV,
	      { .op = FETCH_ADD, .va = 1 }),
	FATAL("atomic, misaligned by 4", NAK_INV, INV,
	      { .op = CMP_SWAP, .va = 4 }),
	/* windows */
	FATAL("WRITE, one byte before the window", NAK_ACC, ACC,
	      { .op = WRITE_ONLY,
		.len = 8,
		.dma = 8,
		.key = K_WINDOW,
		.va = WINDOW_AT - 1 }),
	FATAL("WRITE, one byte behind the window", NAK_ACC, ACC,
	      { .op = WRITE_ONLY,
		.len = 8,
		.dma = 8,
		.key = K_WINDOW,
		.va = WINDOW_AT + WINDOW_LEN - 7 }),
	FATAL("WRITE first, message leaves the window", NAK_ACC, ACC,
	      { .op = WRITE_FIRST,
		.len = MTU,
		.dma = WINDOW_LEN + 1,
		.key = K_WINDOW,
		.va = WINDOW_AT }),
	FATAL("WRITE by a window, wraps at 2^64", NAK_ACC, ACC,
	      { .op = WRITE_ONLY,
		.len = 64,
		.dma = 64,
		.key = K_WINDOW,
		.va = INT64_MIN }),
	FATAL("READ, one byte before the window", NAK_ACC, ACC,
	      { .op = READ_REQ,
		.dma = 8,
		.key = K_WINDOW,
		.va = WINDOW_AT - 1 }),
	FATAL("READ, longer than the window", NAK_ACC, ACC,
	      { .op = READ_REQ,
		.dma = WINDOW_LEN + 1,
		.key = K_WINDOW,
		.va = WINDOW_AT }),
	FATAL("atomic, 8 bytes behind the window", NAK_ACC, ACC,
	      { .op = FETCH_ADD,
		.key = K_WINDOW,
		.va = WINDOW_AT + WINDOW_LEN }),
	FATAL("WRITE, window of another queue pair", NAK_ACC, ACC,
	      { .op = WRITE_ONLY,
		.len = 8,
		.dma = 8,
		.key = K_WINDOW_QP,
		.va = WINDOW_AT }),
	FATAL("READ, window of another queue pair", NAK_ACC, ACC,
	      { .op = READ_REQ, .dma = 8, .key = K_WINDOW_QP, .va = WINDOW_AT }),
	FATAL("WRITE, window that was invalidated", NAK_ACC, ACC,
	      { .op = WRITE_ONLY,
		.len = 8,
		.dma = 8,
		.key = K_WINDOW_GONE,
		.va = WINDOW_AT }),
	{ .name = "SEND with invalidate, key of nobody",
	  .packets = { { .op = SEND_ONLY_INV, .key = K_NONE } },
	  .count = 1,
	  .answer = NAK_ACC,
	  .counter = ACC,
	  .wc = WC(IBV_WC_REM_ACCESS_ERR),
	  .error = true },
	{ .name = "SEND with invalidate, region",
	  .packets = { { .op = SEND_ONLY_INV, .key = K_ALL } },
	  .count = 1,
	  .answer = NAK_ACC,
	  .counter = ACC,
	  .wc = WC(IBV_WC_REM_ACCESS_ERR),
	  .error = true },
	{ .name = "SEND with invalidate, window of type 1",
	  .packets = { { .op = SEND_ONLY_INV, .key = K_WINDOW } },
	  .count = 1,
	  .answer = NAK_ACC,
	  .counter = ACC,
	  .wc = WC(IBV_WC_REM_ACCESS_ERR),
	  .error = true },
	{ .name = "SEND with invalidate, window of another queue pair",
	  .packets = { { .op = SEND_ONLY_INV, .key = K_WINDOW_QP } },
	  .count = 1,
	  .answer = NAK_ACC,
	  .counter = ACC,
	  .wc = WC(IBV_WC_REM_ACCESS_ERR),
	  .error = true },
	{ .name = "WRITE, QP without REMOTE_WRITE",
	  .packets = { { .op = WRITE_ONLY, .len = 8, .dma = 8 } },
	  .count = 1,
	  .answer = NAK_INV,
	  .counter = INV,
	  .error = true,
	  .no_access = IBV_ACCESS_REMOTE_WRITE },
	{ .name = "READ, QP without REMOTE_READ",
	  .packets = { { .op = READ_REQ, .dma = 8 } },
	  .count = 1,
	  .answer = NAK_INV,
	  .counter = INV,
	  .error = true,
	  .no_access = IBV_ACCESS_REMOTE_READ },
	{ .name = "atomic, QP without REMOTE_ATOMIC",
	  .packets = { { .op = FETCH_ADD } },
	  .count = 1,
	  .answer = NAK_INV,
	  .counter = INV,
	  .error = true,
	  .no_access = IBV_ACCESS_REMOTE_ATOMIC },
	{ .name = "READ, QP takes none (max_dest_rd_atomic 0)",
	  .packets = { { .op = READ_REQ, .dma = 8 } },
	  .count = 1,
	  .answer = NAK_INV,
	  .counter = INV,
	  .error = true,
	  .rd_atomic = -1 },

	/* sequence numbers */
	{ .name = "PSN one ahead",
	  .packets = { { .op = SEND_ONLY, .psn = 1, .len = 8 } },
	  .count = 1,
	  .answer = NAK_SEQ,
	  .counter = "out_of_seq_request" },
	{ .name = "PSN far ahead",
	  .packets = { { .op = SEND_ONLY, .psn = 0x7ffffe, .len = 8 } },
	  .count = 1,
	  .answer = NAK_SEQ,
	  .counter = "sent_seq_err" },
	{ .name = "second PSN ahead: one NAK only",
	  .packets = { { .op = SEND_ONLY, .psn = 1, .len = 8 },
		       { .op = SEND_ONLY, .psn = 2, .len = 8 } },
	  .count = 2,
	  .answer = SILENT,
	  .counter = "out_of_seq_request" },
	{ .name = "duplicate WRITE: acknowledged, not done",
	  .packets = { { .op = WRITE_ONLY, .psn = -1, .len = 8, .dma = 8 } },
	  .count = 1,
	  .answer = IS_ACK,
	  .answer_psn = -1,
	  .counter = "duplicate_request" },
	{ .name = "duplicate SEND: acknowledged, not received",
	  .packets = { { .op = SEND_ONLY, .psn = -1, .len = 8 } },
	  .count = 1,
	  .answer = IS_ACK,
	  .answer_psn = -1,
	  .counter = "duplicate_request" },
	{ .name = "duplicate atomic that never was",
	  .packets = { { .op = FETCH_ADD, .psn = -1 } },
	  .count = 1,
	  .answer = SILENT,
	  .counter = "duplicate_request" },
	{ .name = "duplicate READ that never was",
	  .packets = { { .op = READ_REQ, .psn = -1, .dma = 8 } },
	  .count = 1,
	  .answer = SILENT,
	  .counter = "duplicate_request" },
	{ .name = "duplicate READ of what is gone since: the connection lives on",
	  .packets = { { .op = READ_REQ, .dma = 64 },
		       { .op = READ_REQ, .dma = 64 } },
	  .count = 2,
	  .answer = NAK_ACC,
	  .counter = ACC,
	  .hides = true },

	/* answers to nothing */
	DROP("ACK of a PSN never sent", "drop_stray_ack",
	     { .op = ACK, .psn = 100 }),
	DROP("READ response nobody asked for", "drop_stray_ack",
	     { .op = READ_RESP_ONLY, .psn = 100, .len = 64 }),
	DROP("READ response middle nobody asked for", "drop_stray_ack",
	     { .op = READ_RESP_MIDDLE, .psn = 100, .len = MTU }),
	DROP("atomic answer nobody asked for", "drop_stray_ack",
	     { .op = ATOMIC_ACK, .psn = 100 }),

	/* and good ones, so that the table is known to reach the QP at all */
	{ .name = "good SEND",
	  .packets = { { .op = SEND_ONLY, .len = 64 } },
	  .count = 1,
	  .answer = IS_ACK,
	  .counter = "rcvd_pkts",
	  .wc = WC(IBV_WC_SUCCESS) },
	{ .name = "good WRITE",
	  .packets = { { .op = WRITE_ONLY, .len = 64, .dma = 64 } },
	  .count = 1,
	  .answer = IS_ACK,
	  .counter = "rcvd_pkts",
	  .writes = true },
	{ .name = "good WRITE by a window",
	  .packets = { { .op = WRITE_ONLY,
			 .len = 64,
			 .dma = 64,
			 .key = K_WINDOW,
			 .va = WINDOW_AT } },
	  .count = 1,
	  .answer = IS_ACK,
	  .counter = "rcvd_pkts",
	  .writes = true },
	{ .name = "good READ by a window",
	  .packets = { { .op = READ_REQ,
			 .dma = WINDOW_LEN,
			 .key = K_WINDOW,
			 .va = WINDOW_AT } },
	  .count = 1,
	  .answer = DATA,
	  .counter = "rcvd_pkts" },
	{ .name = "good WRITE, empty, key of nobody",
	  .packets = { { .op = WRITE_ONLY, .key = K_NONE } },
	  .count = 1,
	  .answer = IS_ACK,
	  .counter = "rcvd_pkts" },
	{ .name = "good READ",
	  .packets = { { .op = READ_REQ, .dma = 64 } },
	  .count = 1,
	  .answer = DATA,
	  .counter = "rcvd_pkts" },
	{ .name = "good atomic",
	  .packets = { { .op = FETCH_ADD } },
	  .count = 1,
	  .answer = DATA,
	  .counter = "rcvd_pkts",
	  .writes = true },
};
/* clang-format on */

static enum expect classify(const struct answer *a)
{
	if (a->opcode != ACK)
		return DATA;
	if ((a->syndrome & 0x60) == 0)
		return IS_ACK;
	if ((a->syndrome & 0x60) == 0x20)
		return RNR;
	return NAK_SEQ + (a->syndrome & 0x1f);
}

/*
 * Memory that takes long to come in is answered RNR, whatever is wrong behind
 * it: as a requester would, send again from that packet on.
 */
static bool told_to_wait(const struct row *row, const struct answer *a,
			 int *from)
{
	int n = (int)a->psn - VICTIM_PSN;

	if (classify(a) != RNR || row->answer == RNR || n < 0 ||
	    n >= row->count)
		return false;
	*from = n;
	usleep(30000);
	return true;
}

/* From packet @from on. The last word counts: earlier packets have theirs. */
static bool converse_from(const struct row *row, int from, struct peer *peer,
			  struct victim *v, struct answer *last)
{
	uint32_t psn = (VICTIM_PSN + row->answer_psn) & 0xffffff;
	bool any = false;

	for (int tries = 0; tries < 20; tries++) {
		for (int i = from; i < row->count; i++)
			inject(peer, v, &row->packets[i]);
		if (row->answer == SILENT)
			usleep(60000);
		from = row->count;
		while (peer_recv(peer, last, any ? 20 : 500)) {
			any = true;
			if (told_to_wait(row, last, &from))
				break;
			if (classify(last) == row->answer && last->psn == psn)
				return true;
		}
		if (from == row->count)
			break;
		any = false;
	}
	return any;
}

static bool converse(const struct row *row, struct peer *peer, struct victim *v,
		     struct answer *last)
{
	struct region *r = &v->dut->regions[K_ALL];
	struct row first = *row;
	bool any;

	if (!row->hides)
		return converse_from(row, 0, peer, v, last);
	first.count = 1;
	first.answer = DATA;
	if (!converse_from(&first, 0, peer, v, last) || classify(last) != DATA)
		return false;
	if (mprotect(r->buf, BUF_LEN, PROT_NONE))
		die("mprotect");
	any = converse_from(row, row->count - 1, peer, v, last);
	if (mprotect(r->buf, BUF_LEN, PROT_READ | PROT_WRITE))
		die("mprotect");
	return any;
}

static bool check_answer(const struct row *row, struct peer *peer,
			 struct victim *v, char *why)
{
	uint32_t psn = (VICTIM_PSN + row->answer_psn) & 0xffffff;
	struct answer a = {};
	enum expect got = converse(row, peer, v, &a) ? classify(&a) : SILENT;

	if (row->answer == SILENT && row->count > 1)
		return true; /* the counter tells */
	if (got != row->answer) {
		sprintf(why, "answered %s, not %s", expect_name[got],
			expect_name[row->answer]);
		return false;
	}
	if (got != SILENT && a.psn != psn) {
		sprintf(why, "answer has PSN %u, not %u", a.psn, psn);
		return false;
	}
	return true;
}

static bool check_victim(const struct row *row, struct victim *v, char *why)
{
	int want = row->wc    ? row->wc - 1 :
		   row->error ? IBV_WC_WR_FLUSH_ERR :
				-1;
	int got = victim_completion(v, want < 0 ? 10 : 1000);
	enum ibv_qp_state state = victim_state(v);

	if (got != want) {
		sprintf(why, "completion status %d, not %d", got, want);
		return false;
	}
	if ((state == IBV_QPS_ERR) != row->error) {
		sprintf(why, "QP state is %d", state);
		return false;
	}
	if (!row->writes && !dut_untouched(v->dut)) {
		sprintf(why, "memory was written");
		return false;
	}
	return true;
}

static void run_row(const struct row *row, struct dut *dut, struct peer *peer)
{
	uint64_t before = dut_counter(dut, row->counter);
	char why[256] = "";
	struct victim v;
	bool ok;

	victim_open(&v, dut, ANY_ACCESS & ~row->no_access,
		    row->no_receives ? 0 : 1, row->rd_atomic < 0 ? 0 : 4);
	peer_drain(peer);
	ok = check_answer(row, peer, &v, why) && check_victim(row, &v, why);
	victim_close(&v);
	usleep(20000); /* ib_core may serve counters 10 ms old */
	if (ok && dut_counter(dut, row->counter) == before) {
		ok = false;
		sprintf(why, "counter %s did not move", row->counter);
	}
	if (ok && !dut_healthy(dut)) {
		ok = false;
		sprintf(why, "the healthy pair was harmed");
	}
	report(ok, "packet", row->name, why);
	dut_refill(dut);
}

void run_packets(struct dut *dut, struct peer *peer)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		run_row(&rows[i], dut, peer);
}
