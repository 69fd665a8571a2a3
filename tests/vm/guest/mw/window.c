// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What the owner and the peer of memory windows do. */
#include <errno.h>
#include <string.h>

#include "mw/mw.h"

/* --- the owner: windows --------------------------------------------- */

struct ibv_mw *make(enum ibv_mw_type type)
{
	struct ibv_mw *mw = ibv_alloc_mw(dev.pd, type);

	if (!mw)
		die("alloc_mw: %s", strerror(errno));
	return mw;
}

int bind_1(struct rd_qp *q, struct ibv_mw *mw, struct ibv_mr *to, uint64_t addr,
	   uint64_t len, int access)
{
	struct ibv_mw_bind bind = {
		.wr_id = 1,
		.send_flags = IBV_SEND_SIGNALED,
		.bind_info = { .mr = to,
			       .addr = addr,
			       .length = len,
			       .mw_access_flags = access },
	};
	uint32_t before = mw->rkey;
	struct ibv_wc wc;
	int err = ibv_bind_mw(q->qp, mw, &bind);

	if (err)
		return -err;
	err = rd_wait(q->scq, &wc, PATIENCE_MS);
	check(err || wc.opcode == IBV_WC_BIND_MW, "opcode %d", wc.opcode);
	if (err)
		mw->rkey = before; /* ibv_bind_mw(3): to be undone */
	return err;
}

int bind_2(struct rd_qp *q, struct ibv_mw *mw, struct ibv_mr *to, uint64_t addr,
	   uint64_t len, int access)
{
	struct ibv_send_wr *bad, wr = {
		.wr_id = 2,
		.opcode = IBV_WR_BIND_MW,
		.send_flags = IBV_SEND_SIGNALED,
		.bind_mw = { .mw = mw,
			     .rkey = ibv_inc_rkey(mw->rkey),
			     .bind_info = { .mr = to,
					    .addr = addr,
					    .length = len,
					    .mw_access_flags = access } },
	};
	struct ibv_wc wc;
	int err = ibv_post_send(q->qp, &wr, &bad);

	if (err)
		return -err;
	err = rd_wait(q->scq, &wc, PATIENCE_MS);
	check(err || wc.opcode == IBV_WC_BIND_MW, "opcode %d", wc.opcode);
	if (!err)
		mw->rkey = wr.bind_mw.rkey;
	return err;
}

static int bind_to(struct ibv_mw *mw, uint64_t offset, uint64_t len, int access)
{
	return (mw->type == IBV_MW_TYPE_1 ? bind_1 : bind_2)(
		&owner, mw, mr, at(offset), len, access);
}

void must_bind(struct ibv_mw *mw, uint64_t offset, uint64_t len, int access)
{
	int status = bind_to(mw, offset, len, access);

	check(!status, "bind: %s", rd_status(status));
}

int invalidate(struct rd_qp *q, uint32_t key)
{
	struct ibv_send_wr *bad, wr = {
		.opcode = IBV_WR_LOCAL_INV,
		.send_flags = IBV_SEND_SIGNALED,
		.invalidate_rkey = key,
	};
	struct ibv_wc wc;

	if (ibv_post_send(q->qp, &wr, &bad))
		die("post of LOCAL_INV");
	return rd_wait(q->scq, &wc, PATIENCE_MS);
}

void drop(struct ibv_mw *mw)
{
	int err = ibv_dealloc_mw(mw);

	check(!err, "dealloc_mw: %s", strerror(err));
}

/* --- the peer ------------------------------------------------------- */

/* Both ends of what failed are of no use. */
int ended(struct rd_qp *from, struct rd_qp *to, int status)
{
	if (status) {
		rd_reconnect(from, to);
		rd_drop_events(&dev);
	}
	return status;
}

int try_op(struct rd_qp *from, struct rd_qp *to, enum ibv_wr_opcode opcode,
	   uint64_t raddr, uint32_t len, uint32_t key)
{
	struct rd_op op = {
		.opcode = opcode,
		.addr = (uintptr_t)local,
		.len = len,
		.lkey = local_mr->lkey,
		.raddr = raddr,
		.rkey = key,
		.compare_add = 1,
	};

	return ended(from, to, rd_do(from, &op, PATIENCE_MS));
}

int try_write(uint64_t offset, uint32_t len, uint32_t key)
{
	return try_op(&peer, &owner, IBV_WR_RDMA_WRITE, at(offset), len, key);
}

int try_read(uint64_t offset, uint32_t len, uint32_t key)
{
	return try_op(&peer, &owner, IBV_WR_RDMA_READ, at(offset), len, key);
}

int try_add(uint64_t offset, uint32_t key)
{
	return try_op(&peer, &owner, IBV_WR_ATOMIC_FETCH_AND_ADD, at(offset), 8,
		      key);
}

void fresh(void)
{
	memset(mem, 0x5a, LEN);
	memset(local, 0xc3, LEN);
}

void check_around(uint64_t offset, uint64_t len)
{
	uint64_t i, bad = 0;

	for (i = 0; i < LEN; i++)
		bad += (i < offset || i >= offset + len) && mem[i] != 0x5a;
	check(!bad, "%lu bytes outside were written", bad);
}
