#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

usage() {
	cat <<'END'
Loads the driver with one rule broken (driver/compat/mutant.h), once for each rule that the suite must defend, and runs
the tests that should notice, in a guest of its own each. A mutant that passes them all has survived: that is a failure.
So is a test that fails without a mutant, on the same module.

Usage: tests/vm/mutants.sh [OPTION]... [NAME]...      (a name may be a pattern; without one: every mutant)

  --repeat N    until each was looked for so many times, those in tests/vm/MUTANTS included; without it: once more
  --results     only prints what all runs add up to
  --short       only the fast ones, for everyday use, and all in one guest
  --build       only builds the modules
  --kernel K    only those that are looked for on this kernel
  --control     only the runs without a mutant
  --list        the table: mutant, kernel, widen, seconds for a test, tests

In the environment, for who works beside others: SD_MUTANT_MODULES, a folder to build the modules in, and SD_MUTANT_BIN, one
with test programs.

One TAP line for each mutant, over all runs on the same sources of the driver. Each run is added to tests/vm/MUTANTS when it
ends (but those of --short): who is interrupted goes on where it was.
END
}

set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$SD_VM/kernel.sh"
. "$SD_VM/mutant_results.sh"

# MUTANT  KERNEL  WIDEN (driver/compat/mutant.c: leaf,transfer,install,start,end)  SECONDS for a test
# TESTS, in turn until one notices (mutant_guest.sh)
table() {
	cat <<'END'
no_invalidate        stock  0              10  stress:dontneed
late_invalidation    stock  0,0,0,0,10000  20  stress:rule-third-thread
no_drain             stock  0,5000,0,0,0   20  stress:rule-two-hooks
drain_skip_cleared   stock  0,20000,0,0,0  60  stress:rule-two-hooks
no_recheck           stock  0,0,5000,0,0   20  stress:dontneed
log_only_overlap     stock  0,0,0,10000,0  20  stress:rule-range-first
leaf_free_early      debug  1000,0,0,0,0   30  stress:rule-leaf
dirty_early          stock  0,0,1000,5000,0  20  stress:rule-dirty
dirty_late           stock  0              10  mmevents:madv-free
thp_neighbour_write  stock  0              10  stress:rule-huge
bounds_off_by_one    stock  0              10  mmevents:tiny
stale_key            stock  0              10  stress:rule-key
no_preempt_off       debug  0              20  mmevents:tiny
never_young          stock  0              20  stress:young
no_cpu_patience      stock  0              20  reliability:busy
END
}
# The second may spoil memory: nothing comes after it.
SHORT='stale_key late_invalidation'

modules=${SD_MUTANT_MODULES:-$SD_BUILD/mutants}
repeat='' wanted=() kernel='' control='' short='' only_build=''
while [ $# -gt 0 ]; do
	case $1 in
	--repeat) repeat=${2:?--repeat needs a number}; shift ;;
	--only) wanted+=("${2:?--only needs a name}"); shift ;;
	--kernel) kernel=${2:?--kernel needs a name}; shift ;;
	--short) short=1 ;;
	--build) only_build=1 ;;
	--control) control=1 ;;
	--list) table; exit 0 ;;
	--results) mutant_results; exit 0 ;;
	-h | --help) usage; exit 0 ;;
	-*) usage >&2; die "unknown option $1" ;;
	*) wanted+=("$1") ;;
	esac
	shift
done
[[ ${repeat:-1} =~ ^[1-9][0-9]*$ ]] || die "--repeat needs a number, not '$repeat'"

# What is done every day, or without git, is counted for itself.
hash=''
[ -n "$short" ] || hash=$(results_hash 2>/dev/null || true)
if [ -z "$hash" ]; then
	hash=unknown MUTANT_RESULTS=$SD_BUILD/logs/mutants/RESULTS
	mkdir -p "${MUTANT_RESULTS%/*}"
	[ -n "$only_build" ] || : >"$MUTANT_RESULTS"
fi

# is_wanted MUTANT KERNEL
is_wanted() {
	local pattern
	[ -z "$kernel" ] || [ "$2" = "$kernel" ] || return 1
	[ -z "$short" ] || [[ " $SHORT " == *" $1 "* ]] || return 1
	[ "${#wanted[@]}" -gt 0 ] || return 0
	for pattern in "${wanted[@]}"; do
		# shellcheck disable=SC2053 # the pattern is one
		[[ $1 != $pattern ]] || return 0
	done
	return 1
}

number=0 passed=0 failed=0
verdict() {
	local ok=$1
	shift
	number=$((number + 1))
	if [ "$ok" = 1 ]; then
		passed=$((passed + 1))
		echo "ok $number - $*"
	else
		failed=$((failed + 1))
		echo "not ok $number - $*"
	fi
}

# build KERNEL: one module for all mutants.
build() {
	local out=$modules/$1
	mkdir -p "$out" "$SD_BUILD/logs/mutants"
	"$SD_VM/module.sh" "$1" "$out" -DSODP_MUTANTS=1 >"$SD_BUILD/logs/mutants/build-$1.log" 2>&1 ||
		die "the module with mutants does not build for $1; see $SD_BUILD/logs/mutants/build-$1.log"
}

