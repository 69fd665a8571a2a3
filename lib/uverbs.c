// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <errno.h>
#include <sys/ioctl.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include <rdma/softodp-abi.h>

#include "uverbs.h"

struct command {
	struct ib_uverbs_ioctl_hdr hdr;
	struct ib_uverbs_attr attrs[4];
};

static void add(struct command *cmd, uint16_t id, uint16_t len, uint64_t data)
{
	struct ib_uverbs_attr *attr = &cmd->attrs[cmd->hdr.num_attrs++];

	attr->attr_id = id;
	attr->len = len;
	attr->flags = UVERBS_ATTR_F_MANDATORY;
	attr->data = data;
}

static int issue(int cmd_fd, struct command *cmd)
{
	const int saved = errno;
	int ret;

	cmd->hdr.driver_id = RDMA_DRIVER_RXE;
	cmd->hdr.length =
		sizeof(cmd->hdr) + cmd->hdr.num_attrs * sizeof(cmd->attrs[0]);
	ret = ioctl(cmd_fd, RDMA_VERBS_IOCTL, cmd) ? errno : 0;
	errno = saved;
	return ret;
}

/*
 * The kernel refuses a foreign mark (EINVAL) before it looks whether there is
 * such an object (EPROTONOSUPPORT).
 */
static int speaks_our_abi(int cmd_fd)
{
	struct command cmd = { .hdr.object_id = 0xfff };

	return issue(cmd_fd, &cmd) == EPROTONOSUPPORT;
}

static int issue_or_unsupported(int cmd_fd, struct command *cmd)
{
	const int ret = issue(cmd_fd, cmd);

	if (ret == EPROTONOSUPPORT || ret == ENOTTY ||
	    (ret == EINVAL && !speaks_our_abi(cmd_fd)))
		return EOPNOTSUPP;
	return ret;
}

int uverbs_advise(int cmd_fd, uint32_t pd_handle,
		  enum ibv_advise_mr_advice advice, uint32_t flags,
		  const struct ibv_sge *sg_list, uint32_t num_sge)
{
	struct command cmd = {
		.hdr.object_id = UVERBS_OBJECT_MR,
		.hdr.method_id = UVERBS_METHOD_ADVISE_MR,
	};

	add(&cmd, UVERBS_ATTR_ADVISE_MR_PD_HANDLE, 0, pd_handle);
	add(&cmd, UVERBS_ATTR_ADVISE_MR_ADVICE, sizeof(uint64_t), advice);
	add(&cmd, UVERBS_ATTR_ADVISE_MR_FLAGS, sizeof(uint32_t), flags);
	/* Longer than 8 bytes, so by pointer even if there is one. */
	add(&cmd, UVERBS_ATTR_ADVISE_MR_SGE_LIST, num_sge * sizeof(*sg_list),
	    (uintptr_t)sg_list);
	return issue_or_unsupported(cmd_fd, &cmd);
}

int uverbs_residency(const struct ibv_mr *mr, uint64_t first, uint16_t n,
		     uint8_t *states)
{
	struct command cmd = {
		.hdr.object_id = UVERBS_OBJECT_MR,
		.hdr.method_id = SOFTODP_METHOD_MR_RESIDENCY,
	};
	uint64_t total;

	add(&cmd, SOFTODP_ATTR_MR_RESIDENCY_HANDLE, 0, mr->handle);
	add(&cmd, SOFTODP_ATTR_MR_RESIDENCY_FIRST, sizeof(first), first);
	add(&cmd, SOFTODP_ATTR_MR_RESIDENCY_TOTAL, sizeof(total),
	    (uintptr_t)&total);
	add(&cmd, SOFTODP_ATTR_MR_RESIDENCY_STATES, n, (uintptr_t)states);
	return issue_or_unsupported(mr->context->cmd_fd, &cmd);
}

int uverbs_rereg(struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr,
		 size_t length, unsigned int access)
{
	const struct ib_uverbs_rereg_mr request = {
		.mr_handle = mr->handle,
		.flags = flags,
		.start = (uintptr_t)addr,
		.length = length,
		.hca_va = (uintptr_t)addr,
		.pd_handle = pd ? pd->handle : 0,
		.access_flags = access,
	};
	struct ib_uverbs_rereg_mr_resp response = { 0 };
	struct command cmd = {
		.hdr.object_id = UVERBS_OBJECT_DEVICE,
		.hdr.method_id = UVERBS_METHOD_INVOKE_WRITE,
	};
	int ret;

	add(&cmd, UVERBS_ATTR_WRITE_CMD, sizeof(uint64_t),
	    IB_USER_VERBS_CMD_REREG_MR);
	add(&cmd, UVERBS_ATTR_CORE_IN, sizeof(request), (uintptr_t)&request);
	add(&cmd, UVERBS_ATTR_CORE_OUT, sizeof(response), (uintptr_t)&response);
	ret = issue_or_unsupported(mr->context->cmd_fd, &cmd);
	if (ret)
		return ret;
	mr->lkey = response.lkey;
	mr->rkey = response.rkey;
	if (flags & IBV_REREG_MR_CHANGE_PD)
		mr->pd = pd;
	if (flags & IBV_REREG_MR_CHANGE_TRANSLATION) {
		mr->addr = addr;
		mr->length = length;
	}
	return 0;
}
