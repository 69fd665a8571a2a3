// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* RCU, memory, work queues, containers of the host shim. */
#include "mem_shim.h"

__thread struct shim_context shim;
__thread struct task_struct shim_task;
__thread struct mem_cgroup *shim_active_memcg;
unsigned int shim_uid = 1000;
unsigned long shim_memlock = 1UL << 30;
bool shim_ipc_lock;
bool shim_killed;
int shim_module_refs;
int shim_alloc_budget = -1;

/* --- RCU --------------------------------------------------------- */

static pthread_rwlock_t rcu_lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t rcu_queue_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rcu_head *rcu_queue;

void rcu_read_lock(void)
{
	if (!shim.rcu++)
		pthread_rwlock_rdlock(&rcu_lock);
}

void rcu_read_unlock(void)
{
	if (!--shim.rcu)
		pthread_rwlock_unlock(&rcu_lock);
}

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	pthread_mutex_lock(&rcu_queue_lock);
	head->func = func;
	head->next = rcu_queue;
	rcu_queue = head;
	pthread_mutex_unlock(&rcu_queue_lock);
}

void synchronize_rcu(void)
{
	might_sleep();
	pthread_rwlock_wrlock(&rcu_lock);
	pthread_rwlock_unlock(&rcu_lock);
}

void rcu_barrier(void)
{
	struct rcu_head *head, *next;

	for (;;) {
		pthread_mutex_lock(&rcu_queue_lock);
		head = rcu_queue;
		rcu_queue = NULL;
		pthread_mutex_unlock(&rcu_queue_lock);
		if (!head)
			return;
		synchronize_rcu();
		for (; head; head = next) {
			next = head->next;
			head->func(head);
		}
	}
}

/* --- allocation -------------------------------------------------- */

static bool out_of_memory(void)
{
	int left = __atomic_load_n(&shim_alloc_budget, __ATOMIC_RELAXED);

	if (left < 0)
		return false;
	if (!left)
		return true;
	__atomic_sub_fetch(&shim_alloc_budget, 1, __ATOMIC_RELAXED);
	return false;
}

void *kzalloc(size_t size, gfp_t gfp)
{
	if (gfp != GFP_ATOMIC)
		shim_may_allocate("kzalloc");
	return out_of_memory() ? NULL : calloc(1, size);
}

void kfree(void *p)
{
	free(p);
}

static void free_rcu(struct rcu_head *head)
{
	free(*(void **)(head + 1));
	free(head);
}

/* Not in place: where the head is in the object need not be known. */
void shim_kfree_rcu(void *p, struct rcu_head *unused)
{
	struct rcu_head *head = malloc(sizeof(*head) + sizeof(p));

	(void)unused;
	*(void **)(head + 1) = p;
	call_rcu(head, free_rcu);
}

struct kmem_cache *shim_cache(size_t size)
{
	struct kmem_cache *c = out_of_memory() ? NULL : malloc(sizeof(*c));

	if (c)
		c->size = size;
	return c;
}

/* --- work -------------------------------------------------------- */

static pthread_mutex_t work_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(works);

struct workqueue_struct *shim_workqueue(void)
{
	return out_of_memory() ? NULL :
				 calloc(1, sizeof(struct workqueue_struct));
}

__thread int shim_cpu;

bool queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	return queue_work_on(-1, wq, work);
}

bool queue_work_on(int cpu, struct workqueue_struct *wq,
		   struct work_struct *work)
{
	bool queued;

	(void)wq;
	pthread_mutex_lock(&work_lock);
	queued = !work->pending;
	work->pending = true;
	if (queued) {
		work->cpu = cpu;
		list_add_tail(&work->node, &works);
	}
	pthread_mutex_unlock(&work_lock);
	return queued;
}

bool cancel_work_sync(struct work_struct *work)
{
	bool pending;

	might_sleep();
	pthread_mutex_lock(&work_lock);
	pending = work->pending;
	work->pending = false;
	if (pending)
		list_del(&work->node);
	pthread_mutex_unlock(&work_lock);
	return pending; /* none runs: who cancels runs them */
}

static void rcu_work_ready(struct rcu_head *head)
{
	queue_work(NULL, &container_of(head, struct rcu_work, rcu)->work);
}

bool queue_rcu_work(struct workqueue_struct *wq, struct rcu_work *work)
{
	(void)wq;
	call_rcu(&work->rcu, rcu_work_ready);
	return true;
}

bool shim_run_one_work(void)
{
	struct task_struct task = shim_task;
	struct work_struct *work = NULL;
	bool kworker = shim.kworker;
	int cpu = shim_cpu;

	pthread_mutex_lock(&work_lock);
	if (!list_empty(&works)) {
		work = list_first_entry(&works, struct work_struct, node);
		list_del(&work->node);
		work->pending = false;
	}
	pthread_mutex_unlock(&work_lock);
	if (!work)
		return false;
	shim.kworker = true;
	shim_task.mm = NULL;
	if (work->cpu >= 0)
		shim_cpu = work->cpu;
	work->func(work);
	shim_cpu = cpu;
	shim_task = task;
	shim.kworker = kworker;
	if (shim.spinlocks || shim.preempt || shim.bh || shim.rcu || shim.mmap)
		shim_bug("work item left something held");
	return true;
}

