/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What driver/mem/internal.h takes from the kernel, on the host: an mm with a
 * page table, GUP and notifiers, frames that can be freed and reused, work
 * queues, and small right stand-ins for the containers.
 */
#ifndef MEM_SHIM_H
#define MEM_SHIM_H

#include "shim_base.h"

/* --- time and waiting -------------------------------------------- */

#define HZ			 1000
#define jiffies			 shim_jiffies()
#define time_after(a, b)	 ((long)((b) - (a)) < 0)
#define time_before(a, b)	 time_after(b, a)
#define schedule_timeout_idle(n) (might_sleep(), shim_sleep((n)*1000UL))

unsigned long shim_jiffies(void);
void shim_sleep(unsigned long us);
/* Not 0: it is that late, and sleeping makes it later at once. */
extern unsigned long shim_virtual_ms;

typedef struct {
	int unused;
} wait_queue_head_t;

#define DECLARE_WAIT_QUEUE_HEAD(name) \
	wait_queue_head_t name __attribute__((unused))
#define init_waitqueue_head(w) ((void)(w))
#define wq_has_sleeper(w)      ((void)(w), true)
#define wake_up_all(w)	       ((void)(w)) /* waiters poll */
#define wait_event(w, cond)             \
	do {                            \
		might_sleep();          \
		while (!(cond))         \
			shim_sleep(50); \
	} while (0)
#define wait_event_idle_timeout(w, cond, t)                   \
	do {                                                  \
		unsigned long _end = jiffies + (t);           \
		might_sleep();                                \
		while (!(cond) && time_before(jiffies, _end)) \
			shim_sleep(50);                       \
	} while (0)

struct completion {
	int done;
};

#define init_completion(c) __atomic_store_n(&(c)->done, 0, __ATOMIC_SEQ_CST)
#define complete(c)	   __atomic_store_n(&(c)->done, 1, __ATOMIC_SEQ_CST)
int wait_for_completion_interruptible(struct completion *c);

/* --- work -------------------------------------------------------- */

struct workqueue_struct {
	int unused;
};

struct work_struct {
	struct list_head node;
	bool pending;
	int cpu; /* to run on, or -1 */
	void (*func)(struct work_struct *work);
};

struct rcu_work {
	struct work_struct work;
	struct rcu_head rcu;
};

#define WQ_UNBOUND			  0
#define WQ_UNBOUND_MAX_ACTIVE		  0
#define INIT_WORK(w, f)			  ((w)->func = (f), (w)->pending = false)
#define INIT_RCU_WORK(w, f)		  INIT_WORK(&(w)->work, f)
#define to_rcu_work(w)			  container_of(w, struct rcu_work, work)
#define alloc_workqueue(name, flags, max) shim_workqueue()

struct workqueue_struct *shim_workqueue(void);
void destroy_workqueue(struct workqueue_struct *wq);
extern __thread int shim_cpu; /* where we are */
bool queue_work_on(int cpu, struct workqueue_struct *wq,
		   struct work_struct *work);
bool queue_work(struct workqueue_struct *wq, struct work_struct *work);
bool cancel_work_sync(struct work_struct *work);
bool queue_rcu_work(struct workqueue_struct *wq, struct rcu_work *work);
/* For tests: run one queued work item as a kworker; false: none is queued. */
bool shim_run_one_work(void);
void shim_run_works(void);

/* --- frames ------------------------------------------------------ */

struct folio;

struct page {
	int refs;
	int pins;
	int dirty;
	int table; /* a page of the driver's own */
	struct rcu_head rcu_head;
};

#define SHIM_FRAMES    65536
#define SHIM_FIRST_PFN 0x1000UL

struct page *pfn_to_page(unsigned long pfn);
unsigned long page_to_pfn(const struct page *page);
void *shim_page_data(const struct page *page);
struct page *virt_to_page(const void *addr);
bool virt_addr_valid(const void *addr);
struct page *shim_alloc_frame(void);
unsigned int shim_frames_used(void);
void shim_get_page(struct page *page);
#define get_page(page) shim_get_page(page)
void put_page(struct page *page);
bool get_page_unless_zero(struct page *page);
unsigned long get_zeroed_page(gfp_t gfp);
#define __get_free_page(gfp) get_zeroed_page(gfp)
void __free_page(struct page *page);
void free_page(unsigned long addr);
void *kmap_local_page(struct page *page);
#define kunmap_local(addr) ((void)(addr))
#define page_folio(page)   ((struct folio *)(page))
bool folio_test_dirty(struct folio *folio);
void folio_mark_dirty(struct folio *folio);
size_t copy_mc_to_kernel(void *dst, const void *src, size_t length);

