/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the files of the model share: mem_model*.c. */
#ifndef MEM_MODEL_INT_H
#define MEM_MODEL_INT_H

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

extern struct bed *model_bed;

extern struct mem_model {
	u8 bytes[SPAN];
	struct {
		bool mapped, readable, writable;
	} vma[VMAS];
	struct mem_slot {
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
	unsigned int races; /* that still happen in the middle of a fault */
} model;

static inline unsigned long at(u64 offset)
{
	return BASE + offset;
}

static inline void must(bool ok, const char *what)
{
	if (!ok)
		fail_msg("%s", what);
}

/* A choice: 0 .. n - 1. */
unsigned int pick(unsigned int n);
/* Of [offset, offset + length): bytes that can be had, from the first on. */
size_t allowed_bytes(u64 offset, size_t length, bool write);
/* Of them: before the first that an open fence covers. */
size_t unfenced_bytes(u64 offset, size_t length);
/* Something that is none of an access's own may make it fail. */
bool hindered(void);
/* The bytes that somebody saw are those of the model. */
void same(const char *who, u64 offset, const u8 *buf, size_t length);
/* Length and offset; now and then not inside of the region. */
void random_piece(const struct mem_slot *s, u64 *offset, size_t *length);

/* mem_model_dev.c: what a device does, regions included */
void device_step(struct mem_slot *s, unsigned int what);
void make_region(struct mem_slot *s, bool whole);
void deregister(struct mem_slot *s);
void check_all(void);

/* mem_model_mm.c: what the owner and the kernel do */
void cpu_access(bool write);
void kernel_step(unsigned int what);
/* A fault, or one that was started before, with company. */
void race_step(struct mem_slot *s);
long model_gup(void);

#endif
