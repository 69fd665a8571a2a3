// SPDX-License-Identifier: GPL-2.0
/*
 * Regions: keys, bounds, rights, registration and its end.
 *
 * A key is (index << 8 | variant). The index is cyclic and the variant rolls,
 * so that a stale key is refused for as long as possible. Index 0 is not used
 * (key 0 means none), and the upper half of the indices is left to memory
 * windows.
 *
 * Death has two phases. Deregistration takes the key away, marks the region
 * dead and empties its table; it waits for nobody. The struct lives until the
 * last who holds it lets go: a packet being processed, a fault, a prefetch, a
 * hook in the middle of a sweep. Then, after an RCU grace period for those who
 * found it by key and did not get a reference, a work item frees it.
 */
#include "internal.h"

struct workqueue_struct *sodp_mem_wq;
static struct kmem_cache *region_cache;

/* --- the memory side of a device --------------------------------- */

/* Any context. The device may be gone already, its counters with it. */
void sodp_mem_count(struct sodp_mem *mem, enum sodp_counter id, u64 n)
{
	struct sodp_counters __percpu *counters;

	rcu_read_lock();
	counters = READ_ONCE(mem->counters);
	if (counters)
		sodp_count_n(counters, id, n);
	rcu_read_unlock();
}

struct sodp_mem *sodp_mem_create(struct sodp_counters __percpu *counters)
{
	struct sodp_mem *mem;

	mem = kzalloc(sizeof(*mem), GFP_KERNEL);
	if (!mem)
		return NULL;
	refcount_set(&mem->refs, 1);
	xa_init_flags(&mem->keys, XA_FLAGS_ALLOC1);
	atomic_set(&mem->variant, (int)get_random_u32());
	mem->counters = counters;
	sodp_windows_init(mem);
	sodp_fence_init_ops(&mem->ops);
	return mem;
}

void sodp_mem_put(struct sodp_mem *mem)
{
	if (!refcount_dec_and_test(&mem->refs))
		return;
	WARN_ON_ONCE(!xa_empty(&mem->keys));
	xa_destroy(&mem->keys);
	sodp_windows_exit(mem);
	/* The notifier core may still look at ops after free_notifier(). */
	kfree_rcu(mem, rcu);
}

void sodp_mem_live(const struct sodp_mem *mem, struct sodp_mem_live *live)
{
	live->regions = atomic_read(&mem->regions);
	live->notifiers = atomic_read(&mem->notifiers);
	live->table_pages = sodp_table_live_pages();
}

void sodp_mem_destroy(struct sodp_mem *mem)
{
	if (!mem)
		return;
	WRITE_ONCE(mem->counters, NULL);
	synchronize_rcu(); /* pairs with sodp_mem_count() */
	sodp_mem_put(mem);
}

struct sodp_mem_ctx *sodp_mem_ctx_create(struct sodp_mem *mem)
{
	struct sodp_mem_ctx *ctx;

	ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);
	if (!ctx)
		return NULL;
	mutex_init(&ctx->lock);
	refcount_inc(&mem->refs);
	ctx->mem = mem;
	return ctx;
}

void sodp_mem_ctx_destroy(struct sodp_mem_ctx *ctx)
{
	if (!ctx)
		return;
	if (ctx->smm)
		sodp_mm_put(ctx->smm);
	sodp_mem_put(ctx->mem);
	mutex_destroy(&ctx->lock);
	kfree(ctx);
}

/* --- references -------------------------------------------------- */

static void free_region_work(struct work_struct *work)
{
	struct sodp_region *region =
		container_of(to_rcu_work(work), struct sodp_region, free_work);

	if (region->smm) {
		sodp_fence_remove_region(region);
		sodp_mm_put(region->smm);
	}
	WARN_ON_ONCE(region->table.nodes);
	sodp_fast_free(region);
	atomic_dec(&region->mem->regions);
	sodp_mem_put(region->mem);
	kmem_cache_free(region_cache, region);
}

void sodp_region_hold(struct sodp_region *region)
{
	refcount_inc(&region->refs);
}

bool sodp_region_try_hold(struct sodp_region *region)
{
	return refcount_inc_not_zero(&region->refs);
}

void sodp_region_put(struct sodp_region *region)
{
	if (refcount_dec_and_test(&region->refs))
		queue_rcu_work(sodp_mem_wq, &region->free_work);
}

/* --- keys, bounds, rights ---------------------------------------- */

/* The one place where bounds are checked. By subtraction: sums can wrap. */
bool sodp_region_inside(const struct sodp_region *region, u64 iova, u64 length)
{
	u64 offset = iova - region->iova;
	u64 end = region->length + SODP_MUTANT(BOUNDS_OFF_BY_ONE);

	return offset <= end && length <= end - offset;
}

