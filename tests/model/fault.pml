/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* mem/populate.c: faults and prefetches; mem/copy.c: transfers. */

#if !defined(DIRTY_EARLY) && !defined(DIRTY_AFTER_PRESENT) && !defined(DIRTY_LATE)
#define DIRTY_NOW
#endif

#define CANCELLED (dead[r] || mm_dead)

#ifdef NO_DEAD_CHECK
#define MAY_INSTALL true
#else
#define MAY_INSTALL !CANCELLED
#endif

#ifdef READS
#define PICK_WRITE(w) if :: w = 0 :: w = 1 fi
#else
#define PICK_WRITE(w) w = 1
#endif

/* mark_dirty() */
inline mark_dirty()
{
#ifdef DATA
	if
	:: w -> d_step {
		printf("@%d|page %d: frame %c marked dirty\n", _pid, p + i, NAME(got[i]));
		MUST(DIRTY, pte[p + i] == got[i] && pte_write[p + i]);
		dirty[got[i]] = 1
	   }
	:: else
	fi
#else
	skip
#endif
}

/*
 * sodp_table_install(): link_node() and set_entry(). Not if there is no leaf
 * and no spare (x).
 */
inline install(page, f)
{
	d_step {
		x = 0;
		if
#ifdef LEAF_BEFORE_LOCK
		:: place
#endif
		:: LEAF_OF(r, page) == 0 && spare ->
			LEAF_OF(r, page) = spare;
			spare = 0;
			printf("@%d|a new leaf for page %d\n", _pid, page)
		:: LEAF_OF(r, page) == 0 && !spare -> x = 1
		:: else
		fi
	};
	if
	:: !x -> d_step {
#ifdef LEAF_BEFORE_LOCK
		t = (place -> place : LEAF_OF(r, page));
#else
		t = LEAF_OF(r, page);
#endif
		printf("@%d|page %d: PRESENT, frame %c\n", _pid, page, NAME(f));
		MUST(FREED, t && used[t] && LEAF_OF(r, page) == t);
		MUST(F3, !begun[page]);
		MUST(F8, !gone[r]);
		MUST(ENTRY, ENTRY_TRUE(page, f));
		MUST(ENTRY, !frame_of[AT(t, page)] || frame_of[AT(t, page)] == f);
		if
		:: !frame_of[AT(t, page)] -> HELD_OF(r, page) = HELD_OF(r, page) + 1
		:: else
		fi;
		frame_of[AT(t, page)] = f;
#ifdef WRITE_FOR_ALL
		writable[AT(t, page)] = 1;
#else
		writable[AT(t, page)] = writable[AT(t, page)] || w;
#endif
		t = 0
	   }
	:: else
	fi
}

/* install_pages() */
inline install_pages()
{
#ifdef LOOKUP_UNDER_LOCK
	i = 0;
#else
	d_step { !lock -> lock = 1; i = 0 };
#endif
	do
	:: i < number && MAY_INSTALL ->
#ifdef NO_RECHECK
		x = 0;
#else
		x = LOG_CROSSED(p + i, sample[me]);
#endif
		if
		:: !x ->
#ifdef DIRTY_NOW
			mark_dirty();
#endif
			install(p + i, got[i]);
#ifdef DIRTY_AFTER_PRESENT
			mark_dirty()
#endif
		:: else -> skip
		fi;
		i++
	:: else -> break
	od;
	NO_JUMP;
	d_step { log_unsample(me); lock = 0; x = 0; i = 0 };
}

/* put_page() of all, then the end of the attempt. */
inline put_pages(forget_them)
{
	t = 0;
	do
	:: t < number ->
		if
		:: forget_them -> got[t] = 0
		:: else -> refs[got[t]] = refs[got[t]] - 1
		fi;
		t++
	:: else -> break
	od;
	t = 0;
	if
	:: forget_them ->
		number = 0;
		used[spare] = 0;
		spare = 0
	:: else
	fi
}

