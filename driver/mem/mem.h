/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wall: all that the transport and the verbs see of memory.
 *
 * Nothing under mem/ knows a packet or a QP; nothing outside it knows a
 * struct page, an mm or a notifier. What crosses is a region handle and a
 * result.
 *
 * Addresses are iova (what the peer or the WQE says), u64; lengths are u64
 * bytes. Bounds are checked by subtraction, in region.c, once.
 */
#ifndef SODP_MEM_MEM_H
#define SODP_MEM_MEM_H

#include <linux/types.h>

struct sodp_counters;
struct sodp_fault;
struct sodp_mem; /* the memory side of one device */
struct sodp_mem_ctx; /* of one user context: keeps the notifier of its mm */
struct sodp_region;
struct sodp_window;

/* What an access ended in. Not errno, so that neither can be mistaken. */
enum sodp_mem_result {
	SODP_MEM_OK,
	SODP_MEM_FAULT, /* no entry there yet: resolve, then go on */
	SODP_MEM_BOUNDS, /* not inside the region */
	SODP_MEM_ACCESS, /* unknown key, other domain, missing right, bad VMA */
	SODP_MEM_GONE, /* the owner's mm or the region is no more */
};

/* Rights of a region and needs of an access. Reading locally is always so. */
enum sodp_mem_right {
	SODP_MEM_LOCAL_READ = 0,
	SODP_MEM_LOCAL_WRITE = 1 << 0,
	SODP_MEM_REMOTE_READ = 1 << 1,
	SODP_MEM_REMOTE_WRITE = 1 << 2,
	SODP_MEM_REMOTE_ATOMIC = 1 << 3,
	SODP_MEM_BIND = 1 << 4, /* windows may be bound to it */
};

enum sodp_mem_kind {
	SODP_MEM_PINNED,
	SODP_MEM_ON_DEMAND,
	SODP_MEM_ALL_LOCAL, /* get_dma_mr: kernel addresses; kernel users only */
	SODP_MEM_FAST, /* fast registration; kernel users only */
};

enum sodp_mem_atomic_op {
	SODP_MEM_CMP_SWAP,
	SODP_MEM_FETCH_ADD,
};

/* --- the memory side of a device: process context ---------------- */

struct sodp_mem *sodp_mem_create(struct sodp_counters __percpu *counters);
/*
 * Orphans what is left and drops the device's reference. Faults that hang
 * keep what they need (and the module) alive by their own references.
 */
void sodp_mem_destroy(struct sodp_mem *mem);
/* What is in memory, also of what is on its way out. Any context. */
struct sodp_mem_live {
	unsigned int regions;
	unsigned int notifiers;
	unsigned int table_pages; /* of all devices */
};

void sodp_mem_live(const struct sodp_mem *mem, struct sodp_mem_live *live);
/* Module load and exit: slab caches, workqueue, notifier synchronisation. */
int sodp_mem_init(void);
void sodp_mem_exit(void);

struct sodp_mem_ctx *sodp_mem_ctx_create(struct sodp_mem *mem);
void sodp_mem_ctx_destroy(struct sodp_mem_ctx *ctx);

/* --- registration: process context, in the owner's mm ------------ */

/*
 * On demand with start and iova 0 and this length: all that the mm has and
 * will have. iova is the virtual address.
 */
#define SODP_MEM_WHOLE U64_MAX

struct sodp_region_attr {
	enum sodp_mem_kind kind;
	u64 start; /* user virtual address */
	u64 length; /* bytes; 0 is allowed */
	u64 iova; /* same offset in its page as start (ib_core checks) */
	u32 rights; /* enum sodp_mem_right */
	u32 domain; /* protection domain number */
	bool huge; /* on demand: -EINVAL unless start is in hugetlb pages */
};

