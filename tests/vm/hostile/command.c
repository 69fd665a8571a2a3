// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Write commands: right, or with one thing wrong, by either of two ways in. */
#include <errno.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include <rdma/rdma_user_rxe.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "desk.h"

struct command {
	uint32_t number;
	uint16_t in, out; /* of the core's part */
	uint16_t udata; /* that the driver answers */
	uint8_t weight;
	enum object makes;
	enum object handle; /* of the object it is about, at handle_at in @in */
	uint16_t handle_at;
	bool ends; /* that object */
	void (*fill)(struct caller *c, void *in);
};

#define EX(name)  (IB_USER_VERBS_CMD_FLAG_EXTENDED | IB_USER_VERBS_EX_CMD_##name)
#define CMD(name) IB_USER_VERBS_CMD_##name
#define SIZES(name)                            \
	.in = sizeof(struct ib_uverbs_##name), \
	.out = sizeof(struct ib_uverbs_##name##_resp)
#define IN(name)      .in = sizeof(struct ib_uverbs_##name)
#define MAKES(object) .makes = object
#define ABOUT(name, field, object) \
	.handle = object, .handle_at = offsetof(struct ib_uverbs_##name, field)
#define PLAIN .makes = NO_OBJECT
#define NONE  .handle = NO_OBJECT

static const struct command commands[] = {
	{ CMD(QUERY_DEVICE), SIZES(query_device), .weight = 1, PLAIN, NONE },
	{ EX(QUERY_DEVICE), SIZES(ex_query_device), .weight = 1, PLAIN, NONE },
	{ CMD(QUERY_PORT), SIZES(query_port), .weight = 1, PLAIN, NONE },
	{ CMD(GET_CONTEXT), SIZES(get_context), .weight = 1, PLAIN, NONE },
	{ CMD(ALLOC_PD), SIZES(alloc_pd), .weight = 6, MAKES(A_PD), NONE },
	{ CMD(DEALLOC_PD), IN(dealloc_pd), .weight = 3, PLAIN,
	  ABOUT(dealloc_pd, pd_handle, A_PD), .ends = true },
	{ CMD(REG_MR), SIZES(reg_mr), .weight = 14, MAKES(A_MR), NONE,
	  .fill = fill_reg_mr },
	{ CMD(REREG_MR), SIZES(rereg_mr), .weight = 8, PLAIN, NONE,
	  .fill = fill_rereg_mr },
	{ CMD(DEREG_MR), IN(dereg_mr), .weight = 6, PLAIN,
	  ABOUT(dereg_mr, mr_handle, A_MR), .ends = true },
	{ CMD(ALLOC_MW), SIZES(alloc_mw), .weight = 1, PLAIN,
	  ABOUT(alloc_mw, pd_handle, A_PD) },
	{ CMD(CREATE_COMP_CHANNEL), SIZES(create_comp_channel), .weight = 3,
	  MAKES(A_CHANNEL), NONE },
	{ CMD(CREATE_CQ), SIZES(create_cq), .udata = 16, .weight = 8,
	  MAKES(A_CQ), NONE, .fill = fill_create_cq },
	{ EX(CREATE_CQ), SIZES(ex_create_cq), .udata = 16, .weight = 4,
	  MAKES(A_CQ), NONE, .fill = fill_ex_create_cq },
	{ CMD(RESIZE_CQ), SIZES(resize_cq), .weight = 1, PLAIN,
	  ABOUT(resize_cq, cq_handle, A_CQ) },
	{ CMD(POLL_CQ), SIZES(poll_cq), .weight = 2, PLAIN,
	  ABOUT(poll_cq, cq_handle, A_CQ) },
	{ CMD(REQ_NOTIFY_CQ), IN(req_notify_cq), .weight = 4, PLAIN,
	  ABOUT(req_notify_cq, cq_handle, A_CQ) },
	{ CMD(DESTROY_CQ), SIZES(destroy_cq), .weight = 3, PLAIN,
	  ABOUT(destroy_cq, cq_handle, A_CQ), .ends = true },
	{ CMD(CREATE_QP), SIZES(create_qp), .udata = 32, .weight = 10,
	  MAKES(A_QP), NONE, .fill = fill_create_qp },
	{ EX(CREATE_QP), SIZES(ex_create_qp), .udata = 32, .weight = 5,
	  MAKES(A_QP), NONE, .fill = fill_ex_create_qp },
	{ CMD(QUERY_QP), SIZES(query_qp), .weight = 4, PLAIN,
	  ABOUT(query_qp, qp_handle, A_QP) },
	{ CMD(MODIFY_QP), IN(modify_qp), .weight = 24, PLAIN, NONE,
	  .fill = fill_modify_qp },
	{ EX(MODIFY_QP), SIZES(ex_modify_qp), .weight = 6, PLAIN, NONE,
	  .fill = fill_modify_qp },
	{ CMD(DESTROY_QP), SIZES(destroy_qp), .weight = 4, PLAIN,
	  ABOUT(destroy_qp, qp_handle, A_QP), .ends = true },
	{ CMD(POST_SEND), SIZES(post_send), .weight = 8, PLAIN, NONE,
	  .fill = fill_post },
	{ CMD(POST_RECV), SIZES(post_recv), .weight = 2, PLAIN, NONE,
	  .fill = fill_post },
	{ CMD(CREATE_AH), SIZES(create_ah), .weight = 1, PLAIN, NONE,
	  .fill = fill_create_ah },
	{ CMD(ATTACH_MCAST), IN(attach_mcast), .weight = 1, PLAIN,
	  ABOUT(attach_mcast, qp_handle, A_QP) },
	{ CMD(CREATE_SRQ), SIZES(create_srq), .weight = 1, PLAIN,
	  ABOUT(create_srq, pd_handle, A_PD) },
	{ CMD(OPEN_XRCD), SIZES(open_xrcd), .weight = 1, PLAIN, NONE },
	{ EX(CREATE_FLOW), SIZES(create_flow), .weight = 1, PLAIN,
	  ABOUT(create_flow, qp_handle, A_QP) },
	{ EX(CREATE_WQ), SIZES(ex_create_wq), .weight = 1, PLAIN,
	  ABOUT(ex_create_wq, pd_handle, A_PD) },
	{ EX(MODIFY_CQ), IN(ex_modify_cq), .weight = 1, PLAIN,
	  ABOUT(ex_modify_cq, cq_handle, A_CQ) },
};

const char *const command_names[] = {
	"query_device",
	"ex query_device",
	"query_port",
	"get_context",
	"alloc_pd",
	"dealloc_pd",
	"reg_mr",
	"rereg_mr",
	"dereg_mr",
	"alloc_mw",
	"create_comp_channel",
	"create_cq",
	"ex create_cq",
	"resize_cq",
	"poll_cq",
	"req_notify_cq",
	"destroy_cq",
	"create_qp",
	"ex create_qp",
	"query_qp",
	"modify_qp",
	"ex modify_qp",
	"destroy_qp",
	"post_send",
	"post_recv",
	"create_ah",
	"attach_mcast",
	"create_srq",
	"open_xrcd",
	"ex create_flow",
	"ex create_wq",
	"ex modify_cq",
};

_Static_assert(ARRAY_SIZE(command_names) == ARRAY_SIZE(commands),
	       "a name for each command");
const unsigned int num_commands = ARRAY_SIZE(commands);

/* How the call is made, with what is wrong about it. */
struct form {
	size_t in, udata_in, out, udata_out;
	uint64_t response; /* where the answer is wanted */
	uint8_t *body; /* where the command begins */
	uint32_t number;
	int words_more; /* by how much the header lies */
};

static bool is_extended(const struct command *cmd)
{
	return cmd->number & IB_USER_VERBS_CMD_FLAG_EXTENDED;
}

/* --- what may be wrong --- */

static void twist(struct caller *c, struct form *f)
{
	struct rng *r = &c->rng;
	uint32_t *words = (uint32_t *)f->body;

	switch (below(r, 10)) {
	case 0:
		f->in = below(r, 4) ? f->in - 4 * below(r, 3) : f->in + 8;
		break;
	case 1:
		f->udata_in = 8 * below(r, 4);
		break;
	case 2:
		f->out = below(r, 2) ? 4 * below(r, 60) : 0;
		break;
	case 3:
		f->udata_out = 8 * below(r, 9);
		break;
	case 4: /* nowhere, the kernel's, read-only, partly nothing */
		f->response = (uint64_t[]){ 0, 0xffff888000000000,
					    (uintptr_t)c->u->wide,
					    (uintptr_t)c->out + PAPER -
						    4 }[below(r, 4)];
		break;
	case 5:
		f->number = below(r, 64) |
			    (below(r, 2) ? IB_USER_VERBS_CMD_FLAG_EXTENDED : 0);
		break;
	case 6:
		f->words_more = (int)below(r, 5) - 2;
		break;
	default: /* any field: any value */
		if (f->in >= 12)
			words[2 + below(r, f->in / 4 - 2)] =
				one_in(r, 2) ? rnd(r) : below(r, 3) - 1;
		break;
	}
	if (f->in > 1024)
		f->in = 0;
}

/* --- two ways in --- */

static bool by_write(struct caller *c, const struct command *cmd,
		     struct form *f)
{
	struct ib_uverbs_ex_cmd_hdr ex = { .response = f->response };
	struct ib_uverbs_cmd_hdr hdr = { .command = f->number };
	size_t front = sizeof(hdr), all;
	uint8_t *start;

	if (is_extended(cmd)) {
		front += sizeof(ex);
		all = front + f->in + f->udata_in;
		hdr.in_words = (f->in + f->words_more) / 8;
		hdr.out_words = f->out / 8;
		ex.provider_in_words = f->udata_in / 8;
		ex.provider_out_words = f->udata_out / 8;
	} else {
		all = front + f->in + f->udata_in;
		hdr.in_words = all / 4 + f->words_more;
		hdr.out_words = (f->out + f->udata_out) / 4;
		/* all that answer begin with where to */
		if (cmd->out && f->in >= 8)
			memcpy(f->body, &f->response, 8);
	}
	start = f->body - front;
	memcpy(start, &hdr, sizeof(hdr));
	if (is_extended(cmd))
		memcpy(start + sizeof(hdr), &ex, sizeof(ex));
	return write(c->desk->fd, start, all) == (ssize_t)all;
}

static struct ib_uverbs_attr pointer(uint16_t id, const void *data, size_t len)
{
	struct ib_uverbs_attr a = { .attr_id = id, .len = len };

	if (len > 8)
		a.data = (uintptr_t)data;
	else
		memcpy(&a.data, data, len);
	return a;
}

static bool by_ioctl(struct caller *c, struct form *f)
{
	struct {
		struct ib_uverbs_ioctl_hdr hdr;
		struct ib_uverbs_attr attrs[5];
	} call = {
		.hdr = { .object_id = UVERBS_OBJECT_DEVICE,
			 .method_id = UVERBS_METHOD_INVOKE_WRITE,
			 .driver_id = RDMA_DRIVER_RXE },
	};
	uint64_t number = f->number;
	unsigned int n = 0;

	call.attrs[n] = pointer(UVERBS_ATTR_WRITE_CMD, &number, 8);
	call.attrs[n++].flags = UVERBS_ATTR_F_MANDATORY;
	call.attrs[n++] = pointer(UVERBS_ATTR_CORE_IN, f->body, f->in);
	if (f->out)
		call.attrs[n++] =
			(struct ib_uverbs_attr){ .attr_id =
							 UVERBS_ATTR_CORE_OUT,
						 .len = f->out,
						 .data = f->response };
	if (f->udata_in)
		call.attrs[n++] =
			(struct ib_uverbs_attr){ .attr_id = UVERBS_ATTR_UHW_IN,
						 .len = f->udata_in,
						 .data = (uintptr_t)f->body +
							 f->in };
	if (f->udata_out)
		call.attrs[n++] =
			(struct ib_uverbs_attr){ .attr_id = UVERBS_ATTR_UHW_OUT,
						 .len = f->udata_out,
						 .data = f->response + f->out };
	call.hdr.num_attrs = n;
	call.hdr.length = sizeof(call.hdr) + n * sizeof(call.attrs[0]);
	return !ioctl(c->desk->fd, RDMA_VERBS_IOCTL, &call);
}

/* --- what came of it --- */

void call_destroy(struct caller *c, enum object kind, uint32_t handle)
{
	for (unsigned int i = 0; i < num_commands; i++) {
		struct form f = { .in = commands[i].in,
				  .out = commands[i].out,
				  .response = (uintptr_t)c->out + PAPER / 2,
				  .body = c->in + 64,
				  .number = commands[i].number };

		if (!commands[i].ends || commands[i].handle != kind)
			continue;
		memset(f.body, 0, f.in);
		memcpy(f.body + commands[i].handle_at, &handle, 4);
		by_write(c, &commands[i], &f);
	}
}

/* The driver's part of the answer says where the rings are. */
static void note_rings(struct caller *c, const struct command *cmd,
		       const uint8_t *udata)
{
	for (unsigned int i = 0; i < cmd->udata / sizeof(struct mminfo); i++) {
		unsigned int slot = below(&c->rng, SLOTS);
		struct mminfo mi;

		memcpy(&mi, udata + i * sizeof(mi), sizeof(mi));
		c->desk->offsets[slot] = mi.offset;
		c->desk->sizes[slot] = mi.size;
	}
}

static void note_region(struct caller *c, const struct ib_uverbs_reg_mr *cmd,
			unsigned int slot, uint32_t lkey)
{
	c->desk->lkeys[slot] = lkey;
	c->desk->pds[slot] = cmd->pd_handle;
	c->desk->starts[slot] = cmd->hca_va;
	c->desk->lengths[slot] = cmd->length;
}

static void note_result(struct caller *c, const struct command *cmd,
			const struct form *f)
{
	uint32_t words[2] = {}, old;
	unsigned int slot;

	/* of a twisted one nobody may know what it made */
	if (f->response != (uintptr_t)c->out || f->number != cmd->number ||
	    f->out < 4)
		return;
	memcpy(words, c->out, f->out < sizeof(words) ? 4 : sizeof(words));
	old = remember(c, cmd->makes, words[0], &slot);
	if (cmd->makes == A_MR)
		note_region(c, (void *)f->body, slot, words[1]);
	if (cmd->makes == A_QP) {
		c->desk->qpns[slot] = words[1];
		c->desk->states[slot] = IBV_QPS_RESET;
	}
	note_rings(c, cmd, c->out + f->out);
	if (!old)
		return;
	if (cmd->makes == A_CHANNEL)
		close((int)old - 1);
	else
		call_destroy(c, cmd->makes, old - 1);
}

static void check_canary(struct caller *c, const struct form *f)
{
	size_t end = f->out + f->udata_out;

	if (f->response != (uintptr_t)c->out)
		return;
	for (size_t i = end; i < end + 64; i++)
		if (c->out[i] != CANARY) {
			accuse("command %#x: byte %zu of an answer of %zu was "
			       "written",
			       f->number, i, end);
			return;
		}
}

static bool call(struct caller *c, const struct command *cmd, bool plain)
{
	struct form f = {
		.in = cmd->in,
		.out = cmd->out,
		.udata_out = cmd->udata,
		.response = (uintptr_t)c->out,
		.number = cmd->number,
		/* sometimes it ends where nothing is */
		.body = one_in(&c->rng, 4) ?
				c->in + PAPER - ((cmd->in + 7u) & ~7u) :
				c->in + 64,
	};
	bool ok;
	uint32_t handle;

	memset(f.body, 0, cmd->in);
	if (cmd->handle != NO_OBJECT) {
		handle = some_handle(c, cmd->handle);
		memcpy(f.body + cmd->handle_at, &handle, 4);
	}
	if (cmd->number == CMD(QUERY_PORT))
		f.body[8] = 1;
	if (cmd->fill)
		cmd->fill(c, f.body);
	if (!plain && one_in(&c->rng, 4))
		twist(c, &f);
	memset(c->out, CANARY, f.out + f.udata_out + 64);
	ok = one_in(&c->rng, 2) ? by_ioctl(c, &f) : by_write(c, cmd, &f);
	check_canary(c, &f);
	if (ok && cmd->makes != NO_OBJECT)
		note_result(c, cmd, &f);
	else if (ok && cmd->fill == fill_modify_qp)
		c->desk->states[c->slot] =
			((struct ib_uverbs_modify_qp *)f.body)->qp_state;
	return ok;
}

bool call_command(struct caller *c)
{
	static unsigned int sum;
	unsigned int i, at, all = sum;

	if (!all) {
		for (i = 0; i < num_commands; i++)
			all += commands[i].weight;
		sum = all; /* the same for everybody */
	}
	at = below(&c->rng, all);
	for (i = 0; at >= commands[i].weight; i++)
		at -= commands[i].weight;
	if (!call(c, &commands[i], false))
		return false;
	count_kind(i);
	return true;
}

bool call_by_name(struct caller *c, const char *name)
{
	for (unsigned int i = 0; i < num_commands; i++)
		if (!strcmp(command_names[i], name))
			return call(c, &commands[i], true);
	die("no command %s", name);
}
