// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Memory that a peer may reach, memory that it may not, and what happens to it.
 */
#include "hostile.h"

#define BASE   0x60000000UL
#define PG(n)  (BASE + (u64)(n)*PAGE_SIZE)
#define SECRET 0x5ec7e75ec7e7c0deULL

static struct sodp_region *regions[RC_REGIONS];
/* Types in turn; the last one is of another domain. */
static struct sodp_window *windows[RC_WINDOWS];
static u32 stale_key;

/* Where memory is, what is registered, and what may be done there. */
static const struct plan {
	u64 start, length;
	u32 rights;
	enum sodp_mem_kind kind;
	u32 domain;
} plans[RC_REGIONS] = {
	{ PG(1) + 16, 5 * 4096, RW | SODP_MEM_BIND, SODP_MEM_ON_DEMAND,
	  RC_DOMAIN },
	{ PG(8), 2 * 4096, RO | SODP_MEM_BIND, SODP_MEM_ON_DEMAND, RC_DOMAIN },
	{ PG(10), 4096, SODP_MEM_LOCAL_WRITE | SODP_MEM_REMOTE_WRITE,
	  SODP_MEM_ON_DEMAND, RC_DOMAIN },
	{ PG(11), 4096, RW | SODP_MEM_BIND, SODP_MEM_PINNED, RC_DOMAIN },
	{ PG(12), 2 * 4096, RW | SODP_MEM_BIND, SODP_MEM_ON_DEMAND,
	  RC_DOMAIN + 1 },
	/* more than is mapped, and that is read-only */
	{ PG(16), 6 * 4096, RW, SODP_MEM_ON_DEMAND, RC_DOMAIN },
};
/* What nobody may write, and (but for the first) nobody may read. */
static const struct {
	u64 start, end;
	bool secret;
} guards[] = {
	{ PG(8), PG(10), false },    { PG(0), PG(1) + 16, true },
	{ PG(6) + 16, PG(8), true }, { PG(12), PG(16), true },
	{ PG(16), PG(20), false },
};

/* --- memory ------------------------------------------------------- */

static u64 pattern(size_t guard)
{
	return guards[guard].secret ? SECRET : 0x3333333333333333ULL;
}

/* Page by page: fill the guards, or look that they are as they were. */
static void for_guards(bool check)
{
	u64 want[PAGE_SIZE / 8], got[PAGE_SIZE / 8];
	size_t i, j, n;
	u64 at;

	for (i = 0; i < ARRAY_SIZE(guards); i++) {
		for (j = 0; j < ARRAY_SIZE(want); j++)
			want[j] = pattern(i);
		for (at = guards[i].start; at < guards[i].end; at += n) {
			n = min(sizeof(want), (size_t)(guards[i].end - at));
			if (!check) {
				MUST(um_write(rc_bed->mm, at, want, n));
				continue;
			}
			MUST(um_read(rc_bed->mm, at, got, n));
			MUST(!memcmp(got, want, n));
		}
	}
}

void rc_check_guards(void)
{
	um_protect(rc_bed->mm, PG(0), true, true);
	for_guards(true);
}

void rc_check_secret(const u8 *bytes, size_t len)
{
	const u64 secret = SECRET;
	size_t at;

	for (at = 0; at + 8 <= len; at++)
		MUST(memcmp(bytes + at, &secret, 8));
}

static void make_region(size_t i)
{
	const struct plan *p = &plans[i];
	struct sodp_region_attr a = {
		.kind = p->kind,
		.start = p->start,
		.length = p->length,
		.iova = p->start,
		.rights = p->rights,
		.domain = p->domain,
	};

	regions[i] = sodp_region_register(rc_bed->ctx, &a);
	if (IS_ERR(regions[i]))
		regions[i] = NULL;
}

static void make_window(size_t i)
{
	u32 domain = i == RC_WINDOWS - 1 ? RC_DOMAIN + 1 : RC_DOMAIN;

	windows[i] = sodp_window_alloc(rc_bed->mem, domain,
				       i % 2 ? SODP_WINDOW_2 : SODP_WINDOW_1);
	if (IS_ERR(windows[i]))
		windows[i] = NULL;
}

