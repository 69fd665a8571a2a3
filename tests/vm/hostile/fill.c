// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The commands that have much in them. */
#include <rdma/ib_user_verbs.h>
#include <string.h>

#include "desk.h"

enum {
	MAX_WR = 0x4000, /* what the device says, or a little more */
	MAX_CQE = 32767,
	MAX_SGE = 32,
	MAX_INLINE = 512,
};

void fill_reg_mr(struct caller *c, void *in)
{
	struct ib_uverbs_reg_mr *cmd = in;
	uint64_t length;

	cmd->start = some_start(c, &length);
	cmd->length = length;
	cmd->hca_va = cmd->start;
	if (one_in(&c->rng, 24)) { /* all of the address space */
		cmd->start = cmd->hca_va = 0;
		cmd->length = UINT64_MAX;
	} else if (one_in(&c->rng, 4)) { /* another address that may be */
		cmd->hca_va += rnd(&c->rng) & ~(PAGE - 1);
	} else if (one_in(&c->rng, 16)) {
		cmd->hca_va = rnd(&c->rng);
	}
	cmd->pd_handle = some_handle(c, A_PD);
	cmd->access_flags = some_access(&c->rng);
}

void fill_rereg_mr(struct caller *c, void *in)
{
	struct ib_uverbs_rereg_mr *cmd = in;
	uint64_t length;

	cmd->mr_handle = some_handle(c, A_MR);
	/* new memory, another protection domain, other rights */
	cmd->flags = one_in(&c->rng, 16) ? (uint32_t)rnd(&c->rng) :
					   1 + below(&c->rng, 7);
	cmd->start = some_start(c, &length);
	cmd->length = length;
	cmd->hca_va = cmd->start;
	cmd->pd_handle = some_handle(c, A_PD);
	cmd->access_flags = some_access(&c->rng);
}

/* Really large queues, but not so many that there is no memory for anybody. */
static bool may_be_large(struct caller *c)
{
	if (!one_in(&c->rng, 40))
		return false;
	if (atomic_fetch_add(&c->u->large, 1) < LARGE)
		return true;
	return false;
}

static uint32_t some_cqe(struct caller *c)
{
	if (may_be_large(c))
		return MAX_CQE;
	if (one_in(&c->rng, 16))
		return MAX_CQE + 1 + below(&c->rng, 2);
	if (one_in(&c->rng, 16))
		return one_in(&c->rng, 2) ? 0 : 0x80000000 | below(&c->rng, 9);
	return 1 + below(&c->rng, 200);
}

static int32_t some_channel(struct caller *c)
{
	return one_in(&c->rng, 2) ? -1 : (int)some_handle(c, A_CHANNEL);
}

void fill_create_cq(struct caller *c, void *in)
{
	struct ib_uverbs_create_cq *cmd = in;

	cmd->user_handle = rnd(&c->rng);
	cmd->cqe = some_cqe(c);
	cmd->comp_vector = one_in(&c->rng, 16) ? below(&c->rng, 4) : 0;
	cmd->comp_channel = some_channel(c);
}

void fill_ex_create_cq(struct caller *c, void *in)
{
	struct ib_uverbs_ex_create_cq *cmd = in;

	cmd->user_handle = rnd(&c->rng);
	cmd->cqe = some_cqe(c);
	cmd->comp_channel = some_channel(c);
	cmd->flags = one_in(&c->rng, 16) ? below(&c->rng, 8) : 0;
}

struct qp_caps {
	uint32_t send_wr, recv_wr, send_sge, recv_sge, inline_data;
};

static struct qp_caps some_caps(struct caller *c)
{
	struct rng *r = &c->rng;

