// SPDX-License-Identifier: GPL-2.0
/*
 * The copy engine: the one way in which the device touches a page, for every
 * kind of region. The only file that maps pages.
 *
 * A transfer touches one page at most, under a count in the page's entry, with
 * preemption and softirqs off: an invalidation spins until the count is down,
 * so it must not be possible to schedule away, or to run a packet queue, in
 * between. It never faults, sleeps or waits.
 */
#include "internal.h"

struct transfer {
	struct sodp_region *region;
	u64 index; /* page */
	unsigned int offset; /* in the page */
	unsigned int length;
	bool write;
};

/* What to do with the mapped bytes; false: the machine could not read them. */
typedef bool (*touch_fn)(void *at, unsigned int length, void *arg);

static bool touch_in(void *at, unsigned int length, void *arg)
{
	memcpy(at, arg, length);
	return true;
}

static bool touch_out(void *at, unsigned int length, void *arg)
{
	return copy_mc_to_kernel(arg, at, length) == 0;
}

struct atomic_arg {
	enum sodp_mem_atomic_op op;
	u64 compare;
	u64 swap_add;
	u64 orig;
};

/* The CPU's own atomics, so that they are atomic with those of the owner. */
static bool touch_atomic(void *at, unsigned int length, void *arg)
{
	struct atomic_arg *a = arg;
	s64 old;

	switch (a->op) {
	case SODP_MEM_CMP_SWAP:
		a->orig = (u64)atomic64_cmpxchg(at, (s64)a->compare,
						(s64)a->swap_add);
		return true;
	case SODP_MEM_FETCH_ADD:
		old = atomic64_fetch_add((s64)a->swap_add, at);
		a->orig = (u64)old;
		return true;
	}
	return false;
}

/* True: softirqs were on. The transport's are off for all of its pass. */
static bool transfer_begin(void) __acquires(RCU)
{
	bool on = false;

	/* In this order: PREEMPT_RT takes a lock to have softirqs off. */
	if (!SODP_MUTANT(NO_PREEMPT_OFF)) {
		on = !in_softirq();
		if (on)
			local_bh_disable();
		preempt_disable();
	}
	rcu_read_lock();
	return on;
}

static void transfer_end(bool softirqs_on) __releases(RCU)
{
	rcu_read_unlock();
	if (!SODP_MUTANT(NO_PREEMPT_OFF)) {
		preempt_enable();
		if (softirqs_on)
			local_bh_enable();
	}
}

/* What transfer_begin() promises to whoever spins on the count. */
static void assert_cannot_be_held_up(void)
{
	lockdep_assert_preemption_disabled();
	if (IS_ENABLED(CONFIG_PROVE_LOCKING))
		WARN_ON_ONCE(!in_softirq());
}

/* Of a fast registration there is nothing to resolve: it has ended. */
static enum sodp_mem_result missing(const struct sodp_region *region)
{
	return READ_ONCE(region->dead) || region->kind == SODP_MEM_FAST ?
		       SODP_MEM_GONE :
		       SODP_MEM_FAULT;
}

static enum sodp_mem_result touch_page(const struct transfer *t, touch_fn touch,
				       void *arg)
{
	enum sodp_mem_result result;
	atomic64_t *entry;
	unsigned long pfn;
	void *page;

	entry = sodp_table_lookup(&t->region->table, t->index);
	SODP_WIDEN(LEAF);
	if (!entry || !sodp_entry_begin(entry, t->write, &pfn))
		return missing(t->region);

	assert_cannot_be_held_up();
	SODP_WIDEN(TRANSFER);
	page = kmap_local_page(pfn_to_page(pfn));
	result = touch(page + t->offset, t->length, arg) ? SODP_MEM_OK :
							   SODP_MEM_ACCESS;
	kunmap_local(page);
	sodp_entry_end(entry);
	return result;
}

/* Kernel addresses of kernel users: no table, nothing that can be taken. */
static enum sodp_mem_result touch_kernel(const struct sodp_region *region,
					 u64 iova, unsigned int length,
					 touch_fn touch, void *arg)
{
	if (READ_ONCE(region->dead))
		return SODP_MEM_GONE;
	return touch((void *)(uintptr_t)iova, length, arg) ? SODP_MEM_OK :
							     SODP_MEM_ACCESS;
}

