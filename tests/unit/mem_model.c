// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "mem_model.h"

#define BASE	  0x40000000UL
#define VMAS	  6
#define VMA_PAGES 24
#define VMA_SIZE  (VMA_PAGES * PAGE_SIZE)
#define SPAN	  (VMAS * VMA_SIZE)
#define PAGES	  (VMAS * VMA_PAGES)
#define REGIONS	  4
#define FENCES	  40 /* more than the log has slots */
#define FAULTS	  24 /* more than may run for one mm */
#define TRIES	  200 /* of an access that nothing hinders */

static struct bed *bed;
static mem_model_pick choose;

static struct model {
	u8 bytes[SPAN];
	struct {
		bool mapped, readable, writable;
	} vma[VMAS];
	struct slot {
		struct sodp_region *region;
		u64 start, length, iova; /* start: from BASE */
		u32 rights;
		bool pinned;
		u32 stale; /* key of the one before it */
	} slot[REGIONS];
	struct {
		unsigned long start, end;
	} fence[FENCES];
	unsigned int fences;
	struct {
		struct sodp_fault *fault;
		struct fault_wait wait;
	} fault[FAULTS];
	unsigned char fenced[PAGES]; /* by so many open fences */
	unsigned int gup_times; /* the slow GUP says gup_says so often */
	long gup_says;
	unsigned int
		races; /* things that still happen in the middle of a fault */
} model;

static unsigned int pick(unsigned int n)
{
	return choose(n);
}

static unsigned long at(u64 offset)
{
	return BASE + offset;
}

static void must(bool ok, const char *what)
{
	if (!ok)
		fail_msg("%s", what);
}

/* --- what the model says ------------------------------------------ */

/* How many bytes of [offset, offset + length) can be had, from the first on. */
static size_t allowed_bytes(u64 offset, size_t length, bool write)
{
	size_t n = 0;

	while (n < length) {
		unsigned int v = (offset + n) / VMA_SIZE;

		if (!model.vma[v].mapped ||
		    !(write ? model.vma[v].writable : model.vma[v].readable))
			break;
		n = min(length, (v + 1) * VMA_SIZE - offset);
	}
	return n;
}

/* How many of them no open fence covers, from the first on. */
static size_t unfenced_bytes(u64 offset, size_t length)
{
	size_t n = 0;

	while (n < length && !model.fenced[(offset + n) / PAGE_SIZE])
		n = min(length,
			((offset + n) / PAGE_SIZE + 1) * PAGE_SIZE - offset);
	return n;
}

/* Something that is none of the access's own may make it fail. */
static bool hindered(void)
{
	return shim_alloc_budget >= 0 || shim_mmap_kills || model.gup_times;
}

static void same(const char *who, u64 offset, const u8 *buf, size_t length)
{
	size_t i;

	if (!memcmp(model.bytes + offset, buf, length))
		return;
	for (i = 0; buf[i] == model.bytes[offset + i]; i++)
		;
	fail_msg("%s sees %02x, not %02x, at page %llu + %llu", who, buf[i],
		 model.bytes[offset + i],
		 (unsigned long long)(offset + i) / PAGE_SIZE,
		 (unsigned long long)(offset + i) % PAGE_SIZE);
}

/* --- what must hold at any time ----------------------------------- */

/* The entry of a page is what the CPU's page table says, or absent. */
static void check_entry(const struct slot *s, u64 index, u64 entry)
{
	u64 offset = (s->start & PAGE_MASK) + (index << PAGE_SHIFT);
	struct page *frame = um_frame(bed->mm, at(offset));

	must(!(entry & SODP_ENTRY_COUNT), "a transfer was left");
	if (!(entry & SODP_ENTRY_PRESENT))
		return;
	must(!model.fenced[offset / PAGE_SIZE], "an entry inside of a fence");
	must(frame && page_to_pfn(frame) == (entry & SODP_ENTRY_PFN),
	     "an entry for a page that is not mapped here");
	if (!(entry & SODP_ENTRY_WRITE))
		return;
	must(um_pte_writable(bed->mm, at(offset)), "WRITE without the PTE's");
	must(frame->dirty, "WRITE to a page that is clean");
	must(s->rights & ~RO, "WRITE in a region that is only read");
}

