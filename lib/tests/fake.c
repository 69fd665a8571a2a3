// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include <rdma/softodp-abi.h>

#include "fake.h"

struct fake fake;

static int fail(int error)
{
	errno = error;
	return error;
}

static int query(struct ibv_context *context,
		 const struct ibv_query_device_ex_input *input,
		 struct ibv_device_attr_ex *attr, size_t size)
{
	(void)context, (void)input, (void)size;
	attr->odp_caps.general_caps = fake.general;
	attr->odp_caps.per_transport_caps.rc_odp_caps = fake.rc;
	attr->odp_caps.per_transport_caps.ud_odp_caps = fake.ud;
	attr->orig_attr.max_mr_size = 1ULL << 40;
	return fake.query_error;
}

/* --- prefetch -------------------------------------------------------------- */

/* Prefetch of this answers with @error; held back as the test wishes. */
static int advised(int error, uint32_t flags, const struct ibv_sge *sge,
		   uint32_t n)
{
	if (error == EOPNOTSUPP || error == ENOSYS)
		return error;
	if (flags & ~(uint32_t)IBV_ADVISE_MR_FLAG_FLUSH)
		return EINVAL;
	atomic_fetch_add(&fake.calls, 1);
	atomic_fetch_add(&fake.ranges, n);
	for (uint32_t i = 0; i < n; i++)
		atomic_fetch_add(&fake.bytes, sge[i].length);
	while (atomic_load(&fake.held))
		usleep(1000);
	return error;
}

static int advise(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
		  uint32_t flags, struct ibv_sge *sg_list, uint32_t n)
{
	(void)pd, (void)advice;
	return fail(advised(fake.provider_advise, flags, sg_list, n));
}

void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.general = IBV_ODP_SUPPORT;
	fake.rc = RC_ALL;
	fake.provider_advise = EOPNOTSUPP;
	fake.kernel_rereg = EOPNOTSUPP;
	fake.verbs.sz = sizeof(fake.verbs);
	fake.verbs.query_device_ex = query;
	fake.verbs.advise_mr = advise;
	fake.verbs.context.abi_compat = __VERBS_ABI_IS_EXTENDED;
	fake.verbs.context.device = &fake.device;
	strcpy(fake.device.name, "fake0");
	strcpy(fake.device.ibdev_path, "/nowhere");
	fake.pd.context = &fake.verbs.context;
	fake.mr.context = &fake.verbs.context;
	fake.mr.pd = &fake.pd;
}

/* --- the kernel ------------------------------------------------------------ */

struct command {
	struct ib_uverbs_ioctl_hdr hdr;
	struct ib_uverbs_attr attrs[4];
};

static const struct ib_uverbs_attr *find(const struct command *cmd, uint16_t id)
{
	for (int i = 0; i < cmd->hdr.num_attrs; i++)
		if (cmd->attrs[i].attr_id == id)
			return &cmd->attrs[i];
	abort();
}

static int kernel_advise(int fd, const struct command *cmd)
{
	const struct ib_uverbs_attr *list =
		find(cmd, UVERBS_ATTR_ADVISE_MR_SGE_LIST);

	atomic_store(&fake.cmd_fd, fd);
	return advised(fake.kernel_advise,
		       find(cmd, UVERBS_ATTR_ADVISE_MR_FLAGS)->data,
		       (struct ibv_sge *)(uintptr_t)list->data,
		       list->len / sizeof(struct ibv_sge));
}

static int kernel_rereg(const struct command *cmd)
{
	const struct ib_uverbs_rereg_mr *request =
		(void *)(uintptr_t)find(cmd, UVERBS_ATTR_CORE_IN)->data;
	struct ib_uverbs_rereg_mr_resp *response =
		(void *)(uintptr_t)find(cmd, UVERBS_ATTR_CORE_OUT)->data;

	if (find(cmd, UVERBS_ATTR_WRITE_CMD)->data !=
	    IB_USER_VERBS_CMD_REREG_MR)
		abort();
	if (fake.kernel_rereg)
		return fake.kernel_rereg;
	fake.rereg_flags = request->flags;
	response->lkey = 0x111;
	response->rkey = 0x222;
	return 0;
}

static int kernel_residency(const struct command *cmd)
{
	const struct ib_uverbs_attr *out =
		find(cmd, SOFTODP_ATTR_MR_RESIDENCY_STATES);

	if (!fake.states)
		return EPROTONOSUPPORT;
	memcpy((void *)(uintptr_t)out->data,
	       fake.states + find(cmd, SOFTODP_ATTR_MR_RESIDENCY_FIRST)->data,
	       out->len);
	fake.states_told += out->len;
	return 0;
}

