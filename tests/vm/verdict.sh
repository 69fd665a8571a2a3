# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Counts what passed and what did not. To be sourced after common.sh.

VERDICT_PASSED=0 VERDICT_FAILED=0 VERDICT_SKIPPED=0 VERDICT_BOOT=0 VERDICT_REST=() VERDICT_FAILURES=()

# verdict_add ok|fail|skip NAME [WHY]
verdict_add() {
	case $1 in
	ok) VERDICT_PASSED=$((VERDICT_PASSED + 1)) ;;
	skip) VERDICT_SKIPPED=$((VERDICT_SKIPPED + 1)) ;;
	*)
		VERDICT_FAILED=$((VERDICT_FAILED + 1))
		VERDICT_FAILURES+=("$2${3:+: $3}")
		;;
	esac
}

verdict_tap() {
	local n=$((VERDICT_PASSED + VERDICT_FAILED + VERDICT_SKIPPED))
	case $1 in
	ok) echo "ok $n - $2" ;;
	skip) echo "ok $n - $2 # SKIP ${3:-}" ;;
	*) echo "not ok $n - $2${3:+ # $3}" ;;
	esac
}

# verdict_of NAME LOG COMMAND...: the verdicts of a command that prints TAP; one from its status if it printed none.
verdict_of() {
	local name=$1 log=$2 rc=0
	shift 2
	progress "$name" "$log" "$@" || rc=$?
	verdict_read "$name" "$log" "$rc"
}

# verdict_read NAME LOG STATUS: the same of one that has run.
verdict_read() {
	local name=$1 log=$2 rc=$3 line seen='' failed_before=$VERDICT_FAILED
	while read -r line; do
		seen=1
		case $line in
		*'# SKIP'*) verdict_each skip "$name: $(verdict_name "$line")" ;;
		ok*) verdict_each ok "$name: $(verdict_name "$line")" ;;
		*) verdict_each fail "$name: $(verdict_name "$line")" ;;
		esac
	done < <(grep -E '^(not )?ok\b' "$log")
	if [ "$rc" != 0 ] && [ "$VERDICT_FAILED" = "$failed_before" ]; then
		verdict_each fail "$name" "status $rc"
	elif [ -z "$seen" ]; then
		verdict_each ok "$name"
	fi
}

verdict_each() {
	verdict_add "$@"
	verdict_tap "$@"
}

# verdict_name LINE: the name in a line of TAP.
verdict_name() { sed -E 's/^(not )?ok *[0-9]* *-? *//; s/ *#.*//' <<<"$1"; }

# verdict_ctest LOG PATTERN: one for each line of ctest's, like "1/3 Test #1: t_psn ....   Passed    0.01 sec".
verdict_ctest() {
	local log=$1 pattern=$2 name status verdict
	if grep -q 'No tests were found' "$log"; then
		verdict_each fail "host tests" "ctest found none"
		return 0
	fi
	while read -r name status; do
		# shellcheck disable=SC2053 # the pattern is one
		[[ $name == $pattern ]] || continue
		case $status in
		Passed*) verdict=ok ;;
		*Skipped*) verdict=skip ;;
		*) verdict=fail ;;
		esac
		verdict_each "$verdict" "host: $name"
	done < <(sed -nE 's|^ *[0-9]+/[0-9]+ Test +#[0-9]+: ([^ ]+) \.*\**(.*)$|\1 \2|p' "$log" | sed -E 's/ +/ /g')
	if grep -q 'tests failed out of' "$log" && ! grep -q ' 0 tests failed' "$log"; then
		grep -vE '^ *[0-9]+/[0-9]+ Test|^ +Start' "$log" | tail -n 40 >&2
	fi
	grep -q 'tests failed out of' "$log" || { verdict_add fail "host tests" "ctest did not finish"; tail -n 5 "$log" >&2; }
}

# verdict_guest LABEL LOG STATUS TEST...: from the guest's report. A test without a verdict failed; the tests after it did
# not run and are left in VERDICT_REST.
verdict_guest() {
	local label=$1 log=$2 status=$3 test line failed_before=$VERDICT_FAILED why
	shift 3
	VERDICT_REST=()
	while [ $# -gt 0 ]; do
		test=$1
		line=$(grep -E "^result [a-z]+ $test " "$log/report.log" 2>/dev/null | tail -n 1) || true
		[ -n "$line" ] || break
		read -r _ verdict _ _ why <<<"$line"
		verdict_add "$verdict" "$label: $test" "$why"
		shift
	done
	if [ $# -gt 0 ]; then
		why="the guest ended in it"
		grep -q "^start $1\$" "$log/report.log" 2>/dev/null || why="the guest did not get that far"
		verdict_each fail "$label: $1" "$why"
		shift
		VERDICT_REST=("$@")
	else
		verdict_leaks "$label" "$log"
	fi
	if [ "$status" != 0 ] && [ "${#VERDICT_REST[@]}" = 0 ] && [ "$VERDICT_FAILED" = "$failed_before" ]; then
		verdict_each fail "$label: guest" "its kernel complained, or it did not end well (status $status)"
	fi
}

verdict_leaks() {
	local verdict why
	grep -q '^start kmemleak' "$2/report.log" || return 0
	read -r _ verdict _ _ why < <(grep '^result [a-z]* kmemleak' "$2/report.log" || echo "result fail kmemleak 0 no answer")
	verdict_add "$verdict" "$1: kmemleak" "$why"
}

# verdict_print: the failures again, and the last line; false if anything failed.
verdict_print() {
	local failure skipped=''
	for failure in "${VERDICT_FAILURES[@]}"; do
		warn "failed: $failure"
	done
	[ "$VERDICT_SKIPPED" = 0 ] || skipped=", $VERDICT_SKIPPED skipped"
	echo "$VERDICT_PASSED passed, $VERDICT_FAILED failed$skipped"
	[ "$VERDICT_FAILED" = 0 ] && [ "$VERDICT_PASSED" != 0 ]
}