/*
 * Register. O(1) in the length for on-demand regions. Errors: -EINVAL (range
 * wraps), -ENOMEM (also RLIMIT_MEMLOCK for pinned), -EINTR, -EFAULT and
 * -EPERM for pinned ones, -ENOSPC (keys used up).
 */
struct sodp_region *sodp_region_register(struct sodp_mem_ctx *ctx,
					 const struct sodp_region_attr *attr);
/*
 * All of the kernel's memory, iova being the virtual address: get_dma_mr. For
 * domains of kernel users alone; no bounds, nothing that can be taken away.
 */
struct sodp_region *sodp_region_register_kernel(struct sodp_mem *mem,
						u32 domain, u32 rights);
/* --- fast registration: kernel users' pages, entered by a work request ------ */

enum {
	SODP_FAST_PAGES = 512, /* of one region */
};

struct sodp_fast_attr {
	u32 key; /* that of the region but for its low byte */
	u32 rights; /* enum sodp_mem_right */
	u64 iova;
	u64 length; /* no more than the staged pages hold */
};

/* Process context. It has a key that is refused until it is registered. */
struct sodp_region *sodp_region_alloc_fast(struct sodp_mem *mem, u32 domain,
					   u32 max_pages);
/*
 * Which pages the next registration enters, in order: the addresses of pages in
 * the kernel's linear mapping. The user serialises them with all below.
 * -ENOMEM: more than max_pages, -EINVAL: no such address. Any context.
 */
void sodp_fast_stage_reset(struct sodp_region *region);
int sodp_fast_stage(struct sodp_region *region, u64 addr);
/*
 * Any context up to softirq. -EINVAL: no such region in the domain, registered
 * already, does not fit; -EBUSY: somebody still holds it, by an old key too:
 * try again in a moment.
 */
int sodp_fast_register(struct sodp_mem *mem, u32 domain,
		       const struct sodp_fast_attr *attr);
/*
 * After it returns @key is refused, no transfer is in flight by it and none
 * will start. -EINVAL: @key is not registered in the domain, or not in this
 * way. Up to softirq.
 */
int sodp_fast_invalidate(struct sodp_mem *mem, u32 domain, u32 key);

/*
 * Before it is deregistered: no window will be bound to it any more. False:
 * one is, and everything stays as it was.
 */
bool sodp_region_retire(struct sodp_region *region);
/*
 * Deregister: after it returns the key is refused, no transfer is in flight
 * in the region and none will start. Never waits for a fault.
 */
void sodp_region_deregister(struct sodp_region *region);

u32 sodp_region_key(const struct sodp_region *region); /* lkey == rkey */
bool sodp_region_on_demand(const struct sodp_region *region);
bool sodp_region_implicit(const struct sodp_region *region);
/* Is it memory of the current process? */
bool sodp_region_is_ours(const struct sodp_region *region);

struct sodp_region_stats {
	u64 page_faults;
	u64 page_faults_handled;
	u64 page_invalidations;
	u64 page_invalidations_handled;
	u64 page_prefetch;
	u64 page_faults_major; /* the CPU had not mapped it either */
	u64 page_faults_retried; /* pages lost to a fence, tried again */
	u64 fence_waits; /* invalidations that found a transfer */
	u64 resident_pages;
	u64 table_bytes; /* kernel memory the table holds now */
};

void sodp_region_read_stats(struct sodp_region *region,
			    struct sodp_region_stats *stats);

/* --- windows: a part of a region by a key of its own ------------- */

enum sodp_window_type {
	SODP_WINDOW_1, /* for the whole domain; a new binding ends the old one */
	SODP_WINDOW_2, /* for who bound it; ends by invalidation */
};

/* Who binds windows of type 2 and reaches memory by them: a queue pair. */
struct sodp_window_user {
	struct list_head windows; /* window.c */
};

