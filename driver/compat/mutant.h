/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mutants: a module built with -DSODP_MUTANTS=1 has one rule broken on
 * purpose, which the parameter `mutant` names when it is loaded. The tests
 * must fail on it; docs/testing.md says which test catches which. In an
 * ordinary build each question is the constant 0, and there is no parameter.
 */
#ifndef SODP_COMPAT_MUTANT_H
#define SODP_COMPAT_MUTANT_H

/* M(enum suffix, name, what it does wrong) */
#define SODP_MUTANT_LIST(M)                                                  \
	M(NO_INVALIDATE, no_invalidate, "start hook clears no entries")      \
	M(LATE_INVALIDATION, late_invalidation,                              \
	  "entries are cleared in the end hook, not in the start hook")      \
	M(NO_DRAIN, no_drain, "start hook waits for no transfer")            \
	M(DRAIN_SKIP_CLEARED, drain_skip_cleared,                            \
	  "start hook waits, unlocked, only where PRESENT was still set")    \
	M(NO_RECHECK, no_recheck, "install without asking the log")          \
	M(LOG_ONLY_OVERLAP, log_only_overlap,                                \
	  "a range is recorded only when it overlaps a region")              \
	M(LEAF_FREE_EARLY, leaf_free_early,                                  \
	  "a leaf is freed without a grace period")                          \
	M(DIRTY_EARLY, dirty_early,                                          \
	  "dirty when the page was looked up, not when it is installed")     \
	M(DIRTY_LATE, dirty_late, "dirty long after the entry is published") \
	M(THP_NEIGHBOUR_WRITE, thp_neighbour_write,                          \
	  "a PTE's right is given to neighbours in the same huge page")      \
	M(BOUNDS_OFF_BY_ONE, bounds_off_by_one,                              \
	  "a region is one byte longer than it was registered")              \
	M(STALE_KEY, stale_key,                                              \
	  "a deregistered key answers for a grace period more")              \
	M(NO_PREEMPT_OFF, no_preempt_off, "transfers run preemptible")       \
	M(NO_CPU_PATIENCE, no_cpu_patience,                                  \
	  "a queue pair waits for its CPU, however long that is busy")       \
	M(NEVER_YOUNG, never_young, "what the device used counts as idle")   \
	M(WINDOW_LONGER, window_longer,                                      \
	  "a window reaches to the end of its region")                       \
	M(WINDOW_ANY_USER, window_any_user,                                  \
	  "a window of type 2 is for every queue pair of its domain")        \
	M(WINDOW_STALE, window_stale,                                        \
	  "a window that was invalidated still admits")                      \
	M(WINDOW_NO_DRAIN, window_no_drain,                                  \
	  "who ends a window's binding waits for no access by it")           \
	M(NO_QKEY, no_qkey, "a datagram's Q_Key is not looked at")           \
	M(MCAST_ANY_GROUP, mcast_any_group,                                  \
	  "a datagram to a group goes to the members of some group")

enum sodp_mutant {
	SODP_MUTANT_NONE,
#define M(id, name, text) SODP_MUTANT_##id,
	SODP_MUTANT_LIST(M)
#undef M
	SODP_MUTANT_NUM
};

#ifdef SODP_MUTANTS
extern enum sodp_mutant sodp_mutant; /* mutant.c, or the host's shim */
#else
#define sodp_mutant SODP_MUTANT_NONE
#endif

#define SODP_MUTANT(id) (sodp_mutant == SODP_MUTANT_##id)

/*
 * Points at which nothing has to follow soon. With the parameter `widen` each
 * may last up to that many microseconds longer, so that a race that a mutant
 * opens there is wide enough to be seen. This breaks no rule: with it and
 * without a mutant all tests pass.
 */
enum sodp_point {
	SODP_AT_LEAF, /* a transfer has found its leaf, not its entry */
	SODP_AT_TRANSFER, /* ... has begun */
	/* From here on it can sleep. */
	SODP_AT_INSTALL, /* a fault has looked pages up, not installed */
	SODP_AT_START, /* a start hook is through */
	SODP_AT_END, /* an end hook begins */
	SODP_POINTS
};

#ifndef SODP_WIDEN /* the host's tests have one of their own */
#ifdef SODP_MUTANTS
void sodp_widen(enum sodp_point point);
#define SODP_WIDEN(point) sodp_widen(SODP_AT_##point)
#else
#define SODP_WIDEN(point) ((void)SODP_AT_##point)
#endif
#endif

#endif
