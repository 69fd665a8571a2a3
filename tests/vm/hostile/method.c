// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* ioctl methods: their attributes as they should be, or with some wrong. */
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "desk.h"

enum {
	MAX_ATTRS = 12,
	MAX_SGES = 300,
	OUT_ROOM = 256, /* bytes for each answer */
};

enum type {
	T_END,
	T_HANDLE, /* @arg: of what */
	T_FD, /* the same, a file descriptor */
	T_NEW, /* a handle comes back: of what */
	T_NEW_FD,
	T_VALUE, /* @arg: enum value; @len bytes, in place */
	T_BYTES, /* the same, elsewhere */
	T_OUT, /* @len bytes */
};

enum value {
	V_ZERO,
	V_SMALL,
	V_ANY,
	V_CQE,
	V_CAPS,
	V_QP_TYPE,
	V_START,
	V_LENGTH,
	V_ACCESS,
	V_ADVICE,
	V_FLAG,
	V_SGES,
	V_ENTRY, /* size of one */
	V_PORT,
};

struct attr {
	uint16_t id;
	enum type type;
	uint8_t arg;
	uint16_t len;
};

struct method {
	uint16_t object, method;
	uint8_t weight;
	struct attr attrs[MAX_ATTRS];
};

#define OBJ(o, m) UVERBS_OBJECT_##o, UVERBS_METHOD_##m
#define A(id)	  UVERBS_ATTR_##id

