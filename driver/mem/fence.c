// SPDX-License-Identifier: GPL-2.0
/*
 * The fence: what the mmu notifier's start hook puts up and its end hook
 * takes down. docs/fence.md has the contract (F1-F10) and the races.
 *
 * The start hook
 *  - records its range as active first, even if no region overlaps: a region
 *    or an entry that comes later finds it in the log;
 *  - then clears the entries in it and waits for the transfers that use them;
 *  - cannot fail (a notifier with an end hook must not), allocates nothing,
 *    and sleeps only where the range is blockable.
 * Because the range is in the log, the lock can be dropped in the middle of
 * the clearing: nothing is installed behind its back.
 *
 * The fence lock is taken in task context only, and under the page-table lock
 * by the young hooks: nothing that is done under it may take a page-table
 * lock, mmap_lock, allocate, or sleep. Transfers never take it, so spinning
 * under it until they end is bounded by one page copy.
 */
#include "internal.h"

static atomic_t live_mms = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(mms_gone);

static struct sodp_mm *to_smm(struct mmu_notifier *mn)
{
	return container_of(mn, struct sodp_mm, mn);
}

/*
 * Not smm->mem: a hook may come between the registration of the notifier and
 * sodp_mm_get() taking that reference. The ops are those of the device.
 */
static struct sodp_mem *mem_of(const struct sodp_mm *smm)
{
	return container_of((struct mmu_notifier_ops *)smm->mn.ops,
			    struct sodp_mem, ops);
}

static struct sodp_region *to_region(struct interval_tree_node *node)
{
	return container_of(node, struct sodp_region, node);
}

/* The part of [start, last] that is in @region, as its page numbers. */
static void clip(const struct sodp_region *region, unsigned long start,
		 unsigned long last, u64 *first_page, u64 *last_page)
{
	unsigned long base = region->node.start;

	start = max(start, base);
	last = min(last, region->node.last);
	*first_page = (start - base) >> PAGE_SHIFT;
	*last_page = (last - base) >> PAGE_SHIFT;
}

/*
 * Clear and drain [index, last] of a region, leaf by leaf. Takes table.lock
 * and drops it between leaves, so that a big range does not keep others out.
 * The caller has made sure that nothing is installed meanwhile: the range is
 * active in the log, or the region or its mm is dead.
 */
void sodp_region_sweep(struct sodp_region *region, u64 index, u64 last,
		       bool blockable, struct sodp_sweep *sweep)
{
	struct sodp_table *table = &region->table;
	bool more;

	do {
		spin_lock(table->lock);
		more = sodp_table_sweep(table, &index, last, sweep);
		spin_unlock(table->lock);
		if (more && blockable)
			cond_resched();
	} while (more);
}

static void count_sweep(struct sodp_region *region,
			const struct sodp_sweep *sweep)
{
	struct sodp_mem *mem = region->mem;

	atomic64_inc(&region->invalidations);
	sodp_mem_count(mem, SODP_CNT_PAGE_INVALIDATIONS, 1);
	if (sweep->cleared) {
		atomic64_add(sweep->cleared, &region->invalidations_handled);
		sodp_mem_count(mem, SODP_CNT_PAGE_INVALIDATIONS_HANDLED,
			       sweep->cleared);
	}
	if (sweep->waited)
		atomic64_inc(&region->fence_waits);
	if (sweep->leaves_freed)
		sodp_mem_count(mem, SODP_CNT_LEAVES_FREED, sweep->leaves_freed);
}

/*
 * Sweep [start, last] of all regions. Called with the lock held and returns
 * with it held, but drops it. The cursor survives because a region stays in
 * the tree until its last reference is gone, and we hold one. Regions that
 * come in behind the cursor have no entries in this range and get none.
 */
static bool sweep_regions(struct sodp_mm *smm, unsigned long start,
			  unsigned long last, bool blockable,
			  enum mmu_notifier_event event) __must_hold(&smm->lock)
{
	struct interval_tree_node *node;
	bool waited = false;

	lockdep_assert_held(&smm->lock);
	node = interval_tree_iter_first(&smm->regions, start, last);
	for (; node; node = interval_tree_iter_next(node, start, last)) {
		struct sodp_region *region = to_region(node);
		struct sodp_sweep sweep = {};
		u64 first_page, last_page;

		/* Being freed: it was emptied when it was deregistered. */
		if (!sodp_region_try_hold(region))
			continue;
		clip(region, start, last, &first_page, &last_page);
		spin_unlock(&smm->lock);
		if (!SODP_MUTANT(NO_INVALIDATE))
			sodp_region_sweep(region, first_page, last_page,
					  blockable, &sweep);
		count_sweep(region, &sweep);
		if (event == MMU_NOTIFY_PROTECTION_PAGE)
			sodp_ahead_protected(region, sweep.cleared);
		waited |= sweep.waited;
		spin_lock(&smm->lock);
		sodp_region_put(region); /* frees nothing itself: RCU */
	}
	return waited;
}

