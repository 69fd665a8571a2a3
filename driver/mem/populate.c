// SPDX-License-Identifier: GPL-2.0
/*
 * Bring pages of an mm into a region's table, in two phases.
 *
 *  1. fault_in(): make the CPU map the pages. May sleep for as long as a
 *     userfaultfd handler or a disk likes. Holds no page and no sample: a
 *     reference held while asleep would block migration and truncation, and
 *     the copy-on-write done here fires our own hooks.
 *  2. take a sample, get what is mapped now without sleeping, take the lock,
 *     ask the log about each page, install, drop the references. The notifier,
 *     not a reference, keeps an entry true.
 *
 * Every entry comes from its own PTE. A page inside a huge page does not say
 * that this VMA maps its neighbours, nor with which rights.
 */
#include "internal.h"

#define BATCH	     64
#define ENTRY_BUDGET (HZ / 2) /* to get one page in, fences permitting */
#define NOMEM_BUDGET HZ
#define FENCE_TICK   (HZ / 20) /* how soon a waiter sees that it is orphaned */
#define SLOW_AFTER   2

struct job {
	const struct sodp_populate *req;
	struct sodp_region *region;
	struct sodp_mm *smm;
	struct mm_struct *mm;
	struct sodp_spares spares;
	struct page *pages[BATCH];
	unsigned long since; /* jiffies of the last progress */
	unsigned int misses; /* of the fast lookup; SLOW_AFTER: use the other */
	bool major; /* the CPU did not have it either */
};

static unsigned int gup_flags(const struct job *job)
{
	return job->req->write ? FOLL_WRITE : 0;
}

/* The fast lookup takes nothing else: it never waits. */
static unsigned int gup_remote_flags(const struct job *job)
{
	return gup_flags(job) | (job->req->nowait ? FOLL_NOWAIT : 0);
}

static bool cancelled(const struct job *job)
{
	return (job->req->cancel && READ_ONCE(*job->req->cancel)) ||
	       READ_ONCE(job->region->dead) || READ_ONCE(job->smm->dead);
}

/* --- phase 1 ----------------------------------------------------- */

/*
 * Pages made present from @index on, or a negative errno of the first one.
 * The remote form ignores protection keys, which belong to a thread and not
 * to a device, and gives definite errors for what has no VMA or no struct
 * page. &locked lets it wait for userfaultfd with mmap_lock dropped.
 */
static long fault_in(struct job *job, u64 index, u64 count)
{
	unsigned long va = sodp_region_page_va(job->region, index);
	int locked = 1;
	long got;

	might_sleep();
	if (va >= job->mm->task_size)
		return -EFAULT;
	job->major = true;
	if (mmap_read_lock_killable(job->mm))
		return -EINTR;
	got = sodp_get_user_pages_remote(job->mm, va, count,
					 gup_remote_flags(job), NULL, &locked);
	if (locked)
		mmap_read_unlock(job->mm);
	return got;
}

/* --- phase 2 ----------------------------------------------------- */

static bool prepare_nodes(struct job *job, u64 index)
{
	unsigned int missing = sodp_table_missing(&job->region->table, index);

	return missing <= job->spares.count ||
	       sodp_spares_fill(&job->spares, missing);
}

static bool fenced(struct sodp_mm *smm, unsigned long va)
{
	bool active;

	spin_lock(&smm->lock);
	active = sodp_log_active(&smm->log, va, va | ~PAGE_MASK);
	spin_unlock(&smm->lock);
	return active;
}

/* Until no range over this page is between its hooks, or we are not wanted. */
static bool wait_for_fence(struct job *job, unsigned long va)
{
	struct sodp_mm *smm = job->smm;

	while (fenced(smm, va)) {
		if (job->req->nowait || cancelled(job) ||
		    time_after(jiffies, job->since + ENTRY_BUDGET))
			return false;
		wait_event_idle_timeout(smm->ended,
					!fenced(smm, va) || cancelled(job),
					FENCE_TICK);
	}
	return true;
}

