// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A page table, the ways into it that a driver has, and what its owner does. */
#include "fake_mm.h"

void (*shim_after_lookup)(void);
void (*shim_in_fault)(void);
bool shim_fast_gup_misses;
long (*shim_gup)(void);
unsigned long shim_slow_lookups;

/* --- the page table ---------------------------------------------- */

static struct shim_vma *find_vma(struct mm_struct *mm, unsigned long va)
{
	struct shim_vma *v;

	for (v = mm->vma; v < mm->vma + SHIM_VMAS; v++)
		if (v->end && va >= v->start && va < v->end)
			return v;
	return NULL;
}

static size_t page_in(const struct shim_vma *v, unsigned long va)
{
	return (va - v->start) >> PAGE_SHIFT;
}

static bool allowed(const struct shim_vma *v, bool write)
{
	return v && !v->special && (write ? v->writable : v->readable);
}

static struct page *new_frame(struct shim_vma *v, size_t i)
{
	struct page *page = shim_alloc_frame();

	if (v->pte[i].page) /* copy on write */
		memcpy(shim_page_data(page), shim_page_data(v->pte[i].page),
		       PAGE_SIZE);
	else if (v->pte[i].stored)
		memcpy(shim_page_data(page), v->backing + i * PAGE_SIZE,
		       PAGE_SIZE);
	return page;
}

/* Put a frame in place if the PTE still is as the caller saw it. */
static bool fill(struct shim_vma *v, size_t i, bool write, bool replace)
{
	struct shim_pte *pte = &v->pte[i];
	struct page *page;

	if (replace != !!pte->page)
		return false;
	page = new_frame(v, i);
	if (pte->page)
		put_page(pte->page);
	pte->page = page;
	pte->write = write;
	pte->dirty = write;
	return true;
}

/* mmap_lock held. As the kernel: replacing a page goes through the hooks. */
static void fault(struct mm_struct *mm, struct shim_vma *v, unsigned long va,
		  bool write)
{
	struct shim_pte *pte = &v->pte[page_in(v, va)];
	bool done = false, replace;

	va &= PAGE_MASK;
	while (!done) {
		pthread_mutex_lock(&mm->ptl);
		done = pte->page && (!write || pte->write);
		replace = pte->page;
		if (!done && !replace)
			done = fill(v, page_in(v, va), write, false);
		pthread_mutex_unlock(&mm->ptl);
		if (done)
			return;
		um_start(mm, va, va + PAGE_SIZE, true);
		pthread_mutex_lock(&mm->ptl);
		done = fill(v, page_in(v, va), write, true);
		pthread_mutex_unlock(&mm->ptl);
		um_end(mm, va, va + PAGE_SIZE);
	}
}

static struct page *get_mapped(struct mm_struct *mm, struct shim_vma *v,
			       unsigned long va, bool write)
{
	struct shim_pte *pte = &v->pte[page_in(v, va)];
	struct page *page = NULL;

	pthread_mutex_lock(&mm->ptl);
	if (pte->page && (!write || pte->write)) {
		page = pte->page;
		shim_get_page(page);
	}
	pthread_mutex_unlock(&mm->ptl);
	return page;
}

long sodp_get_user_pages_remote(struct mm_struct *mm, unsigned long start,
				unsigned long nr, unsigned int flags,
				struct page **pages, int *locked)
{
	bool write = flags & FOLL_WRITE;
	struct shim_vma *v;
	unsigned long i;
	long err;

	might_sleep();
	WARN_ON_ONCE(!shim.mmap || *locked != 1);
	if (shim_in_fault && flags & FOLL_NOWAIT)
		return 0;
	if (shim_in_fault) { /* as userfaultfd does */
		mmap_read_unlock(mm);
		shim_in_fault();
		shim_mmap_read_lock(mm);
	}
	if (shim_gup) {
		err = shim_gup();
		if (err != 1)
			return err;
	}
	for (i = 0; i < nr; i++, start += PAGE_SIZE) {
		v = find_vma(mm, start);
		if (!allowed(v, write))
			return i ? (long)i : -EFAULT;
		fault(mm, v, start, write);
		if (!pages)
			continue;
		__atomic_add_fetch(&shim_slow_lookups, 1, __ATOMIC_RELAXED);
		pages[i] = get_mapped(mm, v, start, write);
		if (!pages[i])
			return i;
	}
	if (pages && shim_after_lookup)
		shim_after_lookup();
	return nr;
}

