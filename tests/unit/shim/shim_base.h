/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The kernel's basics on the host: words, atomics, locks, RCU, lists, memory.
 * Each keeps track of its context in thread-local counters, so that what would
 * be a lockdep or atomic-sleep report in the kernel ends the test here.
 */
#ifndef SHIM_BASE_H
#define SHIM_BASE_H

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/percpu.h>
#include <linux/types.h>

/* A test may interfere at each of the points where the driver can be slow. */
#define SODP_WIDEN(point) shim_pass(SODP_AT_##point)
#include "compat/mutant.h"

extern void (*shim_at[SODP_POINTS])(void);

static inline void shim_pass(enum sodp_point point)
{
	if (shim_at[point])
		shim_at[point]();
}

/* --- words ------------------------------------------------------- */

#define typeof __typeof__
#define __must_hold(x)
#define __rcu
#define __acquires(x)
#define __releases(x)
#define unlikely(x)	     __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a)	     (sizeof(a) / sizeof((a)[0]))
#define IS_ENABLED(x)	     (x)
#define CONFIG_PROVE_LOCKING 1
#define NR_CPUS		     64
#define U64_MAX		     UINT64_MAX
#ifndef PAGE_SHIFT /* of other machines: see mem.cmake */
#define PAGE_SHIFT 12
#endif
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr)-offsetof(type, member)))
#define min(a, b)                   \
	({                          \
		typeof(a) _a = (a); \
		typeof(b) _b = (b); \
		_a < _b ? _a : _b;  \
	})
#define max(a, b)                   \
	({                          \
		typeof(a) _a = (a); \
		typeof(b) _b = (b); \
		_a > _b ? _a : _b;  \
	})
#define min_t(type, a, b) min((type)(a), (type)(b))
#define div64_u64(a, b)	  ((u64)(a) / (u64)(b))
#define min3(a, b, c)	  min(min(a, b), c)

/* Acquire: the kernel relies on address dependencies, TSan knows none. */
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define smp_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define cpu_relax()		sched_yield()

/*
 * Not abort(), but for a fuzzer, which wants to keep the input: ctest takes a
 * signal for a failure that WILL_FAIL excuses not.
 */
#ifdef SHIM_FUZZ
#define shim_die() abort()
#else
#define shim_die() _exit(1)
#endif
#define shim_bug(...)                                           \
	do {                                                    \
		fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
		fprintf(stderr, __VA_ARGS__);                   \
		fprintf(stderr, "\n");                          \
		shim_die();                                     \
	} while (0)
