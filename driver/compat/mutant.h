/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mutants: a module built with -DSODP_MUTANT_NAME=1 has one rule broken on
 * purpose. The test suite must fail on it; docs/testing.md says which test
 * catches which. In an ordinary build each is the constant 0.
 */
#ifndef SODP_COMPAT_MUTANT_H
#define SODP_COMPAT_MUTANT_H

#ifndef SODP_MUTANT_NO_INVALIDATE
#define SODP_MUTANT_NO_INVALIDATE 0 /* start hook clears no entries */
#endif
#ifndef SODP_MUTANT_NO_DRAIN
#define SODP_MUTANT_NO_DRAIN 0 /* start hook waits for no transfer */
#endif
#ifndef SODP_MUTANT_NO_PREEMPT_OFF
#define SODP_MUTANT_NO_PREEMPT_OFF 0 /* transfers run preemptible */
#endif
#ifndef SODP_MUTANT_DIRTY_LATE
#define SODP_MUTANT_DIRTY_LATE 0 /* dirty after the entry is published */
#endif
#ifndef SODP_MUTANT_NO_RECHECK
#define SODP_MUTANT_NO_RECHECK 0 /* install without asking the log */
#endif

/*
 * Breaks no rule: each transfer takes 300 us longer, so that a race with one
 * that is not waited for is wide enough to be seen. The suite passes with it.
 */
#ifndef SODP_MUTANT_SLOW_COPY
#define SODP_MUTANT_SLOW_COPY 0
#endif

#define SODP_MUTANT(name) (SODP_MUTANT_##name)

#endif
