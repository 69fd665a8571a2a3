/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * mem/fence.c: the hooks, and who calls them. The caller has HOOK_LOCALS and
 * its range in a and b.
 */
bit in_tree[REGIONS];
bit dead[REGIONS];
bit gone[REGIONS]; /* deregistration, or release, has returned */
bit mm_dead;

#define HOOK_LOCALS              \
	byte a, b, k, e, n, reg; \
	byte cleared;            \
	bit busy, logged

#define EVENT_LOCALS     \
	HOOK_LOCALS;     \
	byte old, frame; \
	mtype kind

/* interval_tree_iter_next() */
inline next_region()
{
	do
	:: reg < REGIONS && !in_tree[reg] -> reg++
	:: else -> break
	od;
	NO_JUMP
}

/* sweep_regions(): the lock is dropped for each, and taken to find the next */
inline sweep_regions()
{
	do
	:: reg < REGIONS ->
		sweep(reg, a, b);
		d_step { !lock -> reg++; next_region() }
	:: else -> reg = 0; break
	od;
	NO_JUMP
}

/* fence_start(): the range first, then the regions that are there */
inline fence_start()
{
	d_step {
		!lock -> reg = 0;
		next_region();
#ifdef LOG_ONLY_OVERLAP
		logged = reg < REGIONS;
#else
		logged = 1;
#endif
		if
		:: logged ->
			log_begin(a, b);
			printf("@%d|start hook: pages %d-%d active\n", _pid, a, b)
		:: else -> printf("@%d|start hook: no region\n", _pid)
		fi;
		EVERYWHERE(begun, 1)
	};
#if defined(SWEEP_AT_END)
	reg = 0;
#elif defined(NO_INVALIDATE)
	reg = 0;
#else
	sweep_regions();
#endif
	NO_JUMP;
	d_step {
		EVERYWHERE(returned, 1);
		printf("@%d|start hook returns\n", _pid)
	}
}

/* fence_end() */
inline fence_end()
{
#ifdef SWEEP_AT_END
	d_step { !lock -> reg = 0; next_region() };
	sweep_regions();
	NO_JUMP;
#endif
	d_step {
		!lock -> printf("@%d|end hook: pages %d-%d\n", _pid, a, b);
		EVERYWHERE(returned, -1);
		EVERYWHERE(begun, -1);
		if
		:: logged -> log_end(a, b); logged = 0
		:: else
		fi
	}
}

#if defined(LATE_INVALIDATE)
/* 2008: the page table first, the device's entry after it; then A is freed. */
inline event()
{
	d_step { old = pte[a]; refs[old] = refs[old] + 1; change(a, kind) };
	fence_start();
	fence_end();
	d_step { refs[old] = refs[old] - 1; old = 0 }
}
#elif defined(IN_LOCK)
/* 2008: under the page-table lock, between the PTE's old value and its new. */
inline event()
{
	d_step {
		!ptl -> ptl = 1;
		old = pte[a];
		refs[old] = refs[old] + 1;
		met[a] = 0;
		pte[a] = 0;
		printf("@%d|page-table lock, PTE of page %d cleared\n", _pid, a)
	};
	fence_start();
	fence_end();
	d_step {
		pte[a] = old;
		change(a, kind);
		refs[old] = refs[old] - 1;
		old = 0;
		ptl = 0
	}
}
#else
inline event()
{
#ifdef DATA
	d_step { /* folio_lock() */
		!page_lock[a] || !(kind == CLEAN || kind == RECLAIM) ->
		if
		:: kind == CLEAN || kind == RECLAIM -> page_lock[a] = 1; frame = pte[a]
		:: else
		fi
	};
#endif
	fence_start();
	old = a;
	do
	:: old <= b -> d_step { change(old, kind); old++ }
	:: else -> old = 0; break
	od;
	NO_JUMP;
	fence_end();
#ifdef DATA
	d_step {
		if
		:: kind == CLEAN -> write_back(frame); page_lock[a] = 0
		:: kind == RECLAIM -> drop_frame(a, frame); page_lock[a] = 0
		:: else
		fi;
		frame = 0
	}
#endif
}
#endif

proctype remapper()
{
	EVENT_LOCALS;
	byte round;

	do
	:: round < ROUNDS ->
		atomic {
			if
			:: kind = KIND_1
			:: kind = KIND_2
			fi;
			do
			:: a < PAGES - 1 -> a++
			:: break
			od;
			b = a;
#ifndef ONE_PAGE
			do
			:: b < PAGES - 1 -> b++
			:: break
			od;
#endif
			round++
		};
		event();
		d_step { a = 0; b = 0; kind = 0 }
	:: break
	od
}

#ifdef DEREGISTER
/* sodp_region_deregister() of region 0 */
proctype deregister()
{
	HOOK_LOCALS;

	b = PAGES - 1;
	d_step { !lock -> dead[0] = 1; printf("@%d|deregister: the region is dead\n", _pid) };
	sweep(0, a, b);
	d_step { gone[0] = 1; printf("@%d|deregister returns\n", _pid) };
	MUST(F8, !ANY_LEAF(0))
}
#endif

#ifdef RELEASE
/* fence_release(): a range that never ends */
proctype release()
{
	HOOK_LOCALS;

	b = PAGES - 1;
	d_step {
		!lock -> mm_dead = 1;
		log_begin(a, b);
		EVERYWHERE(begun, 1);
		next_region();
		printf("@%d|release hook: dead, and all is active\n", _pid)
	};
	sweep_regions();
	d_step {
		EVERYWHERE(returned, 1);
		reg = 0;
		do
		:: reg < REGIONS -> gone[reg] = 1; reg++
		:: else -> break
		od;
		reg = 0;
		printf("@%d|release hook returns\n", _pid)
	};
	MUST(F8, !ANY_LEAF(0))
}
#endif