static void check_region(const struct slot *s)
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

static void check_all(void)
{
	unsigned int i;

	for (i = 0; i < REGIONS; i++)
		if (model.slot[i].region)
			check_region(&model.slot[i]);
}

/* --- the device --------------------------------------------------- */

/* Length and offset; now and then not inside of the region. */
static void random_piece(const struct slot *s, u64 *offset, size_t *length)
{
	static const size_t sizes[] = { 1, 8, 511, 4096, 4097, 20000, 70000 };

	*offset = s->length ? pick(s->length) : 0;
	*length = sizes[pick(ARRAY_SIZE(sizes))];
	switch (pick(16)) {
	case 0: /* as it comes */
		break;
	case 1: /* one byte too many */
		*length = s->length - *offset + 1;
		break;
	default:
		*length = min(*length, s->length - *offset);
	}
}

/* Find the region by its key, as a packet does. */
static bool get(const struct slot *s, u32 need, u64 iova, size_t length,
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
	got = sodp_region_get(bed->mem, key, domain, need, iova, length, &r);
	must(got == want, "a key was not checked right");
	if (got != SODP_MEM_OK)
		return false;
	must(r == s->region, "a key of another region");
	sodp_region_put(r);
	return true;
}

/* Copy, resolving what is missing. *done is how far it came. */
static enum sodp_mem_result copy_all(const struct slot *s, u64 iova, u8 *buf,
				     size_t length, bool write, size_t *done)
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

static void device_access(struct slot *s, bool write)
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

static void device_atomic(struct slot *s)
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
static void device_probe(struct slot *s)
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

static void device_prefetch(struct slot *s)
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
static void fault_step(struct slot *s)
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

static void deregister(struct slot *s)
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
	must(sodp_region_get(bed->mem, s->stale, 1, 0, s->iova, 0, &other) ==
		     SODP_MEM_ACCESS,
	     "a key that is gone");
	if (!held)
		return;
	if (s->length)
		must(sodp_mem_copy_out(held, s->iova, &byte, 1, &done) ==
			     SODP_MEM_GONE,
		     "a region that is gone");
	sodp_region_put(held);
}

static void make_region(struct slot *s, bool whole)
{
	static const u32 rights[] = { RW, RO, SODP_MEM_REMOTE_WRITE | RO, RW };
	bool free = !hindered();
	struct sodp_region *r;

	s->start = whole ? pick(3 * PAGE_SIZE) : pick(SPAN);
	s->length = whole ? SPAN - s->start : pick(SPAN - s->start + 1);
	s->iova = ((u64)pick(1 << 20) << 12) + (s->start & ~PAGE_MASK);
	s->rights = whole ? RW : rights[pick(ARRAY_SIZE(rights))];
	s->pinned = !whole && !pick(6);
	r = reg_at(bed, at(s->start), s->length, s->iova, s->rights,
		   s->pinned ? SODP_MEM_PINNED : SODP_MEM_ON_DEMAND);
	must(!IS_ERR(r) || s->pinned || !free, "no region");
	s->region = IS_ERR(r) ? NULL : r;
	if (s->region && s->stale)
		must(sodp_region_key(r) != s->stale, "a key is used again");
}

/* --- the CPU and the kernel --------------------------------------- */

static void cpu_access(bool write)
{
	static const struct slot all = { .length = SPAN };
	static u8 buf[SPAN];
	u8 fill = (u8)pick(256);
	u64 offset;
	size_t length, ok, i;

	random_piece(&all, &offset, &length);
	ok = allowed_bytes(offset, min(length, SPAN - offset), write);
	if (!ok)
		return;
	for (i = 0; i < ok; i++)
		buf[i] = (u8)(fill + i * 5);
	if (write) {
		must(um_write(bed->mm, at(offset), buf, ok), "no store");
		memcpy(model.bytes + offset, buf, ok);
	} else {
		must(um_read(bed->mm, at(offset), buf, ok), "no load");
		same("the CPU", offset, buf, ok);
	}
}

