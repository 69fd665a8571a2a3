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
		       IB_ACCESS_ON_DEMAND | IB_ACCESS_HUGETLB |
		       IB_ACCESS_MW_BIND,
	NEED_LOCAL_WRITE = IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_ATOMIC,
};

u32 sodp_mr_rights(int access)
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
	if (access & IB_ACCESS_MW_BIND)
		rights |= SODP_MEM_BIND;
	return rights;
}

static int check_access(u64 start, u64 length, int access)
{
	/* Hints by definition, such as relaxed ordering: ours to ignore. */
	access &= ~IB_ACCESS_OPTIONAL;
	if (access & ~KNOWN_ACCESS)
		return -EOPNOTSUPP;
	if (access & NEED_LOCAL_WRITE && !(access & IB_ACCESS_LOCAL_WRITE))
		return -EINVAL;
	/* How verbs spell the whole address space: nobody can pin that. */
	if (!(access & IB_ACCESS_ON_DEMAND) && !start && length == U64_MAX)
		return -EINVAL;
	return 0;
}

static enum sodp_mem_kind kind_of(const struct sodp_dev *dev, int access)
{
	if (access & IB_ACCESS_ON_DEMAND || READ_ONCE(dev->odp_always))
		return SODP_MEM_ON_DEMAND;
	return SODP_MEM_PINNED;
}

static struct sodp_region *register_region(struct ib_pd *ibpd, u64 start,
					   u64 length, u64 iova, int access,
					   struct ib_udata *udata)
{
	struct sodp_uctx *uctx =
		rdma_udata_to_drv_context(udata, struct sodp_uctx, ibuc);
	struct sodp_region_attr attr = {
		.kind = kind_of(to_sodp_dev(ibpd->device), access),
		.start = start,
		.length = length,
		.iova = iova,
		.rights = sodp_mr_rights(access),
		.domain = to_sodp_pd(ibpd)->domain,
		.huge = access & IB_ACCESS_HUGETLB &&
			access & IB_ACCESS_ON_DEMAND,
	};
	int err;

	err = check_access(start, length, access);
	if (err)
		return ERR_PTR(err);
	return sodp_region_register(uctx->mem, &attr);
}

/* Who looks without being held off by uverbs: under RCU. */
void sodp_mr_set_region(struct sodp_mr *mr, struct sodp_region *region)
{
	rcu_assign_pointer(mr->region, region);
	mr->ibmr.lkey = sodp_region_key(region);
	mr->ibmr.rkey = mr->ibmr.lkey;
}

struct sodp_region *sodp_mr_region(struct sodp_mr *mr)
{
	return rcu_dereference_protected(mr->region, true);
}

struct sodp_region *sodp_mr_hold_region(struct sodp_mr *mr)
{
	struct sodp_region *region;

	rcu_read_lock();
	region = rcu_dereference(mr->region);
	if (!sodp_region_try_hold(region))
		region = NULL;
	rcu_read_unlock();
	return region;
}

struct ib_mr *sodp_reg_user_mr(struct ib_pd *ibpd, u64 start, u64 length,
			       u64 iova, int access, SODP_REG_MR_ARGS(udata))
{
	struct sodp_dev *dev = to_sodp_dev(ibpd->device);
	struct sodp_region *region;
	struct sodp_mr *mr;

	if (SODP_REG_MR_DMAH)
		return ERR_PTR(-EOPNOTSUPP);
	if (!atomic_add_unless(&dev->num_mr, 1, SODP_MAX_MR))
		return ERR_PTR(-ENOMEM);
	mr = kzalloc(sizeof(*mr), GFP_KERNEL_ACCOUNT);
	if (!mr) {
		region = ERR_PTR(-ENOMEM);
		goto err;
	}
	region = register_region(ibpd, start, length, iova, access, udata);
	if (IS_ERR(region))
		goto err;
	mr->access = access;
	mr->start = start;
	sodp_mr_set_region(mr, region);
	return &mr->ibmr;

err:
	kfree(mr);
	atomic_dec(&dev->num_mr);
	return ERR_CAST(region);
}

