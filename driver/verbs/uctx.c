// SPDX-License-Identifier: GPL-2.0
/* User contexts, what they map, and protection domains. */
#include <linux/idr.h>

#include "dev.h"
#include "verbs/verbs.h"

int sodp_alloc_ucontext(struct ib_ucontext *ibuc, struct ib_udata *udata)
{
	struct sodp_uctx *uctx = to_sodp_uctx(ibuc);

	uctx->mem = sodp_mem_ctx_create(to_sodp_dev(ibuc->device)->mem);
	return uctx->mem ? 0 : -ENOMEM;
}

void sodp_dealloc_ucontext(struct ib_ucontext *ibuc)
{
	sodp_mem_ctx_destroy(to_sodp_uctx(ibuc)->mem);
}

/*
 * Nothing to do: the mappings hold references to their pages. But it has to
 * be there, or removing the device waits for every program to exit.
 */
void sodp_disassociate_ucontext(struct ib_ucontext *ibuc)
{
}

/*
 * The provider maps each queue once, by the offset that the create command
 * returned. The VMA gets page references and vm_ops of ib_uverbs, none of ours.
 */
int sodp_mmap(struct ib_ucontext *ibuc, struct vm_area_struct *vma)
{
	struct rdma_user_mmap_entry *entry;
	int err = -EINVAL;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	entry = rdma_user_mmap_entry_get_pgoff(ibuc, vma->vm_pgoff);
	if (!entry)
		return -EINVAL;
	/* less than all of it is fine */
	if (vma->vm_end - vma->vm_start <= entry->npages * PAGE_SIZE)
		err = sodp_ring_map(entry, vma);
	rdma_user_mmap_entry_put(entry);
	return err;
}

static DEFINE_IDA(domains);

int sodp_alloc_pd(struct ib_pd *ibpd, struct ib_udata *udata)
{
	struct sodp_dev *dev = to_sodp_dev(ibpd->device);
	int domain;

	if (!atomic_add_unless(&dev->num_pd, 1, SODP_MAX_PD))
		return -ENOMEM;
	domain = ida_alloc_min(&domains, 1, GFP_KERNEL);
	if (domain < 0) {
		atomic_dec(&dev->num_pd);
		return domain;
	}
	to_sodp_pd(ibpd)->domain = domain;
	return 0;
}

int sodp_dealloc_pd(struct ib_pd *ibpd, struct ib_udata *udata)
{
	ida_free(&domains, to_sodp_pd(ibpd)->domain);
	atomic_dec(&to_sodp_dev(ibpd->device)->num_pd);
	return 0;
}