/*
 * The real one needs no mmap_lock; here it keeps the array of VMAs still.
 * Callers that change it hold it only while no hook runs.
 */
int get_user_pages_fast_only(unsigned long start, int nr, unsigned int flags,
			     struct page **pages)
{
	bool write = flags & FOLL_WRITE;
	struct mm_struct *mm = current->mm;
	struct shim_vma *v;
	int i = 0;

	if (shim.spinlocks)
		shim_bug("GUP under a lock that a hook takes");
	if (flags & ~FOLL_WRITE)
		shim_bug("flags that the fast GUP does not know");
	if (shim_fast_gup_misses)
		return 0;
	shim_mmap_read_lock(mm);
	for (; i < nr; i++, start += PAGE_SIZE) {
		v = find_vma(mm, start);
		if (!allowed(v, write))
			break;
		pages[i] = get_mapped(mm, v, start, write);
		if (!pages[i])
			break;
	}
	mmap_read_unlock(mm);
	if (i && shim_after_lookup)
		shim_after_lookup();
	return i;
}

int pin_user_pages_fast(unsigned long start, int nr, unsigned int flags,
			struct page **pages)
{
	struct mm_struct *mm = current->mm;
	int locked = 1, i;
	long got;

	shim_mmap_read_lock(mm);
	got = sodp_get_user_pages_remote(mm, start, nr, flags & FOLL_WRITE,
					 pages, &locked);
	mmap_read_unlock(mm);
	for (i = 0; i < got; i++)
		__atomic_add_fetch(&pages[i]->pins, 1, __ATOMIC_SEQ_CST);
	return got;
}

void unpin_user_pages(struct page **pages, unsigned long count)
{
	for (; count; count--, pages++) {
		WARN_ON_ONCE(__atomic_sub_fetch(&(*pages)->pins, 1,
						__ATOMIC_SEQ_CST) < 0);
		put_page(*pages);
	}
}

void unpin_user_pages_dirty_lock(struct page **pages, unsigned long count,
				 bool make_dirty)
{
	unsigned long i;

	might_sleep();
	for (i = 0; make_dirty && i < count; i++)
		folio_mark_dirty(page_folio(pages[i]));
	unpin_user_pages(pages, count);
}

/* --- what the owner does ----------------------------------------- */

struct mm_struct *um_create(void)
{
	struct mm_struct *mm = calloc(1, sizeof(*mm));

	mm->users = 1;
	mm->count = 1;
	mm->task_size = 1UL << 47;
	pthread_rwlock_init(&mm->mmap_lock, NULL);
	pthread_mutex_init(&mm->ptl, NULL);
	return mm;
}

void um_start_for(struct mm_struct *mm, enum mmu_notifier_event event,
		  unsigned long start, unsigned long end, bool blockable)
{
	struct mmu_notifier_range range = { mm, start, end, event, blockable };
	struct mmu_notifier *mn;
	int err;

	rcu_read_lock(); /* SRCU in the kernel */
	mn = __atomic_load_n(&mm->notifier, __ATOMIC_SEQ_CST);
	shim.rcu--; /* it may sleep in there all the same */
	shim.hook++;
	shim.non_block += !blockable;
	err = mn ? mn->ops->invalidate_range_start(mn, &range) : 0;
	shim.non_block -= !blockable;
	shim.hook--;
	shim.rcu++;
	rcu_read_unlock();
	if (err)
		shim_bug("the start hook failed");
}

void um_start(struct mm_struct *mm, unsigned long start, unsigned long end,
	      bool blockable)
{
	um_start_for(mm, MMU_NOTIFY_CLEAR, start, end, blockable);
}

void um_end(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct mmu_notifier_range range = {
		.mm = mm, .start = start, .end = end, .blockable = true
	};
	struct mmu_notifier *mn;

	rcu_read_lock();
	mn = __atomic_load_n(&mm->notifier, __ATOMIC_SEQ_CST);
	shim.hook++;
	if (mn)
		mn->ops->invalidate_range_end(mn, &range);
	shim.hook--;
	rcu_read_unlock();
}