/* Without sleeping; nothing but what is mapped with the right we need. */
static long lookup_fast(struct job *job, unsigned long va, unsigned int count)
{
	return get_user_pages_fast_only(va, count, gup_flags(job), job->pages);
}

/*
 * For a page that the fast lookup does not give although it is there (a
 * protection key, a kind of mapping that it does not know). May sleep, so one
 * page, and nothing else held.
 */
static long lookup_slow(struct job *job, unsigned long va)
{
	int locked = 1;
	long got;

	if (mmap_read_lock_killable(job->mm))
		return -EINTR;
	got = sodp_get_user_pages_remote(job->mm, va, 1, gup_remote_flags(job),
					 job->pages, &locked);
	if (locked)
		mmap_read_unlock(job->mm);
	return got;
}

/*
 * For the DIRTY_LATE mutant only: remember the frame, and dirty it when
 * many more have come after it.
 */
static void dirty_late(struct page *page)
{
	static unsigned long ring[1024];
	static unsigned int next;
	unsigned long pfn = ring[next];
	struct page *late = pfn ? pfn_to_page(pfn) : NULL;

	ring[next] = page_to_pfn(page);
	next = (next + 1) % ARRAY_SIZE(ring);
	if (late && get_page_unless_zero(late)) {
		folio_mark_dirty(page_folio(late));
		put_page(late);
	}
}

/* For DIRTY_EARLY only: here, and then no more. Nobody asks the log. */
static void dirty_early(struct job *job, unsigned long va, unsigned int count)
{
	long got = job->req->write ? lookup_fast(job, va, count) : 0;
	long i;

	for (i = 0; i < got; i++) {
		folio_mark_dirty(page_folio(job->pages[i]));
		put_page(job->pages[i]);
	}
	SODP_WIDEN(INSTALL);
}

/*
 * For THP_NEIGHBOUR_WRITE only: the pages that come after the last one in the
 * same huge page, whatever the PTEs there say.
 */
static long add_neighbours(struct job *job, long got, unsigned int count)
{
	struct page *next;

	for (; got > 0 && got < count; got++) {
		next = job->pages[got - 1] + 1;
		if (page_folio(next) != page_folio(job->pages[got - 1]))
			break;
		get_page(next);
		job->pages[got] = next;
	}
	return got;
}

/*
 * The device is about to write here: tell the kernel before it can. Under the
 * fence lock, after the log was asked and before the entry is published: no
 * start hook has passed, so this cannot meet truncation or writeback of the
 * page, and whatever unmaps it later finds it dirty.
 */
static void mark_dirty(struct job *job, struct page *page)
{
	struct folio *folio = page_folio(page);

	lockdep_assert_held(&job->smm->lock);
	if (SODP_MUTANT(DIRTY_LATE))
		dirty_late(page);
	else if (!SODP_MUTANT(DIRTY_EARLY) && !folio_test_dirty(folio))
		folio_mark_dirty(folio);
}

/*
 * Install what the log allows of @count pages. Returns how many from the
 * first on without a gap; a negative errno: none and none will be.
 */
static long install_pages(struct job *job, struct sodp_sample *sample,
			  u64 index, unsigned int count)
{
	struct sodp_region *region = job->region;
	struct sodp_mm *smm = job->smm;
	unsigned long lost = 0, installed = 0, prefix = 0;
	unsigned int i;

	spin_lock(&smm->lock);
	for (i = 0; i < count && !smm->dead && !region->dead; i++) {
		unsigned long va = sodp_region_page_va(region, index + i);

		if (!SODP_MUTANT(NO_RECHECK) &&
		    sodp_log_crossed(&smm->log, sample, va, va | ~PAGE_MASK)) {
			lost++;
			continue;
		}
		if (job->req->write)
			mark_dirty(job, job->pages[i]);
		if (!sodp_table_install(&region->table, index + i,
					page_to_pfn(job->pages[i]),
					job->req->write, &job->spares))
			break; /* the leaf was freed under us: once more */
		installed++;
		if (prefix == i)
			prefix++;
	}
	sodp_log_unsample(&smm->log, sample);
	spin_unlock(&smm->lock);

	if (lost) {
		atomic64_add(lost, &region->faults_retried);
		sodp_mem_count(region->mem, SODP_CNT_PAGE_FAULTS_RETRIED, lost);
	}
	atomic64_add(installed, &region->faults_handled);
	sodp_mem_count(region->mem, SODP_CNT_PAGE_FAULTS_HANDLED, installed);
	return prefix;
}

