// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The device: keys, transfers, atomics, probes, prefetch, faults; and what must
 * hold at any time.
 */
#include "mem_model_int.h"

/* --- what must hold at any time ----------------------------------- */

/* The entry of a page is what the CPU's page table says, or absent. */
static void check_entry(const struct mem_slot *s, u64 index, u64 entry)
{
	u64 offset = (s->start & PAGE_MASK) + (index << PAGE_SHIFT);
	struct page *frame = um_frame(model_bed->mm, at(offset));

	must(!(entry & SODP_ENTRY_COUNT), "a transfer was left");
	if (!(entry & SODP_ENTRY_PRESENT))
		return;
	must(!model.fenced[offset / PAGE_SIZE], "an entry inside of a fence");
	must(frame && page_to_pfn(frame) == (entry & SODP_ENTRY_PFN),
	     "an entry for a page that is not mapped here");
	if (!(entry & SODP_ENTRY_WRITE))
		return;
	must(um_pte_writable(model_bed->mm, at(offset)),
	     "WRITE without the PTE's");
	must(frame->dirty, "WRITE to a page that is clean");
	must(s->rights & ~RO, "WRITE in a region that is only read");
}

static void check_region(const struct mem_slot *s)
{
	struct sodp_region_stats stats;
	unsigned long present = 0;
	u64 i;

	for (i = 0; i < s->region->npages; i++) {
		atomic64_t *e;
		u64 entry;

		rcu_read_lock();
		e = sodp_table_lookup(&s->region->table, i);
		entry = e ? (u64)atomic64_read(e) : 0;
		rcu_read_unlock();
		present += !!(entry & SODP_ENTRY_PRESENT);
		if (!s->pinned)
			check_entry(s, i, entry);
	}
	sodp_region_read_stats(s->region, &stats);
	must(stats.resident_pages == present, "resident pages are miscounted");
	must(present || !stats.table_bytes, "an empty table has nodes");
}

void check_all(void)
{
	unsigned int i;

	for (i = 0; i < REGIONS; i++)
		if (model.slot[i].region)
			check_region(&model.slot[i]);
}

/* --- the device --------------------------------------------------- */

/* Find the region by its key, as a packet does. */
static bool get(const struct mem_slot *s, u32 need, u64 iova, size_t length,
		bool inside)
{
	enum sodp_mem_result want = SODP_MEM_OK, got;
	u32 key = sodp_region_key(s->region);
	struct sodp_region *r = NULL;
	u32 domain = 1;

	if (!pick(32))
		domain = 2;
	if (domain != 1 || (need & ~s->rights))
		want = SODP_MEM_ACCESS;
	else if (length && !inside)
		want = SODP_MEM_BOUNDS;
	got = sodp_region_get(model_bed->mem, key, domain, need, iova, length,
			      &r);
	must(got == want, "a key was not checked right");
	if (got != SODP_MEM_OK)
		return false;
	must(r == s->region, "a key of another region");
	sodp_region_put(r);
	return true;
}

/* Copy, resolving what is missing. *done is how far it came. */
static enum sodp_mem_result copy_all(const struct mem_slot *s, u64 iova,
				     u8 *buf, size_t length, bool write,
				     size_t *done)
{
	enum sodp_mem_result result = SODP_MEM_FAULT;
	unsigned int tries = TRIES;

	*done = 0;
	while (result == SODP_MEM_FAULT && tries--) {
		result = write ? sodp_mem_copy_in(s->region, iova + *done,
						  buf + *done, length - *done,
						  done) :
				 sodp_mem_copy_out(s->region, iova + *done,
						   buf + *done, length - *done,
						   done);
		if (result != SODP_MEM_FAULT || s->pinned)
			break;
		result =
			resolve(s->region, iova + *done, length - *done, write);
		if (result == SODP_MEM_OK)
			result = SODP_MEM_FAULT;
		if (hindered() ||
		    unfenced_bytes(s->start + iova - s->iova, length) < length)
			tries = min(tries, 2U);
	}
	return result;
}

