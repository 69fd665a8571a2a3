// SPDX-License-Identifier: GPL-2.0
/*
 * Memory windows: a part of a region, with rights and a key of its own, which
 * are given and taken without telling the region. IBTA 10.6.7.
 *
 * A key is one of a region's form; its low byte comes with each binding. Type 1
 * is for all of the domain and is bound anew at will; type 2 is for who bound
 * it (2B) and must be invalidated first.
 *
 * An access by a window's key counts as a user of the window, from the check
 * on, for one packet at most. Whoever ends the binding waits, under the lock,
 * until there is none; ending an access takes no lock. So after an invalidation
 * has returned no transfer is in flight by that key, as after one of a region.
 * What a fault keeps is the region: it comes back by the key, and is checked
 * again.
 *
 * A binding holds its region and is counted there: until it ends, the region
 * cannot be deregistered. If the owner's mm goes, accesses find the region gone.
 */
#include "internal.h"

struct sodp_window {
	spinlock_t lock; /* bh; all of the binding */
	struct sodp_mem *mem;
	u32 index; /* these three never change */
	u32 domain;
	enum sodp_window_type type;
	u32 key;
	bool gone; /* freed: it is bound no more */
	struct sodp_region *region; /* with a reference; NULL: not bound */
	u64 base; /* the address of its first byte */
	u64 iova; /* ... in the region */
	u64 length;
	u32 rights;
	struct sodp_window_user *user; /* type 2: who bound it */
	struct list_head node; /* in user->windows; mem->window_lock */
	atomic_t accesses; /* under way by the key */
	struct rcu_head rcu;
};

void sodp_windows_init(struct sodp_mem *mem)
{
	xa_init_flags(&mem->windows, XA_FLAGS_ALLOC1);
	spin_lock_init(&mem->window_lock);
}

void sodp_windows_exit(struct sodp_mem *mem)
{
	WARN_ON_ONCE(!xa_empty(&mem->windows));
	xa_destroy(&mem->windows);
}

static bool is_window(u32 key)
{
	return key >> 8 > SODP_MAX_REGION_INDEX;
}

/* Under RCU. It may be on its way out: see `gone`. */
static struct sodp_window *find(struct sodp_mem *mem, u32 key, u32 domain)
{
	struct sodp_window *window = xa_load(&mem->windows, key >> 8);

	return window && window->domain == domain ? window : NULL;
}

/* --- the binding ------------------------------------------------- */

static void list_at_user(struct sodp_window *window)
{
	lockdep_assert_held(&window->lock);
	if (!window->user)
		return;
	spin_lock_bh(&window->mem->window_lock);
	list_add_tail(&window->node, &window->user->windows);
	spin_unlock_bh(&window->mem->window_lock);
}

static void unlist_at_user(struct sodp_window *window)
{
	lockdep_assert_held(&window->lock);
	if (!window->user)
		return;
	spin_lock_bh(&window->mem->window_lock);
	list_del(&window->node);
	spin_unlock_bh(&window->mem->window_lock);
	window->user = NULL;
}

/* The caller has counted itself already. */
static void leave_region(struct sodp_region *region)
{
	atomic_dec(&region->windows);
	sodp_region_put(region);
}

/* No access begins by the key any more; wait for those that have. */
static void unbind(struct sodp_window *window)
{
	struct sodp_region *region = window->region;

	lockdep_assert_held(&window->lock);
	if (!region)
		return;
	window->region = NULL;
	unlist_at_user(window);
	/* Pairs with the release in end_access(). */
	if (!SODP_MUTANT(WINDOW_NO_DRAIN))
		atomic_cond_read_acquire(&window->accesses, !VAL);
	leave_region(region);
}

static bool may_bind(const struct sodp_window *window,
		     const struct sodp_window_bind *bind)
{
	lockdep_assert_held(&window->lock);
	if (window->gone || window->key != bind->key)
		return false;
	if (window->type == SODP_WINDOW_1)
		return !bind->zero_based;
	return !window->region && bind->length;
}

