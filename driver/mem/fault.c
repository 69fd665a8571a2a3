// SPDX-License-Identifier: GPL-2.0
/*
 * A fault: an object of its own that outlives, if need be, the QP that asked
 * for it, the region and the device. Whoever started it can let go at any
 * time without waiting for it, so a dead userfaultfd handler hangs nobody.
 *
 * It may sleep for as long as user space likes. So that one process cannot
 * use up all workers, only so many run at a time for one mm and for one user;
 * the others wait in line at their mm, without a worker.
 */
#include "internal.h"

#define RUNNING_PER_MM	 16
#define RUNNING_PER_USER 64

/* Lines of the mms of one user. By kuid, for all devices. */
struct sodp_user {
	struct list_head node; /* users_lock */
	unsigned int refs; /* users_lock */
	kuid_t uid;
	spinlock_t lock; /* irqsave: taken from softirq too */
	unsigned int running;
	struct list_head waiting; /* mms with faults in line */
};

struct sodp_fault {
	refcount_t refs; /* of who started it, of the line or the worker */
	spinlock_t lock; /* bh: done() against release */
	bool orphaned;
	bool prefetch;
	bool no_fault;
	bool write;
	u64 first; /* page of the region */
	u64 count;
	struct sodp_ahead ahead;
	sodp_fault_done_fn done;
	void *arg;
	struct sodp_region *region;
	struct list_head node; /* in smm->waiting; user->lock */
	struct work_struct work;
};

static struct kmem_cache *fault_cache;
static LIST_HEAD(users);
static DEFINE_SPINLOCK(users_lock);

/* --- slots ------------------------------------------------------- */

static struct sodp_user *find_line(kuid_t uid)
{
	struct sodp_user *user;

	lockdep_assert_held(&users_lock);
	list_for_each_entry (user, &users, node) {
		if (uid_eq(user->uid, uid)) {
			user->refs++;
			return user;
		}
	}
	return NULL;
}

/* That of the current task. May sleep. */
struct sodp_user *sodp_user_get(void)
{
	struct sodp_user *user, *new;
	kuid_t uid = current_uid();

	new = kzalloc(sizeof(*new), GFP_KERNEL);
	if (!new)
		return NULL;
	new->refs = 1;
	new->uid = uid;
	spin_lock_init(&new->lock);
	INIT_LIST_HEAD(&new->waiting);

	spin_lock_bh(&users_lock);
	user = find_line(uid);
	if (!user) {
		list_add(&new->node, &users);
		user = new;
		new = NULL;
	}
	spin_unlock_bh(&users_lock);
	kfree(new);
	return user;
}

void sodp_user_put(struct sodp_user *user)
{
	bool last;

	spin_lock_bh(&users_lock);
	last = !--user->refs;
	if (last)
		list_del(&user->node);
	spin_unlock_bh(&users_lock);
	if (last)
		kfree(user);
}

static bool take_slot(struct sodp_mm *smm)
{
	struct sodp_user *user = smm->user;

	lockdep_assert_held(&user->lock);
	if (smm->running >= RUNNING_PER_MM || user->running >= RUNNING_PER_USER)
		return false;
	smm->running++;
	user->running++;
	return true;
}

/* True: run it. False: it stands in line. */
static bool take_slot_or_wait(struct sodp_fault *fault)
{
	struct sodp_mm *smm = fault->region->smm;
	unsigned long flags;
	bool run;

	if (!smm)
		return true; /* ends at once */
	spin_lock_irqsave(&smm->user->lock, flags);
	run = take_slot(smm);
	if (!run) {
		list_add_tail(&fault->node, &smm->waiting);
		if (list_empty(&smm->user_node))
			list_add_tail(&smm->user_node, &smm->user->waiting);
	}
	spin_unlock_irqrestore(&smm->user->lock, flags);
	return run;
}