# guest LOG KERNEL MUTANT WIDEN SECONDS TEST...: sets for MUTANT, and each that a mutant=NAME among the tests loads,
# RESULT[NAME] to noticed, missed, or broken (it did not work at all), MS[NAME], BY[NAME], SKIPPED[NAME].
declare -A RESULT MS BY SKIPPED
guest() {
	local log=$1 on=$2 name=$3 mutant=$3 widen=$4 seconds=$5 line rest rc started='' running='' test tests=0
	shift 5
	mkdir -p "$log"
	for line in "mutant=$name" "$@"; do
		[[ $line != mutant=* ]] || RESULT[${line#*=}]=broken MS[${line#*=}]=0 BY[${line#*=}]='' SKIPPED[${line#*=}]=''
	done
	tests=$(tests_of "$name" "mutant=$name" "$@")
	LOG=$log
	while IFS= read -r line; do
		case $line in
		'mutant loaded '*)
			name=${line#mutant loaded }
			tests=$(tests_of "$name" "$@")
			;;
		'mutant start '*)
			running=${line#mutant start }
			started=${EPOCHREALTIME/./}
			;;
		'mutant skipped '*) SKIPPED[$name]+=" ${line#mutant skipped };" ;;
		'mutant missed '*)
			tests=$((tests - 1)) running='' MS[$name]=$((MS[$name] + ${line##* }))
			[ "$tests" != 0 ] || RESULT[$name]=missed
			;;
		'mutant noticed '*)
			read -r _ _ test MS[$name] rest <<<"$line"
			RESULT[$name]=noticed BY[$name]="$test ($rest)" running=''
			;;
		esac
	done < <(
		rc=0
		"$SD_VM/vm" --kernel "$on" --module "$modules/$on/softodp.ko" --module-args "mutant=$mutant widen=$widen" \
			--smp 4 --disk 1G --timeout 900 --dirty-ok --log "$log/guest" -- \
			env SD_MUTANT_BIN="${SD_MUTANT_BIN:-}" bash "$SD_VM/mutant_guest.sh" "$seconds" "$@" 2>"$log/vm.log" </dev/null || rc=$?
		echo "$rc" >"$log/status"
	)
	rc=$(<"$log/status")
	if [ -n "$running" ]; then
		# The kernel did not live to say it in the guest. Without a word of its own that may be anything: no verdict.
		MS[$name]=$(((${EPOCHREALTIME/./} - started) / 1000))
		rest=$(. "$SD_VM/check.sh" && grep -oE "($CHECK_BAD).*" "$log/guest/console.log" | head -n 1 | cut -c1-100) || true
		[ -z "$rest" ] || RESULT[$name]=noticed BY[$name]="$running (the guest ended in it: $rest)"
	elif [ "${RESULT[$name]}" = missed ]; then
		# Or it was said by the kernel when all was over.
		if [ "$rc" != 0 ]; then
			RESULT[$name]=broken
		elif grep -q '^dirty ' "$log/guest/report.log"; then
			RESULT[$name]=noticed MS[$name]=$(((${EPOCHREALTIME/./} - started) / 1000))
			BY[$name]="the kernel, in the end: $(sed -n 's/^dirty //p' "$log/guest/report.log" | head -n 1)"
		fi
	fi
}

# tests_of MUTANT WORD...: how many tests it has among the words, after its mutant=.
tests_of() {
	local wanted=mutant=$1 word n=0 here=''
	shift
	for word in "$@"; do
		case $word in
		mutant=*) here=$([ "$word" != "$wanted" ] || echo 1) ;;
		widen=*) ;;
		*) n=$((n + ${here:-0})) ;;
		esac
	done
	echo "$n"
}

# missing MUTANT KERNEL WIDEN: how many runs are wanted still; sets what mutant_runs does, too.
missing() {
	mutant_runs "$hash" "$1" "$2" "$3"
	MISSING=$((${repeat:-$((RUNS + 1))} - RUNS))
}

# look_for MUTANT KERNEL WIDEN SECONDS TEST...: as often as is missing.
look_for() {
	local name=$1 on=$2 widen=$3 i from broken=0
	shift 2
	missing "$name" "$on" "$widen"
	from=$((RUNS + 1))
	for ((i = from; i < from + MISSING; i++)); do
		say "mutant $name on $on, run $i${repeat:+ of $repeat}: ${*:3}"
		guest "$SD_BUILD/logs/mutants/$name-$on-$i" "$on" "$name" "$@"
		case ${RESULT[$name]}${SKIPPED[$name]} in
		noticed*)
			mutant_record "$hash" "$name" "$on" "$widen" noticed "${MS[$name]}" "${BY[$name]}"
			note "noticed after $(seconds_of "${MS[$name]}") s by ${BY[$name]}"
			;;
		missed)
			mutant_record "$hash" "$name" "$on" "$widen" missed "${MS[$name]}" "${*:3}"
			note "missed; logs in $LOG"
			;;
		*) # what was skipped has missed nothing
			broken=$((broken + 1))
			note "${RESULT[$name]}${SKIPPED[$name]:+, skipped:${SKIPPED[$name]}}; logs in $LOG"
			tail -n 5 "$LOG/vm.log" >&2
			;;
		esac
	done
	mutant_runs "$hash" "$name" "$on" "$widen"
	if [ "$broken" -gt 0 ]; then
		verdict 0 "$name on $on: no verdict, $broken of $MISSING did not run to an end; see $LOG"
	elif [ "$CAUGHT" = "$RUNS" ]; then
		verdict 1 "$name on $on: noticed after $(seconds_of "$MEDIAN") s$(
			[ "$RUNS" = 1 ] || echo " (median of $RUNS, $(seconds_of "$LEAST") to $(seconds_of "$MOST") s)") by $RUN_BY"
	else
		verdict 0 "$name on $on: SURVIVED ${*:3}, noticed $CAUGHT times of $RUNS"
	fi
}

