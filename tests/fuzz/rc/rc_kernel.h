/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What driver/xport takes from the kernel, on the host, on top of what
 * driver/mem takes (tests/unit/shim): bits, timers in virtual time, packets in
 * buffers of exactly their size. One thread; softirqs and work items run when
 * the test says so. CMakeLists.txt makes the kernel's header names of it.
 */
#ifndef RC_KERNEL_H
#define RC_KERNEL_H

#include <arpa/inet.h>
#include <linux/errno.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "mem_shim.h"

/* No tracepoints. */
#define TRACE_DEFINE_ENUM(x)
#define TRACE_EVENT(...)
#define DECLARE_EVENT_CLASS(...)
#define DEFINE_EVENT(...)
#define trace_park(...)	    shim_trace(__VA_ARGS__)
#define trace_resume(...)   shim_trace(__VA_ARGS__)
#define trace_nak_sent(...) shim_trace(__VA_ARGS__)

/* What compat/compat.h gives, for the signatures. */
#define SODP_CREATE_CQ_ARG	struct ib_udata *arg
#define SODP_CREATE_CQ_UDATA	(arg)
#define SODP_REG_MR_ARGS(udata) struct ib_udata *udata
#define SODP_RESIZE_CQE		int
#define WQ_PERCPU		0

/* --- words -------------------------------------------------------- */

#define WARN_ON(cond)		  WARN_ON_ONCE(cond)
#define RCU_LOCKDEP_WARN(c, s)	  WARN_ON_ONCE(c)
#define rcu_dereference(p)	  __atomic_load_n(&(p), __ATOMIC_ACQUIRE)
#define rcu_assign_pointer(p, v)  __atomic_store_n(&(p), (v), __ATOMIC_RELEASE)
#define RCU_INIT_POINTER(p, v)	  ((void)((p) = (v)))
#define rcu_read_lock_held()	  (shim.rcu > 0)
#define lockdep_assert_once(cond) WARN_ON_ONCE(!(cond))
#define BUILD_BUG_ON(cond)	  _Static_assert(!(cond), #cond)
#define barrier()		  __asm__ __volatile__("" ::: "memory")
#define sizeof_field(type, f)	  sizeof(((type *)NULL)->f)
#define DECLARE_FLEX_ARRAY(type, name) \
	struct {                       \
		struct {               \
		} empty_##name;        \
		type name[];           \
	}
#define max_t(type, a, b)      max((type)(a), (type)(b))
#define clamp_t(type, v, a, b) min_t(type, max_t(type, v, a), b)
#define ALIGN(n, to)	       (((n) + (to)-1) & ~((typeof(n))(to)-1))
#define round_up(n, to)	       ALIGN(n, to)
#define round_down(n, to)      ((n) & ~((typeof(n))(to)-1))
#define ilog2(n)	       (63 - __builtin_clzl((unsigned long)(n)))
#define roundup_pow_of_two(n)  ((n) <= 1 ? 1UL : 2UL << ilog2((n)-1))
#define SMP_CACHE_BYTES	       64
#define smp_load_acquire(p)    __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define kcalloc(n, size, gfp)  kzalloc((n) * (size), gfp)
#define kvcalloc(n, size, gfp) kzalloc((n) * (size), gfp)
#define kvfree(p)	       kfree(p)
#define vmalloc_user(size)     kzalloc(size, GFP_KERNEL)
#define vfree(p)	       kfree(p)
#define time_after_eq(a, b)    (!time_before(a, b))
#define msecs_to_jiffies(ms)   ((unsigned long)(ms))
#define usecs_to_jiffies(us)   (((unsigned long)(us) + 999) / 1000)
#define nsecs_to_jiffies(ns)   ((unsigned long)((ns) / 1000000))

static inline bool atomic_add_unless(atomic_t *v, int n, int unless)
{
	if (atomic_read(v) == unless)
		return false;
	SHIM_ATOMIC(add_fetch, v, n, SEQ_CST);
	return true;
}

#define BIT(n) (1UL << (n))

/* --- bits --------------------------------------------------------- */

#define smp_mb__before_atomic() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_mb__after_atomic()	smp_mb__before_atomic()
#define set_bit(n, word) \
	((void)__atomic_fetch_or((word), 1UL << (n), __ATOMIC_SEQ_CST))