/* install_batch(), with get_user_pages_fast_only() page by page */
inline install_batch()
{
	d_step { /* prepare_nodes() */
		if
		:: LEAF_OF(r, p) == 0 -> node_alloc(spare)
		:: else
		fi;
#ifdef LEAF_BEFORE_LOCK
		place = LEAF_OF(r, p)
#endif
	};
	/* wait_for_fence(): the first page only */
#ifdef NO_CANCEL
	!lock && !LOG_ACTIVE(p);
#else
	!lock && (!LOG_ACTIVE(p) || CANCELLED);
#endif
	d_step { !lock -> LOG_SAMPLE(me); printf("@%d|sample: clock %d\n", _pid, clock) };
#ifdef LOOKUP_UNDER_LOCK
	atomic { !lock -> lock = 1 };
#endif
#ifdef OWN_HOOKS
	/* lookup_slow(): what it breaks, it breaks with hooks of its own */
	if
	:: d_step { a = p; b = p; kind = MOVE };
		printf("@%d|lookup_slow: breaks a COW\n", _pid);
		event();
		NO_JUMP;
		d_step { a = 0; b = 0; kind = 0 }
	:: skip
	fi;
#endif
	do
	:: number < BATCH && p + number < PAGES && p / PER_LEAF == (p + number) / PER_LEAF ->
		d_step {
			i = p + number;
			if
			:: pte[i] && (!w || pte_write[i]) ->
				got[number] = pte[i];
				refs[pte[i]] = refs[pte[i]] + 1;
				printf("@%d|lookup: page %d is frame %c\n", _pid, i, NAME(pte[i]));
				i = number;
				number++
			:: else -> i = BATCH
			fi
		};
		if
		:: i == BATCH -> i = 0; break
		:: else
#ifdef DIRTY_EARLY
			mark_dirty();
#endif
		fi
	:: break
	od;
	install_pages();
	NO_JUMP;
#ifdef DIRTY_LATE
	d_step { printf("@%d|the references are dropped\n", _pid); put_pages(0) };
	i = 0;
	do
	:: i < number -> mark_dirty(); i++
	:: else -> i = 0; break
	od;
	NO_JUMP;
	d_step { put_pages(1) }
#else
	d_step { printf("@%d|the references are dropped\n", _pid); put_pages(0); put_pages(1) }
#endif
}

proctype faulter(byte me)
{
	byte r, p, i, number, spare;
	byte got[BATCH];
#ifdef LEAF_BEFORE_LOCK
	byte place;
#endif
#ifdef OWN_HOOKS
	EVENT_LOCALS;
#endif
	bit w, x;

#ifdef REGISTER
	d_step { !lock -> in_tree[0] = 1; printf("@%d|region registered\n", _pid) };
#endif
	do
	:: atomic {
		pick(r, REGIONS - 1);
		pick(p, PAGES - 1);
		PICK_WRITE(w)
	   };
	   if
	   :: !CANCELLED -> install_batch()
#ifndef NO_FAULT_IN
	   :: d_step { !ptl && !PAGE_LOCKED(p) -> page_fault(p, w) }
#endif
	   fi;
	   d_step { r = 0; p = 0; w = 0 }
	:: break
	od
}

/* The copy. */
inline touch()
{
	printf("@%d|copy: page %d, frame %c\n", _pid, p, NAME(f));
	MUST(F1, !returned[p]);
	MUST(OWNER, SAME_FRAME(f, p));
	MUST(F8, !gone[r]);
	MUST(F9, !stale);
	MUST(ENTRY, ENTRY_TRUE(p, f));
	MUST(F5, !w || MAY_WRITE(p));
	DATA_ONLY(unsaved[f] = unsaved[f] || w)
}

/* copy.c: touch_page(), under transfer_begin() */
proctype device()
{
	byte r, p, n, f;
	bit w, stale;

	do
	:: atomic { /* sodp_table_lookup() */
		pick(r, REGIONS - 1);
		pick(p, PAGES - 1);
		PICK_WRITE(w);
		n = LEAF_OF(r, p);
		if
		:: n -> rcu_lock(); printf("@%d|finds the leaf of page %d\n", _pid, p)
		:: else
		fi
	   };
	   if
	   :: n ->
		d_step { /* sodp_entry_begin() */
			printf("@%d|reads the entry there\n", _pid);
			MUST(FREED, ALIVE(n));
			if
			:: frame_of[AT(n, p)] && (!w || writable[AT(n, p)]) ->
				f = frame_of[AT(n, p)];
				count[AT(n, p)] = count[AT(n, p)] + 1;
				stale = met[p] && pte[p] != f;
				printf("@%d|begin: page %d is frame %c, count %d\n", _pid, p, NAME(f), count[AT(n, p)])
			:: else ->
				printf("@%d|begin: page %d is not PRESENT\n", _pid, p);
				rcu_unlock()
			fi
		};
		if
		:: f ->
#ifdef TRANSFER_LOCKS
			!lock;
#endif
			d_step { touch() };
			d_step { /* sodp_entry_end() */
				printf("@%d|end: page %d\n", _pid, p);
				MUST(FREED, ALIVE(n) && count[AT(n, p)]);
				count[AT(n, p)] = count[AT(n, p)] - 1;
				f = 0;
				stale = 0;
				rcu_unlock()
			}
		:: else
		fi
	   :: else
	   fi;
	   d_step { r = 0; p = 0; w = 0; n = 0 }
	:: break
	od
}
