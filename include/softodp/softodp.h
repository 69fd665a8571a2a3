/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * libsoftodp: on-demand paging for verbs programs.
 *
 * A small layer over libibverbs for what verbs leave to every program (choose
 * between an on-demand and a pinned region, and learn why) and for what the
 * stock provider of a softodp device leaves out (prefetch, a region's
 * counters). Works on any verbs device; says so where one cannot do a thing.
 *
 * Conventions, for every call unless it says otherwise:
 *  - Addresses and lengths are in bytes, of any alignment.
 *  - Thread safety: may be called from any thread at any time, for the same
 *    objects too, as long as nobody destroys an object that is in use.
 *    No call keeps state between calls; there is none that a fork could split.
 *  - After success errno is what it was before the call.
 *  - A struct with a member `size`: the caller sets it to sizeof, all else that
 *    is not an input to 0. The library fills as much as both know.
 *
 * Pages: softodp(7) and one for each call.
 */
#ifndef SOFTODP_SOFTODP_H
#define SOFTODP_SOFTODP_H

#include <stddef.h>
#include <stdint.h>
#include <infiniband/verbs.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- what a device can ---------------------------------------------------- */

/* What a device or a region has. */
enum softodp_feature {
	SOFTODP_ON_DEMAND = 1 << 0, /* paged on demand, for some transport */
	SOFTODP_PINNED = 1 << 1, /* pages stay where they are */
	SOFTODP_IMPLICIT = 1 << 2, /* the address space as one region */
	SOFTODP_PREFETCH = 1 << 3, /* softodp_prefetch() */
	SOFTODP_STATS = 1 << 4, /* softodp_query_mr_stats() */
	SOFTODP_DMABUF = 1 << 5, /* softodp_reg_dmabuf_mr() */
	SOFTODP_REREG_TRANSLATION = 1 << 6, /* softodp_rereg_mr(): addresses, */
	SOFTODP_REREG_PD = 1 << 7, /* protection domain, */
	SOFTODP_REREG_ACCESS = 1 << 8, /* rights */
};

/* Which way prefetch takes. */
enum softodp_way {
	SOFTODP_WAY_NONE = 0,
	SOFTODP_WAY_PROVIDER = 1, /* ibv_advise_mr() */
	SOFTODP_WAY_KERNEL = 2, /* past a provider that lacks it */
};

struct softodp_device_attr {
	size_t size; /* sizeof(struct softodp_device_attr) */
	uint32_t features; /* enum softodp_feature: has */
	uint32_t unknown; /* ... could not be found out */
	uint32_t rc_odp_caps; /* enum ibv_odp_transport_cap_bits */
	uint32_t uc_odp_caps;
	uint32_t ud_odp_caps;
	uint32_t xrc_odp_caps;
	enum softodp_way prefetch_way;
	uint32_t reserved;
	uint64_t max_mr_size;
};

/**
 * softodp_query_device - what a device can of what this library is about
 *
 * Asks the device, and for what it does not tell tries it on a protection
 * domain and a region of one page, both gone again on return.
 *
 * Returns 0 or -1 with errno: EINVAL (attr->size is smaller than the first
 * version of the struct), ENOMEM, and what ibv_query_device_ex() gives. What
 * could not be tried is in attr->unknown and is no error.
 *
 * Source: ibv_query_device_ex(3), ibv_advise_mr(3), ibv_rereg_mr(3).
 */
int softodp_query_device(struct ibv_context *context,
			 struct softodp_device_attr *attr);

/* --- registration --------------------------------------------------------- */

/* Flags of softodp_reg_mr() and softodp_register(); 0: on demand for RC if the
 * device can, else pinned. */
enum softodp_reg_flags {
	SOFTODP_REG_NO_PIN = 1 << 0, /* on demand, or fail */
	SOFTODP_REG_NO_ODP = 1 << 1, /* pinned, or fail */
	SOFTODP_REG_PIN_FIRST = 1
				<< 2, /* pinned if that works, else on demand */
	SOFTODP_REG_IOVA = 1 << 3, /* softodp_register(): iova is set */

