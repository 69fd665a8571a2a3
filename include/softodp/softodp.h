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
 *    No call keeps state between calls.
 *  - After success errno is what it was before the call.
 *
 * Pages: softodp(7), softodp_reg_mr(3), softodp_prefetch(3),
 * softodp_query_mr_stats(3).
 */
#ifndef SOFTODP_SOFTODP_H
#define SOFTODP_SOFTODP_H

#include <stddef.h>
#include <stdint.h>
#include <infiniband/verbs.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- registration --------------------------------------------------------- */

/* Flags of softodp_reg_mr(); 0: on demand for RC if the device can, else
 * pinned. */
enum softodp_reg_flags {
	SOFTODP_REG_NO_PIN = 1 << 0, /* on demand, or fail */
	SOFTODP_REG_NO_ODP = 1 << 1, /* pinned, or fail */
	SOFTODP_REG_PIN_FIRST = 1
				<< 2, /* pinned if that works, else on demand */

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
	SOFTODP_REASON_ARGUMENT = 8, /* unknown or contradicting flags */
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
 * Goes to the kernel itself where the provider has no advise_mr (that of a
 * softodp device before rdma-core 59), else through ibv_advise_mr().
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

/* --- counters ------------------------------------------------------------- */

struct softodp_mr_stats {
	uint64_t page_faults; /* times that the device found a page missing */
	uint64_t page_faults_handled; /* pages brought in by these */
	uint64_t page_invalidations; /* times that the kernel took pages back */
	uint64_t page_invalidations_handled; /* pages given back in these */
	uint64_t page_prefetch; /* pages asked for by prefetch */
	uint64_t resident_pages; /* pages that the device can reach now */
	uint64_t table_bytes; /* kernel memory of the translation table now */
	uint64_t reserved[9]; /* 0 */
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

#ifdef __cplusplus
}
#endif

#endif