/* A batch stays in one leaf, so that one set of spares is enough. */
static unsigned int batch_size(u64 index, u64 end)
{
	u64 leaf_end = (index | (SODP_TABLE_SLOTS - 1)) + 1;

	return min3(end - index, leaf_end - index, (u64)BATCH);
}

static bool transient(long err)
{
	return err == -EAGAIN || err == -EBUSY || err == -ENOMEM ||
	       err == -EINTR;
}

/*
 * Phase 2 for a batch at @index. Pages installed from there on without a gap
 * (0: the first is not mapped, or a fence came in between), -ENOMEM, or why
 * the first page can never be had.
 */
static long install_batch(struct job *job, u64 index, u64 end)
{
	unsigned long va = sodp_region_page_va(job->region, index);
	unsigned int count = batch_size(index, end);
	bool slow = job->misses >= SLOW_AFTER;
	struct sodp_sample sample;
	long got, installed, i;

	if (!prepare_nodes(job, index))
		return -ENOMEM;
	if (SODP_MUTANT(DIRTY_EARLY))
		dirty_early(job, va, count);
	if (!wait_for_fence(job, va))
		return 0;

	spin_lock(&job->smm->lock);
	sodp_log_sample(&job->smm->log, &sample);
	spin_unlock(&job->smm->lock);

	if (slow)
		got = lookup_slow(job, va);
	else
		got = lookup_fast(job, va, count);
	if (SODP_MUTANT(THP_NEIGHBOUR_WRITE))
		got = add_neighbours(job, got, count);
	SODP_WIDEN(INSTALL);

	/* Also with none: it ends the sample. */
	installed = install_pages(job, &sample, index, max(got, 0L));
	for (i = 0; i < got; i++)
		put_page(job->pages[i]);
	return got < 0 && !transient(got) ? got : installed;
}

/* --- both -------------------------------------------------------- */

enum step {
	STEP_ON, /* something changed: go on */
	STEP_ENOUGH, /* give what there is */
	STEP_FAIL, /* permanent */
};

/* Not there, or lost to a fence. Make it there. */
static enum step handle_miss(struct job *job, u64 index, u64 end)
{
	unsigned long budget = ENTRY_BUDGET;
	long got;

	got = fault_in(job, index, end - index);
	if (got > 0) {
		job->misses++;
		if (time_before(jiffies, job->since + budget))
			return STEP_ON;
		return STEP_ENOUGH; /* fences all the time: let it be retried */
	}
	switch (got) {
	case 0: /* somebody else is at it */
	case -EAGAIN:
	case -EBUSY:
		break;
	case -ENOMEM:
		budget = NOMEM_BUDGET;
		break;
	case -EINTR:
		return STEP_ENOUGH;
	default:
		return STEP_FAIL;
	}
	if (time_after(jiffies, job->since + budget))
		return got == -ENOMEM ? STEP_FAIL : STEP_ENOUGH;
	schedule_timeout_idle(1);
	return STEP_ON;
}

static bool is_there(const struct job *job, u64 index)
{
	const u64 need = SODP_ENTRY_PRESENT |
			 (job->req->write ? SODP_ENTRY_WRITE : 0);
	const atomic64_t *entry;
	u64 value;

	rcu_read_lock();
	entry = sodp_table_lookup(&job->region->table, index);
	value = entry ? atomic64_read(entry) : 0;
	rcu_read_unlock();
	return (value & need) == need;
}

/*
 * A guess: runs of pages that are missing, until one cannot be had at once.
 * FOLL_NOWAIT starts what a page needs from a disk; userfaultfd hears nothing.
 */
