// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of kernel users. Addresses are the kernel's own (ib_uses_virt_dma()):
 * all of them by one key, or some pages at a time by fast registration.
 */
#include <linux/slab.h>

#include "dev.h"
#include "verbs/verbs.h"

enum {
	KNOWN_ACCESS = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE |
		       IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_ATOMIC |
		       IB_ACCESS_OPTIONAL,
};

/* Takes over @region, which may be an error. */
static struct ib_mr *make(struct sodp_dev *dev, struct sodp_region *region)
{
	struct sodp_mr *mr;

	if (IS_ERR(region))
		return ERR_CAST(region);
	if (!atomic_add_unless(&dev->num_mr, 1, SODP_MAX_MR))
		goto deregister;
	mr = kzalloc(sizeof(*mr), GFP_KERNEL);
	if (!mr)
		goto uncount;
	sodp_mr_set_region(mr, region);
	return &mr->ibmr;

uncount:
	atomic_dec(&dev->num_mr);
deregister:
	sodp_region_deregister(region);
	return ERR_PTR(-ENOMEM);
}

struct ib_mr *sodp_get_dma_mr(struct ib_pd *ibpd, int access)
{
	struct sodp_dev *dev = to_sodp_dev(ibpd->device);

	if (access & ~KNOWN_ACCESS)
		return ERR_PTR(-EOPNOTSUPP);
	return make(dev, sodp_region_register_kernel(dev->mem,
						     to_sodp_pd(ibpd)->domain,
						     sodp_mr_rights(access)));
}

struct ib_mr *sodp_alloc_mr(struct ib_pd *ibpd, enum ib_mr_type type,
			    u32 max_num_sg)
{
	struct sodp_dev *dev = to_sodp_dev(ibpd->device);

	if (type != IB_MR_TYPE_MEM_REG)
		return ERR_PTR(-EOPNOTSUPP);
	return make(dev,
		    sodp_region_alloc_fast(dev->mem, to_sodp_pd(ibpd)->domain,
					   max_num_sg));
}

static int stage_page(struct ib_mr *ibmr, u64 addr)
{
	return sodp_fast_stage(sodp_mr_region(to_sodp_mr(ibmr)), addr);
}

/* The registration itself is a work request: xport/local.c. */
int sodp_map_mr_sg(struct ib_mr *ibmr, struct scatterlist *sg, int sg_nents,
		   unsigned int *sg_offset)
{
	if (ibmr->page_size != PAGE_SIZE)
		return -EINVAL;
	sodp_fast_stage_reset(sodp_mr_region(to_sodp_mr(ibmr)));
	return ib_sg_to_pages(ibmr, sg, sg_nents, sg_offset, stage_page);
}