#define clear_bit(n, word) \
	((void)__atomic_fetch_and((word), ~(1UL << (n)), __ATOMIC_SEQ_CST))
#define clear_bit_unlock(n, word) clear_bit(n, word)
#define test_bit(n, word) \
	((__atomic_load_n((word), __ATOMIC_SEQ_CST) >> (n)) & 1)
#define test_and_set_bit(n, word) \
	((__atomic_fetch_or((word), 1UL << (n), __ATOMIC_SEQ_CST) >> (n)) & 1)
#define test_and_clear_bit(n, word)                                      \
	((__atomic_fetch_and((word), ~(1UL << (n)), __ATOMIC_SEQ_CST) >> \
	  (n)) &                                                         \
	 1)

/* --- CPUs, waiting ------------------------------------------------ */

#define smp_processor_id()	   (WARN_ON_ONCE(!shim.bh), shim_cpu)
#define raw_smp_processor_id()	   shim_cpu
#define cpu_online(cpu)		   ((cpu) < 2)
#define nr_cpu_ids		   2U
#define cpumask_any_but(mask, cpu) ((cpu) ? 0U : 1U) /* of two */
#define local_softirq_pending()	   0
#define usleep_range(a, b)	   shim_sleep(a)
#define WQ_CPU_INTENSIVE	   0
#define WQ_MEM_RECLAIM		   0
#define WQ_HIGHPRI		   0
#define wake_up_var(var)	   ((void)(var))
/* There is one thread: what is not so now never will be. */
#define wait_var_event(var, cond)                           \
	do {                                                \
		might_sleep();                              \
		if (!(cond))                                \
			shim_bug("waits for ever: " #cond); \
	} while (0)
#define wait_for_completion(c)                                      \
	do {                                                        \
		might_sleep();                                      \
		if (!__atomic_load_n(&(c)->done, __ATOMIC_SEQ_CST)) \
			shim_bug("waits for ever: " #c);            \
	} while (0)

/* --- timers ------------------------------------------------------- */

struct timer_list {
	struct list_head node;
	void (*fn)(struct timer_list *timer);
	unsigned long expires;
	bool pending;
	bool shut_down;
};

void timer_setup(struct timer_list *timer, void (*fn)(struct timer_list *),
		 unsigned int flags);
void mod_timer(struct timer_list *timer, unsigned long expires);
void timer_reduce(struct timer_list *timer, unsigned long expires);
void shim_timer_delete(struct timer_list *timer);
/* time.h has another. */
#define timer_delete(timer)	 shim_timer_delete(timer)
#define timer_delete_sync(timer) (might_sleep(), timer_delete(timer))
#define timer_shutdown_sync(timer) \
	(timer_delete_sync(timer), (void)((timer)->shut_down = true))
#define timer_pending(timer) ((timer)->pending)
/* For tests: what is due by now fires, in a softirq. */
void shim_run_timers(void);
/* When the next is due, or 0. */
unsigned long shim_next_timer(void);

/* --- packets ------------------------------------------------------ */

struct net {
	int unused;
};

struct net_device {
	int ifindex;
};

struct sock {
	struct net *net;
};

struct dst_entry;

struct sk_buff {
	struct sk_buff *next, *prev; /* first, as in the head */
	struct net_device *dev;
	u8 *head; /* what was allocated */
	u8 *data;
	u8 *network, *transport; /* headers */
	unsigned int len;
	__be16 protocol;
	__be32 daddr; /* of one that was sent */
	u64 cb[6];
};

struct sk_buff_head {
	struct sk_buff *next, *prev;
	u32 qlen;
	spinlock_t lock;
};

extern unsigned int shim_skbs; /* alive */

/* @room in front of @len bytes; nothing behind, so that ASan sees overruns. */
struct sk_buff *shim_skb(size_t room, size_t len);
void kfree_skb(struct sk_buff *skb);
#define consume_skb(skb) kfree_skb(skb)

static inline struct sk_buff *skb_peek(const struct sk_buff_head *q)
{
	return q->next == (struct sk_buff *)q ? NULL : q->next;
}

static inline void __skb_queue_head_init(struct sk_buff_head *q)
{
	q->next = q->prev = (struct sk_buff *)q;
	q->qlen = 0;
}

static inline void skb_queue_head_init(struct sk_buff_head *q)
{
	__skb_queue_head_init(q);
	spin_lock_init(&q->lock);
}

static inline void __skb_queue_tail(struct sk_buff_head *q, struct sk_buff *skb)
{
	skb->next = (struct sk_buff *)q;
	skb->prev = q->prev;
	q->prev->next = skb;
	q->prev = skb;
	q->qlen++;
}

static inline void __skb_unlink(struct sk_buff *skb, struct sk_buff_head *q)
{
	skb->prev->next = skb->next;
	skb->next->prev = skb->prev;
	skb->next = skb->prev = NULL;
	q->qlen--;
}

void skb_queue_tail(struct sk_buff_head *q, struct sk_buff *skb);
void skb_unlink(struct sk_buff *skb, struct sk_buff_head *q);
struct sk_buff *skb_dequeue(struct sk_buff_head *q);
void __skb_queue_purge(struct sk_buff_head *q);
void skb_queue_purge(struct sk_buff_head *q);
#define skb_queue_len(q)	    ((q)->qlen)
#define skb_queue_len_lockless(q)   ((q)->qlen)
#define skb_queue_empty_lockless(q) (!(q)->qlen)
#define skb_queue_walk(q, skb) \
	for (skb = (q)->next; skb != (struct sk_buff *)(q); skb = skb->next)
#define skb_queue_walk_safe(q, skb, tmp)                                     \
	for (skb = (q)->next, tmp = skb->next; skb != (struct sk_buff *)(q); \
	     skb = tmp, tmp = skb->next)

static inline bool pskb_may_pull(struct sk_buff *skb, unsigned int len)
{
	return skb->len >= len;
}

static inline int pskb_trim(struct sk_buff *skb, unsigned int len)
{
	skb->len = min(skb->len, len);
	return 0;
}

static inline void __skb_pull(struct sk_buff *skb, unsigned int len)
{
	WARN_ON_ONCE(len > skb->len);
	skb->data += len;
	skb->len -= len;
}

#define skb_linearize(skb)	    ((void)(skb), 0)
#define skb_scrub_packet(skb, x)    ((void)(skb))
#define skb_orphan(skb)		    ((void)(skb))
#define skb_network_header(skb)	    ((skb)->network)
#define skb_transport_header(skb)   ((skb)->transport)
#define skb_network_offset(skb)	    ((int)((skb)->network - (skb)->data))
#define skb_transport_offset(skb)   ((int)((skb)->transport - (skb)->data))
#define ip_hdr(skb)		    ((struct iphdr *)(skb)->network)
#define ipv6_hdr(skb)		    ((struct ipv6hdr *)(skb)->network)
#define udp_hdr(skb)		    ((struct udphdr *)(skb)->transport)
#define sock_net(sk)		    ((sk)->net)
#define net_eq(a, b)		    ((a) == (b))
#define __ip_dev_find(net, a, hold) ((struct net_device *)NULL)

static inline bool ipv6_addr_v4mapped(const struct in6_addr *a)
{
	return !a->s6_addr32[0] && !a->s6_addr32[1] &&
	       a->s6_addr32[2] == htonl(0xffff);
}

static inline void ipv6_addr_set_v4mapped(__be32 from, struct in6_addr *to)
{
	to->s6_addr32[0] = to->s6_addr32[1] = 0;
	to->s6_addr32[2] = htonl(0xffff);
	to->s6_addr32[3] = from;
}

#define ipv6_addr_equal(a, b) (!memcmp((a), (b), sizeof(struct in6_addr)))

static inline bool ipv6_addr_is_multicast(const struct in6_addr *a)
{
	return a->s6_addr[0] == 0xff;
}

static inline bool ipv4_is_multicast(__be32 addr)
{
	return (addr & htonl(0xf0000000)) == htonl(0xe0000000);
}

static inline bool ipv6_addr_any(const struct in6_addr *a)
{
	return !(a->s6_addr32[0] | a->s6_addr32[1] | a->s6_addr32[2] |
		 a->s6_addr32[3]);
}

/* --- more of the xarray ------------------------------------------- */

#define DEFINE_XARRAY_ALLOC(name) \
	struct xarray name = { .m = PTHREAD_MUTEX_INITIALIZER }
#define xa_for_each(xa, at, into)                 \
	for ((at) = 0; (at) < (xa)->high; (at)++) \
		if ((xa)->items[at].used && ((into) = (xa)->items[at].entry))

#include "rc_ib.h"

#endif
