// SPDX-License-Identifier: GPL-2.0
/*
 * The translation table of a region: a radix tree of page-sized nodes, keyed
 * by page number from the region's first page.
 *
 * A slot is one word: the address of a node, which is page-aligned, and in
 * its low bits how much the node holds: PRESENT entries for a leaf, non-empty
 * slots for the others. So a leaf is exactly one page of entries, and an empty
 * node is known without looking into it. The root is such a slot itself; a
 * region of any size costs nothing before its first page is touched.
 *
 * Readers take no lock: rcu_read_lock, and the entry's own count. Writers hold
 * table->lock (the fence lock for on-demand regions). A node that becomes empty
 * is unlinked under the lock and freed after a grace period; nothing is ever
 * installed into it again, because installs find their leaf under that lock.
 */
#include "internal.h"

#define COUNT_MASK (~PAGE_MASK)

static_assert(SODP_TABLE_SLOTS < PAGE_SIZE); /* a full node's count fits */

/* Spares, nodes, and nodes in their grace period, which no table knows. */
static atomic_t live_pages = ATOMIC_INIT(0);

unsigned int sodp_table_live_pages(void)
{
	return atomic_read(&live_pages);
}

/*
 * Where the walk to a leaf came through: at[levels] is the root slot, at[n]
 * the slot whose node has level n - 1 entries below it, at[1] the leaf's slot.
 */
struct descent {
	unsigned long *at[SODP_TABLE_MAX_LEVELS + 1];
};

static unsigned long *node_of(unsigned long slot)
{
	return (unsigned long *)(slot & PAGE_MASK);
}

static unsigned int shift_of(unsigned int level)
{
	return (level - 1) * SODP_TABLE_SHIFT;
}

static unsigned long slot_in(u64 index, unsigned int level)
{
	return (index >> shift_of(level)) & (SODP_TABLE_SLOTS - 1);
}

void sodp_table_init(struct sodp_table *table, u64 npages, spinlock_t *lock)
{
	table->root = 0;
	table->levels = 1;
	table->lock = lock;
	table->resident = 0;
	table->nodes = 0;
	table->keep = false;
	while (table->levels < SODP_TABLE_MAX_LEVELS && npages &&
	       (npages - 1) >> shift_of(table->levels + 1))
		table->levels++;
}

/*
 * Contract: under rcu_read_lock; the entry may be used until it is dropped.
 * NULL: no leaf there. READ_ONCE orders by address dependency; it pairs with
 * the release in link_node().
 */
atomic64_t *sodp_table_lookup(const struct sodp_table *table, u64 index)
{
	unsigned long slot = READ_ONCE(table->root);
	unsigned int level;

	for (level = table->levels; level > 1; level--) {
		if (!slot)
			return NULL;
		slot = READ_ONCE(node_of(slot)[slot_in(index, level)]);
	}
	if (!slot)
		return NULL;
	return (atomic64_t *)node_of(slot) + slot_in(index, 1);
}

/* How many nodes an install at @index would have to add. Advice. */
unsigned int sodp_table_missing(const struct sodp_table *table, u64 index)
{
	unsigned int level;
	unsigned long slot;

	rcu_read_lock();
	slot = READ_ONCE(table->root);
	for (level = table->levels; level > 1 && slot; level--)
		slot = READ_ONCE(node_of(slot)[slot_in(index, level)]);
	rcu_read_unlock();
	return slot ? 0 : level;
}

/* May sleep. Charged to the memcg that the caller made active. */
bool sodp_spares_fill(struct sodp_spares *spares, unsigned int count)
{
	void *page;

	while (spares->count < count) {
		page = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
		if (!page)
			return false;
		atomic_inc(&live_pages);
		spares->page[spares->count++] = page;
	}
	return true;
}

void sodp_spares_free(struct sodp_spares *spares)
{
	while (spares->count) {
		free_page((unsigned long)spares->page[--spares->count]);
		atomic_dec(&live_pages);
	}
}