unsigned long sodp_region_page_va(const struct sodp_region *region, u64 index)
{
	return (region->start & PAGE_MASK) + (index << PAGE_SHIFT);
}

bool sodp_region_writable(const struct sodp_region *region)
{
	return region->rights & (SODP_MEM_LOCAL_WRITE | SODP_MEM_REMOTE_WRITE |
				 SODP_MEM_REMOTE_ATOMIC);
}

static int assign_key(struct sodp_region *region)
{
	struct sodp_mem *mem = region->mem;
	u32 index;
	int err;

	/*
	 * Reserve, make the key, then publish: a lookup that finds the region
	 * finds it complete.
	 */
	err = xa_alloc_cyclic(&mem->keys, &index, NULL,
			      XA_LIMIT(1, SODP_MAX_REGION_INDEX),
			      &mem->next_index, GFP_KERNEL);
	if (err < 0)
		return err == -EBUSY ? -ENOSPC : err;
	region->key = index << 8 | (atomic_inc_return(&mem->variant) & 0xff);
	return 0;
}

static void publish_key(struct sodp_region *region)
{
	/* Stores into the reserved slot: allocates nothing. */
	xa_store(&region->mem->keys, region->key >> 8, region, GFP_KERNEL);
}

u32 sodp_region_key(const struct sodp_region *region)
{
	return region->key;
}

bool sodp_region_on_demand(const struct sodp_region *region)
{
	return region->kind == SODP_MEM_ON_DEMAND;
}

bool sodp_region_implicit(const struct sodp_region *region)
{
	return region->implicit;
}

bool sodp_region_is_ours(const struct sodp_region *region)
{
	const struct mm_struct *mm = region->smm ? region->smm->mn.mm :
						   region->pin_mm;

	return !mm || mm == current->mm; /* one without pages is nobody's */
}

u64 sodp_region_pages(const struct sodp_region *region)
{
	return region->npages;
}

static struct sodp_region *find(struct sodp_mem *mem, u32 key)
{
	struct sodp_region *region;

	rcu_read_lock();
	region = xa_load(&mem->keys, key >> 8);
	if (region &&
	    (READ_ONCE(region->key) != key || !sodp_region_try_hold(region)))
		region = NULL;
	rcu_read_unlock();
	if (!region)
		return NULL;
	/* A fast registration changes while nobody holds it: pairs with fast.c */
	smp_rmb();
	if (READ_ONCE(region->key) == key)
		return region;
	sodp_region_put(region);
	return NULL;
}

bool sodp_region_alive(const struct sodp_region *region)
{
	return !READ_ONCE(region->dead) &&
	       !(region->smm && READ_ONCE(region->smm->dead));
}

static enum sodp_mem_result may_access(const struct sodp_region *r, u32 domain,
				       u32 need, u64 iova, u64 length)
{
	if (r->domain != domain || (need & ~r->rights))
		return SODP_MEM_ACCESS;
	if (length && !sodp_region_inside(r, iova, length))
		return SODP_MEM_BOUNDS;
	return sodp_region_alive(r) ? SODP_MEM_OK : SODP_MEM_GONE;
}

enum sodp_mem_result sodp_region_get(struct sodp_mem *mem, u32 key, u32 domain,
				     u32 need, u64 iova, u64 length,
				     struct sodp_region **region)
{
	struct sodp_region *r = find(mem, key);
	enum sodp_mem_result result;

	if (!r)
		return SODP_MEM_ACCESS;
	result = may_access(r, domain, need, iova, length);
	if (result != SODP_MEM_OK) {
		sodp_region_put(r);
		return result;
	}
	*region = r;
	return SODP_MEM_OK;
}

enum sodp_mem_result sodp_region_use(struct sodp_mem *mem, u32 key, u32 domain,
				     u32 need, u64 iova, u64 length,
				     struct sodp_region **region)
{
	struct sodp_region *r = *region;

	if (!r || READ_ONCE(r->key) != key) {
		r = find(mem, key);
		if (!r)
			return SODP_MEM_ACCESS;
		if (*region)
			sodp_region_put(*region);
		*region = r;
	}
	return may_access(r, domain, need, iova, length);
}

/* --- registration ------------------------------------------------ */

static bool is_whole(const struct sodp_region_attr *attr)
{
	return attr->kind == SODP_MEM_ON_DEMAND && !attr->start &&
	       attr->length == SODP_MEM_WHOLE;
}

