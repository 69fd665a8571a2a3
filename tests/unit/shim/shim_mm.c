// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Frames, and the life of an mm and its notifier. A frame that is freed is
 * poisoned, and out of bounds for ASan until it is used again, so that a device
 * that still touches it is caught; under TSan the poisoning races with it.
 */
#include "mem_shim.h"

#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)
#define ASAN_UNPOISON_MEMORY_REGION(p, n)
#endif

void (*shim_in_transfer)(void);
int shim_mmap_kills;
unsigned long shim_hugetlb;
bool shim_machine_check;

/* driver/mem/huge.c looks at VMAs, of which there are none here. */
bool sodp_is_hugetlb(unsigned long start);
bool sodp_is_hugetlb(unsigned long start)
{
	return start && start == shim_hugetlb;
}

/* --- frames ------------------------------------------------------ */

static struct page frames[SHIM_FRAMES];
static u8 *frame_data;
static unsigned int next_frame, used_frames;
static pthread_mutex_t frame_lock = PTHREAD_MUTEX_INITIALIZER;

struct page *pfn_to_page(unsigned long pfn)
{
	WARN_ON_ONCE(pfn < SHIM_FIRST_PFN ||
		     pfn >= SHIM_FIRST_PFN + SHIM_FRAMES);
	return &frames[pfn - SHIM_FIRST_PFN];
}

unsigned long page_to_pfn(const struct page *page)
{
	return SHIM_FIRST_PFN + (page - frames);
}

void *shim_page_data(const struct page *page)
{
	return frame_data + (page - frames) * PAGE_SIZE;
}

bool virt_addr_valid(const void *addr)
{
	return frame_data && (const u8 *)addr >= frame_data &&
	       (const u8 *)addr < frame_data + SHIM_FRAMES * PAGE_SIZE;
}

struct page *virt_to_page(const void *addr)
{
	return &frames[((const u8 *)addr - frame_data) / PAGE_SIZE];
}

unsigned int shim_frames_used(void)
{
	return __atomic_load_n(&used_frames, __ATOMIC_SEQ_CST);
}

struct page *shim_alloc_frame(void)
{
	struct page *page;
	unsigned int i;

	pthread_mutex_lock(&frame_lock);
	if (!frame_data) {
		frame_data = mmap(NULL, SHIM_FRAMES * PAGE_SIZE,
				  PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				  -1, 0);
		ASAN_POISON_MEMORY_REGION(frame_data, SHIM_FRAMES * PAGE_SIZE);
	}
	for (i = 0; i < SHIM_FRAMES; i++) {
		page = &frames[next_frame];
		next_frame = (next_frame + 1) % SHIM_FRAMES;
		if (!page->refs)
			break;
	}
	WARN_ON_ONCE(i == SHIM_FRAMES);
	__atomic_store_n(&page->refs, 1, __ATOMIC_SEQ_CST);
	page->dirty = 0;
	page->table = 0;
	used_frames++;
	pthread_mutex_unlock(&frame_lock);
	ASAN_UNPOISON_MEMORY_REGION(shim_page_data(page), PAGE_SIZE);
	memset(shim_page_data(page), 0, PAGE_SIZE);
	return page;
}

static void release_frame(struct page *page)
{
	memset(shim_page_data(page), 0x6b, PAGE_SIZE);
	ASAN_POISON_MEMORY_REGION(shim_page_data(page), PAGE_SIZE);
	pthread_mutex_lock(&frame_lock);
	used_frames--;
	pthread_mutex_unlock(&frame_lock);
}

void put_page(struct page *page)
{
	int refs = __atomic_sub_fetch(&page->refs, 1, __ATOMIC_SEQ_CST);

	WARN_ON_ONCE(refs < 0);
	if (!refs)
		release_frame(page);
}

void shim_get_page(struct page *page)
{
	WARN_ON_ONCE(__atomic_fetch_add(&page->refs, 1, __ATOMIC_SEQ_CST) <= 0);
}

bool get_page_unless_zero(struct page *page)
{
	refcount_t *refs = (refcount_t *)&page->refs;

	return refcount_inc_not_zero(refs);
}

unsigned long get_zeroed_page(gfp_t gfp)
{
	struct page *page;

	if (gfp != GFP_ATOMIC)
		shim_may_allocate("get_zeroed_page");
	if (gfp == GFP_KERNEL_ACCOUNT && shim.kworker && !shim_active_memcg)
		shim_bug("charged to nobody");
	if (shim_alloc_budget == 0)
		return 0;
	if (shim_alloc_budget > 0)
		shim_alloc_budget--;
	page = shim_alloc_frame();
	page->table = 1;
	return (unsigned long)shim_page_data(page);
}