/* --- containers -------------------------------------------------- */

struct rb_root {
	struct interval_tree_node *first;
};

struct rb_root_cached {
	struct rb_root rb_root;
};

struct interval_tree_node {
	struct interval_tree_node *next;
	unsigned long start;
	unsigned long last;
};

#define RB_ROOT_CACHED	 ((struct rb_root_cached){ { NULL } })
#define RB_EMPTY_ROOT(r) (!(r)->first)
void interval_tree_insert(struct interval_tree_node *node,
			  struct rb_root_cached *root);
void interval_tree_remove(struct interval_tree_node *node,
			  struct rb_root_cached *root);
struct interval_tree_node *interval_tree_iter_first(struct rb_root_cached *root,
						    unsigned long start,
						    unsigned long last);
struct interval_tree_node *
interval_tree_iter_next(struct interval_tree_node *node, unsigned long start,
			unsigned long last);

struct xa_limit {
	u32 min, max;
};

struct shim_xa_item {
	u32 index;
	bool used;
	void *entry;
};

struct xarray {
	pthread_mutex_t m;
	size_t high; /* items from here on were never used */
	struct shim_xa_item items[1024];
};

#define XA_FLAGS_ALLOC1	    0
#define XA_LIMIT(a, b)	    ((struct xa_limit){ (a), (b) })
#define xa_init_flags(x, f) pthread_mutex_init(&(x)->m, NULL)
#define xa_destroy(x)	    ((void)(x))
int xa_alloc_cyclic(struct xarray *xa, u32 *id, void *entry,
		    struct xa_limit limit, u32 *next, gfp_t gfp);
void *xa_load(struct xarray *xa, unsigned long index);
void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
void *xa_erase(struct xarray *xa, unsigned long index);
bool xa_empty(struct xarray *xa);

/* --- tasks, users, modules --------------------------------------- */

struct mem_cgroup {
	int refs;
};

struct task_struct {
	struct mm_struct *mm;
};

typedef struct {
	unsigned int val;
} kuid_t;

extern __thread struct task_struct shim_task;
extern __thread struct mem_cgroup *shim_active_memcg;
extern unsigned int shim_uid;
extern unsigned long shim_memlock; /* bytes */
extern bool shim_ipc_lock;
extern int shim_module_refs;

#define current	      (&shim_task)
#define current_uid() ((kuid_t){ shim_uid })
#define uid_eq(a, b)  ((a).val == (b).val)
#define THIS_MODULE   NULL
#define try_module_get(m) \
	(__atomic_add_fetch(&shim_module_refs, 1, __ATOMIC_SEQ_CST), true)
#define module_put(m) \
	((void)__atomic_sub_fetch(&shim_module_refs, 1, __ATOMIC_SEQ_CST))
#define get_random_u32()	   0x5eU
#define CAP_IPC_LOCK		   14
#define capable(c)		   (shim_ipc_lock)
#define RLIMIT_MEMLOCK		   0
#define rlimit(x)		   (shim_memlock)
#define fatal_signal_pending(t)	   (shim_killed)
#define mem_cgroup_put(m)	   ((void)(m))
#define get_mem_cgroup_from_mm(mm) (&(mm)->memcg)
extern bool shim_killed;
extern unsigned long shim_hugetlb; /* where hugetlb pages are mapped */
struct mem_cgroup *set_active_memcg(struct mem_cgroup *memcg);

/* --- mm ---------------------------------------------------------- */

#define FOLL_WRITE    1
#define FOLL_LONGTERM 2
#define FOLL_NOWAIT   4

struct shim_pte {
	struct page *page; /* NULL: not present */
	bool write;
	bool dirty;
	bool stored; /* the backing has a copy of the page */
};

struct shim_vma {
	unsigned long start;
	unsigned long end; /* exclusive */
	bool readable;
	bool writable;
	bool special; /* like VM_PFNMAP */
	struct shim_pte *pte;
	u8 *backing; /* what a page that was reclaimed comes back with */
};

#define SHIM_VMAS 16

struct mm_struct {
	int users;
	int count;
	unsigned long task_size;
	atomic64_t pinned_vm;
	struct mem_cgroup memcg;
	pthread_rwlock_t mmap_lock;
	pthread_mutex_t ptl;
	struct mmu_notifier *notifier; /* one is enough here */
	struct shim_vma vma[SHIM_VMAS];
};

struct mmu_notifier;