static void leave_line(struct sodp_fault *fault)
{
	struct sodp_mm *smm = fault->region->smm;

	lockdep_assert_held(&smm->user->lock);
	list_del_init(&fault->node);
	if (list_empty(&smm->waiting))
		list_del_init(&smm->user_node);
}

/* Who is next for a slot of this user: mms take turns. */
static struct sodp_fault *next_in_line(struct sodp_user *user)
{
	struct sodp_fault *fault;
	struct sodp_mm *smm;

	lockdep_assert_held(&user->lock);
	list_for_each_entry (smm, &user->waiting, user_node) {
		if (!take_slot(smm))
			continue;
		fault = list_first_entry(&smm->waiting, struct sodp_fault,
					 node);
		list_move_tail(&smm->user_node, &user->waiting);
		leave_line(fault);
		return fault;
	}
	return NULL;
}

static void give_slot_back(struct sodp_mm *smm)
{
	struct sodp_user *user = smm->user;
	struct sodp_fault *next;
	unsigned long flags;

	spin_lock_irqsave(&user->lock, flags);
	smm->running--;
	user->running--;
	/* Under the lock: once out of line, nobody else keeps it from going. */
	while ((next = next_in_line(user)))
		queue_work(sodp_mem_wq, &next->work);
	spin_unlock_irqrestore(&user->lock, flags);
}

/* --- the fault --------------------------------------------------- */

static void fault_put(struct sodp_fault *fault)
{
	if (!refcount_dec_and_test(&fault->refs))
		return;
	sodp_region_put(fault->region);
	kmem_cache_free(fault_cache, fault);
	/* The text stays until exit has flushed the workqueue. */
	module_put(THIS_MODULE);
}

static u64 iova_of(const struct sodp_fault *fault)
{
	const struct sodp_region *region = fault->region;

	return region->iova - (region->start & ~PAGE_MASK) +
	       (fault->first << PAGE_SHIFT);
}

static void finish(struct sodp_fault *fault, enum sodp_mem_result result)
{
	trace_fault_end(fault->region->key, iova_of(fault), result);
	if (result != SODP_MEM_OK && !fault->prefetch)
		sodp_mem_count(fault->region->mem, SODP_CNT_PAGE_FAULTS_FAILED,
			       1);
	spin_lock_bh(&fault->lock);
	if (!fault->orphaned && fault->done)
		fault->done(fault->arg, result);
	spin_unlock_bh(&fault->lock);
}

/* Nobody waits for this any more. */
static void go_ahead(const struct sodp_fault *fault)
{
	const struct sodp_populate request = {
		.region = fault->region,
		.first = fault->ahead.first,
		.count = fault->ahead.count,
		.write = fault->write,
		.prefetch = true,
		.nowait = true,
	};

	if (fault->ahead.count)
		sodp_populate(&request);
}

static void fault_work(struct work_struct *work)
{
	struct sodp_fault *fault = container_of(work, struct sodp_fault, work);
	struct sodp_mm *smm = fault->region->smm;
	const struct sodp_populate request = {
		.region = fault->region,
		.first = fault->first,
		.count = fault->count,
		.write = fault->write,
		.all = fault->prefetch && !fault->no_fault,
		.no_fault = fault->no_fault,
		.prefetch = fault->prefetch,
		.cancel = &fault->orphaned,
	};
	enum sodp_mem_result result = sodp_populate(&request);

	finish(fault, result);
	if (result == SODP_MEM_OK)
		go_ahead(fault);
	if (smm)
		give_slot_back(smm);
	fault_put(fault);
}

