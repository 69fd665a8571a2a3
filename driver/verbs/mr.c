// SPDX-License-Identifier: GPL-2.0
/* Memory regions: from verbs' words to those of mem.h. */
#include <linux/slab.h>
#include <rdma/rdma_netlink.h>
#include <rdma/restrack.h>

#include "dev.h"
#include "verbs/verbs.h"

enum {
	KNOWN_ACCESS = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE |
		       IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_ATOMIC |
		       IB_ACCESS_ON_DEMAND,
	NEED_LOCAL_WRITE = IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_ATOMIC,
};

static u32 to_rights(int access)
{
	u32 rights = 0;

	if (access & IB_ACCESS_LOCAL_WRITE)
		rights |= SODP_MEM_LOCAL_WRITE;
	if (access & IB_ACCESS_REMOTE_READ)
		rights |= SODP_MEM_REMOTE_READ;
	if (access & IB_ACCESS_REMOTE_WRITE)
		rights |= SODP_MEM_REMOTE_WRITE;
	if (access & IB_ACCESS_REMOTE_ATOMIC)
		rights |= SODP_MEM_REMOTE_ATOMIC;
	return rights;
}

/* No kernel users yet. It exists because ib_core calls it without asking. */
struct ib_mr *sodp_get_dma_mr(struct ib_pd *ibpd, int access)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static int check_access(u64 start, u64 length, int access)
{
	/* Hints by definition, such as relaxed ordering: ours to ignore. */
	access &= ~IB_ACCESS_OPTIONAL;
	if (access & ~KNOWN_ACCESS)
		return -EOPNOTSUPP;
	if (access & NEED_LOCAL_WRITE && !(access & IB_ACCESS_LOCAL_WRITE))
		return -EINVAL;
	/* how verbs spell the whole address space */
	if (access & IB_ACCESS_ON_DEMAND && !start && length == U64_MAX)
		return -EOPNOTSUPP;
	return 0;
}

static struct ib_mr *register_region(struct sodp_uctx *uctx,
				     const struct sodp_region_attr *attr)
{
	struct sodp_region *region;
	struct sodp_mr *mr;

	mr = kzalloc(sizeof(*mr), GFP_KERNEL_ACCOUNT);
	if (!mr)
		return ERR_PTR(-ENOMEM);
	region = sodp_region_register(uctx->mem, attr);
	if (IS_ERR(region)) {
		kfree(mr);
		return ERR_CAST(region);
	}
	mr->region = region;
	mr->ibmr.lkey = sodp_region_key(region);
	mr->ibmr.rkey = mr->ibmr.lkey;
	return &mr->ibmr;
}

struct ib_mr *sodp_reg_user_mr(struct ib_pd *ibpd, u64 start, u64 length,
			       u64 iova, int access, SODP_REG_MR_ARGS(udata))
{
	struct sodp_dev *dev = to_sodp_dev(ibpd->device);
	struct sodp_region_attr attr = {
		.kind = access & IB_ACCESS_ON_DEMAND ? SODP_MEM_ON_DEMAND :
						       SODP_MEM_PINNED,
		.start = start,
		.length = length,
		.iova = iova,
		.rights = to_rights(access),
		.domain = to_sodp_pd(ibpd)->domain,
	};
	struct sodp_uctx *uctx =
		rdma_udata_to_drv_context(udata, struct sodp_uctx, ibuc);
	struct ib_mr *ibmr;
	int err;

	if (SODP_REG_MR_DMAH)
		return ERR_PTR(-EOPNOTSUPP);
	err = check_access(start, length, access);
	if (err)
		return ERR_PTR(err);
	if (!atomic_add_unless(&dev->num_mr, 1, SODP_MAX_MR))
		return ERR_PTR(-ENOMEM);
	ibmr = register_region(uctx, &attr);
	if (IS_ERR(ibmr))
		atomic_dec(&dev->num_mr);
	return ibmr;
}

int sodp_dereg_mr(struct ib_mr *ibmr, struct ib_udata *udata)
{
	struct sodp_mr *mr = to_sodp_mr(ibmr);

	sodp_region_deregister(mr->region);
	atomic_dec(&to_sodp_dev(ibmr->device)->num_mr);
	kfree(mr);
	return 0;
}

/* --- advise --------------------------------------------------------------- */

