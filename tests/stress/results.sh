# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# What long runs of the stress add up to. To be sourced after tests/vm/common.sh.

. "$SD_ROOT/tests/results.sh"

STRESS_RESULTS=$SD_ROOT/tests/stress/RESULTS
STRESS_HEADING='driver/ (git tree), kernel, seed, seconds, scenarios passed, failed (or complaints), skipped, accesses, events, pages in'

STRESS_THIRD=$SD_ROOT/tests/stress/THIRD
STRESS_THIRD_HEADING='driver/ (git tree), kernel, seed, third-* scenarios, device accesses, CPU accesses, page moves, away and back, splits'

# stress_third LOG: what the scenarios of the third thread say of themselves, also in a guest that died later.
stress_third() {
	awk '
	/^# third-[a-z]+: [0-9]+ device and [0-9]+ CPU accesses, [0-9]+ page moves.* splits/ {
		n++; device += $3; cpu += $6; moves += $9
		for (i = 10; i <= NF; i++) {
			if ($i == "moves" && $(i + 1) == "away") back += $(i - 1)
			if ($i ~ /^splits/) splits += $(i - 1)
		}
	}
	END { if (n) printf "%d %.0f %.0f %.0f %.0f %d\n", n, device, cpu, moves, back, splits }' "$1"
}

# stress_record HASH KERNEL LOG FAILED: a run to the results. One of chosen scenarios has fewer of them passed.
stress_record() {
	local line third seed
	line=$(sed -n 's/^# total: seed //p' "$3" | tail -n 1 | awk -v failed="$4" '{ gsub(/,/, ""); print $1, $2, $4, failed, $8, $10, $12, $14 }')
	# Of a guest that died only that is known.
	# shellcheck disable=SC2086 # words on purpose
	results_add "$STRESS_RESULTS" "$STRESS_HEADING" 3 "$1" "$2" ${line:-unknown 0 0 $4 0 0 0 0}
	seed=$(sed -n 's/^# seed \(0x[0-9a-f]*\),.*/\1/p' "$3" | tail -n 1)
	third=$(stress_third "$3")
	# shellcheck disable=SC2086 # words on purpose
	[ -z "$third" ] || results_add "$STRESS_THIRD" "$STRESS_THIRD_HEADING" 3 "$1" "$2" "${seed:-unknown}" $third
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
			printf "%.12s %-7s %5d %8.1f %8d %7d %14.0f %10.0f %12.0f%s\n", k[1], k[2], runs[order[j]], sum[order[j], 4] / 60,
				sum[order[j], 5], sum[order[j], 6], sum[order[j], 8], sum[order[j], 9], sum[order[j], 10], k[1] == now ? "  (as it is now)" : ""
		}
	}' "$STRESS_RESULTS"
	[ ! -e "$STRESS_THIRD" ] || stress_third_results
}

# ... and of the third thread.
stress_third_results() {
	awk -v now="$(results_hash)" '
	/^#/ { next }
	{
		key = $1 " " $2
		if (!(key in runs)) order[n++] = key
		runs[key]++
		for (i = 5; i <= 9; i++) sum[key, i] += $i
	}
	END {
		printf "\nthird thread\n%-12s %-7s %5s %14s %14s %12s %14s %7s\n",
			"driver", "kernel", "runs", "by the device", "by the CPU", "page moves", "away and back", "splits"
		for (j = 0; j < n; j++) {
			key = order[j]
			split(key, k, " ")
			printf "%.12s %-7s %5d %14.0f %14.0f %12.0f %14.0f %7d%s\n", k[1], k[2], runs[key], sum[key, 5], sum[key, 6],
				sum[key, 7], sum[key, 8], sum[key, 9], k[1] == now ? "  (as it is now)" : ""
		}
	}' "$STRESS_THIRD"
}