	/* Transports that the region is for; none of them means RC. */
	SOFTODP_REG_FOR_RC = 1 << 8,
	SOFTODP_REG_FOR_UC = 1 << 9,
	SOFTODP_REG_FOR_UD = 1 << 10,
};

/* What a region became. */
enum softodp_kind {
	SOFTODP_KIND_NONE = 0, /* not registered */
	SOFTODP_KIND_ON_DEMAND = 1,
	SOFTODP_KIND_PINNED = 2,
};

/* Why it became that; softodp_reason_str() has the words. */
enum softodp_reason {
	SOFTODP_REASON_FIRST_CHOICE = 0, /* what was asked for first */
	SOFTODP_REASON_NO_ODP = 1, /* the device has no on-demand paging */
	SOFTODP_REASON_TRANSPORT = 2, /* ... not for that transport */
	SOFTODP_REASON_OPERATION = 3, /* ... not for what the access implies */
	SOFTODP_REASON_ODP_REFUSED = 4, /* it has, but registration failed */
	SOFTODP_REASON_MEMLOCK = 5, /* pinning: RLIMIT_MEMLOCK or no memory */
	SOFTODP_REASON_PIN_REFUSED = 6, /* pinning failed for another reason */
	SOFTODP_REASON_QUERY = 7, /* the device did not tell what it can */
	SOFTODP_REASON_ARGUMENT = 8, /* unknown or contradicting wishes */
	SOFTODP_REASON_NO_IMPLICIT = 9, /* no region of the address space */
	SOFTODP_REASON_NO_FEATURE = 10, /* lacks what is needed: `missing` */
};

struct softodp_reg_result {
	enum softodp_kind kind;
	enum softodp_reason reason; /* why not the first choice, if it is not */
	int error; /* errno of the attempt that reason is about; 0 if none */
	int reserved[5]; /* 0 */
};

/**
 * softodp_reg_mr - register memory, on demand where the device can
 * @pd:     protection domain
 * @addr:   start; nothing need be mapped there for an on-demand region
 * @length: bytes
 * @access: IBV_ACCESS_*; IBV_ACCESS_ON_DEMAND in it means SOFTODP_REG_NO_PIN
 * @flags:  enum softodp_reg_flags
 * @why:    what it became and why; may be NULL. Filled on failure too.
 *
 * On demand is taken only if the device says that it can for each transport in
 * @flags, for SEND (and RECV with IBV_ACCESS_LOCAL_WRITE), and for the remote
 * operations that @access allows.
 *
 * Returns the region, to be ended by ibv_dereg_mr(), or NULL with errno:
 *  EINVAL      unknown or contradicting flags; what ibv_reg_mr() says so for
 *  EOPNOTSUPP  SOFTODP_REG_NO_PIN, and the device cannot
 *  ENOMEM      pinned: over RLIMIT_MEMLOCK, or out of memory
 *  and what else ibv_reg_mr() gives.
 *
 * Source: ibv_reg_mr(3), ibv_query_device_ex(3).
 */
struct ibv_mr *softodp_reg_mr(struct ibv_pd *pd, void *addr, size_t length,
			      unsigned int access, unsigned int flags,
			      struct softodp_reg_result *why);

/**
 * softodp_reg_mr_iova - softodp_reg_mr() with a peer's view of the addresses
 * @iova: the address by which the first byte is known to peers and in work
 *        requests; its offset in a page must be that of @addr
 *
 * Source: ibv_reg_mr_iova(3); IBTA volume 1, 10.6.3 (memory registration).
 */
struct ibv_mr *softodp_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t length,
				   uint64_t iova, unsigned int access,
				   unsigned int flags,
				   struct softodp_reg_result *why);

/* A registration: what is wanted, and what became of it. */
struct softodp_reg {
	size_t size; /* sizeof(struct softodp_reg) */
	void *addr;
	size_t length;
	uint64_t iova; /* with SOFTODP_REG_IOVA; else it is addr */
	unsigned int access; /* IBV_ACCESS_* */
	unsigned int flags; /* enum softodp_reg_flags */
	uint32_t need; /* enum softodp_feature: with all of these, or fail */
	uint32_t want; /* ... with these if they are to be had */