void __free_page(struct page *page)
{
	WARN_ON_ONCE(!page->table);
	put_page(page);
}

void free_page(unsigned long addr)
{
	__free_page(virt_to_page((void *)addr));
}

void *kmap_local_page(struct page *page)
{
	if (!shim.preempt || !shim.bh || !shim.rcu)
		shim_bug("a transfer that can be held up");
	if (shim_in_transfer)
		shim_in_transfer();
	return shim_page_data(page);
}

bool folio_test_dirty(struct folio *folio)
{
	return READ_ONCE(((struct page *)folio)->dirty);
}

void folio_mark_dirty(struct folio *folio)
{
	struct page *page = (struct page *)folio;

	WARN_ON_ONCE(READ_ONCE(page->refs) <= 0);
	WRITE_ONCE(page->dirty, 1);
}

size_t copy_mc_to_kernel(void *dst, const void *src, size_t length)
{
	if (shim_machine_check)
		return length;
	memcpy(dst, src, length);
	return 0;
}

/* --- locks and life ---------------------------------------------- */

static bool killed(void)
{
	return shim_mmap_kills && !--shim_mmap_kills;
}

void shim_mmap_read_lock(struct mm_struct *mm)
{
	pthread_rwlock_rdlock(&mm->mmap_lock);
	shim.mmap++;
}

void shim_mmap_write_lock(struct mm_struct *mm)
{
	pthread_rwlock_wrlock(&mm->mmap_lock);
	shim.mmap++;
}

int mmap_read_lock_killable(struct mm_struct *mm)
{
	might_sleep();
	if (killed())
		return -EINTR;
	shim_mmap_read_lock(mm);
	return 0;
}

void mmap_read_unlock(struct mm_struct *mm)
{
	shim.mmap--;
	pthread_rwlock_unlock(&mm->mmap_lock);
}

int mmap_write_lock_killable(struct mm_struct *mm)
{
	might_sleep();
	if (killed())
		return -EINTR;
	shim_mmap_write_lock(mm);
	return 0;
}

void mmap_write_unlock(struct mm_struct *mm)
{
	mmap_read_unlock(mm);
}

bool mmget_not_zero(struct mm_struct *mm)
{
	return refcount_inc_not_zero((refcount_t *)&mm->users);
}

void mmput_async(struct mm_struct *mm)
{
	WARN_ON_ONCE(__atomic_sub_fetch(&mm->users, 1, __ATOMIC_SEQ_CST) < 0);
}

void kthread_use_mm(struct mm_struct *mm)
{
	might_sleep();
	WARN_ON_ONCE(!shim.kworker || current->mm);
	current->mm = mm;
}

void kthread_unuse_mm(struct mm_struct *mm)
{
	WARN_ON_ONCE(current->mm != mm);
	current->mm = NULL;
}

struct mmu_notifier *mmu_notifier_get_locked(const struct mmu_notifier_ops *ops,
					     struct mm_struct *mm)
{
	struct mmu_notifier *mn = mm->notifier;

	WARN_ON_ONCE(!shim.mmap);
	if (!mn) {
		mn = ops->alloc_notifier(mm);
		if (IS_ERR(mn))
			return mn;
		mn->ops = ops;
		mn->mm = mm;
		mmgrab(mm);
		__atomic_store_n(&mm->notifier, mn, __ATOMIC_SEQ_CST);
	}
	WARN_ON_ONCE(mn->ops != ops);
	__atomic_add_fetch(&mn->users, 1, __ATOMIC_SEQ_CST);
	return mn;
}

static void free_notifier_rcu(struct rcu_head *rcu)
{
	struct mmu_notifier *mn = container_of(rcu, struct mmu_notifier, rcu);
	struct mm_struct *mm = mn->mm;

	mn->ops->free_notifier(mn);
	mmdrop(mm);
}

void mmu_notifier_put(struct mmu_notifier *mn)
{
	might_sleep();
	if (__atomic_sub_fetch(&mn->users, 1, __ATOMIC_SEQ_CST))
		return;
	if (__atomic_load_n(&mn->mm->notifier, __ATOMIC_SEQ_CST) == mn)
		__atomic_store_n(&mn->mm->notifier, NULL, __ATOMIC_SEQ_CST);
	call_rcu(&mn->rcu, free_notifier_rcu);
}