static void change_vma(void)
{
	unsigned int v = pick(VMAS);
	unsigned long start = at(v * VMA_SIZE);

	if (!model.vma[v].mapped) {
		um_map(bed->mm, start, VMA_SIZE, true, true);
		model.vma[v].mapped = true;
		model.vma[v].readable = model.vma[v].writable = true;
		memset(model.bytes + v * VMA_SIZE, 0, VMA_SIZE);
	} else if (!pick(3)) {
		um_unmap(bed->mm, start);
		model.vma[v].mapped = false;
	} else {
		model.vma[v].writable = pick(3);
		model.vma[v].readable = model.vma[v].writable || pick(2);
		um_protect(bed->mm, start, model.vma[v].readable,
			   model.vma[v].writable);
	}
}

/* @all: also what takes mmap_lock for writing. */
static void change_pages(bool all)
{
	u64 first = pick(PAGES);
	u64 n = min((u64)PAGES - first, (u64)(1 + pick(40)));
	unsigned long start = at(first * PAGE_SIZE);
	unsigned long end = start + n * PAGE_SIZE;

	switch (pick(all ? 7 : 6)) {
	case 0:
		um_drop(bed->mm, start, end);
		memset(model.bytes + first * PAGE_SIZE, 0, n * PAGE_SIZE);
		break;
	case 1:
		um_clean(bed->mm, start, end);
		break;
	case 2:
		um_reclaim(bed->mm, start, end);
		break;
	case 3:
		um_move(bed->mm, start, end);
		break;
	case 4:
		um_start(bed->mm, start + 5, end - 7, pick(2));
		um_end(bed->mm, start + 5, end - 7);
		break;
	case 5:
		um_young(bed->mm, start, pick(2));
		break;
	case 6:
		um_fork(bed->mm);
		break;
	}
}

static void mark_fenced(unsigned long start, unsigned long end, int by)
{
	u64 i;

	for (i = 0; i < PAGES; i++)
		if (at(i * PAGE_SIZE) < end && at((i + 1) * PAGE_SIZE) > start)
			model.fenced[i] += by;
}

/* A hook that has begun, and one of those that ends. Any order, any number. */
static void fence_step(void)
{
	unsigned int i = pick(FENCES + 1);
	unsigned long start, end;

	if (i < model.fences) {
		start = model.fence[i].start;
		end = model.fence[i].end;
		um_end(bed->mm, start, end);
		mark_fenced(start, end, -1);
		model.fence[i] = model.fence[--model.fences];
		return;
	}
	if (model.fences == FENCES)
		return;
	start = at(pick(SPAN));
	end = start + 1 + pick(pick(2) ? PAGE_SIZE : VMA_SIZE);
	if (!pick(16)) {
		start = 0;
		end = ULONG_MAX;
	}
	um_start(bed->mm, start, end, pick(2));
	mark_fenced(start, end, 1);
	model.fence[model.fences].start = start;
	model.fence[model.fences++].end = end;
}

static long gup(void)
{
	if (!model.gup_times)
		return 1;
	model.gup_times--;
	return model.gup_says;
}

/* The machine gives out of memory, or the owner is killed, for a while. */
static void trouble_step(void)
{
	static const long says[] = { 0,	      -EAGAIN, -EBUSY,
				     -ENOMEM, -EFAULT, -EINTR };

	shim_alloc_budget = -1;
	shim_mmap_kills = 0;
	model.gup_times = 0;
	switch (pick(6)) {
	case 0:
		shim_alloc_budget = pick(8);
		break;
	case 1:
		shim_mmap_kills = 1 + pick(4);
		break;
	case 2:
		model.gup_says = says[pick(ARRAY_SIZE(says))];
		model.gup_times = 1 + pick(6);
		break;
	case 3:
		shim_fast_gup_misses = !shim_fast_gup_misses;
		break;
	default: /* none any more */
		break;
	}
}