#define WARN_ON_ONCE(cond)                           \
	({                                           \
		bool _c = !!(cond);                  \
		if (_c)                              \
			shim_bug("WARN: %s", #cond); \
		_c;                                  \
	})

static inline void *ERR_PTR(long err)
{
	return (void *)err;
}

static inline long PTR_ERR(const void *p)
{
	return (long)p;
}

static inline bool IS_ERR(const void *p)
{
	return (unsigned long)p >= (unsigned long)-4095;
}

#define ERR_CAST(p) ((void *)(p))

/* --- context ----------------------------------------------------- */

struct shim_context {
	int spinlocks;
	int preempt;
	int bh;
	int rcu;
	int mmap; /* mmap_lock held */
	int hook; /* in a notifier's hook */
	int non_block; /* ... that may not sleep */
	bool kworker;
};

extern __thread struct shim_context shim;

static inline void shim_may_sleep(const char *what)
{
	if (shim.spinlocks || shim.preempt || shim.bh || shim.rcu ||
	    shim.non_block)
		shim_bug("sleeps in atomic context: %s", what);
}

static inline void shim_may_allocate(const char *what)
{
	shim_may_sleep(what);
	if (shim.hook)
		shim_bug("allocates in a hook: %s", what);
}

#define might_sleep()	   shim_may_sleep(__func__)
#define udelay(us)	   ((void)(us))
#define cond_resched()	   shim_may_sleep("cond_resched")
#define preempt_disable()  ((void)shim.preempt++)
#define preempt_enable()   ((void)shim.preempt--)
#define local_bh_disable() ((void)shim.bh++)
#define local_bh_enable()  ((void)shim.bh--)
#define in_softirq()	   (shim.bh > 0)
#define lockdep_assert_preemption_disabled() \
	WARN_ON_ONCE(!shim.preempt && !shim.spinlocks)

/* --- atomics ----------------------------------------------------- */

typedef struct {
	int counter;
} atomic_t;
typedef struct {
	s64 counter;
} atomic64_t;

#define ATOMIC_INIT(n) \
	{              \
		(n)    \
	}
#define SHIM_ATOMIC(op, v, n, order) \
	__atomic_##op(&(v)->counter, (n), __ATOMIC_##order)

#define atomic_read(v)		     __atomic_load_n(&(v)->counter, __ATOMIC_RELAXED)
#define atomic_set(v, n)	     SHIM_ATOMIC(store_n, v, n, RELAXED)
#define atomic_inc(v)		     ((void)SHIM_ATOMIC(add_fetch, v, 1, RELAXED))
#define atomic_dec(v)		     ((void)SHIM_ATOMIC(sub_fetch, v, 1, RELAXED))
#define atomic_inc_return(v)	     SHIM_ATOMIC(add_fetch, v, 1, SEQ_CST)
#define atomic_dec_return_release(v) SHIM_ATOMIC(sub_fetch, v, 1, RELEASE)
#define atomic_dec_and_test(v)	     (SHIM_ATOMIC(sub_fetch, v, 1, SEQ_CST) == 0)

#define atomic_cond_read_acquire(v, cond)                                      \
	({                                                                     \
		int VAL;                                                       \
		while (VAL = __atomic_load_n(&(v)->counter, __ATOMIC_ACQUIRE), \
		       !(cond))                                                \
			cpu_relax();                                           \
		VAL;                                                           \
	})

static inline int atomic_cmpxchg(atomic_t *v, int old, int new)
{
	__atomic_compare_exchange_n(&v->counter, &old, new, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return old;
}

static inline bool atomic_inc_unless_negative(atomic_t *v)
{
	int n = atomic_read(v);

	while (n >= 0)
		if (__atomic_compare_exchange_n(&v->counter, &n, n + 1, false,
						__ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return true;
	return false;
}

#define atomic64_read(v) atomic_read(v)
#define atomic64_read_acquire(v) \
	__atomic_load_n(&(v)->counter, __ATOMIC_ACQUIRE)
#define atomic64_inc(v)		  atomic_inc(v)
#define atomic64_set(v, n)	  atomic_set(v, n)
#define atomic64_sub_return(n, v) SHIM_ATOMIC(sub_fetch, v, n, SEQ_CST)
#define atomic64_add(n, v)	  ((void)SHIM_ATOMIC(add_fetch, v, n, RELAXED))
#define atomic64_sub(n, v)	  ((void)SHIM_ATOMIC(sub_fetch, v, n, RELAXED))
#define atomic64_add_return(n, v) SHIM_ATOMIC(add_fetch, v, n, SEQ_CST)
#define atomic64_fetch_and(n, v)  SHIM_ATOMIC(fetch_and, v, (s64)(n), SEQ_CST)
#define atomic64_fetch_or(n, v)	  SHIM_ATOMIC(fetch_or, v, (s64)(n), SEQ_CST)
#define atomic64_andnot(n, v) \
	((void)SHIM_ATOMIC(fetch_and, v, (s64) ~(n), RELAXED))
#define atomic64_fetch_sub_release(n, v) SHIM_ATOMIC(fetch_sub, v, n, RELEASE)
#define atomic64_fetch_add(n, at) \
	__atomic_fetch_add((s64 *)(at), (n), __ATOMIC_SEQ_CST)

static inline bool atomic64_try_cmpxchg_acquire(atomic64_t *v, s64 *old,
						s64 new)
{
	return __atomic_compare_exchange_n(&v->counter, old, new, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline bool atomic64_try_cmpxchg(atomic64_t *v, s64 *old, s64 new)
{
	return __atomic_compare_exchange_n(&v->counter, old, new, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static inline s64 atomic64_cmpxchg(void *at, s64 old, s64 new)
{
	__atomic_compare_exchange_n((s64 *)at, &old, new, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return old;
}

typedef struct {
	int n;
} refcount_t;

#define refcount_set(r, v) __atomic_store_n(&(r)->n, (v), __ATOMIC_RELEASE)
/* The refcounts' own atomics order more here. */
#define smp_rmb() ((void)0)
#define smp_wmb() ((void)0)
#define refcount_dec_if_one(r)                                        \
	({                                                            \
		int one_ = 1;                                         \
		__atomic_compare_exchange_n(&(r)->n, &one_, 0, false, \
					    __ATOMIC_SEQ_CST,         \
					    __ATOMIC_SEQ_CST);        \
	})
#define refcount_read(r) __atomic_load_n(&(r)->n, __ATOMIC_RELAXED)

static inline void refcount_inc(refcount_t *r)
{
	WARN_ON_ONCE(__atomic_fetch_add(&r->n, 1, __ATOMIC_RELAXED) <= 0);
}

static inline bool refcount_inc_not_zero(refcount_t *r)
{
	int n = refcount_read(r);

	while (n)
		if (__atomic_compare_exchange_n(&r->n, &n, n + 1, false,
						__ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

static inline bool refcount_dec_and_test(refcount_t *r)
{
	int n = __atomic_sub_fetch(&r->n, 1, __ATOMIC_ACQ_REL);

	WARN_ON_ONCE(n < 0);
	return n == 0;
}

/* --- locks ------------------------------------------------------- */

typedef struct {
	pthread_mutex_t m;
	pthread_t owner;
	bool held;
} spinlock_t;

#define DEFINE_SPINLOCK(name) \
	spinlock_t name = { .m = PTHREAD_MUTEX_INITIALIZER }

static inline void spin_lock_init(spinlock_t *l)
{
	pthread_mutex_init(&l->m, NULL);
	l->held = false;
}

static inline void spin_lock(spinlock_t *l)
{
	pthread_mutex_lock(&l->m);
	l->owner = pthread_self();
	l->held = true;
	shim.spinlocks++;
}

static inline void spin_unlock(spinlock_t *l)
{
	shim.spinlocks--;
	l->held = false;
	pthread_mutex_unlock(&l->m);
}

#define spin_lock_bh(l)		     spin_lock(l)
#define spin_unlock_bh(l)	     spin_unlock(l)
#define spin_lock_irqsave(l, f)	     ((void)((f) = 0), spin_lock(l))
#define spin_unlock_irqrestore(l, f) ((void)(f), spin_unlock(l))
#define lockdep_assert_held(l) \
	WARN_ON_ONCE(!(l)->held || !pthread_equal((l)->owner, pthread_self()))

struct mutex {
	pthread_mutex_t m;
	pthread_t owner;
	bool held;
};

#define mutex_init(l)	 pthread_mutex_init(&(l)->m, NULL)
#define mutex_destroy(l) pthread_mutex_destroy(&(l)->m)

static inline void mutex_lock(struct mutex *l)
{
	shim_may_sleep("mutex_lock");
	pthread_mutex_lock(&l->m);
	l->owner = pthread_self();
	l->held = true;
}

static inline void mutex_unlock(struct mutex *l)
{
	l->held = false;
	pthread_mutex_unlock(&l->m);
}

/* --- RCU: callbacks run when a test says so ---------------------- */

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};

void rcu_read_lock(void);
void rcu_read_unlock(void);
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
void synchronize_rcu(void);
void rcu_barrier(void);

/* --- lists ------------------------------------------------------- */

struct list_head {
	struct list_head *next, *prev;
};

#define LIST_HEAD(name)			  struct list_head name = { &(name), &(name) }
#define list_entry(p, type, member)	  container_of(p, type, member)
#define list_first_entry(h, type, member) list_entry((h)->next, type, member)
#define list_for_each_entry(pos, head, member)                     \
	for (pos = list_entry((head)->next, typeof(*pos), member); \
	     &pos->member != (head);                               \
	     pos = list_entry(pos->member.next, typeof(*pos), member))

static inline void INIT_LIST_HEAD(struct list_head *h)
{
	h->next = h->prev = h;
}

static inline bool list_empty(const struct list_head *h)
{
	return h->next == h;
}

static inline void list_add_tail(struct list_head *n, struct list_head *h)
{
	n->prev = h->prev;
	n->next = h;
	h->prev->next = n;
	h->prev = n;
}

static inline void list_add(struct list_head *n, struct list_head *h)
{
	list_add_tail(n, h->next);
}

static inline void list_del(struct list_head *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
}

static inline void list_del_init(struct list_head *n)
{
	list_del(n);
	INIT_LIST_HEAD(n);
}

static inline void list_move_tail(struct list_head *n, struct list_head *h)
{
	list_del(n);
	list_add_tail(n, h);
}

/* --- allocation -------------------------------------------------- */

typedef unsigned int gfp_t;

#define GFP_ATOMIC	   0U
#define GFP_KERNEL	   1U
#define GFP_KERNEL_ACCOUNT 3U

/* > 0: that many allocations succeed, the rest fails. < 0: all succeed. */
extern int shim_alloc_budget;

void *kzalloc(size_t size, gfp_t gfp);
#define kcalloc(n, size, gfp) kzalloc((n) * (size), gfp)
void kfree(void *p);
#define kfree_rcu(p, member) shim_kfree_rcu((p), &(p)->member)
void shim_kfree_rcu(void *p, struct rcu_head *head);

struct kmem_cache {
	size_t size;
};

#define KMEM_CACHE(type, flags) shim_cache(sizeof(struct type)) /* or NULL */
struct kmem_cache *shim_cache(size_t size);
#define kmem_cache_zalloc(c, gfp) kzalloc((c)->size, gfp)
#define kmem_cache_free(c, p)	  kfree(p)
#define kmem_cache_destroy(c)	  free(c)

#endif