/*
 * The new region is made first, so that a failure leaves the old one as it was.
 * It has a key of its own: whoever had rights by the old one has none when this
 * returns, and what was under way in it has ended.
 */
struct ib_mr *sodp_rereg_user_mr(struct ib_mr *ibmr, int flags, u64 start,
				 u64 length, u64 iova, int access,
				 struct ib_pd *new_pd, struct ib_udata *udata)
{
	struct sodp_mr *mr = to_sodp_mr(ibmr);
	struct sodp_region *old = sodp_mr_region(mr), *new;

	if (!(flags & IB_MR_REREG_TRANS)) {
		/* A child's registration would mean its own memory. */
		if (!sodp_region_is_ours(old))
			return ERR_PTR(-EPERM);
		start = mr->start;
		length = ibmr->length;
		iova = ibmr->iova;
	}
	if (!(flags & IB_MR_REREG_ACCESS))
		access = mr->access;
	new = register_region(new_pd, start, length, iova, access, udata);
	if (IS_ERR(new))
		return ERR_CAST(new);
	if (!sodp_region_retire(old)) {
		sodp_region_deregister(new);
		return ERR_PTR(-EBUSY); /* windows: IBTA 10.6.7.2.6 */
	}
	mr->access = access;
	mr->start = start;
	sodp_mr_set_region(mr, new);
	sodp_region_deregister(old);
	return NULL; /* the same object */
}

int sodp_dereg_mr(struct ib_mr *ibmr, struct ib_udata *udata)
{
	struct sodp_mr *mr = to_sodp_mr(ibmr);
	struct sodp_region *region = sodp_mr_region(mr);

	/*
	 * IBTA 10.6.7.2.6. At the end of a process ib_core comes again when
	 * the windows are gone.
	 */
	if (!sodp_region_retire(region))
		return -EBUSY;
	sodp_region_deregister(region);
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
	struct sodp_region *region = sodp_mr_hold_region(to_sodp_mr(ibmr));
	struct sodp_region_stats s;
	struct nlattr *table;

	if (!region)
		return 0;
	sodp_region_read_stats(region, &s);
	sodp_region_put(region);
	table = nla_nest_start(msg, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS);
	if (!table)
		return -EMSGSIZE;
#define PUT(name) rdma_nl_stat_hwcounter_entry(msg, #name, s.name)
	if (PUT(page_faults) || PUT(page_faults_handled) ||
	    PUT(page_invalidations) || PUT(page_invalidations_handled) ||
	    PUT(page_prefetch) || PUT(page_faults_major) ||
	    PUT(page_faults_retried) || PUT(fence_waits) ||
	    PUT(resident_pages) || PUT(table_bytes)) {
		nla_nest_cancel(msg, table);
		return -EMSGSIZE;
	}
#undef PUT
	nla_nest_end(msg, table);
	return 0;
}

static const char *odp_word(const struct sodp_region *region)
{
	if (!sodp_region_on_demand(region))
		return NULL;
	return sodp_region_implicit(region) ? "implicit" : "explicit";
}

int sodp_fill_res_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr)
{
	struct sodp_region *region = sodp_mr_hold_region(to_sodp_mr(ibmr));
	struct nlattr *table;
	const char *word;

	if (!region)
		return 0;
	word = odp_word(region);
	sodp_region_put(region);
	if (!word)
		return 0;
	table = nla_nest_start(msg, RDMA_NLDEV_ATTR_DRIVER);
	if (!table)
		return -EMSGSIZE;
	if (rdma_nl_put_driver_string(msg, "odp", word)) {
		nla_nest_cancel(msg, table);
		return -EMSGSIZE;
	}
	nla_nest_end(msg, table);
	return 0;
}