static struct shim_vma *add_vma(struct mm_struct *mm, unsigned long start,
				unsigned long length)
{
	size_t n = length >> PAGE_SHIFT;
	struct shim_vma *v;

	for (v = mm->vma; v < mm->vma + SHIM_VMAS; v++)
		if (!v->end)
			break;
	WARN_ON_ONCE(v == mm->vma + SHIM_VMAS);
	memset(v, 0, sizeof(*v));
	v->start = start;
	v->end = start + length;
	v->pte = calloc(n, sizeof(*v->pte));
	v->backing = calloc(n, PAGE_SIZE);
	return v;
}

void um_map(struct mm_struct *mm, unsigned long start, unsigned long length,
	    bool readable, bool writable)
{
	struct shim_vma *v;

	shim_mmap_write_lock(mm);
	v = add_vma(mm, start, length);
	v->readable = readable;
	v->writable = writable;
	mmap_write_unlock(mm);
}

void um_map_special(struct mm_struct *mm, unsigned long start,
		    unsigned long length)
{
	shim_mmap_write_lock(mm);
	add_vma(mm, start, length)->special = true;
	mmap_write_unlock(mm);
}

/* Change each page of a range, between the hooks and under the PTL. */
static void change(struct mm_struct *mm, enum mmu_notifier_event event,
		   unsigned long start, unsigned long end,
		   void (*fn)(struct shim_vma *v, size_t i))
{
	struct shim_vma *v;
	unsigned long va;

	um_start_for(mm, event, start, end, true);
	pthread_mutex_lock(&mm->ptl);
	for (va = start; va < end; va += PAGE_SIZE) {
		v = find_vma(mm, va);
		if (v)
			fn(v, page_in(v, va));
	}
	pthread_mutex_unlock(&mm->ptl);
	um_end(mm, start, end);
}

static void change_drop(struct shim_vma *v, size_t i)
{
	if (v->pte[i].page)
		put_page(v->pte[i].page);
	memset(&v->pte[i], 0, sizeof(v->pte[i])); /* and what is stored */
}

static void change_clean(struct shim_vma *v, size_t i)
{
	if (!v->pte[i].page)
		return;
	memcpy(v->backing + i * PAGE_SIZE, shim_page_data(v->pte[i].page),
	       PAGE_SIZE);
	v->pte[i].stored = true;
	v->pte[i].dirty = false;
	v->pte[i].page->dirty = 0;
}

static void change_reclaim(struct shim_vma *v, size_t i)
{
	struct shim_pte *pte = &v->pte[i];

	if (!pte->page || READ_ONCE(pte->page->refs) != 1)
		return;
	if (pte->dirty || READ_ONCE(pte->page->dirty) || !pte->stored)
		change_clean(v, i); /* write it out first */
	put_page(pte->page);
	pte->page = NULL;
	pte->write = false;
}

static void change_move(struct shim_vma *v, size_t i)
{
	struct page *page;

	if (!v->pte[i].page || READ_ONCE(v->pte[i].page->refs) != 1)
		return; /* somebody holds it */
	page = new_frame(v, i);
	page->dirty = v->pte[i].page->dirty;
	put_page(v->pte[i].page);
	v->pte[i].page = page;
}

static void change_protect(struct shim_vma *v, size_t i)
{
	v->pte[i].write = false;
}

void um_unmap(struct mm_struct *mm, unsigned long start)
{
	struct shim_vma *v;

	shim_mmap_write_lock(mm);
	v = find_vma(mm, start);
	change(mm, MMU_NOTIFY_UNMAP, v->start, v->end, change_drop);
	free(v->pte);
	free(v->backing);
	memset(v, 0, sizeof(*v));
	mmap_write_unlock(mm);
}

void um_protect(struct mm_struct *mm, unsigned long start, bool readable,
		bool writable)
{
	struct shim_vma *v;

	shim_mmap_write_lock(mm);
	v = find_vma(mm, start);
	v->readable = readable;
	v->writable = writable;
	change(mm, MMU_NOTIFY_PROTECTION_VMA, v->start, v->end, change_protect);
	mmap_write_unlock(mm);
}

