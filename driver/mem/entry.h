/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One page's word in a region's translation table.
 *
 *   63        48 47    43 42  41  40 39                                  0
 *  +------------+--------+---+---+---+------------------------------------+
 *  |   count    |   0    | A | W | P |            page frame              |
 *  +------------+--------+---+---+---+------------------------------------+
 *
 * Language of the bits:
 *  P=0, frame=0, count=0  empty: the only state in which a leaf may be freed
 *  P=1                    the CPU's page table maps this frame here, and the
 *                         fence keeps that true
 *  W=1 (needs P)          ... writable, and the frame is dirty to the kernel
 *  A=1 (needs P)          used since the kernel last asked
 *  count>0, P=1           that many transfers are touching the frame
 *  count>0, P=0           invalidated; somebody spins under the fence lock
 *                         until it is empty
 *
 * Doors: begin and end (lock-free, any context) move only count and A;
 * everything else is moved by table.c under the table's lock.
 */
#ifndef SODP_MEM_ENTRY_H
#define SODP_MEM_ENTRY_H

#define SODP_ENTRY_PFN_BITS    40
#define SODP_ENTRY_PFN	       ((1ULL << SODP_ENTRY_PFN_BITS) - 1)
#define SODP_ENTRY_PRESENT     (1ULL << 40)
#define SODP_ENTRY_WRITE       (1ULL << 41)
#define SODP_ENTRY_ACCESSED    (1ULL << 42)
#define SODP_ENTRY_COUNT_SHIFT 48
#define SODP_ENTRY_COUNT_ONE   (1ULL << SODP_ENTRY_COUNT_SHIFT)
#define SODP_ENTRY_COUNT       (~0ULL << SODP_ENTRY_COUNT_SHIFT)

static_assert((SODP_ENTRY_PFN & SODP_ENTRY_PRESENT) == 0);
static_assert(((SODP_ENTRY_PFN | SODP_ENTRY_PRESENT | SODP_ENTRY_WRITE |
		SODP_ENTRY_ACCESSED) &
	       SODP_ENTRY_COUNT) == 0);
/*
 * A transfer runs with preemption and softirqs off and holds at most two
 * counts, so the field cannot overflow.
 */
static_assert(2ULL * NR_CPUS < (1ULL << (64 - SODP_ENTRY_COUNT_SHIFT)));

/*
 * Contract: under rcu_read_lock (the leaf), preemption and softirqs off, and
 * sodp_entry_end() follows without waiting for anything. False: not there, or
 * not writable; resolve a fault.
 *
 * The acquire pairs with the publishing atomic in table.c: set_entry(), so
 * that what the fault did to the page (zeroing, dirty) is seen.
 */
static inline bool sodp_entry_begin(atomic64_t *entry, bool write,
				    unsigned long *pfn)
{
	const u64 need = SODP_ENTRY_PRESENT | (write ? SODP_ENTRY_WRITE : 0);
	s64 old = atomic64_read(entry);
	u64 next;

	do {
		if (((u64)old & need) != need)
			return false;
		if (((u64)old & SODP_ENTRY_COUNT) == SODP_ENTRY_COUNT)
			return false; /* cannot be, see above; never wrap */
		next = ((u64)old | SODP_ENTRY_ACCESSED) + SODP_ENTRY_COUNT_ONE;
	} while (!atomic64_try_cmpxchg_acquire(entry, &old, (s64)next));

	*pfn = (u64)old & SODP_ENTRY_PFN;
	return true;
}

/*
 * The release pairs with the acquire in table.c: drain(): when the count is
 * seen as zero, so are all effects of the transfer.
 */
static inline void sodp_entry_end(atomic64_t *entry)
{
	u64 old = atomic64_fetch_sub_release((s64)SODP_ENTRY_COUNT_ONE, entry);

	WARN_ON_ONCE(!(old & SODP_ENTRY_COUNT));
}

#endif