static void link_node(struct sodp_table *table, unsigned long *slot,
		      unsigned long *parent, struct sodp_spares *spares)
{
	unsigned long node = (unsigned long)spares->page[--spares->count];

	/* Pairs with READ_ONCE in the readers: a linked node is zeroed. */
	smp_store_release(slot, node);
	if (parent)
		WRITE_ONCE(*parent, *parent + 1);
	WRITE_ONCE(table->nodes, table->nodes + 1);
}

static void free_node_page(struct page *page)
{
	__free_page(page);
	atomic_dec(&live_pages);
}

static void free_node_rcu(struct rcu_head *head)
{
	free_node_page(container_of(head, struct page, rcu_head));
}

static void free_node(void *node)
{
	struct page *page = virt_to_page(node);

	if (SODP_MUTANT(LEAF_FREE_EARLY))
		free_node_page(page);
	else
		call_rcu(&page->rcu_head, free_node_rcu);
}

/* Nothing PRESENT, and no count: those must never be freed. */
static bool leaf_is_empty(const unsigned long *node)
{
	const atomic64_t *entry = (const atomic64_t *)node;
	unsigned long i;

	for (i = 0; i < SODP_TABLE_SLOTS; i++)
		if (atomic64_read(entry + i))
			return false;
	return true;
}

/*
 * Unlink the nodes on @way that have become empty, from the leaf upwards.
 * @cleared: the caller has seen each word of the leaf become zero.
 */
static unsigned int unlink_empty(struct sodp_table *table, struct descent *way,
				 bool cleared)
{
	unsigned int level, freed = 0;
	unsigned long node;

	if (table->keep)
		return 0;
	for (level = 1; level <= table->levels; level++) {
		unsigned long *slot = way->at[level];

		if (*slot & COUNT_MASK)
			break;
		node = *slot;
		if (level == 1 && !cleared && !leaf_is_empty(node_of(node)))
			break;
		WRITE_ONCE(*slot, 0);
		if (level < table->levels)
			WRITE_ONCE(*way->at[level + 1],
				   *way->at[level + 1] - 1);
		WRITE_ONCE(table->nodes, table->nodes - 1);
		free_node((void *)node);
		freed++;
	}
	return freed;
}

/* Walk to the leaf of @index, adding nodes; false when spares run short. */
static bool grow_path(struct sodp_table *table, u64 index, struct descent *way,
		      struct sodp_spares *spares)
{
	unsigned long *slot = &table->root, *parent = NULL;
	unsigned int level;

	if (sodp_table_missing(table, index) > spares->count)
		return false;
	for (level = table->levels;; level--) {
		way->at[level] = slot;
		if (!*slot)
			link_node(table, slot, parent, spares);
		if (level == 1)
			return true;
		parent = slot;
		slot = node_of(*slot) + slot_in(index, level);
	}
}

/*
 * Publish. The atomics here are full barriers; they pair with the acquire in
 * sodp_entry_begin(). An or, not a store: the count is not ours.
 */
static bool set_entry(atomic64_t *entry, unsigned long pfn, bool write)
{
	u64 old = atomic64_read(entry);
	u64 new = pfn | SODP_ENTRY_PRESENT | (write ? SODP_ENTRY_WRITE : 0);

	if (!(old & SODP_ENTRY_PRESENT)) {
		atomic64_fetch_or(new, entry);
		return true;
	}
	/* No hook has passed, so it is the same page; it may gain WRITE. */
	if (!WARN_ON_ONCE((old & SODP_ENTRY_PFN) != pfn))
		atomic64_fetch_or(new, entry);
	return false;
}

/* A table of one leaf, which is linked now and stays: takes one spare. */
void sodp_table_keep(struct sodp_table *table, struct sodp_spares *spares)
{
	lockdep_assert_held(table->lock);
	WARN_ON_ONCE(table->levels != 1 || table->root);
	table->keep = true;
	link_node(table, &table->root, NULL, spares);
}

