// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <errno.h>
#include <sys/ioctl.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/rdma_user_ioctl.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "prefetch.h"

int rd_advise(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
	      uint32_t flags, const struct ibv_sge *list, uint32_t n)
{
	struct {
		struct ib_uverbs_ioctl_hdr head;
		struct ib_uverbs_attr attr[4];
	} cmd = {
		.head = {
			.length = sizeof(cmd),
			.object_id = UVERBS_OBJECT_MR,
			.method_id = UVERBS_METHOD_ADVISE_MR,
			.num_attrs = 4,
			.driver_id = RDMA_DRIVER_RXE,
		},
		.attr = {
			{ .attr_id = UVERBS_ATTR_ADVISE_MR_PD_HANDLE,
			  .flags = UVERBS_ATTR_F_MANDATORY,
			  .data = pd->handle },
			{ .attr_id = UVERBS_ATTR_ADVISE_MR_ADVICE,
			  .len = 8,
			  .flags = UVERBS_ATTR_F_MANDATORY,
			  .data = advice },
			{ .attr_id = UVERBS_ATTR_ADVISE_MR_FLAGS,
			  .len = 4,
			  .flags = UVERBS_ATTR_F_MANDATORY,
			  .data = flags },
			{ .attr_id = UVERBS_ATTR_ADVISE_MR_SGE_LIST,
			  .len = n * sizeof(*list),
			  .flags = UVERBS_ATTR_F_MANDATORY,
			  .data = (uintptr_t)list },
		},
	};

	return ioctl(pd->context->cmd_fd, RDMA_VERBS_IOCTL, &cmd) ? errno : 0;
}

int rd_prefetch(struct rd_dev *dev, enum ibv_advise_mr_advice advice,
		uint32_t flags, uint64_t addr, uint32_t len, uint32_t lkey)
{
	struct ibv_sge sge = { addr, len, lkey };

	return rd_advise(dev->pd, advice, flags, &sge, 1);
}
