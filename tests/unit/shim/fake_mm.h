/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the owner of an mm does to it, for tests. All of it goes through the
 * notifier as the kernel would: start, change the page table, end.
 */
#ifndef FAKE_MM_H
#define FAKE_MM_H

#include "mem_shim.h"

struct mm_struct *um_create(void);
/* exit_mmap: the release hook, then every page goes. */
void um_exit(struct mm_struct *mm);
void um_free(struct mm_struct *mm);

void um_start_for(struct mm_struct *mm, enum mmu_notifier_event event,
		  unsigned long start, unsigned long end, bool blockable);
/* ... for MMU_NOTIFY_CLEAR */
void um_start(struct mm_struct *mm, unsigned long start, unsigned long end,
	      bool blockable);
void um_end(struct mm_struct *mm, unsigned long start, unsigned long end);

void um_map(struct mm_struct *mm, unsigned long start, unsigned long length,
	    bool readable, bool writable);
void um_map_special(struct mm_struct *mm, unsigned long start,
		    unsigned long length);
void um_unmap(struct mm_struct *mm, unsigned long start);
void um_protect(struct mm_struct *mm, unsigned long start, bool readable,
		bool writable);
/* MADV_DONTNEED: what was there is gone for good. */
void um_drop(struct mm_struct *mm, unsigned long start, unsigned long end);
/* MADV_FREE, or writeback of a kind: clean, but still writable. */
void um_clean(struct mm_struct *mm, unsigned long start, unsigned long end);
/* Reclaim: a clean page is dropped and comes back from its backing. */
void um_reclaim(struct mm_struct *mm, unsigned long start, unsigned long end);
/* Migration, compaction: another frame with the same bytes. */
void um_move(struct mm_struct *mm, unsigned long start, unsigned long end);
/* fork: everything becomes copy-on-write. */
void um_fork(struct mm_struct *mm);

bool um_write(struct mm_struct *mm, unsigned long va, const void *src,
	      size_t length);
bool um_read(struct mm_struct *mm, unsigned long va, void *dst, size_t length);
/* The frame behind an address, or NULL; for looking, not for keeping. */
struct page *um_frame(struct mm_struct *mm, unsigned long va);
bool um_pte_writable(struct mm_struct *mm, unsigned long va);
bool um_young(struct mm_struct *mm, unsigned long va, bool clear);

#endif