int __wrap_ioctl(int fd, unsigned long number, ...);
int __wrap_ioctl(int fd, unsigned long number, ...)
{
	const struct command *cmd;
	va_list args;
	int error;

	va_start(args, number);
	cmd = va_arg(args, const struct command *);
	va_end(args);
	if (number != RDMA_VERBS_IOCTL ||
	    cmd->hdr.length != sizeof(cmd->hdr) + cmd->hdr.num_attrs *
							  sizeof(cmd->attrs[0]))
		abort();
	if (fake.foreign_abi || cmd->hdr.driver_id != RDMA_DRIVER_RXE)
		error = EINVAL;
	else if (cmd->hdr.object_id == UVERBS_OBJECT_MR &&
		 cmd->hdr.method_id == UVERBS_METHOD_ADVISE_MR)
		error = kernel_advise(fd, cmd);
	else if (cmd->hdr.object_id == UVERBS_OBJECT_MR &&
		 cmd->hdr.method_id == SOFTODP_METHOD_MR_RESIDENCY)
		error = kernel_residency(cmd);
	else if (cmd->hdr.object_id == UVERBS_OBJECT_DEVICE &&
		 cmd->hdr.method_id == UVERBS_METHOD_INVOKE_WRITE)
		error = kernel_rereg(cmd);
	else
		error = EPROTONOSUPPORT;
	errno = error;
	return error ? -1 : 0;
}

/* --- netlink --------------------------------------------------------------- */

int __wrap_softodp_query_mr_stats(struct ibv_mr *mr,
				  struct softodp_mr_stats *stats);
int __wrap_softodp_query_mr_stats(struct ibv_mr *mr,
				  struct softodp_mr_stats *stats)
{
	(void)mr, (void)stats;
	return fail(fake.stats_errno) ? -1 : 0;
}

/* --- libibverbs ------------------------------------------------------------ */

/* One of its own for each domain but the test's. */
static struct ibv_mr *new_mr(struct ibv_pd *pd, void *addr, size_t length)
{
	struct ibv_mr *mr = &fake.mr;

	if (pd != &fake.pd) {
		mr = calloc(1, sizeof(*mr));
		if (!mr)
			abort();
		mr->context = &fake.verbs.context;
	}
	mr->pd = pd;
	mr->addr = addr;
	mr->length = length;
	fake.mrs++;
	return mr;
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length,
				uint64_t iova, unsigned int access)
{
	const size_t n = strlen(fake.attempts);

	/* In a domain of its own, the library only wants to find out. */
	if (pd == &fake.pd) {
		fake.iova = iova;
		fake.length = length;
		if (n < sizeof(fake.attempts) - 1)
			fake.attempts[n] = access & OD ? 'o' : 'p';
	}
	if (fail(access & OD ? fake.odp_error : fake.pin_error))
		return NULL;
	return new_mr(pd, addr, length);
}

struct ibv_mr *ibv_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset,
				 size_t length, uint64_t iova, int fd,
				 int access)
{
	(void)offset, (void)iova, (void)access;
	if (fail(fake.dmabuf_error ? fake.dmabuf_error : fd < 0 ? EBADF : 0))
		return NULL;
	return new_mr(pd, NULL, length);
}

int ibv_dereg_mr(struct ibv_mr *mr)
{
	if (mr != &fake.mr)
		free(mr);
	fake.mrs--;
	return 0;
}

int ibv_rereg_mr(struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr,
		 size_t length, int access)
{
	(void)mr, (void)pd, (void)addr, (void)length, (void)access;
	fake.rereg_flags = flags;
	errno = fake.rereg_errno;
	return fake.rereg_code;
}

int ibv_dontfork_range(void *base, size_t size);
int ibv_dontfork_range(void *base, size_t size)
{
	(void)base, (void)size;
	return fake.fork_calls_left && !--fake.fork_calls_left ? fail(ENOMEM) :
								 0;
}

int ibv_dofork_range(void *base, size_t size);
int ibv_dofork_range(void *base, size_t size)
{
	return ibv_dontfork_range(base, size);
}

struct ibv_pd *ibv_alloc_pd(struct ibv_context *context)
{
	struct ibv_pd *pd;

	if (fail(fake.pd_error))
		return NULL;
	pd = calloc(1, sizeof(*pd));
	if (!pd)
		abort();
	pd->context = context;
	fake.pds++;
	return pd;
}

int ibv_dealloc_pd(struct ibv_pd *pd)
{
	free(pd);
	fake.pds--;
	return 0;
}