struct sodp_window_bind {
	u32 key; /* the window's, as it is */
	u32 new_key; /* its low byte is that of the next */
	u32 region_key;
	u64 iova;
	u64 length; /* 0, of type 1: ends the binding that there is */
	u32 rights; /* enum sodp_mem_right */
	bool zero_based; /* type 2: its first byte is at address 0 */
};

/* Process context. -ENOMEM, -ENOSPC (keys used up). */
struct sodp_window *sodp_window_alloc(struct sodp_mem *mem, u32 domain,
				      enum sodp_window_type type);
/* Ends its binding, as invalidation does. */
void sodp_window_free(struct sodp_window *window);
/* Each binding changes its low byte. */
u32 sodp_window_key(const struct sodp_window *window);

void sodp_window_user_init(struct sodp_window_user *user);
/* Ends what it has bound; it binds no more. Process context. */
void sodp_window_user_end(struct sodp_mem *mem, struct sodp_window_user *user);

/*
 * Up to softirq. -EINVAL: no such window or region in the domain, of a type or
 * in a state that does not allow it, beyond the region, or more rights than it
 * can give.
 */
int sodp_window_bind(struct sodp_mem *mem, u32 domain,
		     struct sodp_window_user *user,
		     const struct sodp_window_bind *bind);
/*
 * By the key of a window of type 2 or of a fast registration: after it returns
 * @key is refused, no transfer is in flight by it and none will start. -EINVAL:
 * no such key in the domain, or another user's. Up to softirq.
 */
int sodp_key_invalidate(struct sodp_mem *mem, u32 domain,
			const struct sodp_window_user *user, u32 key);

/* --- a look from outside: process context ------------------------ */

enum sodp_page_state {
	SODP_PAGE_PRESENT = 1 << 0,
	SODP_PAGE_WRITE = 1 << 1,
	SODP_PAGE_ACCESSED = 1 << 2, /* since the kernel last asked */
};

u64 sodp_region_pages(const struct sodp_region *region);
/*
 * The state of @count pages from page @first of the region on, a byte each
 * (enum sodp_page_state). -EFAULT: there are not so many.
 */
int sodp_region_residency(struct sodp_region *region, u64 first, u64 count,
			  u8 *state);
/*
 * How many pages are present in each of @buckets equal parts of the region.
 * Returns the pages in a part, of which the last may have fewer.
 */
u64 sodp_region_summary(struct sodp_region *region, u32 *resident, u32 buckets);

/* --- access: any context up to softirq; never sleep, fault or wait  */

/*
 * Find the region of a key and check domain, rights and bounds. On OK *region
 * holds a reference: sodp_region_put() it. A length of 0 passes with any iova.
 * @need: a mask of enum sodp_mem_right.
 */
enum sodp_mem_result sodp_region_get(struct sodp_mem *mem, u32 key, u32 domain,
				     u32 need, u64 iova, u64 length,
				     struct sodp_region **region);
/* Not yet deregistered, and neither has the owner's mm ended. */
bool sodp_region_alive(const struct sodp_region *region);
void sodp_region_put(struct sodp_region *region);
void sodp_region_hold(struct sodp_region *region);
/*
 * The same for who uses one region many times in a row: on OK *region is the
 * region, with a reference that stays there for the next call, which does not
 * look the key up again if it is the same. At first NULL; put it soon.
 *
 * What ended meanwhile is refused: deregistration marks the region dead before
 * it takes the entries away, and a fast registration by another key does not
 * begin while somebody holds the region.
 */
enum sodp_mem_result sodp_region_use(struct sodp_mem *mem, u32 key, u32 domain,
				     u32 need, u64 iova, u64 length,
				     struct sodp_region **region);
/* Under RCU, of a region that may be on its way out. */
bool sodp_region_try_hold(struct sodp_region *region);

/* What a peer asks for, by a key of a region or of a window. */
struct sodp_access {
	u32 key;
	u32 domain;
	u32 need; /* a mask of enum sodp_mem_right */
	const struct sodp_window_user *user; /* by whom it comes */
	u64 iova;
	u64 length;
};