static void change_read_locked(struct mm_struct *mm, unsigned long start,
			       unsigned long end,
			       void (*fn)(struct shim_vma *v, size_t i))
{
	shim_mmap_read_lock(mm);
	change(mm, MMU_NOTIFY_CLEAR, start, end, fn);
	mmap_read_unlock(mm);
}

void um_drop(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	change_read_locked(mm, start, end, change_drop);
}

void um_clean(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	change_read_locked(mm, start, end, change_clean);
}

void um_reclaim(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	change_read_locked(mm, start, end, change_reclaim);
}

void um_move(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	change_read_locked(mm, start, end, change_move);
}

void um_fork(struct mm_struct *mm)
{
	struct shim_vma *v;

	shim_mmap_write_lock(mm);
	for (v = mm->vma; v < mm->vma + SHIM_VMAS; v++)
		if (v->end)
			change(mm, MMU_NOTIFY_PROTECTION_PAGE, v->start, v->end,
			       change_protect);
	mmap_write_unlock(mm);
}

/* The CPU's access to one page, faults included. */
static bool access_page(struct mm_struct *mm, unsigned long va, void *buf,
			size_t length, bool write)
{
	struct shim_vma *v;
	struct shim_pte *pte;
	bool done = false;
	u8 *at;

	shim_mmap_read_lock(mm);
	while (!done && allowed(v = find_vma(mm, va), write)) {
		fault(mm, v, va, write);
		pthread_mutex_lock(&mm->ptl);
		pte = &v->pte[page_in(v, va)];
		if (pte->page && (!write || pte->write)) {
			at = (u8 *)shim_page_data(pte->page) +
			     (va & ~PAGE_MASK);
			memcpy(write ? (void *)at : buf, write ? buf : at,
			       length);
			pte->dirty |= write;
			done = true;
		}
		pthread_mutex_unlock(&mm->ptl);
	}
	mmap_read_unlock(mm);
	return done;
}

static bool access_all(struct mm_struct *mm, unsigned long va, u8 *buf,
		       size_t length, bool write)
{
	size_t chunk;

	for (; length; length -= chunk, buf += chunk, va += chunk) {
		chunk = min_t(size_t, length, PAGE_SIZE - (va & ~PAGE_MASK));
		if (!access_page(mm, va, buf, chunk, write))
			return false;
	}
	return true;
}

bool um_write(struct mm_struct *mm, unsigned long va, const void *src,
	      size_t length)
{
	return access_all(mm, va, (u8 *)src, length, true);
}

bool um_read(struct mm_struct *mm, unsigned long va, void *dst, size_t length)
{
	return access_all(mm, va, dst, length, false);
}

struct page *um_frame(struct mm_struct *mm, unsigned long va)
{
	struct shim_vma *v = find_vma(mm, va);

	return v ? v->pte[page_in(v, va)].page : NULL;
}

bool um_pte_writable(struct mm_struct *mm, unsigned long va)
{
	struct shim_vma *v = find_vma(mm, va);

	return v && v->pte[page_in(v, va)].write;
}

bool um_young(struct mm_struct *mm, unsigned long va, bool clear)
{
	struct mmu_notifier *mn = mm->notifier;
	bool young;

	pthread_mutex_lock(&mm->ptl); /* as in the kernel */
	young = clear ? mn->ops->clear_flush_young(mn, mm, va, va + PAGE_SIZE) :
			mn->ops->test_young(mn, mm, va);
	pthread_mutex_unlock(&mm->ptl);
	return young;
}

void um_exit(struct mm_struct *mm)
{
	struct mmu_notifier *mn = mm->notifier;
	struct shim_vma *v;
	size_t i;

	WARN_ON_ONCE(__atomic_sub_fetch(&mm->users, 1, __ATOMIC_SEQ_CST));
	if (mn) {
		shim.hook++;
		mn->ops->release(mn, mm);
		shim.hook--;
		mm->notifier = NULL;
	}
	for (v = mm->vma; v < mm->vma + SHIM_VMAS; v++) {
		for (i = 0; v->end && i < page_in(v, v->end); i++)
			if (v->pte[i].page)
				put_page(v->pte[i].page);
		free(v->pte);
		free(v->backing);
		memset(v, 0, sizeof(*v));
	}
}

void um_free(struct mm_struct *mm)
{
	WARN_ON_ONCE(mm->users || mm->count != 1);
	free(mm);
}