static struct sodp_fault *alloc_fault(struct sodp_region *region, u64 iova,
				      u64 length, bool write, gfp_t gfp)
{
	u64 offset = sodp_region_offset(region, iova);
	struct sodp_fault *fault;

	fault = kmem_cache_zalloc(fault_cache, gfp);
	if (!fault)
		return NULL;
	if (!try_module_get(THIS_MODULE)) {
		kmem_cache_free(fault_cache, fault);
		return NULL;
	}
	refcount_set(&fault->refs, 2);
	spin_lock_init(&fault->lock);
	fault->write = write;
	fault->first = offset >> PAGE_SHIFT;
	fault->count =
		((offset + (length - 1)) >> PAGE_SHIFT) - fault->first + 1;
	sodp_region_hold(region);
	fault->region = region;
	INIT_LIST_HEAD(&fault->node);
	INIT_WORK(&fault->work, fault_work);
	return fault;
}

static void start(struct sodp_fault *fault)
{
	trace_fault_begin(fault->region->key, iova_of(fault),
			  fault->count << PAGE_SHIFT, fault->write);
	if (take_slot_or_wait(fault))
		queue_work(sodp_mem_wq, &fault->work);
	else
		sodp_mem_count(fault->region->mem, SODP_CNT_PAGE_FAULTS_DELAYED,
			       1);
}

/* [iova, iova + length) as far as it is inside the region; 0: not at all. */
static u64 clipped(const struct sodp_region *region, u64 iova, u64 length)
{
	u64 offset = iova - region->iova;

	if (offset >= region->length)
		return 0;
	return min(length, region->length - offset);
}

struct sodp_fault *sodp_fault_start(struct sodp_region *region, u64 iova,
				    u64 length, bool write,
				    sodp_fault_done_fn done, void *arg)
{
	struct sodp_fault *fault;

	length = min_t(u64, clipped(region, iova, length), 1 << 20);
	if (WARN_ON_ONCE(!length))
		return NULL;
	fault = alloc_fault(region, iova, length, write, GFP_ATOMIC);
	if (!fault)
		return NULL;
	fault->done = done;
	fault->arg = arg;
	sodp_ahead_plan(region, fault->first, fault->count, write,
			&fault->ahead);
	atomic64_inc(&region->faults);
	sodp_mem_count(region->mem, SODP_CNT_PAGE_FAULTS, 1);
	start(fault);
	return fault;
}

/* The caller has checked bounds and rights. May sleep. */
struct sodp_fault *sodp_fault_start_prefetch(struct sodp_region *region,
					     u64 iova, u64 length, bool write,
					     bool no_fault,
					     sodp_fault_done_fn done, void *arg)
{
	struct sodp_fault *fault;

	fault = alloc_fault(region, iova, length, write, GFP_KERNEL_ACCOUNT);
	if (!fault)
		return NULL;
	fault->prefetch = true;
	fault->no_fault = no_fault;
	fault->done = done;
	fault->arg = arg;
	start(fault);
	return fault;
}

/* Still in line: take it out. Its line's reference is ours then. */
static bool take_out_of_line(struct sodp_fault *fault)
{
	struct sodp_mm *smm = fault->region->smm;
	unsigned long flags;
	bool waiting;

	if (!smm)
		return false;
	spin_lock_irqsave(&smm->user->lock, flags);
	waiting = !list_empty(&fault->node);
	if (waiting)
		leave_line(fault);
	spin_unlock_irqrestore(&smm->user->lock, flags);
	return waiting;
}

void sodp_fault_release(struct sodp_fault *fault)
{
	spin_lock_bh(&fault->lock);
	WRITE_ONCE(fault->orphaned, true);
	spin_unlock_bh(&fault->lock);
	if (take_out_of_line(fault))
		fault_put(fault);
	fault_put(fault);
}

/* Let go of it without stopping it; nobody is told when it is done. */
void sodp_fault_detach(struct sodp_fault *fault)
{
	fault_put(fault);
}

int sodp_fault_init(void)
{
	fault_cache = KMEM_CACHE(sodp_fault, 0);
	return fault_cache ? 0 : -ENOMEM;
}

void sodp_fault_exit(void)
{
	kmem_cache_destroy(fault_cache);
}
