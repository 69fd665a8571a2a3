// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Work requests that bind and invalidate windows, written by hand. */
#include "ring.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum which {
	W_1, /* of type 1 */
	W_2,
	W_ALIEN, /* of another protection domain */
	W_NONE,
};

struct row {
	const char *name;
	enum which window;
	enum key region; /* K_ALL and the others, or K_NONE */
	int64_t addr; /* from the region's first byte */
	uint64_t length;
	uint32_t access;
	int key; /* added to the window's */
	bool invalidate; /* not a binding */
	int want;
};

#define RW (IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE)
#define BAD(n, w, r, a, l, rights)                                  \
	{                                                           \
		n, w, r, a, l, rights, 0, false, IBV_WC_MW_BIND_ERR \
	}

static const struct row rows[] = {
	{ "good, type 1", W_1, K_ALL, 1, 100, RW, 0, false, IBV_WC_SUCCESS },
	{ "good, type 2", W_2, K_ALL, 1, 100, RW, 0, false, IBV_WC_SUCCESS },
	{ "good, type 2, zero-based", W_2, K_ALL, 1, 100,
	  RW | IBV_ACCESS_ZERO_BASED, 0, false, IBV_WC_SUCCESS },
	{ "good, type 1 to nothing", W_1, K_NONE, 0, 0, 0, 0, false,
	  IBV_WC_SUCCESS },
	{ "good, the rights of a region as well", W_2, K_ALL, 0, BUF_LEN,
	  RW | IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND |
		  IBV_ACCESS_ON_DEMAND,
	  0, false, IBV_WC_SUCCESS },
	BAD("a window that is none", W_NONE, K_ALL, 0, 100, RW),
	BAD("a window of another domain", W_ALIEN, K_ALL, 0, 100, RW),
	{ "a window's key of before", W_2, K_ALL, 0, 100, RW, -1, false,
	  IBV_WC_MW_BIND_ERR },
	{ "a window's key to come", W_1, K_ALL, 0, 100, RW, 1, false,
	  IBV_WC_MW_BIND_ERR },
	BAD("a region that is none", W_2, K_NONE, 0, 100, RW),
	BAD("a region of another domain", W_2, K_OTHER_PD, 0, 100, RW),
	BAD("a region without MW_BIND", W_1, K_NO_ATOMIC, 0, 100, RW),
	BAD("a region without MW_BIND, to read", W_1, K_NO_WRITE, 0, 100,
	    IBV_ACCESS_REMOTE_READ),
	BAD("a region that was deregistered", W_1, K_STALE, 0, 100, RW),
	BAD("a window for a region", W_1, K_WINDOW, WINDOW_AT, 100, RW),
	BAD("one byte before the region", W_1, K_ALL, -1, 100, RW),
	BAD("one byte behind the region", W_2, K_ALL, BUF_LEN - 99, 100, RW),
	BAD("longer than the region", W_2, K_ALL, 0, BUF_LEN + 1, RW),
	BAD("2^64-1 bytes", W_1, K_ALL, 0, UINT64_MAX, RW),
	BAD("wraps at 2^64", W_2, K_ALL, 100, UINT64_MAX - 50, RW),
	BAD("type 2 to nothing", W_2, K_ALL, 0, 0, RW),
	BAD("type 1, zero-based", W_1, K_ALL, 0, 100,
	    RW | IBV_ACCESS_ZERO_BASED),
	BAD("an access bit of nobody", W_2, K_ALL, 0, 100, 1 << 15),
	{ "invalidate, a window of type 1", W_1, K_ALL, 0, 0, 0, 0, true,
	  IBV_WC_LOC_QP_OP_ERR },
	{ "invalidate, a window of another domain", W_ALIEN, K_ALL, 0, 0, 0, 0,
	  true, IBV_WC_LOC_QP_OP_ERR },
	{ "invalidate, a key to come", W_2, K_ALL, 0, 0, 0, 1, true,
	  IBV_WC_LOC_QP_OP_ERR },
	{ "invalidate, a window that is none", W_NONE, K_ALL, 0, 0, 0, 0, true,
	  IBV_WC_LOC_QP_OP_ERR },
};

static struct ibv_mw *make(struct dut *dut, enum which which)
{
	struct ibv_mw *mw;

	if (which == W_NONE)
		return NULL;
	mw = ibv_alloc_mw(which == W_ALIEN ? dut->other_pd : dut->pd,
			  which == W_2 ? IBV_MW_TYPE_2 : IBV_MW_TYPE_1);
	if (!mw)
		die("ibv_alloc_mw");
	return mw;
}

static uint64_t address(struct dut *dut, const struct row *row)
{
	enum key key = row->region < K_NUM ? row->region : K_ALL;

	return (uintptr_t)dut->regions[key].buf + row->addr;
}

static void fill_in(struct rxe_send_wqe *w, struct dut *dut,
		    const struct row *row, uint32_t key)
{
	memset(&w->wr.wr, 0, sizeof(w->wr.wr));
	w->dma.length = w->dma.resid = w->dma.num_sge = 0;
	w->wr.opcode = row->invalidate ? IBV_WR_LOCAL_INV : IBV_WR_BIND_MW;
	if (row->invalidate) {
		w->wr.ex.invalidate_rkey = key + row->key;
		return;
	}
	w->wr.wr.mw.addr = address(dut, row);
	w->wr.wr.mw.length = row->length;
	w->wr.wr.mw.mr_lkey = dut_rkey(dut, row->region);
	w->wr.wr.mw.mw_rkey = (key & ~0xffu) | ((key + row->key) & 0xff);
	w->wr.wr.mw.rkey = key + 1;
	w->wr.wr.mw.access = row->access;
}

static void run_row(struct dut *dut, const struct row *row)
{
	struct ibv_mw *mw = make(dut, row->window);
	struct pair p;
	int got;

	pair_open(&p, dut);
	fill_in(good_wqe(&p), dut, row, mw ? mw->rkey : 0xffffff00);
	ring_publish(p.sq);
	bell(p.qp[0]);
	got = wait_status(p.cq[0], 3000);
	pair_close(&p);
	if (mw && ibv_dealloc_mw(mw))
		die("ibv_dealloc_mw");
	report_f(got == row->want && dut_healthy(dut), "bind", row->name,
		 "status %d, not %d, or others harmed", got, row->want);
}

static void run_alloc(struct dut *dut)
{
	struct ibv_mw *mw;
	int got;

	for (int type = 0; type <= 9; type += 3) {
		errno = 0;
		mw = ibv_alloc_mw(dut->pd, type);
		got = mw ? 0 : errno;
		if (mw)
			ibv_dealloc_mw(mw);
		report_f(got == EINVAL, "bind", "a window of no type",
			 "type %d: errno %d", type, got);
	}
}

void run_binds(struct dut *dut)
{
	run_alloc(dut);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		run_row(dut, &rows[i]);
	dut_refill(dut);
}