static void device_access(struct mem_slot *s, bool write)
{
	static u8 buf[SPAN];
	u8 fill = (u8)pick(256);
	size_t length, ok, open, i, done;
	enum sodp_mem_result result;
	bool free = !hindered();
	u64 offset;

	random_piece(s, &offset, &length);
	if (!get(s, write ? SODP_MEM_REMOTE_WRITE : SODP_MEM_REMOTE_READ,
		 s->iova + offset, length, length <= s->length - offset))
		return;
	if (s->pinned)
		return; /* its pages are its own: nothing to compare with */
	for (i = 0; i < length; i++)
		buf[i] = write ? (u8)(fill + i * 7) : 0xee;
	ok = allowed_bytes(s->start + offset, length, write);
	open = unfenced_bytes(s->start + offset, ok);
	result = copy_all(s, s->iova + offset, buf, length, write, &done);
	if (write)
		memcpy(model.bytes + s->start + offset, buf, done);
	else
		same("the device", s->start + offset, buf, done);
	must(done <= ok, "more than the VMA allows");
	must(done <= open, "a transfer inside of a fence");
	must((result == SODP_MEM_OK) == (done == length),
	     "OK for a part, or an error for all of it");
	if (free && unfenced_bytes(s->start + offset, length) == length) {
		must(done == ok, "less than could be had");
		must(result == (ok == length ? SODP_MEM_OK : SODP_MEM_ACCESS),
		     "not the result that the VMA gives");
	}
}

static void device_atomic(struct mem_slot *s)
{
	bool add = pick(2), free = !hindered(), taken;
	u64 offset, word, orig = 0, operand = pick(1 << 16), compare;
	enum sodp_mem_result result = SODP_MEM_FAULT;
	int tries = 3;

	if (s->length < 16)
		return;
	offset = pick(s->length - 16);
	offset += -(s->iova + offset) & 7;
	if (!get(s, SODP_MEM_REMOTE_ATOMIC, s->iova + offset, 8, true) ||
	    s->pinned)
		return;
	memcpy(&word, model.bytes + s->start + offset, 8);
	compare = pick(2) ? word : word + 1;
	while (result == SODP_MEM_FAULT && tries--) {
		result = sodp_mem_atomic(s->region, s->iova + offset,
					 add ? SODP_MEM_FETCH_ADD :
					       SODP_MEM_CMP_SWAP,
					 compare, operand, &orig);
		if (result == SODP_MEM_FAULT &&
		    resolve(s->region, s->iova + offset, 8, true) !=
			    SODP_MEM_OK)
			result = SODP_MEM_ACCESS;
	}
	taken = allowed_bytes(s->start + offset, 8, true) == 8;
	must(taken || result != SODP_MEM_OK, "an atomic without a right");
	taken &= unfenced_bytes(s->start + offset, 8) == 8;
	must(taken || result != SODP_MEM_OK, "an atomic inside of a fence");
	must(!taken || !free || result == SODP_MEM_OK, "no atomic");
	if (result != SODP_MEM_OK)
		return;
	must(orig == word, "an atomic saw something else");
	if (add)
		word += operand;
	else if (compare == word)
		word = operand;
	memcpy(model.bytes + s->start + offset, &word, 8);
}

/* What a probe says is what a copy then finds. */
static void device_probe(struct mem_slot *s)
{
	static u8 buf[SPAN];
	enum sodp_mem_result result;
	u64 offset, first = 0, iova;
	size_t length, done = 0;

	random_piece(s, &offset, &length);
	iova = s->iova + offset;
	result = sodp_mem_probe(s->region, iova, length, false, &first);
	must((result == SODP_MEM_BOUNDS) ==
		     (length && length > s->length - offset),
	     "a probe and the bounds");
	if (result == SODP_MEM_BOUNDS || s->pinned)
		return;
	must(sodp_mem_copy_out(s->region, iova, buf, length, &done) == result,
	     "a probe that a copy belies");
	if (result == SODP_MEM_FAULT)
		must(first == iova + done, "a miss somewhere else");
	same("a probed read", s->start + offset, buf, done);
}