static const struct method methods[] = {
	{ OBJ(DEVICE, INFO_HANDLES),
	  2,
	  { { A(INFO_OBJECT_ID), T_VALUE, V_SMALL, 8 },
	    { A(INFO_TOTAL_HANDLES), T_OUT, 0, 4 },
	    { A(INFO_HANDLES_LIST), T_OUT, 0, 64 } } },
	{ OBJ(DEVICE, QUERY_PORT),
	  2,
	  { { A(QUERY_PORT_PORT_NUM), T_VALUE, V_PORT, 8 },
	    { A(QUERY_PORT_RESP), T_OUT, 0,
	      sizeof(struct ib_uverbs_query_port_resp_ex) } } },
	{ OBJ(DEVICE, QUERY_CONTEXT),
	  1,
	  { { A(QUERY_CONTEXT_NUM_COMP_VECTORS), T_OUT, 0, 4 },
	    { A(QUERY_CONTEXT_CORE_SUPPORT), T_OUT, 0, 8 } } },
	{ OBJ(DEVICE, QUERY_GID_TABLE),
	  2,
	  { { A(QUERY_GID_TABLE_ENTRY_SIZE), T_VALUE, V_ENTRY, 8 },
	    { A(QUERY_GID_TABLE_FLAGS), T_VALUE, V_ZERO, 4 },
	    { A(QUERY_GID_TABLE_RESP_ENTRIES), T_OUT, 0, 192 },
	    { A(QUERY_GID_TABLE_RESP_NUM_ENTRIES), T_OUT, 0, 8 } } },
	{ OBJ(DEVICE, QUERY_GID_ENTRY),
	  2,
	  { { A(QUERY_GID_ENTRY_PORT), T_VALUE, V_PORT, 8 },
	    { A(QUERY_GID_ENTRY_GID_INDEX), T_VALUE, V_SMALL, 8 },
	    { A(QUERY_GID_ENTRY_FLAGS), T_VALUE, V_ZERO, 4 },
	    { A(QUERY_GID_ENTRY_RESP_ENTRY), T_OUT, 0, 32 } } },
	{ OBJ(PD, PD_DESTROY), 2, { { A(DESTROY_PD_HANDLE), T_HANDLE, A_PD } } },
	{ OBJ(CQ, CQ_CREATE),
	  6,
	  { { A(CREATE_CQ_HANDLE), T_NEW, A_CQ },
	    { A(CREATE_CQ_CQE), T_VALUE, V_CQE, 4 },
	    { A(CREATE_CQ_USER_HANDLE), T_VALUE, V_ANY, 8 },
	    { A(CREATE_CQ_COMP_VECTOR), T_VALUE, V_ZERO, 4 },
	    { A(CREATE_CQ_FLAGS), T_VALUE, V_ZERO, 4 },
	    { A(CREATE_CQ_RESP_CQE), T_OUT, 0, 4 },
	    { A(UHW_OUT), T_OUT, 0, 16 },
	    { A(CREATE_CQ_COMP_CHANNEL), T_FD, A_CHANNEL } } },
	{ OBJ(CQ, CQ_DESTROY),
	  2,
	  { { A(DESTROY_CQ_HANDLE), T_HANDLE, A_CQ },
	    { A(DESTROY_CQ_RESP), T_OUT, 0, 8 } } },
	{ OBJ(QP, QP_CREATE),
	  8,
	  { { A(CREATE_QP_HANDLE), T_NEW, A_QP },
	    { A(CREATE_QP_PD_HANDLE), T_HANDLE, A_PD },
	    { A(CREATE_QP_SEND_CQ_HANDLE), T_HANDLE, A_CQ },
	    { A(CREATE_QP_RECV_CQ_HANDLE), T_HANDLE, A_CQ },
	    { A(CREATE_QP_USER_HANDLE), T_VALUE, V_ANY, 8 },
	    { A(CREATE_QP_CAP), T_BYTES, V_CAPS, 20 },
	    { A(CREATE_QP_TYPE), T_VALUE, V_QP_TYPE, 8 },
	    { A(CREATE_QP_FLAGS), T_VALUE, V_ZERO, 4 },
	    { A(CREATE_QP_RESP_CAP), T_OUT, 0, 20 },
	    { A(CREATE_QP_RESP_QP_NUM), T_OUT, 0, 4 },
	    { A(UHW_OUT), T_OUT, 0, 32 } } },
	{ OBJ(QP, QP_DESTROY),
	  2,
	  { { A(DESTROY_QP_HANDLE), T_HANDLE, A_QP },
	    { A(DESTROY_QP_RESP), T_OUT, 0, 4 } } },
	{ OBJ(MR, MR_DESTROY), 3, { { A(DESTROY_MR_HANDLE), T_HANDLE, A_MR } } },
	{ OBJ(MR, ADVISE_MR),
	  20,
	  { { A(ADVISE_MR_PD_HANDLE), T_HANDLE, A_PD },
	    { A(ADVISE_MR_ADVICE), T_VALUE, V_ADVICE, 8 },
	    { A(ADVISE_MR_FLAGS), T_VALUE, V_FLAG, 4 },
	    { A(ADVISE_MR_SGE_LIST), T_BYTES, V_SGES, 0 } } },
	{ OBJ(MR, QUERY_MR),
	  1,
	  { { A(QUERY_MR_HANDLE), T_HANDLE, A_MR },
	    { A(QUERY_MR_RESP_LKEY), T_OUT, 0, 4 },
	    { A(QUERY_MR_RESP_RKEY), T_OUT, 0, 4 },
	    { A(QUERY_MR_RESP_LENGTH), T_OUT, 0, 8 } } },
	{ OBJ(MR, REG_DMABUF_MR),
	  1,
	  { { A(REG_DMABUF_MR_HANDLE), T_NEW, A_MR },
	    { A(REG_DMABUF_MR_PD_HANDLE), T_HANDLE, A_PD },
	    { A(REG_DMABUF_MR_OFFSET), T_VALUE, V_ZERO, 8 },
	    { A(REG_DMABUF_MR_LENGTH), T_VALUE, V_LENGTH, 8 },
	    { A(REG_DMABUF_MR_IOVA), T_VALUE, V_START, 8 },
	    { A(REG_DMABUF_MR_FD), T_VALUE, V_SMALL, 4 },
	    { A(REG_DMABUF_MR_ACCESS_FLAGS), T_VALUE, V_ACCESS, 4 },
	    { A(REG_DMABUF_MR_RESP_LKEY), T_OUT, 0, 4 },
	    { A(REG_DMABUF_MR_RESP_RKEY), T_OUT, 0, 4 } } },
	{ OBJ(ASYNC_EVENT, ASYNC_EVENT_ALLOC),
	  2,
	  { { A(ASYNC_EVENT_ALLOC_FD_HANDLE), T_NEW_FD, A_CHANNEL } } },
	{ OBJ(COUNTERS, COUNTERS_CREATE),
	  1,
	  { { A(CREATE_COUNTERS_HANDLE), T_NEW, NO_OBJECT } } },
	{ OBJ(DM, DM_ALLOC),
	  1,
	  { { A(ALLOC_DM_HANDLE), T_NEW, NO_OBJECT },
	    { A(ALLOC_DM_LENGTH), T_VALUE, V_LENGTH, 8 },
	    { A(ALLOC_DM_ALIGNMENT), T_VALUE, V_SMALL, 4 } } },
};

const char *const method_names[] = {
	"info_handles",	   "query_port",      "query_context",
	"query_gid_table", "query_gid_entry", "pd_destroy",
	"cq_create",	   "cq_destroy",      "qp_create",
	"qp_destroy",	   "mr_destroy",      "advise_mr",
	"query_mr",	   "reg_dmabuf_mr",   "async_event_alloc",
	"counters_create", "dm_alloc",
};