/* With a reference, and counted there; NULL: it cannot be bound to. */
static struct sodp_region *take_region(struct sodp_mem *mem, u32 domain,
				       const struct sodp_window_bind *bind)
{
	const u32 writes = SODP_MEM_REMOTE_WRITE | SODP_MEM_REMOTE_ATOMIC;
	struct sodp_region *region;
	u32 need = SODP_MEM_BIND;

	/* C10-74: reading by peers is the window's to allow, not the region's */
	if (bind->rights & writes)
		need |= SODP_MEM_LOCAL_WRITE;
	if (sodp_region_get(mem, bind->region_key, domain, need, bind->iova,
			    bind->length, &region) != SODP_MEM_OK)
		return NULL;
	/* Against sodp_region_retire(). */
	if (atomic_inc_unless_negative(&region->windows))
		return region;
	sodp_region_put(region);
	return NULL;
}

/* Takes over @region's reference and count. */
static void set_binding(struct sodp_window *window, struct sodp_region *region,
			struct sodp_window_user *user,
			const struct sodp_window_bind *bind)
{
	lockdep_assert_held(&window->lock);
	/* READ_ONCE() in sodp_window_key() */
	WRITE_ONCE(window->key,
		   (window->key & ~0xffU) | (bind->new_key & 0xff));
	window->region = region;
	window->base = bind->zero_based ? 0 : bind->iova;
	window->iova = bind->iova;
	window->length = bind->length;
	window->rights = bind->rights;
	if (window->type == SODP_WINDOW_2)
		window->user = user;
	list_at_user(window);
}

int sodp_window_bind(struct sodp_mem *mem, u32 domain,
		     struct sodp_window_user *user,
		     const struct sodp_window_bind *bind)
{
	struct sodp_region *region = NULL;
	struct sodp_window *window;
	bool bound = false;

	if (bind->length) {
		region = take_region(mem, domain, bind);
		if (!region)
			return -EINVAL;
	}
	rcu_read_lock();
	window = find(mem, bind->key, domain);
	if (window) {
		spin_lock_bh(&window->lock);
		bound = may_bind(window, bind);
		if (bound) {
			unbind(window);
			set_binding(window, region, user, bind);
		}
		spin_unlock_bh(&window->lock);
	}
	rcu_read_unlock();
	if (!bound && region)
		leave_region(region);
	return bound ? 0 : -EINVAL;
}

/*
 * One that is not bound is invalid already: as on Soft-RoCE, to say it twice is
 * no error.
 */
static int invalidate(struct sodp_mem *mem, u32 domain,
		      const struct sodp_window_user *user, u32 key)
{
	struct sodp_window *window;
	int err = -EINVAL;

	rcu_read_lock();
	window = find(mem, key, domain);
	if (window) {
		spin_lock_bh(&window->lock);
		if (window->key == key && window->type == SODP_WINDOW_2 &&
		    (!window->region || window->user == user)) {
			if (!SODP_MUTANT(WINDOW_STALE))
				unbind(window);
			err = 0;
		}
		spin_unlock_bh(&window->lock);
	}
	rcu_read_unlock();
	return err;
}

int sodp_key_invalidate(struct sodp_mem *mem, u32 domain,
			const struct sodp_window_user *user, u32 key)
{
	if (is_window(key))
		return invalidate(mem, domain, user, key);
	return sodp_fast_invalidate(mem, domain, key);
}

/* --- access ------------------------------------------------------ */

/* By subtraction, as everywhere: sums can wrap. */
static bool inside(const struct sodp_window *window, u64 iova, u64 length)
{
	u64 offset = iova - window->base;

	if (SODP_MUTANT(WINDOW_LONGER))
		return sodp_region_inside(window->region, window->iova + offset,
					  length);
	return offset <= window->length && length <= window->length - offset;
}

static enum sodp_mem_result check(const struct sodp_window *window,
				  const struct sodp_access *access)
{
	lockdep_assert_held(&window->lock);
	if (!window->region || window->key != access->key ||
	    access->need & ~window->rights)
		return SODP_MEM_ACCESS;
	if (window->user && window->user != access->user &&
	    !SODP_MUTANT(WINDOW_ANY_USER))
		return SODP_MEM_ACCESS;
	if (access->length && !inside(window, access->iova, access->length))
		return SODP_MEM_BOUNDS;
	if (!sodp_region_alive(window->region))
		return SODP_MEM_GONE;
	return SODP_MEM_OK;
}

static void end_access(struct sodp_window *window)
{
	/* Behind it the window may be gone. Pairs with unbind(). */
	atomic_dec_return_release(&window->accesses);
}

/* The region goes to *used, with a reference. */
static enum sodp_mem_result get_by_window(struct sodp_mem *mem,
					  const struct sodp_access *access,
					  struct sodp_region **used,
					  struct sodp_remote *remote)
{
	enum sodp_mem_result result = SODP_MEM_ACCESS;
	struct sodp_region *before = NULL;
	struct sodp_window *window;

