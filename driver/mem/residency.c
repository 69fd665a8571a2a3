// SPDX-License-Identifier: GPL-2.0
/*
 * Which pages of a region the device could touch at this moment, for people
 * and tools. Like mincore(2): out of date as soon as it is known.
 */
#include "internal.h"

static u8 page_state(u64 entry)
{
	u8 state = 0;

	if (entry & SODP_ENTRY_PRESENT)
		state |= SODP_PAGE_PRESENT;
	if (entry & SODP_ENTRY_WRITE)
		state |= SODP_PAGE_WRITE;
	if (entry & SODP_ENTRY_ACCESSED)
		state |= SODP_PAGE_ACCESSED;
	return state;
}

/*
 * Calls @see for each page that has a leaf, up to and with @last. The lock is
 * dropped between leaves: a hook may want it.
 */
static void survey(struct sodp_region *region, u64 index, u64 last,
		   void (*see)(void *arg, u64 index, u8 state), void *arg)
{
	struct sodp_table *table = &region->table;
	const atomic64_t *leaf;
	u64 end;

	while (index <= last) {
		spin_lock(table->lock);
		leaf = sodp_table_next_leaf(table, &index, last);
		for (end = min(last, index | (SODP_TABLE_SLOTS - 1));
		     leaf && index <= end; index++)
			see(arg, index,
			    page_state(atomic64_read(
				    leaf + (index & (SODP_TABLE_SLOTS - 1)))));
		spin_unlock(table->lock);
		if (!leaf)
			return;
		cond_resched();
	}
}

struct page_map {
	u64 first;
	u8 *state;
};

static void see_page(void *arg, u64 index, u8 state)
{
	struct page_map *map = arg;

	map->state[index - map->first] = state;
}

int sodp_region_residency(struct sodp_region *region, u64 first, u64 count,
			  u8 *state)
{
	struct page_map map = { .first = first, .state = state };

	if (first > region->npages || count > region->npages - first)
		return -EFAULT;
	memset(state, 0, count);
	if (count)
		survey(region, first, first + (count - 1), see_page, &map);
	return 0;
}

struct histogram {
	u64 pages; /* in each bucket */
	u32 *resident;
};

static void see_bucket(void *arg, u64 index, u8 state)
{
	struct histogram *h = arg;

	if (state & SODP_PAGE_PRESENT)
		h->resident[div64_u64(index, h->pages)]++;
}

u64 sodp_region_summary(struct sodp_region *region, u32 *resident, u32 buckets)
{
	struct histogram h = { .resident = resident };

	memset(resident, 0, buckets * sizeof(*resident));
	if (!region->npages)
		return 0;
	h.pages = div64_u64(region->npages - 1, buckets) + 1;
	survey(region, 0, region->npages - 1, see_bucket, &h);
	return h.pages;
}