	/* Filled, on failure too. */
	enum softodp_kind kind;
	enum softodp_reason reason; /* as in struct softodp_reg_result */
	int error;
	uint32_t got; /* of need and want; and on demand or pinned */
	uint32_t missing; /* of need and want */
	const char *text; /* softodp_reason_str(reason) */
};

/**
 * softodp_register - register memory by negotiation
 *
 * SOFTODP_ON_DEMAND and SOFTODP_PINNED in need or want choose between the two,
 * as the flags do: needed, it is that or failure; wanted, it is tried first.
 * The other features are those of the device, asked for by
 * softodp_query_device() if any is named; SOFTODP_PREFETCH and
 * SOFTODP_IMPLICIT need a region on demand.
 *
 * addr NULL, length SIZE_MAX is one region for the whole address space, present
 * and future. It is never pinned. On a softodp device whose driver has no
 * implicit regions it is an ordinary region of all addresses that a program can
 * have, which costs nothing there (reason SOFTODP_REASON_NO_IMPLICIT); other
 * devices would take memory for each page of it, so there it fails, as it does
 * if SOFTODP_IMPLICIT is needed.
 *
 * Returns as softodp_reg_mr(), and with EOPNOTSUPP also where a need is not
 * met or there is no region of the whole address space.
 *
 * Source: ibv_reg_mr(3); IBTA volume 1, 10.6.3 (memory registration).
 */
struct ibv_mr *softodp_register(struct ibv_pd *pd, struct softodp_reg *reg);

/**
 * softodp_reg_dmabuf_mr - register memory of a device, by its DMA-BUF
 * @offset, @length: the part of the buffer
 * @iova:   the address of its first byte for peers and work requests
 * @fd:     the buffer; may be closed afterwards
 * @access: IBV_ACCESS_*
 *
 * Returns the region or NULL with errno:
 *  EOPNOTSUPP  the device or its provider has no such regions
 *  EBADF       fd is no open descriptor
 *  EINVAL      fd is no DMA-BUF; a range that is not inside it; wrong rights
 * and what else ibv_reg_dmabuf_mr() gives.
 *
 * Source: ibv_reg_mr(3), <linux/dma-buf.h>.
 */
struct ibv_mr *softodp_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset,
				     size_t length, uint64_t iova, int fd,
				     unsigned int access);

/* What softodp_rereg_mr() has left of a region. */
enum softodp_rereg_state {
	SOFTODP_REREG_UNCHANGED = 0, /* it is as it was */
	SOFTODP_REREG_CHANGED = 1, /* it is as asked for */
	SOFTODP_REREG_LOST = 2, /* it may only be deregistered */
};

/**
 * softodp_rereg_mr - change a region in place
 * @flags: IBV_REREG_MR_CHANGE_*: which of the others count
 * @state: what became of it; may be NULL. Filled on success too.
 *
 * Goes to the kernel itself where the provider has no rereg_mr. There is no
 * fallback to a new registration: that would have other keys.
 *
 * Returns 0 or -1 with errno:
 *  EINVAL      flags are 0 or unknown, no memory given for a new translation,
 *              another device's protection domain
 *  EOPNOTSUPP  the device cannot, or not this change (UNCHANGED)
 *  EPERM       from reading to writing, and the memory does not allow it
 *  EBUSY       memory windows are bound to it
 *  ENOMEM      out of memory; pinned: over RLIMIT_MEMLOCK
 * and what else ibv_rereg_mr() gives. With SOFTODP_REREG_CHANGED it is an error
 * about the memory that the region had before: a child of fork() will not have
 * all of it.
 *
 * Source: ibv_rereg_mr(3).
 */
int softodp_rereg_mr(struct ibv_mr *mr, int flags, struct ibv_pd *pd,
		     void *addr, size_t length, unsigned int access,
		     enum softodp_rereg_state *state);

/**
 * softodp_reason_str - one line of English for a reason: what stood in the way
 * and what to do about it. Never NULL; a constant, not to be freed.
 */
const char *softodp_reason_str(enum softodp_reason reason);