/*
 * Inclusive, so that ranges that end at the top of the address space work.
 * Any bounds are allowed; the end hook computes the same from the same.
 */
static unsigned long last_of(unsigned long start, unsigned long end)
{
	return end > start ? end - 1 : start;
}

static enum sodp_counter counter_of(enum mmu_notifier_event event)
{
	switch (event) {
	case MMU_NOTIFY_UNMAP:
		return SODP_CNT_HOOK_UNMAP;
	case MMU_NOTIFY_CLEAR:
		return SODP_CNT_HOOK_CLEAR;
	case MMU_NOTIFY_PROTECTION_VMA:
		return SODP_CNT_HOOK_PROTECTION_VMA;
	case MMU_NOTIFY_PROTECTION_PAGE:
		return SODP_CNT_HOOK_PROTECTION_PAGE;
	case MMU_NOTIFY_SOFT_DIRTY:
		return SODP_CNT_HOOK_SOFT_DIRTY;
	case MMU_NOTIFY_MIGRATE:
		return SODP_CNT_HOOK_MIGRATE;
	case MMU_NOTIFY_EXCLUSIVE:
		return SODP_CNT_HOOK_EXCLUSIVE;
	default:
		return SODP_CNT_HOOK_OTHER;
	}
}

static int fence_start(struct mmu_notifier *mn,
		       const struct mmu_notifier_range *range)
{
	struct sodp_mm *smm = to_smm(mn);
	unsigned long last = last_of(range->start, range->end);
	struct sodp_mem *mem = mem_of(smm);
	bool blockable = mmu_notifier_range_blockable(range);
	bool exact = true, waited = false;

	spin_lock(&smm->lock);
	if (!SODP_MUTANT(LOG_ONLY_OVERLAP) ||
	    interval_tree_iter_first(&smm->regions, range->start, last))
		exact = sodp_log_begin(&smm->log, range->start, last);
	trace_fence_start(range->start, range->end, smm->log.clock);
	if (!SODP_MUTANT(LATE_INVALIDATION))
		waited = sweep_regions(smm, range->start, last, blockable,
				       range->event);
	spin_unlock(&smm->lock);

	if (blockable)
		SODP_WIDEN(START);
	sodp_mem_count(mem, SODP_CNT_FENCE_HOOKS, 1);
	sodp_mem_count(mem, counter_of(range->event), 1);
	if (!blockable)
		sodp_mem_count(mem, SODP_CNT_HOOK_NONBLOCK, 1);
	if (waited)
		sodp_mem_count(mem, SODP_CNT_FENCE_WAITS, 1);
	if (!exact)
		sodp_mem_count(mem, SODP_CNT_FENCE_OVERFLOWS, 1);
	return 0;
}

static void fence_end(struct mmu_notifier *mn,
		      const struct mmu_notifier_range *range)
{
	unsigned long last = last_of(range->start, range->end);
	struct sodp_mm *smm = to_smm(mn);

	if (mmu_notifier_range_blockable(range))
		SODP_WIDEN(END);
	spin_lock(&smm->lock);
	if (SODP_MUTANT(LATE_INVALIDATION))
		sweep_regions(smm, range->start, last, false, range->event);
	sodp_log_end(&smm->log, range->start, last);
	trace_fence_end(range->start, range->end, smm->log.clock);
	spin_unlock(&smm->lock);
	/*
	 * A waiter queues itself, then reads the log under the lock; the lock
	 * orders that against us, so a queue seen empty here has missed
	 * nothing. wq_has_sleeper() has the full barrier that this needs.
	 */
	if (wq_has_sleeper(&smm->ended))
		wake_up_all(&smm->ended);
}

/* The mm is going: an invalidation of everything that never ends. */
static void fence_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct sodp_mm *smm = to_smm(mn);

	spin_lock(&smm->lock);
	WRITE_ONCE(smm->dead, true);
	sodp_log_begin(&smm->log, 0, ULONG_MAX);
	sweep_regions(smm, 0, ULONG_MAX, true, MMU_NOTIFY_UNMAP);
	spin_unlock(&smm->lock);
	wake_up_all(&smm->ended);
	sodp_mem_count(mem_of(smm), SODP_CNT_HOOK_RELEASE, 1);
}

/*
 * Under the page-table lock. Without this, pages that only the device uses
 * look cold and are reclaimed first.
 */
static bool young(struct sodp_mm *smm, unsigned long start, unsigned long end,
		  bool clear)
{
	unsigned long last = last_of(start, end);
	struct interval_tree_node *node;
	u64 first_page, last_page;
	bool ret = false;

	spin_lock(&smm->lock);
	node = interval_tree_iter_first(&smm->regions, start, last);
	for (; node; node = interval_tree_iter_next(node, start, last)) {
		struct sodp_region *region = to_region(node);

		clip(region, start, last, &first_page, &last_page);
		ret |= sodp_table_young(&region->table, first_page, last_page,
					clear);
	}
	spin_unlock(&smm->lock);
	return ret && !SODP_MUTANT(NEVER_YOUNG);
}

