// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The side that is asked. */

#include <stdio.h>
#include <string.h>

#include "matrix/matrix.h"

static void model_target(const struct request *r)
{
	uint8_t *p =
		arena_shadow(&me.arena[r->remote[0].kind], r->remote[0].off);
	uint64_t old;

	if (ops[r->op].to_peer) {
		scatter(r->remote, r->nremote);
		return;
	}
	if (!is_atomic(r->op))
		return;
	memcpy(&old, p, 8);
	if (r->op == FETCH_ADD)
		old += r->compare_add;
	else if (old == r->compare_add)
		old = r->swap;
	memcpy(p, &old, 8);
}

static void check_receive(const struct request *r, struct reply *rep)
{
	struct ibv_wc wc = {};

	rep->status = rd_wait(me.qp[r->qp].rcq, &wc, WAIT_MS);
	if (rep->status) {
		rep->wrong = 1;
		snprintf(rep->text, sizeof(rep->text), "receive: %s",
			 rd_status(rep->status));
	} else if (wc.byte_len != total(r->remote, r->nremote) ||
		   wc.wr_id != r->seed) {
		rep->wrong = 1;
		snprintf(rep->text, sizeof(rep->text),
			 "receive of %u bytes, %u expected", wc.byte_len,
			 total(r->remote, r->nremote));
	} else if (ops[r->op].imm && (!(wc.wc_flags & IBV_WC_WITH_IMM) ||
				      wc.imm_data != htobe32(r->imm))) {
		rep->wrong = 1;
		snprintf(rep->text, sizeof(rep->text), "immediate %08x",
			 be32toh(wc.imm_data));
	}
}

static void serve_case(struct request *r)
{
	const struct seg *first = &r->remote[0];
	const struct arena *a = &me.arena[first->kind];
	struct ibv_sge sge[MAX_SEGS];
	struct reply rep = {};
	unsigned int n;
	int err, go;

	prepare(r->remote, r->nremote, r->seed);
	if (!ops[r->op].to_peer)
		gather(r->remote, r->nremote);
	if (is_atomic(r->op))
		memcpy(&rep.old, me.board, 8);
	if (r->match)
		r->compare_add = rep.old;
	if (ops[r->op].recv) {
		n = make_sge(sge, r->remote, r->nremote, false);
		if (r->op == WRITE_IMM)
			n = 0;
		err = rd_post_recv(&me.qp[r->qp], sge, n, r->seed);
		if (err)
			die("post_recv: %s", strerror(err));
	}
	rep.addr = arena_iova(a, first->off);
	rep.rkey = a->mr->rkey;
	sock_send(me.sock, &rep, sizeof(rep));

	if (!sock_recv(me.sock, &go, sizeof(go), 2 * WAIT_MS))
		die("the client has gone");
	if (go == 0 && ops[r->op].recv)
		check_receive(r, &rep);
	if (go == 0) {
		model_target(r);
		if (!rep.wrong)
			rep.wrong = !verify(r->remote, r->nremote, rep.text,
					    sizeof(rep.text));
	}
	sock_send(me.sock, &rep, sizeof(rep));
}

void serve(void)
{
	struct request r;
	struct reply rep;

	for (;;) {
		if (!sock_recv(me.sock, &r, sizeof(r), 60000))
			die("the client has gone");
		switch (r.what) {
		case CASE:
			serve_case(&r);
			break;
		case GROUP_BEGIN:
			begin_group();
			sock_send(me.sock, &r.what, sizeof(r.what));
			break;
		case GROUP_END:
			judge_group(&r, &rep);
			sock_send(me.sock, &rep, sizeof(rep));
			break;
		case WARM_UP:
			rep = (struct reply){
				.addr = arena_iova(&me.arena[r.remote->kind],
						   0),
				.rkey = me.arena[r.remote->kind].mr->rkey,
			};
			sock_send(me.sock, &rep, sizeof(rep));
			break;
		case BYE:
			return;
		}
	}
}