	rcu_read_lock();
	window = find(mem, access->key, access->domain);
	if (window) {
		spin_lock_bh(&window->lock);
		result = check(window, access);
		if (result == SODP_MEM_OK) {
			atomic_inc(&window->accesses);
			if (*used != window->region) {
				before = *used;
				sodp_region_hold(window->region);
				*used = window->region;
			}
			remote->region = window->region;
			remote->window = window;
			remote->iova =
				window->iova + (access->iova - window->base);
		}
		spin_unlock_bh(&window->lock);
	}
	rcu_read_unlock();
	if (before)
		sodp_region_put(before);
	return result;
}

enum sodp_mem_result sodp_remote_get(struct sodp_mem *mem,
				     const struct sodp_access *access,
				     struct sodp_region **used,
				     struct sodp_remote *remote)
{
	enum sodp_mem_result result;

	/* Who waits for it spins. */
	if (IS_ENABLED(CONFIG_PROVE_LOCKING))
		WARN_ON_ONCE(!in_softirq());
	if (is_window(access->key))
		return get_by_window(mem, access, used, remote);
	result = sodp_region_use(mem, access->key, access->domain, access->need,
				 access->iova, access->length, used);
	remote->window = NULL;
	remote->region = *used;
	remote->iova = access->iova;
	return result;
}

void sodp_remote_end(struct sodp_remote *remote)
{
	if (remote->window)
		end_access(remote->window);
	remote->window = NULL;
}

struct sodp_region *sodp_remote_keep_region(struct sodp_remote *remote)
{
	sodp_region_hold(remote->region);
	sodp_remote_end(remote);
	return remote->region;
}

/* --- life -------------------------------------------------------- */

struct sodp_window *sodp_window_alloc(struct sodp_mem *mem, u32 domain,
				      enum sodp_window_type type)
{
	struct sodp_window *window;
	int err;

	window = kzalloc(sizeof(*window), GFP_KERNEL_ACCOUNT);
	if (!window)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&window->lock);
	window->mem = mem;
	window->domain = domain;
	window->type = type;
	/* Reserved, then published: who finds it finds it complete. */
	err = xa_alloc_cyclic(&mem->windows, &window->index, NULL,
			      XA_LIMIT(SODP_MAX_REGION_INDEX + 1,
				       SODP_MAX_INDEX),
			      &mem->next_window, GFP_KERNEL);
	if (err < 0) {
		kfree(window);
		return ERR_PTR(err == -EBUSY ? -ENOSPC : err);
	}
	window->key = window->index << 8 |
		      (atomic_inc_return(&mem->variant) & 0xff);
	/* Into the reserved slot: allocates nothing. */
	xa_store(&mem->windows, window->index, window, GFP_KERNEL);
	return window;
}

u32 sodp_window_key(const struct sodp_window *window)
{
	return READ_ONCE(window->key);
}

void sodp_window_free(struct sodp_window *window)
{
	xa_erase(&window->mem->windows, window->index);
	spin_lock_bh(&window->lock);
	window->gone = true;
	unbind(window);
	spin_unlock_bh(&window->lock);
	kfree_rcu(window, rcu);
}

void sodp_window_user_init(struct sodp_window_user *user)
{
	INIT_LIST_HEAD(&user->windows);
}

/* Under RCU. */
static struct sodp_window *first_of(struct sodp_mem *mem,
				    const struct sodp_window_user *user)
{
	struct sodp_window *window = NULL;

	spin_lock_bh(&mem->window_lock);
	if (!list_empty(&user->windows))
		window = list_first_entry(&user->windows, struct sodp_window,
					  node);
	spin_unlock_bh(&mem->window_lock);
	return window;
}

static bool unbind_first(struct sodp_mem *mem,
			 const struct sodp_window_user *user)
{
	struct sodp_window *window;

	rcu_read_lock();
	window = first_of(mem, user);
	if (window) {
		spin_lock_bh(&window->lock);
		/* Else it was freed or invalidated in between. */
		if (window->user == user)
			unbind(window);
		spin_unlock_bh(&window->lock);
	}
	rcu_read_unlock();
	return window;
}

void sodp_window_user_end(struct sodp_mem *mem, struct sodp_window_user *user)
{
	while (unbind_first(mem, user))
		cond_resched();
}