struct sodp_remote {
	struct sodp_region *region; /* by the reference in *used */
	struct sodp_window *window; /* or NULL; an invalidation waits for us */
	u64 iova; /* in the region */
};

/*
 * As sodp_region_use(), for peers, whose keys may be of windows. What it gave
 * is kept for one packet at most, with softirqs off all the time: end it by one
 * of the other two.
 */
enum sodp_mem_result sodp_remote_get(struct sodp_mem *mem,
				     const struct sodp_access *access,
				     struct sodp_region **used,
				     struct sodp_remote *remote);
void sodp_remote_end(struct sodp_remote *remote);
/* ... and the region is the caller's, with a reference, for a fault in it. */
struct sodp_region *sodp_remote_keep_region(struct sodp_remote *remote);

/*
 * Copy between a buffer and a region, page by page. *done is advanced by the
 * bytes that were copied, also when the result is not OK, so that a caller can
 * go on from there after a fault. Rights were checked by sodp_region_get.
 * The caller re-checks nothing: bounds are checked here once more, for free.
 */
enum sodp_mem_result sodp_mem_copy_in(struct sodp_region *region, u64 iova,
				      const void *src, size_t length,
				      size_t *done);
enum sodp_mem_result sodp_mem_copy_out(struct sodp_region *region, u64 iova,
				       void *dst, size_t length, size_t *done);

/* 8-byte atomic, iova 8-aligned (else ACCESS); *orig gets the old value. */
enum sodp_mem_result sodp_mem_atomic(struct sodp_region *region, u64 iova,
				     enum sodp_mem_atomic_op op, u64 compare,
				     u64 swap_add, u64 *orig);

/*
 * Are all entries there? Advice only: the answer may be stale on return. At
 * most @length <= 1 MiB is looked at. FAULT: *first is the first missing iova.
 */
enum sodp_mem_result sodp_mem_probe(struct sodp_region *region, u64 iova,
				    u64 length, bool write, u64 *first);

/* --- faults ------------------------------------------------------ */

/*
 * Called once, from the fault workqueue, under the fault's spinlock: must not
 * sleep or take a lock under which sodp_fault_orphan() is called; set a flag
 * and kick. @result: OK (at least the first page was installed: try again),
 * ACCESS or GONE (permanent).
 */
typedef void (*sodp_fault_done_fn)(void *arg, enum sodp_mem_result result);

/*
 * Resolve [iova, iova+length) (clipped to the region and to 1 MiB) in the
 * background. Any context up to softirq. Takes its own reference to the
 * region. NULL when out of memory: try again later (treat as a slow fault).
 * The caller holds one reference to the returned fault and ends it by
 * sodp_fault_release(), whether it was done or not.
 */
struct sodp_fault *sodp_fault_start(struct sodp_region *region, u64 iova,
				    u64 length, bool write,
				    sodp_fault_done_fn done, void *arg);
/*
 * Orphan if still running and drop the caller's reference. After it returns
 * @done is not running and will not run. Never waits for the fault itself.
 * Any context with softirqs enabled or disabled; not from @done.
 */
void sodp_fault_release(struct sodp_fault *fault);

/* --- prefetch: process context, in any mm ------------------------ */

enum sodp_prefetch_advice {
	SODP_PREFETCH, /* for reading */
	SODP_PREFETCH_WRITE,
	SODP_PREFETCH_NO_FAULT, /* only what the CPU has mapped already */
};

/*
 * @wait: return after the pages are in (or an error); else queue and return.
 * Errors: -EFAULT (outside, or a page could not be had), -EPERM (no right),
 * -EINVAL (not on demand), -ENOMEM, -EINTR.
 */
int sodp_mem_prefetch(struct sodp_region *region,
		      enum sodp_prefetch_advice advice, u64 iova, u64 length,
		      bool wait);

#endif