enum mmu_notifier_event {
	MMU_NOTIFY_UNMAP,
	MMU_NOTIFY_CLEAR,
	MMU_NOTIFY_PROTECTION_VMA,
	MMU_NOTIFY_PROTECTION_PAGE,
	MMU_NOTIFY_SOFT_DIRTY,
	MMU_NOTIFY_RELEASE,
	MMU_NOTIFY_MIGRATE,
	MMU_NOTIFY_EXCLUSIVE,
};

struct mmu_notifier_range {
	struct mm_struct *mm;
	unsigned long start;
	unsigned long end;
	enum mmu_notifier_event event;
	bool blockable;
};

struct mmu_notifier_ops {
	void (*release)(struct mmu_notifier *mn, struct mm_struct *mm);
	int (*clear_flush_young)(struct mmu_notifier *mn, struct mm_struct *mm,
				 unsigned long start, unsigned long end);
	int (*clear_young)(struct mmu_notifier *mn, struct mm_struct *mm,
			   unsigned long start, unsigned long end);
	int (*test_young)(struct mmu_notifier *mn, struct mm_struct *mm,
			  unsigned long address);
	int (*invalidate_range_start)(struct mmu_notifier *mn,
				      const struct mmu_notifier_range *range);
	void (*invalidate_range_end)(struct mmu_notifier *mn,
				     const struct mmu_notifier_range *range);
	struct mmu_notifier *(*alloc_notifier)(struct mm_struct *mm);
	void (*free_notifier)(struct mmu_notifier *mn);
};

struct mmu_notifier {
	const struct mmu_notifier_ops *ops;
	struct mm_struct *mm;
	unsigned int users;
	struct rcu_head rcu;
};

#define mmu_notifier_range_blockable(r) ((r)->blockable)
#define mmu_notifier_synchronize()	rcu_barrier()
struct mmu_notifier *mmu_notifier_get_locked(const struct mmu_notifier_ops *ops,
					     struct mm_struct *mm);
void mmu_notifier_put(struct mmu_notifier *mn);

/* The owner's own: never killed. */
void shim_mmap_read_lock(struct mm_struct *mm);
void shim_mmap_write_lock(struct mm_struct *mm);
int mmap_read_lock_killable(struct mm_struct *mm);
void mmap_read_unlock(struct mm_struct *mm);
int mmap_write_lock_killable(struct mm_struct *mm);
void mmap_write_unlock(struct mm_struct *mm);
bool mmget_not_zero(struct mm_struct *mm);
void mmput_async(struct mm_struct *mm);
#define mmgrab(mm) ((void)__atomic_add_fetch(&(mm)->count, 1, __ATOMIC_SEQ_CST))
#define mmdrop(mm) ((void)__atomic_sub_fetch(&(mm)->count, 1, __ATOMIC_SEQ_CST))
void kthread_use_mm(struct mm_struct *mm);
void kthread_unuse_mm(struct mm_struct *mm);

long sodp_get_user_pages_remote(struct mm_struct *mm, unsigned long start,
				unsigned long nr, unsigned int flags,
				struct page **pages, int *locked);
int get_user_pages_fast_only(unsigned long start, int nr, unsigned int flags,
			     struct page **pages);
int pin_user_pages_fast(unsigned long start, int nr, unsigned int flags,
			struct page **pages);
void unpin_user_pages(struct page **pages, unsigned long count);
void unpin_user_pages_dirty_lock(struct page **pages, unsigned long count,
				 bool make_dirty);

/* --- tracepoints ------------------------------------------------- */

static inline void shim_trace(u64 first, ...)
{
	(void)first;
}

#define trace_region_register(...)   shim_trace(__VA_ARGS__)
#define trace_region_deregister(...) shim_trace(__VA_ARGS__)
#define trace_fault_begin(...)	     shim_trace(__VA_ARGS__)
#define trace_fault_end(...)	     shim_trace(__VA_ARGS__)
#define trace_fence_start(...)	     shim_trace(__VA_ARGS__)
#define trace_fence_end(...)	     shim_trace(__VA_ARGS__)

/* --- for tests: points to interfere at --------------------------- */

extern void (*shim_in_transfer)(void); /* a page is mapped by the device */
extern void (*shim_after_lookup)(void); /* GUP has its pages; not installed */
extern void (*shim_in_fault)(void); /* in GUP, mmap_lock dropped */
extern bool shim_fast_gup_misses; /* like a protection key */
/* In the slow GUP: what it returns, or 1 to go on. */
extern long (*shim_gup)(void);
extern int shim_mmap_kills; /* > 0: the fatal signal comes at that mmap_lock */
extern bool shim_machine_check; /* a page cannot be read */
extern unsigned long shim_slow_lookups;

#endif