/* --- prefetch ------------------------------------------------------------- */

/**
 * softodp_prefetch - have pages of on-demand regions ready in the device
 * @pd:      protection domain of the regions
 * @advice:  IBV_ADVISE_MR_ADVICE_PREFETCH        for being read by the device
 *           IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE  for being written
 *           IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT  only pages that are in
 *                                                memory already
 * @flags:   0: return at once, best effort; IBV_ADVISE_MR_FLAG_FLUSH: return
 *           when the pages are in, or with the error
 * @sg_list: ranges {addr as in a work request, length, lkey}
 * @num_sge: 1 or more
 *
 * Through ibv_advise_mr(), or, where the provider has none (that of a softodp
 * device before rdma-core 59), to the kernel itself.
 *
 * Returns 0 or an errno value (errno itself is not touched):
 *  EINVAL      num_sge is 0, an unknown flag, a region that is pinned
 *  ENOENT      a key that names no region of this protection domain
 *  EPERM       to be written, and the region does not allow that
 *  EFAULT      a range is not inside its region, or (FLUSH) cannot be had
 *  EOPNOTSUPP  the device has no prefetch, or not this advice
 *  EIO         the device has been removed
 * For ranges before the one that failed the advice may have been taken.
 *
 * Source: ibv_advise_mr(3).
 */
int softodp_prefetch(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
		     uint32_t flags, struct ibv_sge *sg_list, uint32_t num_sge);

/* Flags of softodp_prefetch_range(); 0: for reading, in the background. */
enum softodp_prefetch_flags {
	SOFTODP_PREFETCH_WRITE = 1 << 0, /* the device will write there */
	SOFTODP_PREFETCH_WAIT = 1 << 1, /* return when the pages are in */
};

/**
 * softodp_prefetch_range - softodp_prefetch() of one range of one region
 * @iova:   first byte, as in a work request
 * @length: bytes; more than the 4 GiB of an SGE is fine
 * @flags:  enum softodp_prefetch_flags
 *
 * Returns as softodp_prefetch().
 */
int softodp_prefetch_range(struct ibv_mr *mr, uint64_t iova, size_t length,
			   unsigned int flags);

/* A prefetch that runs by itself. */
struct softodp_prefetch_job;

/**
 * softodp_prefetch_start - softodp_prefetch() in the background, with an end
 *
 * A thread of its own waits for the pages, in the order of the ranges; the
 * list is copied. Arguments as softodp_prefetch(), without flags.
 *
 * Deregistering a region ends its prefetch with an error, ENOENT or EFAULT on a
 * softodp device. The protection domain must live until softodp_prefetch_end().
 *
 * Returns the job, to be ended by softodp_prefetch_end(), or NULL with errno:
 *  EINVAL      num_sge is 0
 *  EAGAIN      no more threads
 *  ENOMEM, EMFILE, ENFILE
 * All else is the result of softodp_prefetch_wait().
 */
struct softodp_prefetch_job *
softodp_prefetch_start(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
		       const struct ibv_sge *sg_list, uint32_t num_sge);

/**
 * softodp_prefetch_wait - wait for the end of a job
 * @timeout_ms: as for poll(2): 0 only looks, -1 waits for ever
 *
 * May be called again, and by several threads.
 *
 * Returns 0 (all pages were ready), or an errno value (errno itself is not
 * touched):
 *  ETIMEDOUT  not yet
 *  EINTR      a signal came
 *  ECANCELED  this is a child of the process that started it
 *  and those of softodp_prefetch(): the job has ended with that.
 */
int softodp_prefetch_wait(struct softodp_prefetch_job *job, int timeout_ms);

/**
 * softodp_prefetch_fd - a descriptor that poll(2) finds readable when the job
 * has ended. It belongs to the job and must be neither read nor closed.
 */
int softodp_prefetch_fd(struct softodp_prefetch_job *job);

/**
 * softodp_prefetch_end - forget a job, and stop it if it runs
 *
 * No range is begun after this. What the kernel is at may still be brought in
 * and is not waited for, except where prefetch goes through the provider.
 * NULL is allowed. In a child of fork() it frees the child's copy.
 */