_Static_assert(ARRAY_SIZE(method_names) == ARRAY_SIZE(methods),
	       "a name for each method");
const unsigned int num_methods = ARRAY_SIZE(methods);

/* --- values --- */

static size_t put_caps(struct caller *c, uint8_t *to)
{
	struct rng *r = &c->rng;
	struct ib_uverbs_qp_cap cap = {
		1 + below(r, 60), 1 + below(r, 60), 1 + below(r, 8),
		1 + below(r, 8),  below(r, 256),
	};
	uint32_t *words = (uint32_t *)&cap;

	if (one_in(r, 8))
		words[below(r, 5)] = rnd(r) >> below(r, 32);
	/* never all of them: that is for create_qp to try, and to count */
	memcpy(to, &cap, sizeof(cap));
	return sizeof(cap);
}

static size_t put_sges(struct caller *c, uint8_t *to)
{
	struct rng *r = &c->rng;
	uint32_t n = one_in(r, 8) ? 1 + below(r, MAX_SGES) : 1 + below(r, 4);
	struct ib_uverbs_sge *sge = (void *)to;
	struct desk *d = c->desk;
	bool absurd = one_in(r, 3);
	uint64_t length;

	c->slot = below(r, SLOTS);
	for (int i = 0; i < SLOTS && !d->slots[A_MR][c->slot]; i++)
		c->slot = (c->slot + 1) % SLOTS;
	for (uint32_t i = 0; i < n; i++) {
		length = d->lengths[c->slot];
		sge[i].addr = d->starts[c->slot] + below(r, length | 1);
		sge[i].length = below(r, 2 * PAGE);
		if (sge[i].addr + sge[i].length > d->starts[c->slot] + length)
			sge[i].length = 1;
		sge[i].lkey = d->lkeys[c->slot];
		if (!absurd || !one_in(r, n))
			continue;
		sge[i].addr = some_start(c, &length);
		sge[i].length = length;
		if (one_in(r, 2))
			sge[i].lkey = one_in(r, 2) ? rnd(r) :
						     d->lkeys[below(r, SLOTS)];
	}
	return n * sizeof(*sge);
}

static uint64_t some_value(struct caller *c, enum value v)
{
	struct rng *r = &c->rng;
	uint64_t length, start;

	if (one_in(r, 24))
		return rnd(r) >> below(r, 64);
	switch (v) {
	case V_SMALL:
		return below(r, 4);
	case V_ANY:
		return rnd(r);
	case V_CQE:
		return 1 + below(r, 200);
	case V_QP_TYPE:
		return IBV_QPT_RC;
	case V_START:
	case V_LENGTH:
		start = some_start(c, &length);
		return v == V_START ? start : length;
	case V_ACCESS:
		return some_access(r);
	case V_ADVICE:
		return below(r, one_in(r, 16) ? 8 : 3);
	case V_FLAG:
		return below(r, 2);
	case V_ENTRY:
		return 32;
	case V_PORT:
		return 1;
	default:
		return 0;
	}
}

/* --- a call --- */

struct ioctl_call {
	struct ib_uverbs_ioctl_hdr hdr;
	struct ib_uverbs_attr attrs[MAX_ATTRS + 2];
};

static void put_attr(struct caller *c, const struct attr *spec, unsigned int i,
		     struct ib_uverbs_attr *a)
{
	uint64_t value;

	*a = (struct ib_uverbs_attr){
		.attr_id = spec->id,
		.flags = UVERBS_ATTR_F_MANDATORY,
		.len = spec->len,
	};
	switch (spec->type) {
	case T_HANDLE:
	case T_FD:
		a->data = some_handle(c, spec->arg);
		break;
	case T_VALUE:
		value = some_value(c, spec->arg);
		memcpy(&a->data, &value, spec->len);
		break;
	case T_BYTES: /* one such in a method: it begins where @in does */
		a->len = spec->arg == V_CAPS ? put_caps(c, c->in) :
					       put_sges(c, c->in);
		a->data = (uintptr_t)c->in;
		break;
	case T_OUT: /* sometimes it ends where nothing is */
		a->data = (uintptr_t)c->out +
			  (one_in(&c->rng, 4) ? PAPER - (size_t)spec->len :
						i * OUT_ROOM);
		break;
	default:
		break;
	}
}

