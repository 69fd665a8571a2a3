/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * mem/table.c and mem/entry.h: entries, leaves, and their life under RCU. One
 * level of nodes: the leaves. Where the frame is 0 the entry is not PRESENT.
 *
 * A leaf is freed as soon as its grace period allows it: when the last reader
 * has left that was inside as it was unlinked (grace: which those are).
 */
byte frame_of[(NODES + 1) * PER_LEAF];
bit writable[(NODES + 1) * PER_LEAF];
byte count[(NODES + 1) * PER_LEAF];

byte leaf[REGIONS * LEAVES]; /* the slot: the node, 0 for none */
byte held[REGIONS * LEAVES]; /* ... and how many are PRESENT in it */
bit used[NODES + 1]; /* linked, or a spare */
byte grace[NODES + 1];
byte readers; /* who is in rcu_read_lock() */

bit lock; /* the fence lock */

#define LEAF_OF(r, page) leaf[(r) * LEAVES + (page) / PER_LEAF]
#define HELD_OF(r, page) held[(r) * LEAVES + (page) / PER_LEAF]
#define AT(n, page)	 ((n) * PER_LEAF + (page) % PER_LEAF)

#if PER_LEAF > 1
#define LEAF_EMPTY(n)                                     \
	(!frame_of[(n) * PER_LEAF] && !count[(n) * PER_LEAF] && \
	 !frame_of[(n) * PER_LEAF + 1] && !count[(n) * PER_LEAF + 1])
#else
#define LEAF_EMPTY(n) (!frame_of[n] && !count[n])
#endif

#define ANY_LEAF(r) (leaf[(r) * LEAVES] || leaf[(r) * LEAVES + LEAVES - 1])
#define ME	  (1 << _pid)
#define ALIVE(n)  (used[n] || (grace[n] & ME))

inline rcu_lock()
{
	readers = readers | ME
}

inline rcu_unlock()
{
	readers = readers & ~ME;
	t = 1;
	do
	:: t <= NODES -> grace[t] = grace[t] & ~ME; t++
	:: else -> break
	od;
	t = 0
}

/* sodp_spares_fill(): n is a zeroed node, or 0 */
inline node_alloc(n)
{
	n = 1;
	do
	:: n <= NODES && (used[n] || grace[n]) -> n++
	:: else -> break
	od;
	if
	:: n <= NODES -> used[n] = 1
	:: else -> n = 0
	fi
}

/* unlink_empty() */
inline unlink_empty(r, page, n)
{
	if
	:: LEAF_OF(r, page) == n && HELD_OF(r, page) == 0 && LEAF_EMPTY(n) ->
		LEAF_OF(r, page) = 0;
		used[n] = 0;
#ifndef LEAF_FREED_EARLY
		grace[n] = readers;
#endif
		printf("@%d|leaf of page %d is empty: unlinked\n", _pid, page)
	:: else
	fi
}

/* next_leaf(): moves k to it; n is the leaf, 0 when there is none up to last */
inline next_leaf(r, last)
{
	do
	:: k <= last && LEAF_OF(r, k) == 0 -> k = (k / PER_LEAF + 1) * PER_LEAF
	:: else -> break
	od;
	n = (k <= last -> LEAF_OF(r, k) : 0)
}

/* One turn of the loop in clear_entries(). */
inline clear_entry(n, page)
{
	MUST(FREED, used[n]);
	if
	:: frame_of[AT(n, page)] != 0 ->
		printf("@%d|page %d: PRESENT cleared, count is %d\n", _pid, page, count[AT(n, page)]);
		frame_of[AT(n, page)] = 0;
		writable[AT(n, page)] = 0;
		cleared++;
		busy = busy || count[AT(n, page)]
	:: else ->
		printf("@%d|page %d: not PRESENT, count is %d\n", _pid, page, count[AT(n, page)]);
#ifndef DRAIN_SKIPS_CLEARED
		busy = busy || count[AT(n, page)]
#endif
	fi
}

#define IN_LEAF(page, last) ((page) <= (last) && (page) / PER_LEAF == k / PER_LEAF)

/* drain() */
inline drain(n, last)
{
#ifdef NO_DRAIN
	skip
#else
	if
	:: busy ->
		e = k;
		do
		:: IN_LEAF(e, last) -> count[AT(n, e)] == 0; e++
		:: !IN_LEAF(e, last) -> break
		od
	:: else
	fi
#endif
}

/*
 * sodp_region_sweep(), leaf by leaf with the lock dropped in between, and in it
 * sodp_table_sweep(). The caller has k, e, n, cleared, busy.
 */
inline sweep(r, first, last)
{
	k = first;
	do
	:: k <= last ->
		atomic {
			!lock -> next_leaf(r, last);
			if
			:: n -> lock = 1
			:: else -> k = 0; break
			fi
		}
		e = k;
		do
		:: IN_LEAF(e, last) -> d_step { clear_entry(n, e); e++ }
		:: !IN_LEAF(e, last) -> break
		od;
#ifdef DRAIN_UNLOCKED
		NO_JUMP;
		d_step { HELD_OF(r, k) = HELD_OF(r, k) - cleared; cleared = 0; lock = 0 }
#endif
		drain(n, last);
#ifdef DRAIN_UNLOCKED
		atomic { !lock -> lock = 1 };
#endif
		NO_JUMP;
		d_step {
			MUST(FREED, HELD_OF(r, k) >= cleared);
			HELD_OF(r, k) = HELD_OF(r, k) - cleared;
			unlink_empty(r, k, n);
			lock = 0;
			k = (k / PER_LEAF + 1) * PER_LEAF;
			e = 0;
			n = 0;
			cleared = 0;
			busy = 0
		}
	:: else -> k = 0; break
	od;
	NO_JUMP
}
