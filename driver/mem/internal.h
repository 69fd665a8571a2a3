/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of mem/ share. The only place that names the kernel's
 * headers: the host unit tests put a shim in their place.
 */
#ifndef SODP_MEM_INTERNAL_H
#define SODP_MEM_INTERNAL_H

#ifdef __KERNEL__
#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/capability.h>
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/interval_tree.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/lockdep.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/preempt.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "../obs/trace.h"
#else
#include "mem_shim.h" /* tests/unit/shim */
#endif

#include "../obs/counters.h"
#include "entry.h"
#include "mem.h"

/* A fault looks at most this far ahead, and a probe too (1 MiB). */
#define SODP_FAULT_PAGES ((1UL << 20) >> PAGE_SHIFT)

/* --- log.c: which ranges are being invalidated ------------------- */

#define SODP_LOG_SLOTS 32

enum sodp_range_state {
	SODP_RANGE_FREE,
	SODP_RANGE_ACTIVE,
	SODP_RANGE_ENDED, /* kept for those who sampled before it ended */
};

struct sodp_range {
	unsigned long start;
	unsigned long last;
	enum sodp_range_state state;
	u64 ended; /* clock when it ended */
};

struct sodp_log {
	u64 clock; /* ticks at each end */
	unsigned int high; /* slots from here on are free */
	struct sodp_range slot[SODP_LOG_SLOTS];
	struct { /* active ranges that found no slot: one hull, counted */
		unsigned long start;
		unsigned long last;
		unsigned long count;
	} crowd;
	struct { /* ended ranges that lost their slot */
		unsigned long start;
		unsigned long last;
		u64 ended; /* of the newest; 0 when there is none */
	} past;
	struct list_head samples; /* oldest first */
};

/* Taken before a page is looked up, checked before it is installed. */
struct sodp_sample {
	struct list_head node;
	u64 clock;
};

void sodp_log_init(struct sodp_log *log);
bool sodp_log_begin(struct sodp_log *log, unsigned long start,
		    unsigned long last);
void sodp_log_end(struct sodp_log *log, unsigned long start,
		  unsigned long last);
void sodp_log_sample(struct sodp_log *log, struct sodp_sample *sample);
void sodp_log_unsample(struct sodp_log *log, struct sodp_sample *sample);
bool sodp_log_active(const struct sodp_log *log, unsigned long start,
		     unsigned long last);
bool sodp_log_crossed(const struct sodp_log *log,
		      const struct sodp_sample *sample, unsigned long start,
		      unsigned long last);

/* --- table.c: page number -> entry ------------------------------- */

#define SODP_TABLE_SHIFT      (PAGE_SHIFT - 3)
#define SODP_TABLE_SLOTS      (1UL << SODP_TABLE_SHIFT)
#define SODP_TABLE_MAX_LEVELS 6

static_assert(SODP_TABLE_MAX_LEVELS * SODP_TABLE_SHIFT >= 64 - PAGE_SHIFT);

struct sodp_table {
	unsigned long root; /* a slot like those in the nodes */
	unsigned int levels;
	spinlock_t *lock; /* of all changes */
	bool keep; /* nodes that become empty stay */
	unsigned long resident; /* PRESENT entries */
	unsigned long nodes; /* pages that the table consists of */
};

/* Zeroed pages got ready before the lock is taken. */
struct sodp_spares {
	unsigned int count;
	void *page[SODP_TABLE_MAX_LEVELS];
};

struct sodp_sweep { /* what a sweep over entries found */
	unsigned long cleared;
	unsigned int leaves_freed;
	bool waited;
};

void sodp_table_init(struct sodp_table *table, u64 npages, spinlock_t *lock);
unsigned int sodp_table_live_pages(void);
atomic64_t *sodp_table_lookup(const struct sodp_table *table, u64 index);
unsigned int sodp_table_missing(const struct sodp_table *table, u64 index);
bool sodp_spares_fill(struct sodp_spares *spares, unsigned int count);
void sodp_spares_free(struct sodp_spares *spares);
bool sodp_table_install(struct sodp_table *table, u64 index, unsigned long pfn,
			bool write, struct sodp_spares *spares);
const atomic64_t *sodp_table_next_leaf(struct sodp_table *table, u64 *index,
				       u64 last);
bool sodp_table_sweep(struct sodp_table *table, u64 *index, u64 last,
		      struct sodp_sweep *sweep);
void sodp_table_keep(struct sodp_table *table, struct sodp_spares *spares);
unsigned int sodp_table_take(struct sodp_table *table, u64 *index, u64 last,
			     unsigned long *pfns, unsigned int max);
bool sodp_table_young(struct sodp_table *table, u64 first, u64 last,
		      bool clear);

/* --- region.c: a device's memory side, and its regions ----------- */

struct sodp_mem {
	refcount_t refs;
	struct xarray keys; /* key >> 8 -> region */
	u32 next_index;
	struct xarray windows; /* key >> 8 -> window, above those of regions */
	u32 next_window;
	spinlock_t window_lock; /* bh; the lists of all window users */
	atomic_t variant; /* low byte of the next key */
	atomic_t regions, notifiers; /* until the last of them is freed */
	struct sodp_counters __percpu *counters; /* NULL once destroyed */
	struct mmu_notifier_ops ops; /* its address finds our notifiers */
	struct rcu_head rcu;
};

struct sodp_mem_ctx {
	struct sodp_mem *mem;
	struct mutex lock;
	struct sodp_mm *smm; /* after the first on-demand registration */
};

/* --- ahead.c: what else a fault may bring in --------------------- */

#define SODP_STREAMS 4 /* of a region, that are followed at a time */