void shim_run_works(void)
{
	do {
		rcu_barrier();
	} while (shim_run_one_work());
}

void destroy_workqueue(struct workqueue_struct *wq)
{
	while (shim_run_one_work())
		;
	free(wq);
}

int wait_for_completion_interruptible(struct completion *c)
{
	might_sleep();
	while (!__atomic_load_n(&c->done, __ATOMIC_SEQ_CST)) {
		if (shim_killed)
			return -EINTR;
		if (!shim_run_one_work())
			shim_sleep(50);
	}
	return 0;
}

unsigned long shim_virtual_ms;

unsigned long shim_jiffies(void)
{
	struct timespec t;

	if (shim_virtual_ms)
		return shim_virtual_ms;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000UL + t.tv_nsec / 1000000;
}

void shim_sleep(unsigned long us)
{
	if (shim_virtual_ms)
		shim_virtual_ms += max(us / 1000, 1UL);
	else
		usleep(us);
}

struct mem_cgroup *set_active_memcg(struct mem_cgroup *memcg)
{
	struct mem_cgroup *old = shim_active_memcg;

	shim_active_memcg = memcg;
	return old;
}

/* --- containers: sorted list, small array ------------------------ */

void interval_tree_insert(struct interval_tree_node *node,
			  struct rb_root_cached *root)
{
	struct interval_tree_node **at = &root->rb_root.first;

	while (*at && (*at)->start <= node->start)
		at = &(*at)->next;
	node->next = *at;
	*at = node;
}

void interval_tree_remove(struct interval_tree_node *node,
			  struct rb_root_cached *root)
{
	struct interval_tree_node **at = &root->rb_root.first;

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
}

static struct interval_tree_node *from(struct interval_tree_node *node,
				       unsigned long start, unsigned long last)
{
	for (; node; node = node->next)
		if (node->start <= last && node->last >= start)
			return node;
	return NULL;
}

struct interval_tree_node *interval_tree_iter_first(struct rb_root_cached *root,
						    unsigned long start,
						    unsigned long last)
{
	return from(root->rb_root.first, start, last);
}

struct interval_tree_node *
interval_tree_iter_next(struct interval_tree_node *node, unsigned long start,
			unsigned long last)
{
	return from(node->next, start, last);
}

static struct shim_xa_item *item(struct xarray *xa, u32 index)
{
	size_t i;

	for (i = 0; i < xa->high; i++)
		if (xa->items[i].used && xa->items[i].index == index)
			return &xa->items[i];
	return NULL;
}

int xa_alloc_cyclic(struct xarray *xa, u32 *id, void *entry,
		    struct xa_limit limit, u32 *next, gfp_t gfp)
{
	size_t i;
	int err = -EBUSY;

	if (gfp != GFP_ATOMIC)
		shim_may_allocate("xa_alloc_cyclic");
	if (out_of_memory())
		return -ENOMEM;
	pthread_mutex_lock(&xa->m);
	for (i = 0; i < ARRAY_SIZE(xa->items); i++) {
		if (xa->items[i].used)
			continue;
		if (*next < limit.min || *next > limit.max)
			*next = limit.min;
		while (item(xa, *next))
			(*next)++;
		*id = (*next)++;
		xa->items[i].index = *id;
		xa->items[i].used = true;
		xa->items[i].entry = entry;
		xa->high = max(xa->high, i + 1);
		err = 0;
		break;
	}
	pthread_mutex_unlock(&xa->m);
	return err;
}

static void *swap(struct xarray *xa, unsigned long index, void *entry,
		  bool used)
{
	struct shim_xa_item *it;
	void *old = NULL;

	pthread_mutex_lock(&xa->m);
	it = item(xa, index);
	if (it) {
		old = it->entry;
		it->entry = entry;
		it->used = used;
	}
	pthread_mutex_unlock(&xa->m);
	return old;
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	struct shim_xa_item *it;
	void *entry;

	pthread_mutex_lock(&xa->m);
	it = item(xa, index);
	entry = it ? it->entry : NULL;
	pthread_mutex_unlock(&xa->m);
	return entry;
}

void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	(void)gfp;
	return swap(xa, index, entry, true);
}

void *xa_erase(struct xarray *xa, unsigned long index)
{
	return swap(xa, index, NULL, false);
}

bool xa_empty(struct xarray *xa)
{
	size_t i;

	for (i = 0; i < xa->high; i++)
		if (xa->items[i].used)
			return false;
	return true;
}