static void twist(struct caller *c, struct ioctl_call *call)
{
	struct rng *r = &c->rng;
	unsigned int n = call->hdr.num_attrs;
	struct ib_uverbs_attr *a = &call->attrs[n ? below(r, n) : 0];

	switch (below(r, 12)) {
	case 0: /* left out */
		if (n) {
			*a = call->attrs[n - 1];
			call->hdr.num_attrs--;
		}
		break;
	case 1: /* twice */
		call->attrs[n] = *a;
		call->hdr.num_attrs++;
		break;
	case 2:
		a->attr_id = below(r, 16) | (below(r, 2) << 12);
		break;
	case 3:
		a->len = one_in(r, 2) ? (uint32_t)a->len + below(r, 17) - 8 :
					rnd(r);
		break;
	case 4:
		a->flags = rnd(r) >> below(r, 64);
		break;
	case 5:
		a->data = (uint64_t[]){ 0, 0xffff888000000000,
					(uintptr_t)c->u->wide,
					(uintptr_t)c->in + PAPER -
						4 }[below(r, 4)];
		break;
	case 6:
		a->attr_data.reserved = rnd(r);
		break;
	case 7:
		call->hdr.object_id = below(r, 24) | (below(r, 2) << 12);
		break;
	case 8:
		call->hdr.method_id = below(r, 8) | (below(r, 2) << 12);
		break;
	case 9:
		call->hdr.driver_id = below(r, 32);
		break;
	case 10:
		call->hdr.num_attrs += below(r, 5) - 2;
		if (call->hdr.num_attrs > MAX_ATTRS + 1)
			call->hdr.num_attrs = 0;
		break;
	default:
		call->hdr.reserved1 = one_in(r, 2);
		call->hdr.reserved2 = one_in(r, 2);
		break;
	}
}

static void note_new(struct caller *c, const struct ib_uverbs_attr *a,
		     enum object kind)
{
	unsigned int slot;
	uint32_t old;

	old = remember(c, kind, a->data, &slot);
	if (kind == A_QP)
		c->desk->states[slot] = IBV_QPS_RESET;
	if (!old)
		return;
	if (kind == A_CHANNEL)
		close((int)old - 1);
	else
		call_destroy(c, kind, old - 1);
}

static bool call(struct caller *c, const struct method *m)
{
	struct ioctl_call call = {
		.hdr = { .object_id = m->object,
			 .method_id = m->method,
			 .driver_id = RDMA_DRIVER_RXE },
	};
	const struct ib_uverbs_attr *made = NULL;
	enum object kind = NO_OBJECT;
	unsigned int n = 0;

	for (unsigned int i = 0; i < MAX_ATTRS; i++) {
		const struct attr *spec = &m->attrs[i];

		if (spec->type == T_END)
			break;
		if (spec->type == T_FD && one_in(&c->rng, 2))
			continue; /* the only ones that need not be there */
		if (spec->type == T_NEW || spec->type == T_NEW_FD) {
			made = &call.attrs[n];
			kind = spec->arg;
		}
		put_attr(c, spec, i, &call.attrs[n++]);
	}
	call.hdr.num_attrs = n;
	if (m->method == UVERBS_METHOD_ADVISE_MR &&
	    m->object == UVERBS_OBJECT_MR && !one_in(&c->rng, 8))
		call.attrs[0].data = c->desk->pds[c->slot];
	if (one_in(&c->rng, 4)) {
		twist(c, &call);
		made = made && made->attr_id == m->attrs[0].id ? made : NULL;
	}
	/*
	 * A second context of a file is refused, but ib_core of 6.1 then loses
	 * a reference to the task (uverbs_std_types_device.c), which is not
	 * ours to mend and would hide what we lose.
	 */
	if (call.hdr.object_id == UVERBS_OBJECT_DEVICE &&
	    call.hdr.method_id == UVERBS_METHOD_GET_CONTEXT)
		return false;
	call.hdr.length =
		sizeof(call.hdr) + call.hdr.num_attrs * sizeof(call.attrs[0]);
	if (one_in(&c->rng, 64))
		call.hdr.length += below(&c->rng, 9) - 4;
	if (ioctl(c->desk->fd, RDMA_VERBS_IOCTL, &call))
		return false;
	if (made && kind != NO_OBJECT)
		note_new(c, made, kind);
	return true;
}

bool call_method(struct caller *c)
{
	unsigned int i, at, all = 0;

	for (i = 0; i < num_methods; i++)
		all += methods[i].weight;
	at = below(&c->rng, all);
	for (i = 0; at >= methods[i].weight; i++)
		at -= methods[i].weight;
	if (!call(c, &methods[i]))
		return false;
	count_kind(num_commands + i);
	return true;
}
