/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The fence of driver/mem, for spin. docs/fence.md says what is modelled and
 * what is not; configs has the sizes and switches of each search.
 *
 * A step is what no other party can see the middle of: one atomic instruction
 * on an entry, or all that a holder of the fence lock does that only other
 * holders can see. Each is named after its function in the driver.
 */
#ifndef PAGES
#define PAGES 1
#endif
#ifndef PER_LEAF
#define PER_LEAF 1
#endif
#ifndef FRAMES
#define FRAMES 2
#endif
#ifndef NODES
#define NODES 2
#endif
#ifndef REGIONS
#define REGIONS 1
#endif
#ifndef SLOTS
#define SLOTS 1
#endif
#ifndef REMAPPERS
#define REMAPPERS 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef FAULTERS
#define FAULTERS 1
#endif
#ifndef DEVICES
#define DEVICES 1
#endif
#ifndef CPUS
#define CPUS 0
#endif
#ifndef BATCH
#define BATCH 1
#endif
#ifndef KIND_1
#define KIND_1 UNMAP
#endif
#ifndef KIND_2
#define KIND_2 MOVE
#endif
#define LEAVES ((PAGES + PER_LEAF - 1) / PER_LEAF)

/*
 * The rules, by the names of docs/fence.md. OWNER: what F1 is for, no transfer
 * touches a frame that was given away. ENTRY: a PRESENT entry is what the page
 * table says. FREED: no use of a freed leaf, no install into an unlinked one.
 * DIRTY: a frame is marked dirty only while it is mapped writable. EXACT: while
 * no hull is in use, the log says no more than what is so.
 */
mtype = { NOBODY, F1, F3, F4, F5, F7, F8, F9, OWNER, ENTRY, FREED, DIRTY,
	EXACT };

/* ONLY: what the others say does not count. */
#ifdef ONLY
#define MUST(rule, cond) assert((cond) || rule == NOBODY || rule != ONLY)
#else
#define MUST(rule, cond) assert((cond) || rule == NOBODY)
#endif

#if defined(LATE_INVALIDATE)
#define ENTRY_TRUE(page, f) true
#define MAY_WRITE(page)	    true
#elif defined(IN_LOCK)
#define ENTRY_TRUE(page, f) (ptl || pte[page] == (f))
#define MAY_WRITE(page)	    (ptl || pte_write[page])
#else
#define ENTRY_TRUE(page, f) (pte[page] == (f))
#define MAY_WRITE(page)	    pte_write[page]
#endif

/* Between the end of a loop or branch and a d_step, for spin's sake. */
#define NO_JUMP skip

/* array[a] to array[b], by so much */
#define EVERYWHERE(array, by)                       \
	v = a;                                      \
	do                                          \
	:: v <= b -> array[v] = array[v] + by; v++  \
	:: else -> break                            \
	od;                                         \
	v = 0

inline pick(value, max)
{
	value = 0;
	do
	:: value < max -> value++
	:: break
	od
}

#include "log.pml"
#include "table.pml"
#include "mm.pml"
#ifdef LOG_ALONE
#include "ranges.pml"
#else
#include "hooks.pml"
#include "fault.pml"
#endif

#define RUN(number, process, name)                             \
	t = 0;                                                 \
	do                                                     \
	:: t < number -> u = run process; t++;                 \
		printf(name, u)                                \
	:: else -> break                                       \
	od;                                                    \
	t = 0;                                                 \
	u = 0

#ifdef LOG_ALONE
init {
	atomic {
		RUN(REMAPPERS, ranger(), "@%d=ranges\n");
		RUN(FAULTERS, asker(t), "@%d=fault\n")
	}
}
#else
/* All pages are mapped, writable; all regions are there. */
init {
	atomic {
		do
		:: t < PAGES ->
			pte[t] = t + 1;
			pte_write[t] = 1;
			owner[t + 1] = t + 1;
			t++
		:: else -> break
		od;
#ifndef REGISTER
		t = 0;
		do
		:: t < REGIONS -> in_tree[t] = 1; t++
		:: else -> break
		od;
#endif
		RUN(REMAPPERS, remapper(), "@%d=kernel\n");
		RUN(FAULTERS, faulter(t), "@%d=fault\n");
		RUN(DEVICES, device(), "@%d=device\n");
#if CPUS
		RUN(CPUS, cpu_thread(), "@%d=CPU thread\n");
#endif
#ifdef DEREGISTER
		RUN(1, deregister(), "@%d=owner\n");
#endif
#ifdef RELEASE
		RUN(1, release(), "@%d=exit\n");
#endif
		skip
	}
}
#endif