struct sodp_stream {
	u64 asked; /* the page behind those that it asked for */
	u64 next; /* ... behind those that were read ahead; 0: no stream */
	u32 window; /* pages that were read ahead */
};

struct sodp_ahead {
	u64 first; /* page of the region */
	u64 count;
};

void sodp_ahead_plan(struct sodp_region *region, u64 first, u64 count,
		     bool write, struct sodp_ahead *ahead);
void sodp_ahead_protected(struct sodp_region *region, unsigned long pages);

/* --- region.c, continued ----------------------------------------- */

struct sodp_region {
	refcount_t refs;
	u32 key;
	u32 domain;
	u32 rights;
	enum sodp_mem_kind kind;
	bool implicit; /* the whole address space */
	bool dead; /* written under table.lock; fast: not registered */
	u64 iova;
	u64 length;
	unsigned long start;
	u64 npages; /* touched by [start, start + length) */
	struct sodp_table table;
	spinlock_t own_lock; /* table.lock of a region without an smm */
	struct sodp_mem *mem;
	struct sodp_mm *smm; /* on demand only */
	atomic_t windows; /* bound to it; -1: none ever more */
	struct mm_struct *pin_mm; /* pinned only: whose pinned_vm was charged */
	struct interval_tree_node node; /* in smm->regions until freed */
	atomic64_t faults;
	atomic64_t faults_handled;
	atomic64_t invalidations;
	atomic64_t invalidations_handled;
	atomic64_t prefetched;
	atomic64_t faults_major;
	atomic64_t faults_retried;
	atomic64_t fence_waits;
	bool gone; /* fast: deregistered; own_lock */
	struct { /* fast: what is to be registered */
		unsigned long *pfn;
		u32 count;
		u32 max;
	} stage;
	struct sodp_stream streams[SODP_STREAMS];
	unsigned int turn; /* whose place a new stream takes */
	atomic64_t protected; /* pages that fork made read-only */
	struct rcu_work free_work;
};

/* Indices of keys: to here regions' (0 is none), from there on windows'. */
#define SODP_MAX_REGION_INDEX (0xffffff / 2)
#define SODP_MAX_INDEX	      0xffffff

extern struct workqueue_struct *sodp_mem_wq;

void sodp_mem_count(struct sodp_mem *mem, enum sodp_counter id, u64 n);
void sodp_mem_put(struct sodp_mem *mem);
bool sodp_region_writable(const struct sodp_region *region);
bool sodp_region_inside(const struct sodp_region *region, u64 iova, u64 length);
unsigned long sodp_region_page_va(const struct sodp_region *region, u64 index);

/* Byte of the region's first page that iova stands for; bounds checked. */
static inline u64 sodp_region_offset(const struct sodp_region *region, u64 iova)
{
	return (iova - region->iova) + (region->start & ~PAGE_MASK);
}

/* --- fence.c: the notifier of one mm ----------------------------- */

struct sodp_mm {
	struct mmu_notifier mn; /* holds the mm_struct until it is freed */
	struct sodp_mem *mem; /* the reference; see mem_of() */
	spinlock_t lock; /* the fence lock, see docs/locking.md */
	struct sodp_log log;
	bool dead;
	struct rb_root_cached regions;
	wait_queue_head_t ended;

	struct sodp_user *user;
	struct list_head user_node; /* in user->waiting; user->lock */
	struct list_head waiting; /* faults without a slot; user->lock */
	unsigned int running; /* faults with a slot; user->lock */
};

void sodp_fence_init_ops(struct mmu_notifier_ops *ops);
struct sodp_mm *sodp_mm_get(struct sodp_mem *mem);
void sodp_mm_put(struct sodp_mm *smm);
void sodp_mm_wait_all_freed(void);
void sodp_fence_add_region(struct sodp_region *region);
void sodp_fence_remove_region(struct sodp_region *region);
void sodp_region_sweep(struct sodp_region *region, u64 index, u64 last,
		       bool blockable, struct sodp_sweep *sweep);

/* --- populate.c: bring pages of an mm into a table --------------- */

struct sodp_populate {
	struct sodp_region *region;
	u64 first; /* page of the region */
	u64 count;
	bool write;
	bool all; /* every page is demanded, not only the first */
	bool no_fault; /* only what the CPU has mapped */
	bool prefetch; /* nobody waits for it: not counted as a fault */
	bool nowait; /* only what is missing and can be had without waiting */
	const bool *cancel;
};

enum sodp_mem_result sodp_populate(const struct sodp_populate *request);

/* --- fault.c ----------------------------------------------------- */

struct sodp_user *sodp_user_get(void);
void sodp_user_put(struct sodp_user *user);
int sodp_fault_init(void);
void sodp_fault_exit(void);
struct sodp_fault *sodp_fault_start_prefetch(struct sodp_region *region,
					     u64 iova, u64 length, bool write,
					     bool no_fault,
					     sodp_fault_done_fn done,
					     void *arg);
void sodp_fault_detach(struct sodp_fault *fault);

/* --- huge.c ------------------------------------------------------ */

bool sodp_is_hugetlb(unsigned long start);

/* --- fast.c ------------------------------------------------------ */

int sodp_fast_init(struct sodp_region *region);
void sodp_fast_take_down(struct sodp_region *region);
void sodp_fast_free(struct sodp_region *region);

/* --- window.c ---------------------------------------------------- */

void sodp_windows_init(struct sodp_mem *mem);
void sodp_windows_exit(struct sodp_mem *mem);

/* --- pin.c ------------------------------------------------------- */

int sodp_pin(struct sodp_region *region);
void sodp_unpin(struct sodp_region *region);

#endif