static void populate_at_once(struct job *job)
{
	u64 index = job->req->first, end = index + job->req->count, run;
	bool faulted = false;
	long got;

	while (index < end && !cancelled(job)) {
		if (is_there(job, index)) {
			index++;
			faulted = false;
			continue;
		}
		for (run = index + 1; run < end && !is_there(job, run);)
			run++;
		got = install_batch(job, index, run);
		if (got > 0) {
			index += got;
			continue;
		}
		if (got < 0 || faulted ||
		    fault_in(job, index, run - index) <= 0)
			return;
		faulted = true;
	}
}

/* Up to SODP_FAULT_PAGES. *@index is moved over what was brought in. */
static enum step populate_chunk(struct job *job, u64 *index, u64 end)
{
	const struct sodp_populate *req = job->req;
	bool faulted = false;
	enum step step;
	long got;

	while (*index < end) {
		if (cancelled(job))
			return STEP_ENOUGH;
		got = install_batch(job, *index, end);
		if (got > 0) {
			*index += got;
			job->since = jiffies;
			if (job->misses < SLOW_AFTER)
				job->misses = 0;
			continue;
		}
		if (req->no_fault) {
			(*index)++;
			continue;
		}
		if (faulted && *index > req->first && !req->all)
			return STEP_ENOUGH;
		if (got == -ENOMEM) {
			if (time_after(jiffies, job->since + NOMEM_BUDGET))
				return STEP_FAIL;
			schedule_timeout_idle(1);
			continue;
		}
		if (got < 0)
			return STEP_FAIL;
		faulted = true;
		step = handle_miss(job, *index, end);
		if (step != STEP_ON)
			return step;
	}
	return STEP_ON;
}

static enum sodp_mem_result populate_all(struct job *job)
{
	const struct sodp_populate *req = job->req;
	u64 index = req->first, end = req->first + req->count;
	enum step step = STEP_ON;

	if (req->nowait) {
		populate_at_once(job);
		return SODP_MEM_OK;
	}
	while (index < end && step == STEP_ON) {
		step = populate_chunk(job, &index,
				      min(end, index + SODP_FAULT_PAGES));
		job->since = jiffies;
		cond_resched();
	}
	if (READ_ONCE(job->smm->dead) || READ_ONCE(job->region->dead))
		return SODP_MEM_GONE;
	if (step == STEP_FAIL && index == req->first)
		return SODP_MEM_ACCESS;
	/* Lost to fences only: they are as good as used and dropped again. */
	if (req->all && step == STEP_FAIL)
		return SODP_MEM_ACCESS;
	return SODP_MEM_OK;
}

/*
 * In a kworker. OK: the first page (all of them if req->all) was brought in,
 * or could not be kept in against the fences for a while; try again.
 * ACCESS: it cannot be had. GONE: the region or its mm is no more.
 */
enum sodp_mem_result sodp_populate(const struct sodp_populate *req)
{
	struct sodp_region *region = req->region;
	struct mem_cgroup *memcg, *old;
	enum sodp_mem_result result;
	struct job job = {
		.req = req,
		.region = region,
		.smm = region->smm,
		.since = jiffies,
	};

	if (!region->smm)
		return READ_ONCE(region->dead) ? SODP_MEM_GONE :
						 SODP_MEM_ACCESS;
	/* A region with only read rights never asks for a writable page. */
	if (req->write && !sodp_region_writable(region))
		return SODP_MEM_ACCESS;
	job.mm = region->smm->mn.mm;
	if (!mmget_not_zero(job.mm))
		return SODP_MEM_GONE;
	/*
	 * Our nodes and the CPU's page tables are charged to the owner: kernel
	 * threads bypass accounting unless told otherwise.
	 */
	memcg = get_mem_cgroup_from_mm(job.mm);
	old = set_active_memcg(memcg);
	kthread_use_mm(job.mm);
	result = populate_all(&job);
	if (job.major && !req->prefetch)
		atomic64_inc(&region->faults_major);
	kthread_unuse_mm(job.mm);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	/* The last user's teardown runs our release hook; not in here. */
	mmput_async(job.mm);
	sodp_spares_free(&job.spares);
	return result;
}
