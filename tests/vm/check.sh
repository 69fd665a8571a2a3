# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# What the kernel must never say while a test runs. To be sourced.

# Reports begin with one of these; "Call Trace" alone is no verdict (an OOM kill that a test asked for prints one).
CHECK_BAD='(^|[^A-Za-z_])(WARNING|BUG|KASAN|KCSAN|UBSAN|ODEBUG|Oops|INFO): '
CHECK_BAD+='|memory corruption|soft lockup|hard LOCKUP|general protection fault|kernel NULL pointer|Unable to handle'
CHECK_BAD+='|rcu.*(detected stalls|self-detected stall)|blocked for more than|suspicious RCU|refcount_t: '
CHECK_BAD+='|list_(add|del) corruption|Bad page|bad page map|Bad rss-counter|Kernel panic|unregister_netdevice: waiting'
CHECK_BAD+='|scheduling while atomic|sleeping function called|held lock freed|DEBUG_LOCKS_WARN_ON|new suspected memory leak'
CHECK_BAD+='|page allocation failure|double fault|nobody cared|workqueue lockup|ref_tracker: |Objects remaining in'
CHECK_BAD+='|trying to register non-static key|percpu ref .* <= 0|Freeing .* with refs|corrupted stack end'

# Said by healthy kernels in these guests.
CHECK_FINE='INFO: lockdep is turned off|lockdep is turned off\.$|WARNING: dummy'
# And by a sick one: Linux 6.1 of today gives up the shared page tables of a huge page mapping that is split before it takes
# the lock that the same function asserts (__vma_adjust, hugetlb_split: "Get rid of huge pages and shared page tables").
CHECK_FINE+='|WARNING: .* at include/linux/fs.h:[0-9]+ (hugetlb_split|hugetlb_unshare_pmds|__huge_pmd_unshare|huge_pmd_unshare_flush)\+'
# Counters for each CPU that a file system moves with preemption on, in the fault of whoever writes to a mapped file.
CHECK_FINE+='|KCSAN: data-race in __xfs_trans_commit / __xfs_trans_commit$'

# check_since NAME: the part of dmesg since NAME started, all of it if the start was overwritten or NAME is empty.
check_since() {
	/bin/busybox dmesg | /bin/busybox awk -v mark="softodp-run: $1: start" '
		index($0, mark) { n = 0 }
		{ line[n++] = $0 }
		END { for (i = 0; i < n; i++) print line[i] }'
}

# A race that KCSAN reports is ours if one of its stacks has a function of the driver; the kernel has many of its own. What an
# interrupt came upon is no part of what the interrupt did. The report is all between two lines of "=".
check_races() {
	/bin/busybox awk '
		/=====================$/ && !held { held = 1; text = $0; is_race = ours = met = 0; next }
		held {
			text = text "\n" $0
			if ($0 ~ /BUG: KCSAN: /) is_race = 1
			if ($0 ~ /bytes by /) met = 0
			if ($0 ~ /asm_(sysvec_|common_interrupt)/) met = 1
			if ($0 ~ /\[softodp\]/ && !met) ours = 1
			if ($0 ~ /=====================$/) {
				if (!is_race || ours) print text
				held = 0
			}
			next
		}
		{ print }
		END { if (held) print text }'
}

# check_dirty NAME ALLOW: the lines since then that are failures; ALLOW is a regular expression of what this test provokes
# on purpose.
check_dirty() {
	local bad
	bad=$(check_since "$1" | check_races | grep -E "$CHECK_BAD") || return 0
	grep -vE "$CHECK_FINE${2:+|$2}" <<<"$bad"
}
