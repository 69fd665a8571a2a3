// SPDX-License-Identifier: GPL-2.0
/*
 * Fast registration: a kernel user's region whose pages a work request enters
 * and another one takes away, any number of times, in softirq.
 *
 * Nothing is allocated then: the table's leaf stays. Every registration has a
 * key of its own (its low byte differs), and the region's fields are those of
 * one registration as long as anybody holds the region: a new one begins only
 * when nobody but its owner does. So who got it by an old key finds no entry
 * there, and never the pages of the next registration.
 */
#include "internal.h"

static_assert(SODP_FAST_PAGES <= SODP_TABLE_SLOTS); /* one leaf */

/* Softirqs take this lock: to lockdep it is not that of pinned regions. */
int sodp_fast_init(struct sodp_region *region)
{
	struct sodp_spares spares = {};
	u32 max = region->npages;

	if (max > SODP_FAST_PAGES)
		return -EINVAL;
	spin_lock_init(&region->own_lock);
	region->dead = true; /* until it is registered */
	region->length = 0;
	region->npages = 0; /* of what others may look at */
	region->stage.max = max;
	region->stage.pfn =
		kcalloc(max, sizeof(*region->stage.pfn), GFP_KERNEL);
	if (!region->stage.pfn || !sodp_spares_fill(&spares, 1))
		return -ENOMEM;
	spin_lock_bh(&region->own_lock);
	sodp_table_keep(&region->table, &spares);
	spin_unlock_bh(&region->own_lock);
	return 0;
}

void sodp_fast_stage_reset(struct sodp_region *region)
{
	region->stage.count = 0;
}

int sodp_fast_stage(struct sodp_region *region, u64 addr)
{
	void *at = (void *)(uintptr_t)addr;

	if (region->stage.count == region->stage.max)
		return -ENOMEM;
	if (!virt_addr_valid(at))
		return -EINVAL;
	region->stage.pfn[region->stage.count++] =
		page_to_pfn(virt_to_page(at));
	return 0;
}

/* Under RCU. It may be on its way out: see `gone`. */
static struct sodp_region *find(struct sodp_mem *mem, u32 key, u32 domain)
{
	struct sodp_region *region = xa_load(&mem->keys, key >> 8);

	/* These two never change. */
	if (!region || region->kind != SODP_MEM_FAST ||
	    region->domain != domain)
		return NULL;
	return region;
}

static u64 pages_of(const struct sodp_fast_attr *attr)
{
	if (!attr->length)
		return 0;
	return (((attr->iova & ~PAGE_MASK) + (attr->length - 1)) >>
		PAGE_SHIFT) +
	       1;
}

static bool fits(const struct sodp_region *region,
		 const struct sodp_fast_attr *attr)
{
	const u64 most = (u64)region->stage.max << PAGE_SHIFT;

	if (attr->length > most || pages_of(attr) > region->stage.count)
		return false;
	return !attr->length || attr->length - 1 <= U64_MAX - attr->iova;
}

static void enter(struct sodp_region *region, const struct sodp_fast_attr *attr)
{
	struct sodp_spares none = {}; /* the leaf is there */
	u64 count = pages_of(attr), i;

	lockdep_assert_held(&region->own_lock);
	WRITE_ONCE(region->key, attr->key); /* pairs with region.c: find() */
	region->rights = attr->rights;
	region->iova = attr->iova;
	region->start = attr->iova & ~PAGE_MASK;
	region->length = attr->length;
	for (i = 0; i < count; i++)
		WARN_ON_ONCE(!sodp_table_install(
			&region->table, i, region->stage.pfn[i],
			sodp_region_writable(region), &none));
	WRITE_ONCE(region->dead, false);
}

int sodp_fast_register(struct sodp_mem *mem, u32 domain,
		       const struct sodp_fast_attr *attr)
{
	struct sodp_region *region;
	int err = -EINVAL;

	rcu_read_lock();
	region = find(mem, attr->key, domain);
	if (!region)
		goto unlock_rcu;
	spin_lock_bh(&region->own_lock);
	if (region->gone || !region->dead || !fits(region, attr))
		goto unlock;
	/* Nobody can take a reference from here on ... */
	err = -EBUSY;
	if (!refcount_dec_if_one(&region->refs))
		goto unlock;
	enter(region, attr);
	smp_wmb(); /* ... to here: pairs with region.c: find() */
	refcount_set(&region->refs, 1);
	err = 0;
unlock:
	spin_unlock_bh(&region->own_lock);
unlock_rcu:
	rcu_read_unlock();
	return err;
}

static void leave(struct sodp_region *region)
{
	struct sodp_sweep sweep = {};
	u64 index = 0;

	lockdep_assert_held(&region->own_lock);
	WRITE_ONCE(region->dead, true);
	while (sodp_table_sweep(&region->table, &index, region->stage.max - 1,
				&sweep))
		;
}

int sodp_fast_invalidate(struct sodp_mem *mem, u32 domain, u32 key)
{
	struct sodp_region *region;
	int err = -EINVAL;

	if (SODP_MUTANT(STALE_KEY))
		return 0;
	rcu_read_lock();
	region = find(mem, key, domain);
	if (region) {
		spin_lock_bh(&region->own_lock);
		if (region->key == key && !region->dead) {
			leave(region);
			err = 0;
		}
		spin_unlock_bh(&region->own_lock);
	}
	rcu_read_unlock();
	return err;
}

/* The key is erased. No registration begins any more; the leaf goes. */
void sodp_fast_take_down(struct sodp_region *region)
{
	spin_lock_bh(&region->own_lock);
	region->gone = true;
	region->table.keep = false;
	leave(region);
	spin_unlock_bh(&region->own_lock);
}

/* Nobody holds it any more. Also after an init that failed. */
void sodp_fast_free(struct sodp_region *region)
{
	kfree(region->stage.pfn);
}
