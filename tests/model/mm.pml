/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The kernel: page tables, frames, and what it does between two hooks. A step
 * here is what the kernel does under one page-table lock.
 *
 * Frame 0 is none. A frame without an owner and without references is free,
 * and the next fault of any page may get it.
 */
byte pte[PAGES];
bit pte_write[PAGES];
bit met[PAGES]; /* a CPU thread has used this mapping */

byte owner[FRAMES + 1]; /* page + 1 */
byte refs[FRAMES + 1]; /* beside that of the page table */

#ifdef DATA
bit pte_dirty[PAGES];
bit dirty[FRAMES + 1];
bit unsaved[FRAMES + 1]; /* ... and that is the truth */
bit page_lock[PAGES];
#define DATA_ONLY(statement) statement
#define PAGE_LOCKED(page)    page_lock[page]
#else
#define DATA_ONLY(statement) skip
#define PAGE_LOCKED(page)    false
#endif

bit ptl; /* the page-table lock, where it is held for more than a step */

/* What the hooks owe: ranges begun, and begun and returned, over each page */
byte begun[PAGES];
byte returned[PAGES];

mtype = { UNMAP, MOVE, PROTECT, CLEAN, RECLAIM };

#define NAME(f) ((f) -> 64 + (f) : 45)
#define SAME_FRAME(f, page) (owner[f] == (page) + 1 || refs[f])

/* f: one that is free, or 0 */
inline get_frame(f)
{
	f = 1;
	do
	:: f <= FRAMES && (owner[f] || refs[f]) -> f++
	:: else -> break
	od;
	f = (f <= FRAMES -> f : 0)
}

/* A page fault: of a CPU thread, or of ours in populate.c: fault_in() */
inline page_fault(page, write)
{
	if
	:: !pte[page] ->
		get_frame(u);
		if
		:: u ->
			owner[u] = page + 1;
			pte[page] = u;
			pte_write[page] = write;
			DATA_ONLY(pte_dirty[page] = write);
			met[page] = 0;
			printf("@%d|page fault: page %d -> frame %c\n", _pid, page, NAME(u))
		:: else
		fi;
		u = 0
	:: pte[page] && write && !pte_write[page] ->
		pte_write[page] = 1;
		DATA_ONLY(pte_dirty[page] = 1);
		printf("@%d|page fault: page %d is writable\n", _pid, page)
	:: else
	fi
}

inline set_pte(page, f)
{
	pte[page] = f;
	met[page] = 0;
	if
	:: !f -> pte_write[page] = 0; DATA_ONLY(pte_dirty[page] = 0)
	:: else
	fi
}

/* munmap, DONTNEED, truncation: the contents go too */
inline do_unmap(page)
{
	if
	:: pte[page] ->
		printf("@%d|PTE of page %d cleared, frame %c let go\n", _pid, page, NAME(pte[page]));
		owner[pte[page]] = 0;
		DATA_ONLY(dirty[pte[page]] = 0);
		DATA_ONLY(unsaved[pte[page]] = 0);
		set_pte(page, 0)
	:: else
	fi
}

/* Migration, a COW break, a nonlinear remap: another frame, a PTE all along */
inline do_move(page)
{
	get_frame(u);
	if
	:: u && pte[page] ->
		printf("@%d|PTE of page %d: %c -> %c\n", _pid, page, NAME(pte[page]), NAME(u));
		owner[pte[page]] = 0;
		owner[u] = page + 1;
#ifdef DATA
		dirty[u] = dirty[pte[page]];
		unsaved[u] = unsaved[pte[page]];
		dirty[pte[page]] = 0;
		unsaved[pte[page]] = 0;
#endif
		set_pte(page, u)
	:: else
	fi;
	u = 0
}

inline do_protect(page)
{
	if
	:: pte[page] ->
		pte_write[page] = 0;
		printf("@%d|PTE of page %d is read-only\n", _pid, page)
	:: else
	fi
}

#ifdef DATA
/* The PTE's part of writeback and reclaim, under the page lock */
inline do_clean(page)
{
	if
	:: pte[page] ->
		dirty[pte[page]] = dirty[pte[page]] || pte_dirty[page];
		pte_dirty[page] = 0;
		pte_write[page] = 0;
		printf("@%d|PTE of page %d is clean and read-only\n", _pid, page)
	:: else
	fi
}

inline do_try_to_unmap(page)
{
	if
	:: pte[page] ->
		dirty[pte[page]] = dirty[pte[page]] || pte_dirty[page];
		printf("@%d|reclaim: PTE of page %d cleared\n", _pid, page);
		set_pte(page, 0)
	:: else
	fi
}

/* After the end hook, with the page lock still held. f: its frame */
inline write_back(f)
{
	if
	:: f && dirty[f] ->
		dirty[f] = 0;
		unsaved[f] = 0;
		printf("@%d|frame %c written out\n", _pid, NAME(f))
	:: else
	fi
}

inline drop_frame(page, f)
{
	if
	:: f && refs[f] -> /* in use: kept, and mapped again by whoever asks */
		pte[page] = f;
		met[page] = 0
	:: f && !refs[f] ->
		if
		:: !dirty[f] -> printf("@%d|frame %c is clean: dropped\n", _pid, NAME(f))
		:: else -> printf("@%d|frame %c written out and dropped\n", _pid, NAME(f))
		fi;
		MUST(F4, dirty[f] || !unsaved[f]);
		dirty[f] = 0;
		unsaved[f] = 0;
		owner[f] = 0
	:: else
	fi
}
#endif

inline change(page, kind)
{
	if
	:: kind == UNMAP -> do_unmap(page)
	:: kind == MOVE -> do_move(page)
	:: kind == PROTECT -> do_protect(page)
#ifdef DATA
	:: kind == CLEAN -> do_clean(page)
	:: kind == RECLAIM -> do_try_to_unmap(page)
#endif
	fi
}

#if CPUS
/* A thread of the process that never enters the kernel: F9's third thread */
proctype cpu_thread()
{
	byte p;

	do
	:: d_step {
		pte[0] -> met[0] = 1;
		printf("@%d|load or store in page 0: frame %c\n", _pid, NAME(pte[0]))
	   }
#if PAGES > 1
	:: d_step {
		pte[1] -> met[1] = 1;
		printf("@%d|load or store in page 1: frame %c\n", _pid, NAME(pte[1]))
	   }
#endif
#ifdef DATA
	:: d_step {
		pte_write[0] -> unsaved[pte[0]] = 1;
		pte_dirty[0] = 1;
		printf("@%d|store in page 0: frame %c\n", _pid, NAME(pte[0]))
	   }
#endif
	:: break
	od
}
#endif
