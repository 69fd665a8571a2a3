// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Sends the rows of packetrows.c one by one and judges what comes of each. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "packetrows.h"

static const char *const expect_name[] = {
	"silence",	     "ACK",
	"NAK sequence",	     "NAK invalid request",
	"NAK remote access", "NAK remote operation",
	"RNR NAK",	     "data",
};

#define ANY_ACCESS                                          \
	(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | \
	 IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC)

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
	for (size_t i = 0; i < packet_rows_count; i++)
		run_row(&packet_rows[i], dut, peer);
}
