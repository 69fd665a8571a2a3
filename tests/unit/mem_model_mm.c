// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The owner and the kernel: stores, page tables, open fences, trouble, races. */
#include "mem_model_int.h"

/* --- the CPU and the kernel --------------------------------------- */

void cpu_access(bool write)
{
	static const struct mem_slot all = { .length = SPAN };
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
		must(um_write(model_bed->mm, at(offset), buf, ok), "no store");
		memcpy(model.bytes + offset, buf, ok);
	} else {
		must(um_read(model_bed->mm, at(offset), buf, ok), "no load");
		same("the CPU", offset, buf, ok);
	}
}

static void change_vma(void)
{
	unsigned int v = pick(VMAS);
	unsigned long start = at(v * VMA_SIZE);

	if (!model.vma[v].mapped) {
		um_map(model_bed->mm, start, VMA_SIZE, true, true);
		model.vma[v].mapped = true;
		model.vma[v].readable = model.vma[v].writable = true;
		memset(model.bytes + v * VMA_SIZE, 0, VMA_SIZE);
	} else if (!pick(3)) {
		um_unmap(model_bed->mm, start);
		model.vma[v].mapped = false;
	} else {
		model.vma[v].writable = pick(3);
		model.vma[v].readable = model.vma[v].writable || pick(2);
		um_protect(model_bed->mm, start, model.vma[v].readable,
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
		um_drop(model_bed->mm, start, end);
		memset(model.bytes + first * PAGE_SIZE, 0, n * PAGE_SIZE);
		break;
	case 1:
		um_clean(model_bed->mm, start, end);
		break;
	case 2:
		um_reclaim(model_bed->mm, start, end);
		break;
	case 3:
		um_move(model_bed->mm, start, end);
		break;
	case 4:
		um_start(model_bed->mm, start + 5, end - 7, pick(2));
		um_end(model_bed->mm, start + 5, end - 7);
		break;
	case 5:
		um_young(model_bed->mm, start, pick(2));
		break;
	case 6:
		um_fork(model_bed->mm);
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
		um_end(model_bed->mm, start, end);
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
	um_start(model_bed->mm, start, end, pick(2));
	mark_fenced(start, end, 1);
	model.fence[model.fences].start = start;
	model.fence[model.fences++].end = end;
}

long model_gup(void)
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
	struct mem_slot *s = &model.slot[pick(REGIONS)];

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

void race_step(struct mem_slot *s)
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

void kernel_step(unsigned int what)
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