static void device_prefetch(struct mem_slot *s)
{
	enum sodp_prefetch_advice advice = pick(3);
	bool write = advice == SODP_PREFETCH_WRITE, wait = pick(2);
	bool free = !hindered();
	int want = 0, got;
	size_t length;
	u64 offset;

	random_piece(s, &offset, &length);
	if (s->pinned)
		want = -EINVAL;
	else if (length > s->length - offset)
		want = -EFAULT;
	else if (write && !(s->rights & ~RO))
		want = -EPERM;
	got = sodp_mem_prefetch(s->region, advice, s->iova + offset, length,
				wait);
	if (want || !free) {
		must(!want || got == want, "not the error of a prefetch");
		return;
	}
	if (wait && advice != SODP_PREFETCH_NO_FAULT &&
	    allowed_bytes(s->start + offset, length, write) != length)
		want = -EFAULT;
	if (unfenced_bytes(s->start + offset, length) == length)
		must(got == want, "not the result of a prefetch");
}

/* A fault that nobody waits for; later somebody lets go of it, or forgets. */
static void fault_step(struct mem_slot *s)
{
	unsigned int i = pick(FAULTS);
	u64 offset;

	if (model.fault[i].fault) {
		if (model.fault[i].wait.done)
			must(model.fault[i].wait.result <= SODP_MEM_GONE,
			     "no result");
		sodp_fault_release(model.fault[i].fault);
		model.fault[i].fault = NULL;
		return;
	}
	if (!s->length)
		return;
	offset = pick(s->length);
	model.fault[i].wait = (struct fault_wait){ 0 };
	model.fault[i].fault =
		sodp_fault_start(s->region, s->iova + offset, pick(1 << 20) + 1,
				 pick(2), fault_told, &model.fault[i].wait);
}

/* --- registration ------------------------------------------------- */

void deregister(struct mem_slot *s)
{
	struct sodp_region *held = NULL, *other;
	size_t done = 0;
	u8 byte;

	if (!pick(3)) {
		held = s->region;
		sodp_region_hold(held);
	}
	s->stale = sodp_region_key(s->region);
	sodp_region_deregister(s->region);
	s->region = NULL;
	must(sodp_region_get(model_bed->mem, s->stale, 1, 0, s->iova, 0,
			     &other) == SODP_MEM_ACCESS,
	     "a key that is gone");
	if (!held)
		return;
	if (s->length)
		must(sodp_mem_copy_out(held, s->iova, &byte, 1, &done) ==
			     SODP_MEM_GONE,
		     "a region that is gone");
	sodp_region_put(held);
}

void make_region(struct mem_slot *s, bool whole)
{
	static const u32 rights[] = { RW, RO, SODP_MEM_REMOTE_WRITE | RO, RW };
	bool free = !hindered();
	struct sodp_region *r;

	s->start = whole ? pick(3 * PAGE_SIZE) : pick(SPAN);
	s->length = whole ? SPAN - s->start : pick(SPAN - s->start + 1);
	s->iova = ((u64)pick(1 << 20) << PAGE_SHIFT) + (s->start & ~PAGE_MASK);
	s->rights = whole ? RW : rights[pick(ARRAY_SIZE(rights))];
	s->pinned = !whole && !pick(6);
	r = reg_at(model_bed, at(s->start), s->length, s->iova, s->rights,
		   s->pinned ? SODP_MEM_PINNED : SODP_MEM_ON_DEMAND);
	must(!IS_ERR(r) || s->pinned || !free, "no region");
	s->region = IS_ERR(r) ? NULL : r;
	if (s->region && s->stale)
		must(sodp_region_key(r) != s->stale, "a key is used again");
}

/* --- one of them --------------------------------------------------- */

void device_step(struct mem_slot *s, unsigned int what)
{
	if (!s->region) {
		make_region(s, false);
		return;
	}
	switch (what) {
	case 0 ... 4:
		device_access(s, true);
		break;
	case 5 ... 8:
		device_access(s, false);
		break;
	case 9 ... 10:
		race_step(s);
		break;
	case 11:
		device_atomic(s);
		break;
	case 12:
		device_probe(s);
		break;
	case 13:
		device_prefetch(s);
		break;
	case 14:
		fault_step(s);
		break;
	case 15:
		deregister(s);
		break;
	}
}