/* int in old kernels, bool in new ones. */
typedef typeof(((struct mmu_notifier_ops *)NULL)
		       ->test_young(NULL, NULL, 0)) young_t;

static young_t fence_clear_flush_young(struct mmu_notifier *mn,
				       struct mm_struct *mm,
				       unsigned long start, unsigned long end)
{
	return young(to_smm(mn), start, end, true);
}

static young_t fence_clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
				 unsigned long start, unsigned long end)
{
	return young(to_smm(mn), start, end, true);
}

static young_t fence_test_young(struct mmu_notifier *mn, struct mm_struct *mm,
				unsigned long address)
{
	return young(to_smm(mn), address, address + 1, false);
}

/* --- life of a sodp_mm ------------------------------------------- */

static struct mmu_notifier *alloc_smm(struct mm_struct *mm)
{
	struct sodp_user *user;
	struct sodp_mm *smm;

	smm = kzalloc(sizeof(*smm), GFP_KERNEL_ACCOUNT);
	if (!smm)
		return ERR_PTR(-ENOMEM);
	user = sodp_user_get();
	if (!user) {
		kfree(smm);
		return ERR_PTR(-ENOMEM);
	}
	smm->user = user;
	spin_lock_init(&smm->lock);
	sodp_log_init(&smm->log);
	smm->regions = RB_ROOT_CACHED;
	init_waitqueue_head(&smm->ended);
	INIT_LIST_HEAD(&smm->user_node);
	INIT_LIST_HEAD(&smm->waiting);
	atomic_inc(&live_mms);
	return &smm->mn;
}

/* From SRCU: no hook runs in it any more. */
static void free_smm(struct mmu_notifier *mn)
{
	struct sodp_mm *smm = to_smm(mn);

	WARN_ON_ONCE(!RB_EMPTY_ROOT(&smm->regions.rb_root));
	if (smm->mem) {
		atomic_dec(&smm->mem->notifiers);
		sodp_mem_put(smm->mem);
	}
	sodp_user_put(smm->user);
	kfree(smm);
	if (atomic_dec_and_test(&live_mms))
		wake_up_all(&mms_gone);
}

/*
 * Each device has ops of its own, in its sodp_mem: mmu_notifier_get() tells
 * notifiers apart by that address.
 */
void sodp_fence_init_ops(struct mmu_notifier_ops *ops)
{
	*ops = (struct mmu_notifier_ops){
		.release = fence_release,
		.clear_flush_young = fence_clear_flush_young,
		.clear_young = fence_clear_young,
		.test_young = fence_test_young,
		.invalidate_range_start = fence_start,
		.invalidate_range_end = fence_end,
		.alloc_notifier = alloc_smm,
		.free_notifier = free_smm,
	};
}

/* That of current->mm; each get is ended by a put. May sleep. */
struct sodp_mm *sodp_mm_get(struct sodp_mem *mem)
{
	struct mm_struct *mm = current->mm;
	struct mmu_notifier *mn;
	struct sodp_mm *smm;

	if (!mm)
		return ERR_PTR(-EINVAL);
	if (mmap_write_lock_killable(mm))
		return ERR_PTR(-EINTR);
	mn = mmu_notifier_get_locked(&mem->ops, mm);
	if (IS_ERR(mn)) {
		mmap_write_unlock(mm);
		return ERR_CAST(mn);
	}
	smm = to_smm(mn);
	if (!smm->mem) { /* new: mmap_lock keeps this to one of us */
		refcount_inc(&mem->refs);
		atomic_inc(&mem->notifiers);
		smm->mem = mem;
	}
	mmap_write_unlock(mm);
	return smm;
}

void sodp_mm_put(struct sodp_mm *smm)
{
	mmu_notifier_put(&smm->mn);
}

/* Module exit, when every reference has been put. */
void sodp_mm_wait_all_freed(void)
{
	wait_event(mms_gone, !atomic_read(&live_mms));
	/* ... and until the last callback has left our text. */
	mmu_notifier_synchronize();
}

void sodp_fence_add_region(struct sodp_region *region)
{
	struct sodp_mm *smm = region->smm;

	spin_lock(&smm->lock);
	interval_tree_insert(&region->node, &smm->regions);
	spin_unlock(&smm->lock);
}

void sodp_fence_remove_region(struct sodp_region *region)
{
	struct sodp_mm *smm = region->smm;

	spin_lock(&smm->lock);
	interval_tree_remove(&region->node, &smm->regions);
	spin_unlock(&smm->lock);
}
