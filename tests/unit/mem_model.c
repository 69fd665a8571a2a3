// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "mem_model_int.h"

struct bed *model_bed;
struct mem_model model;

static mem_model_pick choose;

unsigned int pick(unsigned int n)
{
	return choose(n);
}

/* --- what the model says ------------------------------------------ */

/* How many bytes of [offset, offset + length) can be had, from the first on. */
size_t allowed_bytes(u64 offset, size_t length, bool write)
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
size_t unfenced_bytes(u64 offset, size_t length)
{
	size_t n = 0;

	while (n < length && !model.fenced[(offset + n) / PAGE_SIZE])
		n = min(length,
			((offset + n) / PAGE_SIZE + 1) * PAGE_SIZE - offset);
	return n;
}

/* Something that is none of the access's own may make it fail. */
bool hindered(void)
{
	return shim_alloc_budget >= 0 || shim_mmap_kills || model.gup_times;
}

void same(const char *who, u64 offset, const u8 *buf, size_t length)
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

void random_piece(const struct mem_slot *s, u64 *offset, size_t *length)
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

/* --- the sequence ------------------------------------------------- */

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
	model_bed = to;
	choose = from;
	memset(&model, 0, sizeof(model));
	shim_virtual_ms = 1;
	shim_gup = model_gup;
	make_region(&model.slot[0], true);
}

/* What the owner leaves behind when it is gone is refused, and nothing hangs. */
static void owner_exits(void)
{
	struct sodp_region *r;
	unsigned int i;

	um_exit(model_bed->mm);
	model_bed->exited = true;
	for (i = 0; i < REGIONS; i++) {
		struct mem_slot *s = &model.slot[i];

		if (s->region && !s->pinned)
			must(sodp_region_get(model_bed->mem,
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
		um_end(model_bed->mm, model.fence[model.fences].start,
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
