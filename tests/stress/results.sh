# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# What long runs of the stress add up to. To be sourced after tests/vm/common.sh.

. "$SD_ROOT/tests/results.sh"

STRESS_RESULTS=$SD_ROOT/tests/stress/RESULTS
STRESS_HEADING='driver/ (git tree), kernel, seed, seconds, scenarios passed, failed (or complaints), skipped, accesses, events, pages in'

# stress_record HASH KERNEL LOG FAILED: a run to the results. One of chosen scenarios has fewer of them passed.
stress_record() {
	local line
	line=$(sed -n 's/^# total: seed //p' "$3" | tail -n 1 | awk -v failed="$4" '{ gsub(/,/, ""); print $1, $2, $4, failed, $8, $10, $12, $14 }')
	# Of a guest that died only that is known.
	# shellcheck disable=SC2086 # words on purpose
	results_add "$STRESS_RESULTS" "$STRESS_HEADING" 3 "$1" "$2" ${line:-unknown 0 0 $4 0 0 0 0}
}

# stress_results: the sums by driver and kernel; those of the sources as they are now are marked.
stress_results() {
	[ -e "$STRESS_RESULTS" ] || die "no results yet: $STRESS_RESULTS"
	awk -v now="$(results_hash)" '
	/^#/ { next }
	{
		key = $1 " " $2
		if (!(key in runs)) order[n++] = key
		runs[key]++
		for (i = 4; i <= 10; i++) sum[key, i] += $i
	}
	END {
		printf "%-12s %-7s %5s %8s %8s %7s %14s %10s %12s\n",
			"driver", "kernel", "runs", "minutes", "passed", "failed", "accesses", "events", "pages in"
		for (j = 0; j < n; j++) {
			split(order[j], k, " ")
			printf "%.12s %-7s %5d %8.1f %8d %7d %14d %10d %12d%s\n", k[1], k[2], runs[order[j]], sum[order[j], 4] / 60,
				sum[order[j], 5], sum[order[j], 6], sum[order[j], 8], sum[order[j], 9], sum[order[j], 10], k[1] == now ? "  (as it is now)" : ""
		}
	}' "$STRESS_RESULTS"
}