	if (may_be_large(c))
		return (struct qp_caps){ MAX_WR, MAX_WR, MAX_SGE, MAX_SGE,
					 MAX_INLINE };
	return (struct qp_caps){
		one_in(r, 16) ? MAX_WR + 1 : 1 + below(r, 60),
		one_in(r, 16) ? 0xffffffff : 1 + below(r, 60),
		one_in(r, 8) ? some_count(r, 32, MAX_SGE) : 1 + below(r, 8),
		one_in(r, 8) ? some_count(r, 32, MAX_SGE) : 1 + below(r, 8),
		one_in(r, 8) ? some_count(r, 512, MAX_INLINE) : below(r, 256),
	};
}

static uint8_t some_qp_type(struct rng *r)
{
	return one_in(r, 12) ? below(r, 12) : IBV_QPT_RC;
}

/* The fields that both forms of the command have, under the same names. */
#define FILL_QP(c, cmd)                                       \
	do {                                                  \
		struct qp_caps caps = some_caps(c);           \
                                                              \
		(cmd)->user_handle = rnd(&(c)->rng);          \
		(cmd)->pd_handle = some_handle(c, A_PD);      \
		(cmd)->send_cq_handle = some_handle(c, A_CQ); \
		(cmd)->recv_cq_handle = some_handle(c, A_CQ); \
		(cmd)->max_send_wr = caps.send_wr;            \
		(cmd)->max_recv_wr = caps.recv_wr;            \
		(cmd)->max_send_sge = caps.send_sge;          \
		(cmd)->max_recv_sge = caps.recv_sge;          \
		(cmd)->max_inline_data = caps.inline_data;    \
		(cmd)->sq_sig_all = below(&(c)->rng, 2);      \
		(cmd)->qp_type = some_qp_type(&(c)->rng);     \
		(cmd)->is_srq = one_in(&(c)->rng, 16);        \
	} while (0)

void fill_create_qp(struct caller *c, void *in)
{
	struct ib_uverbs_create_qp *cmd = in;

	FILL_QP(c, cmd);
}

void fill_ex_create_qp(struct caller *c, void *in)
{
	struct ib_uverbs_ex_create_qp *cmd = in;

	FILL_QP(c, cmd);
	cmd->create_flags = one_in(&c->rng, 8) ? below(&c->rng, 1 << 12) : 0;
	cmd->comp_mask = one_in(&c->rng, 16);
}

/* --- the way of a queue pair --- */

static void some_dest(struct caller *c, struct ib_uverbs_qp_dest *d)
{
	memcpy(d->dgid, c->u->dev->gid.raw, 16);
	if (one_in(&c->rng, 24)) /* nobody, near or far: that takes its time */
		d->dgid[15 - below(&c->rng, 3)] = rnd(&c->rng);
	else if (one_in(&c->rng, 24))
		d->dgid[below(&c->rng, 16)] = rnd(&c->rng);
	d->sgid_index = one_in(&c->rng, 16) ? below(&c->rng, 256) :
					      (uint32_t)c->u->dev->gid_index;
	d->hop_limit = 64;
	d->flow_label = rnd(&c->rng);
	d->traffic_class = below(&c->rng, 256);
	d->is_global = !one_in(&c->rng, 16);
	d->port_num = 1;
}

static uint32_t some_mask(struct rng *r, uint8_t state)
{
	uint32_t mask = IBV_QP_STATE;

	if (state == IBV_QPS_INIT)
		mask |= IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS;
	else if (state == IBV_QPS_RTR)
		mask |= IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
			IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
			IBV_QP_MIN_RNR_TIMER;
	else if (state == IBV_QPS_RTS)
		mask |= IBV_QP_SQ_PSN | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
			IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC;
	if (one_in(r, 6))
		mask ^= 1u << below(r, 26);
	if (one_in(r, 24))
		mask = rnd(r);
	return mask;
}

/* Only of our own: anybody's else's would be an honest way to hurt him. */
static uint32_t some_qpn(struct caller *c)
{
	uint32_t qpn = c->desk->qpns[below(&c->rng, SLOTS)];

	return one_in(&c->rng, 16) ? 0x800000 | below(&c->rng, 1 << 25) : qpn;
}