void softodp_prefetch_end(struct softodp_prefetch_job *job);

/* --- counters ------------------------------------------------------------- */

struct softodp_mr_stats {
	uint64_t page_faults; /* times that the device found a page missing */
	uint64_t page_faults_handled; /* pages brought in by these */
	uint64_t page_invalidations; /* times that the kernel took pages back */
	uint64_t page_invalidations_handled; /* pages given back in these */
	uint64_t page_prefetch; /* pages asked for by prefetch */
	uint64_t resident_pages; /* pages that the device can reach now */
	uint64_t table_bytes; /* kernel memory of the translation table now */
	uint64_t page_faults_major; /* of the faults: the CPU had none either */
	uint64_t page_faults_retried; /* pages lost to a fence, tried again */
	uint64_t fence_waits; /* invalidations that waited for a transfer */
	uint64_t reserved[6]; /* 0 */
};

/**
 * softodp_query_mr_stats - a region's counters, since its registration
 *
 * Each value is exact; together they are no snapshot. What the device does not
 * count is 0.
 *
 * Returns 0 or -1 with errno:
 *  EOPNOTSUPP  the device counts nothing for regions
 *  ENOENT      no such region in this network namespace
 *  ENOTUNIQ    without CAP_NET_ADMIN the kernel does not show keys, and this
 *              process has several regions of that length on the device
 *  and what socket(2), sendmsg(2) and recvmsg(2) give.
 *
 * Source: rdma-statistic(8), <rdma/rdma_netlink.h>.
 */
int softodp_query_mr_stats(struct ibv_mr *mr, struct softodp_mr_stats *stats);

/**
 * softodp_query_dev_counter - one of a device's counters, port 1, by name
 * @name:  as `rdma statistic show link` prints it
 * @value: where to put it
 *
 * Fresh: not the copy of up to 10 ms of age that sysfs shows.
 *
 * Returns 0 or -1 with errno: ENOENT (no counter of that name), EOPNOTSUPP (the
 * device has none at all), ENODEV (not in this network namespace).
 */
int softodp_query_dev_counter(struct ibv_context *context, const char *name,
			      uint64_t *value);

/* --- residency ------------------------------------------------------------ */

/* Where a page is. */
enum softodp_page {
	SOFTODP_PAGE_MEMORY = 1 << 0, /* in memory */
	SOFTODP_PAGE_SWAPPED = 1 << 1, /* on swap */
	SOFTODP_PAGE_DEVICE = 1
			      << 2, /* the device reaches it without a fault */
};

/* Who said so. */
enum softodp_source {
	SOFTODP_SOURCE_NONE = 0,
	SOFTODP_SOURCE_DEVICE = 1, /* the device's table, beside one of these */
	SOFTODP_SOURCE_PAGEMAP = 2, /* the process's page table */
	SOFTODP_SOURCE_MINCORE = 3, /* mincore(2): page cache and page table */
};

struct softodp_residency {
	size_t size; /* sizeof(struct softodp_residency) */
	enum softodp_source source;
	uint32_t known; /* enum softodp_page: what this source can tell */
	uint64_t page_size;
	uint64_t pages; /* of the range */
	uint64_t in_memory; /* ... with SOFTODP_PAGE_MEMORY, and so on */
	uint64_t swapped;
	uint64_t device;
};

/**
 * softodp_query_residency - where the pages of a region are
 * @addr:   first byte, as the process sees it: from mr->addr on
 * @length: bytes
 * @map:    a byte of enum softodp_page for each page, or NULL
 *
 * By the best source that is to be had; it is in the result, and so is what
 * it knows. Only softodp devices tell which pages they reach. Of this process:
 * in a child of fork() its own memory, not the region's.
 *
 * Returns 0 or -1 with errno: EINVAL (length 0, result->size), EFAULT (the
 * range is not inside the region), ENOMEM.
 *
 * Source: proc(5), mincore(2).
 */
int softodp_query_residency(struct ibv_mr *mr, const void *addr, size_t length,
			    uint8_t *map, struct softodp_residency *result);

#ifdef __cplusplus
}
#endif

#endif