/* --- in the middle of a fault -------------------------------------- */

/* Pages are looked up and not installed yet. mmap_lock may be held. */
static void race_after_lookup(void)
{
	if (!model.races)
		return;
	model.races--;
	if (pick(2))
		fence_step();
	else
		change_pages(false);
}

/* The fault sleeps, without mmap_lock: anything may happen. */
static void race_in_fault(void)
{
	struct slot *s = &model.slot[pick(REGIONS)];

	if (!model.races)
		return;
	model.races--;
	switch (pick(4)) {
	case 0:
		fence_step();
		break;
	case 1:
		change_pages(true);
		break;
	case 2:
		change_vma();
		break;
	case 3:
		if (s->region && !pick(4))
			deregister(s);
		break;
	}
}

/* A fault, or one that was started before, with company. */
static void race_step(struct slot *s)
{
	u64 offset;

	model.races = 1 + pick(4);
	shim_after_lookup = race_after_lookup;
	shim_in_fault = race_in_fault;
	if (s->length && !s->pinned && pick(4)) {
		offset = pick(s->length);
		resolve(s->region, s->iova + offset, 1 + pick(VMA_SIZE),
			pick(2));
	} else {
		shim_run_one_work();
	}
	shim_after_lookup = NULL;
	shim_in_fault = NULL;
}

/* --- the sequence ------------------------------------------------- */

static void kernel_step(unsigned int what)
{
	switch (what) {
	case 0 ... 5:
		change_pages(true);
		break;
	case 6:
		change_vma();
		break;
	case 7 ... 8:
		fence_step();
		break;
	case 9:
		trouble_step();
		break;
	case 10:
		shim_run_one_work();
		break;
	case 11:
		if (pick(8))
			rcu_barrier();
		else
			shim_run_works();
		break;
	}
}

static void device_step(struct slot *s, unsigned int what)
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

void mem_model_step(void)
{
	unsigned int what = pick(32);

	if (what < 18)
		device_step(&model.slot[pick(4) ? 0 : pick(REGIONS)], pick(16));
	else if (what < 20)
		cpu_access(what & 1);
	else
		kernel_step(what - 20);
	check_all();
}

void mem_model_start(struct bed *to, mem_model_pick from)
{
	bed = to;
	choose = from;
	memset(&model, 0, sizeof(model));
	shim_virtual_ms = 1;
	shim_gup = gup;
	make_region(&model.slot[0], true);
}

/* What the owner leaves behind when it is gone is refused, and nothing hangs. */
static void owner_exits(void)
{
	struct sodp_region *r;
	unsigned int i;

	um_exit(bed->mm);
	bed->exited = true;
	for (i = 0; i < REGIONS; i++) {
		struct slot *s = &model.slot[i];

		if (s->region && !s->pinned)
			must(sodp_region_get(bed->mem,
					     sodp_region_key(s->region), 1, 0,
					     s->iova, 0, &r) == SODP_MEM_GONE,
			     "a region outlives its owner");
	}
}

void mem_model_end(void)
{
	unsigned int i;

	shim_alloc_budget = -1;
	shim_mmap_kills = 0;
	model.gup_times = 0;
	shim_fast_gup_misses = false;
	while (model.fences) {
		model.fences--;
		um_end(bed->mm, model.fence[model.fences].start,
		       model.fence[model.fences].end);
	}
	if (!pick(3))
		owner_exits();
	for (i = 0; i < REGIONS; i++)
		if (model.slot[i].region)
			sodp_region_deregister(model.slot[i].region);
	for (i = 0; i < FAULTS; i++)
		if (model.fault[i].fault)
			sodp_fault_release(model.fault[i].fault);
	shim_run_works();
	shim_gup = NULL;
	shim_virtual_ms = 0;
}