# control_tests KERNEL: the tests for its mutants, with the races as wide as for each of them; TESTS.
control_tests() {
	local name k widen seconds list
	TESTS=()
	while read -r name k widen seconds list; do
		if [ "$k" != "$1" ] || ! is_wanted "$name" "$1"; then continue; fi
		# shellcheck disable=SC2206 # a list of words
		TESTS+=("widen=$widen" ${list//,/ })
	done < <(table)
}

# nothing_missing KERNEL: all runs of its mutants have been, and one without.
nothing_missing() {
	local name on widen
	[ -n "$repeat" ] && [ -z "$short$control$only_build" ] || return 1
	while read -r name on widen _; do
		[ "$on" = "$1" ] && is_wanted "$name" "$on" || continue
		missing "$name" "$on" "$widen"
		[ "$MISSING" -le 0 ] || return 1
	done < <(table)
	mutant_runs "$hash" none "$1" -
	[ "$RUNS" != 0 ] && [ "$CAUGHT" = 0 ]
}

# Those tests without a mutant.
look_for_none() {
	local on=$1
	control_tests "$on"
	[ "${#TESTS[@]}" -gt 0 ] || return 0
	say "no mutant on $on: ${TESTS[*]}"
	guest "$SD_BUILD/logs/mutants/none-$on" "$on" none 0 10 "${TESTS[@]}"
	[ "${RESULT[none]}" = broken ] ||
		mutant_record "$hash" none "$on" - "${RESULT[none]}" "${MS[none]}" "${BY[none]:-${TESTS[*]}}"
	verdict_none "$on"
}

verdict_none() {
	case ${RESULT[none]} in
	missed) verdict 1 "none on $1: all tests pass${SKIPPED[none]:+ (skipped:${SKIPPED[none]})}" ;;
	noticed) verdict 0 "none on $1: ACCUSED by ${BY[none]}" ;;
	*) verdict 0 "none on $1: did not run, see $LOG" ;;
	esac
}

# All in one guest, first without a mutant. One of which that leaves no verdict has a guest of its own after all.
look_for_short() {
	local on=$1 short_name name k widen seconds list all=()
	control_tests "$on"
	for short_name in $SHORT; do
		while read -r name k widen seconds list; do
			[ "$name" = "$short_name" ] && [ "$k" = "$on" ] && is_wanted "$name" "$on" || continue
			# shellcheck disable=SC2206 # a list of words
			all+=("mutant=$name" "widen=$widen" ${list//,/ })
		done < <(table)
	done
	say "on $on: ${TESTS[*]} ${all[*]}"
	guest "$SD_BUILD/logs/mutants/short-$on" "$on" none 0 5 "${TESTS[@]}" "${all[@]}"
	verdict_none "$on"
	while read -r -u 4 name k widen seconds list; do
		[ "$k" = "$on" ] && is_wanted "$name" "$on" || continue
		if [ "${RESULT[$name]}" = noticed ]; then
			verdict 1 "$name on $on: noticed after $(seconds_of "${MS[$name]}") s by ${BY[$name]}"
		else
			# shellcheck disable=SC2086 # a list of words
			look_for "$name" "$on" "$widen" "$seconds" ${list//,/ }
		fi
	done 4< <(table)
}

mapfile -t kernels < <(table | while read -r name on _; do
	if is_wanted "$name" "$on"; then echo "$on"; fi
done | sort -ru)
[ "${#kernels[@]}" -gt 0 ] || die "no such mutant; see --list"
for on in "${kernels[@]}"; do
	! nothing_missing "$on" || continue
	build "$on"
	[ -z "$only_build" ] || continue
	if [ -n "$short" ]; then look_for_short "$on"; else look_for_none "$on"; fi
done
[ -z "$only_build" ] || exit 0
if [ -z "$control$short" ]; then
	while read -r -u 4 name on widen seconds list; do
		is_wanted "$name" "$on" || continue
		# shellcheck disable=SC2086 # a list of words
		look_for "$name" "$on" "$widen" "$seconds" ${list//,/ }
	done 4< <(table)
fi
echo "1..$number"
say "mutants: $passed passed, $failed failed"
[ "$failed" = 0 ]
