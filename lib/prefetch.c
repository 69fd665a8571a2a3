// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Prefetch: the uverbs ioctl itself, for providers that have no advise_mr. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include <softodp/softodp.h>

enum {
	/* An attribute's length is 16 bits wide. */
	MAX_SGE = 0xffff / sizeof(struct ibv_sge),
	/* An SGE's length is 32 bits wide; keep its pieces page-aligned. */
	RANGE_SGE = 1U << 30,
	RANGE_BATCH = 16,
};

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

/* 0 or an errno value. */
static int issue(struct ibv_context *context, struct command *cmd)
{
	const int saved = errno;
	int ret;

	cmd->hdr.driver_id = RDMA_DRIVER_RXE;
	cmd->hdr.length =
		sizeof(cmd->hdr) + cmd->hdr.num_attrs * sizeof(cmd->attrs[0]);
	ret = ioctl(context->cmd_fd, RDMA_VERBS_IOCTL, cmd) ? errno : 0;
	errno = saved;
	return ret;
}

/*
 * Does the device speak the user ABI that commands here are marked with? The
 * kernel refuses a foreign mark (EINVAL) before it looks whether there is such
 * an object (EPROTONOSUPPORT).
 */
static int speaks_our_abi(struct ibv_context *context)
{
	struct command cmd = { .hdr.object_id = 0xfff };

	return issue(context, &cmd) == EPROTONOSUPPORT;
}

static int advise(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
		  uint32_t flags, struct ibv_sge *sg_list, uint32_t num_sge)
{
	struct command cmd = {
		.hdr.object_id = UVERBS_OBJECT_MR,
		.hdr.method_id = UVERBS_METHOD_ADVISE_MR,
	};

	add(&cmd, UVERBS_ATTR_ADVISE_MR_PD_HANDLE, 0, pd->handle);
	add(&cmd, UVERBS_ATTR_ADVISE_MR_ADVICE, sizeof(uint64_t), advice);
	add(&cmd, UVERBS_ATTR_ADVISE_MR_FLAGS, sizeof(uint32_t), flags);
	/* Longer than 8 bytes, so by pointer even if there is one. */
	add(&cmd, UVERBS_ATTR_ADVISE_MR_SGE_LIST, num_sge * sizeof(*sg_list),
	    (uintptr_t)sg_list);
	return issue(pd->context, &cmd);
}

int softodp_prefetch(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
		     uint32_t flags, struct ibv_sge *sg_list, uint32_t num_sge)
{
	if (!num_sge)
		return EINVAL;
	while (num_sge) {
		const uint32_t n = num_sge < MAX_SGE ? num_sge : MAX_SGE;
		const int ret = advise(pd, advice, flags, sg_list, n);

		if (ret == EINVAL && !speaks_our_abi(pd->context))
			return ibv_advise_mr(pd, advice, flags, sg_list,
					     num_sge);
		if (ret)
			return ret == EPROTONOSUPPORT ? EOPNOTSUPP : ret;
		sg_list += n;
		num_sge -= n;
	}
	return 0;
}

int softodp_prefetch_range(struct ibv_mr *mr, uint64_t iova, size_t length,
			   unsigned int flags)
{
	const enum ibv_advise_mr_advice advice =
		flags & SOFTODP_PREFETCH_WRITE ?
			IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE :
			IBV_ADVISE_MR_ADVICE_PREFETCH;
	const uint32_t advise_flags =
		flags & SOFTODP_PREFETCH_WAIT ? IBV_ADVISE_MR_FLAG_FLUSH : 0;

	if (flags & ~(SOFTODP_PREFETCH_WRITE | SOFTODP_PREFETCH_WAIT))
		return EINVAL;
	do {
		struct ibv_sge sge[RANGE_BATCH];
		uint32_t n = 0;
		int ret;

		do {
			sge[n].addr = iova;
			sge[n].length = length < RANGE_SGE ? length : RANGE_SGE;
			sge[n].lkey = mr->lkey;
			iova += sge[n].length;
			length -= sge[n].length;
		} while (++n < RANGE_BATCH && length);
		ret = softodp_prefetch(mr->pd, advice, advise_flags, sge, n);
		if (ret)
			return ret;
	} while (length);
	return 0;
}