/* On to RTS, and there again to somewhere. */
static uint8_t next_state(struct rng *r, uint8_t from)
{
	static const uint8_t ends[] = { IBV_QPS_RESET, IBV_QPS_ERR, IBV_QPS_SQD,
					IBV_QPS_RTS };

	if (one_in(r, 16))
		return below(r, 256);
	if (from < IBV_QPS_RTS && !one_in(r, 16))
		return from + 1;
	return ends[below(r, ARRAY_SIZE(ends))];
}

/* A queue pair, where there is one, in @state if it is less than 8. */
static uint32_t choose_qp(struct caller *c, uint8_t state)
{
	struct desk *d = c->desk;

	c->slot = below(&c->rng, SLOTS);
	for (int i = 0; i < SLOTS; i++, c->slot = (c->slot + 1) % SLOTS)
		if (d->slots[A_QP][c->slot] &&
		    (state >= 8 || d->states[c->slot] == state))
			return d->slots[A_QP][c->slot] - 1;
	return some_handle(c, A_QP);
}

void fill_modify_qp(struct caller *c, void *in)
{
	struct ib_uverbs_modify_qp *cmd = in;
	struct rng *r = &c->rng;

	cmd->qp_handle = choose_qp(c, 8);
	cmd->qp_state = next_state(r, c->desk->states[c->slot]);
	cmd->attr_mask = some_mask(r, cmd->qp_state);
	some_dest(c, &cmd->dest);
	some_dest(c, &cmd->alt_dest);
	cmd->rq_psn = rnd(r);
	cmd->sq_psn = rnd(r);
	cmd->dest_qp_num = some_qpn(c);
	cmd->qp_access_flags = one_in(r, 24) ? rnd(r) : below(r, 16);
	cmd->path_mtu = one_in(r, 48) ? below(r, 256) : 1 + below(r, 5);
	cmd->cur_qp_state = below(r, 8);
	cmd->path_mig_state = below(r, 4);
	cmd->pkey_index = one_in(r, 48) ? below(r, 4) : 0;
	cmd->max_rd_atomic = one_in(r, 48) ? below(r, 256) : 1 + below(r, 16);
	cmd->max_dest_rd_atomic = one_in(r, 48) ? below(r, 256) :
						  1 + below(r, 16);
	cmd->min_rnr_timer = one_in(r, 48) ? below(r, 256) : 12 + below(r, 8);
	cmd->timeout = one_in(r, 48) ? below(r, 256) : 8 + below(r, 10);
	cmd->retry_cnt = one_in(r, 48) ? below(r, 256) : below(r, 8);
	cmd->rnr_retry = one_in(r, 48) ? below(r, 256) : below(r, 8);
	cmd->port_num = one_in(r, 48) ? below(r, 256) : 1;
}

/* Doorbells, and requests that no user may post this way. */
void fill_post(struct caller *c, void *in)
{
	struct ib_uverbs_post_send *cmd = in;

	cmd->qp_handle = choose_qp(c, IBV_QPS_RTS);
	cmd->wqe_size = sizeof(struct ib_uverbs_send_wr);
	if (!one_in(&c->rng, 4))
		return;
	cmd->wr_count = some_count(&c->rng, 4, 1 << 16);
	cmd->sge_count = some_count(&c->rng, 4, 1 << 16);
	cmd->wqe_size = some_count(&c->rng, 200, 1 << 16);
}

void fill_create_ah(struct caller *c, void *in)
{
	struct ib_uverbs_create_ah *cmd = in;

	cmd->pd_handle = some_handle(c, A_PD);
	memcpy(cmd->attr.grh.dgid, c->u->dev->gid.raw, 16);
	cmd->attr.grh.sgid_index = c->u->dev->gid_index;
	cmd->attr.is_global = 1;
	cmd->attr.port_num = 1;
}