/*
 * Make the entry of @index PRESENT. The caller has checked the log and done
 * the dirty marking. False: a node is missing and @spares has too few.
 */
bool sodp_table_install(struct sodp_table *table, u64 index, unsigned long pfn,
			bool write, struct sodp_spares *spares)
{
	atomic64_t *entry;
	struct descent way;

	lockdep_assert_held(table->lock);
	if (WARN_ON_ONCE((u64)pfn & ~SODP_ENTRY_PFN))
		return true; /* not addressable: stays absent */
	if (!grow_path(table, index, &way, spares))
		return false;
	entry = (atomic64_t *)node_of(*way.at[1]) + slot_in(index, 1);
	if (set_entry(entry, pfn, write)) {
		WRITE_ONCE(*way.at[1], *way.at[1] + 1);
		WRITE_ONCE(table->resident, table->resident + 1);
	}
	return true;
}

/*
 * Find the first leaf at or after *index. Moves *index there; false when
 * there is none up to @last.
 */
static bool next_leaf(struct sodp_table *table, u64 *index, u64 last,
		      struct descent *way)
{
	unsigned long *slot = &table->root;
	unsigned int level = table->levels;

	while (*index <= last) {
		way->at[level] = slot;
		if (*slot && level == 1)
			return true;
		if (*slot) { /* down */
			slot = node_of(*slot) + slot_in(*index, level);
			level--;
			continue;
		}
		if (level == table->levels)
			return false; /* no root */
		/* Over the gap, to the right or from the top again. */
		*index = ((*index >> shift_of(level + 1)) + 1)
			 << shift_of(level + 1);
		if (slot_in(*index, level + 1)) {
			slot++;
		} else {
			slot = &table->root;
			level = table->levels;
			/* Past the end of what the root covers. */
			if (*index >> shift_of(table->levels + 1))
				return false;
		}
	}
	return false;
}

/* The same for who only looks: its entries; NULL when there is none. */
const atomic64_t *sodp_table_next_leaf(struct sodp_table *table, u64 *index,
				       u64 last)
{
	struct descent way;

	lockdep_assert_held(table->lock);
	if (!next_leaf(table, index, last, &way))
		return NULL;
	return (const atomic64_t *)node_of(*way.at[1]);
}

/*
 * Wait for the transfers of entries that are no longer PRESENT. Each is at
 * most one page copy on a CPU that cannot be preempted. The acquire pairs
 * with the release in sodp_entry_end().
 */
static void drain(struct sodp_table *table, atomic64_t *from, atomic64_t *to)
{
	atomic64_t *entry;

	if (SODP_MUTANT(NO_DRAIN))
		return;
	/* Its rule matters only to those who spin without the lock. */
	if (SODP_MUTANT(DRAIN_SKIP_CLEARED))
		spin_unlock(table->lock);
	for (entry = from; entry <= to; entry++)
		while ((u64)atomic64_read_acquire(entry) & SODP_ENTRY_COUNT)
			cpu_relax();
	if (SODP_MUTANT(DRAIN_SKIP_CLEARED))
		spin_lock(table->lock);
}

/* Clear and drain entries of one leaf. Returns how many were PRESENT. */
static unsigned long clear_entries(struct sodp_table *table, atomic64_t *from,
				   atomic64_t *to, bool *waited)
{
	unsigned long cleared = 0;
	atomic64_t *entry;
	bool busy = false;
	s64 old;

	for (entry = from; entry <= to; entry++) {
		old = atomic64_read(entry);
		if (!old)
			continue;
		if (old & SODP_ENTRY_PRESENT) {
			/* Full barrier: see sodp_entry_begin() and end(). */
			while (!atomic64_try_cmpxchg(
				entry, &old, old & (s64)SODP_ENTRY_COUNT))
				;
			cleared++;
		} else if (SODP_MUTANT(DRAIN_SKIP_CLEARED)) {
			continue;
		}
		/* Also one that was cleared before: it may still be in use. */
		busy |= !!(old & SODP_ENTRY_COUNT);
	}
	if (busy) {
		*waited = true;
		drain(table, from, to);
	}
	return cleared;
}

