// SPDX-License-Identifier: GPL-2.0
/*
 * Pinned regions: the same table, filled once at registration; its entries go
 * away at deregistration and not before. Pages are taken and given back in
 * batches, and the only record of them is the table, so that no size needs
 * more than a page of contiguous memory.
 */
#include "internal.h"

#define PIN_BATCH   (PAGE_SIZE / sizeof(struct page *))
#define UNPIN_BATCH 32

/* Charge before pinning: the limit is a promise, not a report. */
static int charge(struct sodp_region *region)
{
	struct mm_struct *mm = current->mm;
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	u64 total;

	if (region->npages > LONG_MAX)
		return -ENOMEM;
	total = atomic64_add_return(region->npages, &mm->pinned_vm);
	if (total > limit && !capable(CAP_IPC_LOCK)) {
		atomic64_sub(region->npages, &mm->pinned_vm);
		return -ENOMEM;
	}
	mmgrab(mm);
	region->pin_mm = mm;
	return 0;
}

static void uncharge(struct sodp_region *region)
{
	atomic64_sub(region->npages, &region->pin_mm->pinned_vm);
	mmdrop(region->pin_mm);
	region->pin_mm = NULL;
}

/* Enter @count pages from @index on. What did not go in is unpinned. */
static int enter(struct sodp_region *region, u64 index, struct page **pages,
		 unsigned int count)
{
	struct sodp_spares spares = {};
	bool write = sodp_region_writable(region);
	unsigned int i;
	bool ok;

	for (i = 0; i < count; i++, index++) {
		if (!sodp_spares_fill(
			    &spares, sodp_table_missing(&region->table, index)))
			break;
		spin_lock(region->table.lock);
		ok = sodp_table_install(&region->table, index,
					page_to_pfn(pages[i]), write, &spares);
		spin_unlock(region->table.lock);
		if (WARN_ON_ONCE(!ok))
			break;
	}
	sodp_spares_free(&spares);
	if (i == count)
		return 0;
	unpin_user_pages(pages + i, count - i);
	return -ENOMEM;
}

static int pin_all(struct sodp_region *region, struct page **pages)
{
	unsigned int flags = FOLL_LONGTERM;
	u64 index = 0;
	long got;
	int err;

	if (sodp_region_writable(region))
		flags |= FOLL_WRITE;
	while (index < region->npages) {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		got = pin_user_pages_fast(sodp_region_page_va(region, index),
					  min_t(u64, PIN_BATCH,
						region->npages - index),
					  flags, pages);
		if (got < 0)
			return got;
		if (!got)
			return -EFAULT;
		err = enter(region, index, pages, got);
		if (err)
			return err;
		index += got;
	}
	return 0;
}

int sodp_pin(struct sodp_region *region)
{
	struct page **pages;
	int err;

	if (!current->mm)
		return -EINVAL;
	err = charge(region);
	if (err)
		return err;
	pages = (struct page **)__get_free_page(GFP_KERNEL);
	if (!pages) {
		uncharge(region);
		return -ENOMEM;
	}
	err = pin_all(region, pages);
	free_page((unsigned long)pages);
	if (err)
		sodp_unpin(region);
	return err;
}

/* Process context, in any mm. Also undoes a registration half done. */
void sodp_unpin(struct sodp_region *region)
{
	unsigned long pfns[UNPIN_BATCH];
	struct page *pages[UNPIN_BATCH];
	unsigned int i, count;
	u64 index = 0;

	while (region->npages) {
		spin_lock(region->table.lock);
		count = sodp_table_take(&region->table, &index,
					region->npages - 1, pfns, UNPIN_BATCH);
		spin_unlock(region->table.lock);
		if (!count)
			break;
		for (i = 0; i < count; i++)
			pages[i] = pfn_to_page(pfns[i]);
		unpin_user_pages_dirty_lock(pages, count,
					    sodp_region_writable(region));
		cond_resched();
	}
	uncharge(region);
}