/* @iova is inside and @length does not cross a page. */
static enum sodp_mem_result touch_one(struct sodp_region *region, u64 iova,
				      unsigned int length, bool write,
				      touch_fn touch, void *arg)
{
	u64 offset = sodp_region_offset(region, iova);
	struct transfer t = {
		.region = region,
		.index = offset >> PAGE_SHIFT,
		.offset = offset & ~PAGE_MASK,
		.length = length,
		.write = write,
	};
	enum sodp_mem_result result;
	bool softirqs_on;

	softirqs_on = transfer_begin();
	if (region->kind == SODP_MEM_ALL_LOCAL)
		result = touch_kernel(region, iova, length, touch, arg);
	else
		result = touch_page(&t, touch, arg);
	transfer_end(softirqs_on);
	return result;
}

static enum sodp_mem_result copy(struct sodp_region *region, u64 iova,
				 void *buf, size_t length, bool write,
				 size_t *done)
{
	touch_fn touch = write ? touch_in : touch_out;
	enum sodp_mem_result result;
	size_t chunk;

	if (!length)
		return SODP_MEM_OK;
	if (!sodp_region_inside(region, iova, length))
		return SODP_MEM_BOUNDS;

	for (; length; length -= chunk, iova += chunk, buf += chunk) {
		chunk = min_t(size_t, length, PAGE_SIZE - (iova & ~PAGE_MASK));
		result = touch_one(region, iova, chunk, write, touch, buf);
		if (result != SODP_MEM_OK)
			return result;
		*done += chunk;
	}
	return SODP_MEM_OK;
}

enum sodp_mem_result sodp_mem_copy_in(struct sodp_region *region, u64 iova,
				      const void *src, size_t length,
				      size_t *done)
{
	return copy(region, iova, (void *)src, length, true, done);
}

enum sodp_mem_result sodp_mem_copy_out(struct sodp_region *region, u64 iova,
				       void *dst, size_t length, size_t *done)
{
	return copy(region, iova, dst, length, false, done);
}

enum sodp_mem_result sodp_mem_atomic(struct sodp_region *region, u64 iova,
				     enum sodp_mem_atomic_op op, u64 compare,
				     u64 swap_add, u64 *orig)
{
	struct atomic_arg arg = {
		.op = op,
		.compare = compare,
		.swap_add = swap_add,
	};
	enum sodp_mem_result result;

	if (iova & 7)
		return SODP_MEM_ACCESS;
	if (!sodp_region_inside(region, iova, sizeof(u64)))
		return SODP_MEM_BOUNDS;
	result = touch_one(region, iova, sizeof(u64), true, touch_atomic, &arg);
	if (result == SODP_MEM_OK)
		*orig = arg.orig;
	return result;
}

static bool present(struct sodp_region *region, u64 index, bool write)
{
	const u64 need = SODP_ENTRY_PRESENT | (write ? SODP_ENTRY_WRITE : 0);
	atomic64_t *entry;
	bool ret;

	rcu_read_lock();
	entry = sodp_table_lookup(&region->table, index);
	ret = entry && ((u64)atomic64_read(entry) & need) == need;
	rcu_read_unlock();
	return ret;
}

enum sodp_mem_result sodp_mem_probe(struct sodp_region *region, u64 iova,
				    u64 length, bool write, u64 *first)
{
	u64 offset, index, last;

	if (!length)
		return SODP_MEM_OK;
	if (!sodp_region_inside(region, iova, length))
		return SODP_MEM_BOUNDS;
	if (READ_ONCE(region->dead))
		return SODP_MEM_GONE;
	if (region->kind == SODP_MEM_ALL_LOCAL)
		return SODP_MEM_OK;

	offset = sodp_region_offset(region, iova);
	index = offset >> PAGE_SHIFT;
	last = (offset + min_t(u64, length, 1 << 20) - 1) >> PAGE_SHIFT;
	for (; index <= last; index++) {
		if (present(region, index, write))
			continue;
		/* The first byte asked for, or the start of a later page. */
		offset = max(offset, index << PAGE_SHIFT);
		*first = offset - (region->start & ~PAGE_MASK) + region->iova;
		return missing(region);
	}
	return SODP_MEM_OK;
}