static int check_attr(const struct sodp_region_attr *attr)
{
	if (is_whole(attr))
		return attr->iova ? -EINVAL : 0;
	if (attr->start != (unsigned long)attr->start)
		return -EINVAL;
	if (!attr->length)
		return 0;
	if (attr->length - 1 > (u64)ULONG_MAX - attr->start ||
	    attr->length - 1 > U64_MAX - attr->iova)
		return -EINVAL; /* wraps */
	if (attr->kind != SODP_MEM_ALL_LOCAL &&
	    (attr->start & ~PAGE_MASK) != (attr->iova & ~PAGE_MASK))
		return -EINVAL;
	if (attr->huge && attr->kind == SODP_MEM_ON_DEMAND &&
	    !sodp_is_hugetlb(attr->start))
		return -EINVAL;
	return 0;
}

static struct sodp_region *alloc_region(struct sodp_mem *mem,
					const struct sodp_region_attr *attr)
{
	struct sodp_region *r;

	r = kmem_cache_zalloc(region_cache, GFP_KERNEL_ACCOUNT);
	if (!r)
		return NULL;
	refcount_set(&r->refs, 1);
	refcount_inc(&mem->refs);
	atomic_inc(&mem->regions);
	r->mem = mem;
	r->kind = attr->kind;
	r->domain = attr->domain;
	r->rights = attr->rights;
	r->iova = attr->iova;
	r->length = attr->length;
	r->start = attr->start;
	r->implicit = is_whole(attr);
	/* Above it there is never anything; fewer levels to walk. */
	if (r->implicit)
		r->length = current->mm ? current->mm->task_size : 0;
	if (r->length && attr->kind != SODP_MEM_ALL_LOCAL)
		r->npages = ((r->start + (r->length - 1)) >> PAGE_SHIFT) -
			    (r->start >> PAGE_SHIFT) + 1;
	spin_lock_init(&r->own_lock);
	sodp_table_init(&r->table, r->npages, &r->own_lock);
	INIT_RCU_WORK(&r->free_work, free_region_work);
	return r;
}

/*
 * On demand: hang the region on the notifier of this mm. The context keeps
 * one reference, so that the notifier is not made anew for each region; a
 * child process that inherited the context gets one of its own.
 */
static int attach(struct sodp_mem_ctx *ctx, struct sodp_region *region)
{
	struct sodp_mm *smm, *kept;

	smm = sodp_mm_get(ctx->mem);
	if (IS_ERR(smm))
		return PTR_ERR(smm);
	mutex_lock(&ctx->lock);
	if (!ctx->smm) {
		kept = sodp_mm_get(ctx->mem);
		if (!IS_ERR(kept))
			ctx->smm = kept;
	}
	mutex_unlock(&ctx->lock);

	region->smm = smm;
	region->table.lock = &smm->lock;
	region->node.start = region->start & PAGE_MASK;
	region->node.last = region->node.start;
	if (region->npages)
		region->node.last =
			sodp_region_page_va(region, region->npages - 1) |
			~PAGE_MASK;
	sodp_fence_add_region(region);
	return 0;
}

static int back(struct sodp_mem_ctx *ctx, struct sodp_region *region)
{
	switch (region->kind) {
	case SODP_MEM_PINNED:
		return sodp_pin(region);
	case SODP_MEM_ON_DEMAND:
		return attach(ctx, region);
	case SODP_MEM_FAST:
		return sodp_fast_init(region);
	case SODP_MEM_ALL_LOCAL:
		return 0;
	}
	return -EINVAL;
}

static struct sodp_region *do_register(struct sodp_mem *mem,
				       struct sodp_mem_ctx *ctx,
				       const struct sodp_region_attr *attr)
{
	struct sodp_region *region;
	int err;

	err = check_attr(attr);
	if (err)
		return ERR_PTR(err);
	region = alloc_region(mem, attr);
	if (!region)
		return ERR_PTR(-ENOMEM);
	err = assign_key(region);
	if (err)
		goto put_region;
	err = back(ctx, region);
	if (err)
		goto release_key;
	publish_key(region);
	trace_region_register(region->key, region->start, region->length,
			      region->iova, region->rights,
			      sodp_region_on_demand(region));
	return region;

release_key:
	xa_erase(&region->mem->keys, region->key >> 8);
put_region:
	sodp_region_put(region);
	return ERR_PTR(err);
}

struct sodp_region *sodp_region_register(struct sodp_mem_ctx *ctx,
					 const struct sodp_region_attr *attr)
{
	if (attr->kind == SODP_MEM_ALL_LOCAL || attr->kind == SODP_MEM_FAST)
		return ERR_PTR(-EINVAL); /* not for user contexts */
	return do_register(ctx->mem, ctx, attr);
}

