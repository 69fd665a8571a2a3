// SPDX-License-Identifier: GPL-2.0
/* Is it what IBV_ACCESS_HUGETLB promises? The only file that looks at a VMA. */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "internal.h"

/*
 * Is the current process's mapping at @start one of hugetlb pages? It may be
 * another one as soon as this returns: that harms nobody, entries are made
 * page by page. Only who registers is told that they are mistaken.
 */
bool sodp_is_hugetlb(unsigned long start)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	bool ret;

	if (!mm || mmap_read_lock_killable(mm))
		return false;
	vma = find_vma(mm, start);
	ret = vma && vma->vm_start <= start && is_vm_hugetlb_page(vma);
	mmap_read_unlock(mm);
	return ret;
}