static int to_advice(enum ib_uverbs_advise_mr_advice from,
		     enum sodp_prefetch_advice *to)
{
	switch (from) {
	case IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH:
		*to = SODP_PREFETCH;
		return 0;
	case IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_WRITE:
		*to = SODP_PREFETCH_WRITE;
		return 0;
	case IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT:
		*to = SODP_PREFETCH_NO_FAULT;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* The errors are those of ibv_advise_mr(3). */
static int find_region(struct ib_pd *ibpd, enum sodp_prefetch_advice advice,
		       const struct ib_sge *sge, struct sodp_region **region)
{
	struct sodp_mem *mem = to_sodp_dev(ibpd->device)->mem;
	u32 domain = to_sodp_pd(ibpd)->domain;
	u32 need = advice == SODP_PREFETCH_WRITE ? SODP_MEM_LOCAL_WRITE :
						   SODP_MEM_LOCAL_READ;

	switch (sodp_region_get(mem, sge->lkey, domain, need, sge->addr,
				sge->length, region)) {
	case SODP_MEM_OK:
		break;
	case SODP_MEM_BOUNDS:
	case SODP_MEM_GONE:
		return -EFAULT;
	default:
		/*
		 * A key of another domain looks like one that does not
		 * exist: whose it is is not the caller's business.
		 */
		if (need &&
		    sodp_region_get(mem, sge->lkey, domain, 0, sge->addr, 0,
				    region) == SODP_MEM_OK) {
			sodp_region_put(*region);
			return -EPERM;
		}
		return -ENOENT;
	}
	if (sodp_region_on_demand(*region))
		return 0;
	sodp_region_put(*region);
	return -EINVAL;
}

/* Everything is checked before anything is done. */
int sodp_advise_mr(struct ib_pd *ibpd, enum ib_uverbs_advise_mr_advice advice,
		   u32 flags, struct ib_sge *sg_list, u32 num_sge,
		   struct uverbs_attr_bundle *attrs)
{
	bool wait = flags & IB_UVERBS_ADVISE_MR_FLAG_FLUSH;
	enum sodp_prefetch_advice what;
	struct sodp_region **regions;
	u32 found, i;
	int err;

	if (flags & ~IB_UVERBS_ADVISE_MR_FLAG_FLUSH)
		return -EINVAL;
	err = to_advice(advice, &what);
	if (err)
		return err;
	regions = kvmalloc_array(num_sge, sizeof(*regions),
				 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!regions)
		return -ENOMEM;

	for (found = 0; found < num_sge; found++) {
		err = find_region(ibpd, what, &sg_list[found], &regions[found]);
		if (err)
			break;
	}
	for (i = 0; i < num_sge && !err; i++)
		err = sodp_mem_prefetch(regions[i], what, sg_list[i].addr,
					sg_list[i].length, wait);
	while (found--)
		sodp_region_put(regions[found]);
	kvfree(regions);
	return err;
}

/* --- what `rdma` shows ---------------------------------------------------- */

int sodp_fill_stat_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr)
{
	struct sodp_region_stats s;
	struct nlattr *table;

	sodp_region_read_stats(to_sodp_mr(ibmr)->region, &s);
	table = nla_nest_start(msg, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS);
	if (!table)
		return -EMSGSIZE;
#define PUT(name) rdma_nl_stat_hwcounter_entry(msg, #name, s.name)
	if (PUT(page_faults) || PUT(page_faults_handled) ||
	    PUT(page_invalidations) || PUT(page_invalidations_handled) ||
	    PUT(page_prefetch) || PUT(resident_pages) || PUT(table_bytes)) {
		nla_nest_cancel(msg, table);
		return -EMSGSIZE;
	}
#undef PUT
	nla_nest_end(msg, table);
	return 0;
}

int sodp_fill_res_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr)
{
	struct nlattr *table;

	if (!sodp_region_on_demand(to_sodp_mr(ibmr)->region))
		return 0;
	table = nla_nest_start(msg, RDMA_NLDEV_ATTR_DRIVER);
	if (!table)
		return -EMSGSIZE;
	if (rdma_nl_put_driver_string(msg, "odp", "explicit")) {
		nla_nest_cancel(msg, table);
		return -EMSGSIZE;
	}
	nla_nest_end(msg, table);
	return 0;
}
