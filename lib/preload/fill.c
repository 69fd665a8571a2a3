// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What the provider leaves out: where it has no advise_mr or rereg_mr, the
 * program's calls go to the kernel past it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

#include "../rereg_kernel.h"
#include "../uverbs.h"
#include "next.h"

static struct next open_device = NEXT("ibv_open_device", "IBVERBS_1.1");
static struct next import_device = NEXT("ibv_import_device", "IBVERBS_1.10");
static struct next rereg_mr = NEXT("ibv_rereg_mr", "IBVERBS_1.1");
static struct next dontfork = NEXT("ibv_dontfork_range", "IBVERBS_1.1");
static struct next dofork = NEXT("ibv_dofork_range", "IBVERBS_1.1");

/* --- advise_mr ------------------------------------------------------------- */

static int advise(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
		  uint32_t flags, struct ibv_sge *sg_list, uint32_t num_sge)
{
	int ret = num_sge ? 0 : EINVAL;

	while (num_sge && !ret) {
		const uint32_t n = num_sge < UVERBS_MAX_SGE ? num_sge :
							      UVERBS_MAX_SGE;

		ret = uverbs_advise(pd->context->cmd_fd, pd->handle, advice,
				    flags, sg_list, n);
		sg_list += n;
		num_sge -= n;
	}
	return ret;
}

/* One of libibverbs itself, that says EOPNOTSUPP; a provider is elsewhere. */
static bool stands_in(const void *op, const void *of_libibverbs)
{
	Dl_info one, other;

	return dladdr(op, &one) && dladdr(of_libibverbs, &other) &&
	       one.dli_fbase == other.dli_fbase;
}

/* Before the program has it: nobody else reads the context yet. */
static struct ibv_context *fill_in(struct ibv_context *context,
				   const void *of_libibverbs)
{
	struct verbs_context *verbs = NULL;

	if (context)
		verbs = verbs_get_ctx_op(context, advise_mr);
	if (verbs && stands_in((const void *)verbs->advise_mr, of_libibverbs))
		verbs->advise_mr = advise;
	return context;
}

static void *find(struct next *next)
{
	void *fn = next_find(next);

	if (!fn)
		errno = ENOSYS;
	return fn;
}

struct ibv_context *ibv_open_device(struct ibv_device *device)
{
	struct ibv_context *(*fn)(struct ibv_device *) =
		(struct ibv_context * (*)(struct ibv_device *))
			find(&open_device);

	return fn ? fill_in(fn(device), (const void *)fn) : NULL;
}

struct ibv_context *ibv_import_device(int cmd_fd)
{
	struct ibv_context *(*fn)(int) = (struct ibv_context * (*)(int))
		find(&import_device);

	return fn ? fill_in(fn(cmd_fd), (const void *)fn) : NULL;
}

/* --- rereg_mr -------------------------------------------------------------- */

typedef int range_fn(void *base, size_t size);

/* For rereg_kernel.c; the shim is not linked with libibverbs. */
int ibv_dontfork_range(void *base, size_t size)
{
	range_fn *fn = (range_fn *)next_find(&dontfork);

	return fn ? fn(base, size) : 0;
}

int ibv_dofork_range(void *base, size_t size)
{
	range_fn *fn = (range_fn *)next_find(&dofork);

	return fn ? fn(base, size) : 0;
}

int ibv_rereg_mr(struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr,
		 size_t length, int access)
{
	const struct rereg_change change = {
		mr, flags, pd, addr, length, access
	};
	int (*fn)(struct ibv_mr *, int, struct ibv_pd *, void *, size_t, int) =
		(int (*)(struct ibv_mr *, int, struct ibv_pd *, void *, size_t,
			 int))find(&rereg_mr);
	const int saved = errno;
	int ret;

	if (!fn)
		return IBV_REREG_MR_ERR_CMD;
	ret = fn(mr, flags, pd, addr, length, access);
	if (ret != IBV_REREG_MR_ERR_CMD || !rereg_lacks(errno))
		return ret;
	ret = rereg_by_kernel(&change);
	if (!ret)
		errno = saved;
	return ret;
}