void rc_map_memory(void)
{
	size_t i;

	um_map(rc_bed->mm, PG(0), 16 * 4096, true, true);
	um_map(rc_bed->mm, PG(16), 4 * 4096, true, true);
	for_guards(false);
	um_protect(rc_bed->mm, PG(16), true, false);
	stale_key = 0x7fffff00;
	for (i = 0; i < RC_REGIONS; i++)
		make_region(i);
	for (i = 0; i < RC_WINDOWS; i++)
		make_window(i);
}

static void end_window(size_t i)
{
	stale_key = sodp_window_key(windows[i]);
	sodp_window_free(windows[i]);
	windows[i] = NULL;
}

static void end_region(size_t i)
{
	if (!sodp_region_retire(regions[i]))
		return; /* a window is bound to it */
	stale_key = sodp_region_key(regions[i]);
	sodp_region_deregister(regions[i]);
	regions[i] = NULL;
}

/* Only pages 2..5 lose their bytes: no guard is in them. */
void rc_memory_step(void)
{
	u64 start = PG(2 + pick(4)), end = start + PAGE_SIZE * (1 + pick(2));
	size_t i = pick(ARRAY_SIZE(plans));

	switch (pick(9)) {
	case 0:
		um_drop(rc_bed->mm, start, min(end, PG(6)));
		break;
	case 1:
		um_move(rc_bed->mm, PG(0), PG(11));
		break;
	case 2:
		um_reclaim(rc_bed->mm, PG(0), PG(11));
		break;
	case 3:
		um_fork(rc_bed->mm);
		break;
	case 4:
		um_clean(rc_bed->mm, start, end);
		break;
	case 5:
		if (regions[i])
			end_region(i);
		else
			make_region(i);
		break;
	case 6:
		um_protect(rc_bed->mm, PG(0), true, pick(2));
		break;
	case 7:
		shim_alloc_budget = pick(2) ? (int)pick(6) : -1;
		break;
	case 8:
		i = pick(RC_WINDOWS);
		if (windows[i])
			end_window(i);
		else
			make_window(i);
		break;
	}
}

/* --- words of a peer ----------------------------------------------- */

u32 some_window(void)
{
	size_t i = pick(RC_WINDOWS);

	return windows[i] ? sodp_window_key(windows[i]) : stale_key;
}

u32 some_key(size_t i)
{
	switch (pick(8)) {
	case 5:
		return some_window();
	case 6:
		return stale_key;
	case 7:
		return fuzz_u32(&rc_bytes);
	default:
		return regions[i] ? sodp_region_key(regions[i]) : stale_key;
	}
}

u64 some_va(size_t i)
{
	const struct plan *p = &plans[i];

	switch (pick(8)) {
	case 5:
		return p->start + p->length - pick(64);
	case 6:
		return p->start - 32 + pick(64);
	case 7:
		return (u64)fuzz_u32(&rc_bytes) << 32 | fuzz_u32(&rc_bytes);
	default:
		return p->start + 8 * pick(512) + pick(8) / 7;
	}
}

u32 some_length(u32 right)
{
	switch (pick(8)) {
	case 4:
		return 0;
	case 5:
		return right + 1 - pick(3);
	case 6:
		return pick(3 * 4096);
	case 7:
		return fuzz_u32(&rc_bytes);
	default:
		return right;
	}
}

u32 some_psn(u32 right)
{
	switch (pick(8)) {
	case 5:
		return (right + 1 + pick(3)) & SODP_PSN_MASK;
	case 6:
		return (right - 1 - pick(3)) & SODP_PSN_MASK;
	case 7:
		return fuzz_u32(&rc_bytes) & SODP_PSN_MASK;
	default:
		return right;
	}
}

void rc_end_regions(void)
{
	size_t i;

	for (i = 0; i < RC_WINDOWS; i++)
		if (windows[i])
			end_window(i);
	for (i = 0; i < RC_REGIONS; i++)
		if (regions[i])
			end_region(i);
}
