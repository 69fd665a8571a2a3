// SPDX-License-Identifier: GPL-2.0
/*
 * Prefetch: a fault that nobody's packet waits for, of any length. It runs in
 * the same workers under the same limits.
 */
#include "internal.h"

struct waiter {
	struct completion completion;
	enum sodp_mem_result result;
};

static void prefetch_done(void *arg, enum sodp_mem_result result)
{
	struct waiter *waiter = arg;

	waiter->result = result;
	complete(&waiter->completion);
}

static int wait_for(struct sodp_fault *fault, struct waiter *waiter)
{
	int err = wait_for_completion_interruptible(&waiter->completion);

	/* After this the waiter, on our stack, is not touched any more. */
	sodp_fault_release(fault);
	if (err)
		return -EINTR;
	return waiter->result == SODP_MEM_OK ? 0 : -EFAULT;
}

int sodp_mem_prefetch(struct sodp_region *region,
		      enum sodp_prefetch_advice advice, u64 iova, u64 length,
		      bool wait)
{
	bool write = advice == SODP_PREFETCH_WRITE;
	struct sodp_fault *fault;
	struct waiter waiter;
	u64 pages;

	if (region->kind != SODP_MEM_ON_DEMAND)
		return -EINVAL;
	if (!sodp_region_inside(region, iova, length))
		return -EFAULT;
	if (write && !sodp_region_writable(region))
		return -EPERM;
	if (!length)
		return 0;

	pages = (((iova & ~PAGE_MASK) + length - 1) >> PAGE_SHIFT) + 1;
	atomic64_add(pages, &region->prefetched);
	sodp_mem_count(region->mem, SODP_CNT_PAGE_PREFETCH, pages);

	init_completion(&waiter.completion);
	fault = sodp_fault_start_prefetch(region, iova, length, write,
					  advice == SODP_PREFETCH_NO_FAULT,
					  wait ? prefetch_done : NULL, &waiter);
	if (!fault)
		return -ENOMEM;
	if (wait)
		return wait_for(fault, &waiter);
	sodp_fault_detach(fault);
	return 0;
}