static void account_cleared(struct sodp_table *table, struct descent *way,
			    unsigned long cleared)
{
	WARN_ON_ONCE((*way->at[1] & COUNT_MASK) < cleared);
	WRITE_ONCE(*way->at[1], *way->at[1] - cleared);
	WRITE_ONCE(table->resident, table->resident - cleared);
}

/*
 * Clear and drain what one leaf holds of [*index, last]; move *index behind
 * it. True: there may be more, call again (the lock may be dropped between).
 */
bool sodp_table_sweep(struct sodp_table *table, u64 *index, u64 last,
		      struct sodp_sweep *sweep)
{
	bool busy = false, whole;
	unsigned long cleared;
	struct descent way;
	atomic64_t *leaf;
	u64 end;

	lockdep_assert_held(table->lock);
	if (!next_leaf(table, index, last, &way))
		return false;
	leaf = (atomic64_t *)node_of(*way.at[1]);
	end = min(last, *index | (SODP_TABLE_SLOTS - 1));
	whole = end - *index == SODP_TABLE_SLOTS - 1;
	cleared = clear_entries(table, leaf + slot_in(*index, 1),
				leaf + slot_in(end, 1), &busy);
	account_cleared(table, &way, cleared);
	sweep->waited |= busy;
	sweep->cleared += cleared;
	/* Nobody was in it: a second look would show the same. */
	sweep->leaves_freed += unlink_empty(table, &way, whole && !busy) ? 1 :
									   0;
	*index = end + 1;
	return *index <= last;
}

/*
 * For pinned regions: clear and drain up to @max PRESENT entries of one leaf
 * and hand out their frames. 0 when none is left up to @last.
 */
unsigned int sodp_table_take(struct sodp_table *table, u64 *index, u64 last,
			     unsigned long *pfns, unsigned int max)
{
	atomic64_t *entry, *leaf;
	unsigned int count = 0;
	bool waited = false;
	struct descent way;
	u64 end;

	lockdep_assert_held(table->lock);
	while (!count && next_leaf(table, index, last, &way)) {
		leaf = (atomic64_t *)node_of(*way.at[1]);
		end = min(last, *index | (SODP_TABLE_SLOTS - 1));
		for (; *index <= end && count < max; (*index)++) {
			entry = leaf + slot_in(*index, 1);
			if (!((u64)atomic64_read(entry) & SODP_ENTRY_PRESENT))
				continue;
			pfns[count++] = atomic64_read(entry) & SODP_ENTRY_PFN;
			clear_entries(table, entry, entry, &waited);
		}
		account_cleared(table, &way, count);
		unlink_empty(table, &way, false);
	}
	return count;
}

/* Has an entry of [first, last] been used; forget it when @clear. */
bool sodp_table_young(struct sodp_table *table, u64 first, u64 last, bool clear)
{
	bool young = false;
	struct descent way;
	atomic64_t *entry;
	u64 end;

	lockdep_assert_held(table->lock);
	for (; next_leaf(table, &first, last, &way); first = end + 1) {
		end = min(last, first | (SODP_TABLE_SLOTS - 1));
		entry = (atomic64_t *)node_of(*way.at[1]);
		for (; first <= end; first++) {
			atomic64_t *e = entry + slot_in(first, 1);

			if (!((u64)atomic64_read(e) & SODP_ENTRY_ACCESSED))
				continue;
			young = true;
			if (!clear)
				return true;
			atomic64_andnot(SODP_ENTRY_ACCESSED, e);
		}
	}
	return young;
}