struct sodp_region *sodp_region_register_kernel(struct sodp_mem *mem,
						u32 domain, u32 rights)
{
	const struct sodp_region_attr attr = {
		.kind = SODP_MEM_ALL_LOCAL,
		.length = U64_MAX,
		.rights = rights,
		.domain = domain,
	};

	return do_register(mem, NULL, &attr);
}

struct sodp_region *sodp_region_alloc_fast(struct sodp_mem *mem, u32 domain,
					   u32 max_pages)
{
	const struct sodp_region_attr attr = {
		.kind = SODP_MEM_FAST,
		.length = (u64)max_pages << PAGE_SHIFT,
		.domain = domain,
	};

	if (!max_pages)
		return ERR_PTR(-EINVAL);
	return do_register(mem, NULL, &attr);
}

bool sodp_region_retire(struct sodp_region *region)
{
	/* Against window.c: take_region(). */
	return atomic_cmpxchg(&region->windows, 0, -1) == 0;
}

/* From here on no install; see populate.c: install_pages(). */
static void mark_dead(struct sodp_region *region)
{
	if (region->kind == SODP_MEM_FAST) {
		sodp_fast_take_down(region);
		return;
	}
	spin_lock(region->table.lock);
	WRITE_ONCE(region->dead, true);
	spin_unlock(region->table.lock);
}

static void take_down(struct sodp_region *region)
{
	struct sodp_sweep sweep = {};

	xa_erase(&region->mem->keys, region->key >> 8);
	mark_dead(region);
	switch (region->kind) {
	case SODP_MEM_PINNED:
		sodp_unpin(region);
		break;
	case SODP_MEM_ON_DEMAND:
		if (region->npages)
			sodp_region_sweep(region, 0, region->npages - 1, true,
					  &sweep);
		break;
	case SODP_MEM_ALL_LOCAL:
		synchronize_rcu(); /* pairs with copy.c: transfer_begin() */
		break;
	case SODP_MEM_FAST:
		break;
	}
	sodp_region_put(region);
}

/* For STALE_KEY only. */
static void take_down_late(struct work_struct *work)
{
	struct sodp_region *region =
		container_of(to_rcu_work(work), struct sodp_region, free_work);

	INIT_RCU_WORK(&region->free_work, free_region_work);
	take_down(region);
}

void sodp_region_deregister(struct sodp_region *region)
{
	trace_region_deregister(region->key);
	if (SODP_MUTANT(STALE_KEY)) {
		INIT_RCU_WORK(&region->free_work, take_down_late);
		queue_rcu_work(sodp_mem_wq, &region->free_work);
		return;
	}
	take_down(region);
}

void sodp_region_read_stats(struct sodp_region *region,
			    struct sodp_region_stats *stats)
{
	stats->page_faults = atomic64_read(&region->faults);
	stats->page_faults_handled = atomic64_read(&region->faults_handled);
	stats->page_invalidations = atomic64_read(&region->invalidations);
	stats->page_invalidations_handled =
		atomic64_read(&region->invalidations_handled);
	stats->page_prefetch = atomic64_read(&region->prefetched);
	stats->page_faults_major = atomic64_read(&region->faults_major);
	stats->page_faults_retried = atomic64_read(&region->faults_retried);
	stats->fence_waits = atomic64_read(&region->fence_waits);
	stats->resident_pages = READ_ONCE(region->table.resident);
	stats->table_bytes = (u64)READ_ONCE(region->table.nodes) << PAGE_SHIFT;
}

/* --- module ------------------------------------------------------ */

int sodp_mem_init(void)
{
	int err = -ENOMEM;

	region_cache = KMEM_CACHE(sodp_region, 0);
	if (!region_cache)
		return -ENOMEM;
	/* Unbound: a fault may sleep for long and must hold up no other. */
	sodp_mem_wq =
		alloc_workqueue("sodp_mem", WQ_UNBOUND, WQ_UNBOUND_MAX_ACTIVE);
	if (!sodp_mem_wq)
		goto destroy_cache;
	err = sodp_fault_init();
	if (err)
		goto destroy_wq;
	return 0;

destroy_wq:
	destroy_workqueue(sodp_mem_wq);
destroy_cache:
	kmem_cache_destroy(region_cache);
	return err;
}

/*
 * The last references may have been put a moment ago: follow what each of
 * them set off, in order, before the text goes.
 */
void sodp_mem_exit(void)
{
	rcu_barrier(); /* queue_rcu_work() of regions */
	destroy_workqueue(sodp_mem_wq); /* free_region_work(), faults' tails */
	sodp_mm_wait_all_freed(); /* free_notifier(), from SRCU */
	rcu_barrier(); /* table nodes, sodp_mem */
	sodp_fault_exit();
	kmem_cache_destroy(region_cache);
}
