#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 60
# kernels: stock rt
# long: debug
#
# The numbers that a region shows, step by step, are those that are written down: what `rdma statistic show mr` prints is
# compared with the table of docs/semantics.md. And what `rdma resource show mr` says that a region is.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# Nothing but the steps moves or takes pages.
echo 0 >/proc/sys/kernel/numa_balancing 2>/dev/null || true
sd_dummy d0
sd_link sodp0 d0

# The table's rows: what was done, then page_faults (major), pages in, invalidations, pages out, resident.
mapfile -t rows < <(sed -n '/^| step | page_faults (major) |/,/^$/s/^| \([^|]*\) | \([0-9].*\) |$/\1|\2/p' "$SD_ROOT/docs/semantics.md")
[ "${#rows[@]}" = 7 ] || sd_fail "docs/semantics.md has ${#rows[@]} steps"

# by_number: a line for each region from what `rdma` prints, which has several; it begins with the region's number.
by_number() { tr '\n' ' ' | sed 's/\<mrn /\n/g' | grep -E '^[0-9]'; }

# shown NAME: of the region, as `rdma` printed it into $stats.
shown() { sed -n "s/.*\<$1 \([0-9]*\)\>.*/\1/p" <<<"$stats"; }

# compare ROW
compare() {
	local what numbers faults major in hooks out resident got
	IFS='|' read -r what numbers <<<"$1"
	read -r faults major in hooks out resident < <(tr -d '()|' <<<"$numbers")
	stats=$(rdma statistic show mr | by_number | grep "^$mrn ")
	got="$(shown page_faults) $(shown page_faults_major) $(shown page_faults_handled) $(shown page_invalidations)"
	got+=" $(shown page_invalidations_handled) $(shown resident_pages)"
	[ "$got" = "$faults $major $in $hooks $out $resident" ] ||
		sd_fail "after '$what' \`rdma statistic show mr\` has $got, docs/semantics.md $faults $major $in $hooks $out $resident: $stats"
	[ "$(shown page_prefetch)$(shown page_faults_retried)" = 00 ] || sd_fail "after '$what': $stats"
	echo "# rdma, after '$what': $got"
}

# region PATTERN: the number of the one that `rdma resource show mr` describes so.
region() { rdma -dd resource show mr | by_number | grep -E "$1" | cut -d' ' -f1; }

coproc STEPS { exec "$SD_BIN/statistics" sodp0 wait; }
exec {SAYS}<&"${STEPS[0]}" {TELL}>&"${STEPS[1]}"
pid=$STEPS_PID
step=0
while read -r line <&"$SAYS"; do
	echo "$line"
	case $line in
	'# step whole')
		[ -n "$(region 'odp implicit')" ] || sd_fail "no implicit region: $(rdma -dd resource show mr)"
		echo >&"$TELL"
		;;
	'# step '*)
		if [ $step = 0 ]; then
			mrn=$(region 'odp explicit')
			[[ $mrn =~ ^[0-9]+$ ]] || sd_fail "not one explicit region: $(rdma -dd resource show mr)"
			[ "$(region . | wc -l)" = 2 ] || sd_fail "not two regions: $(rdma -dd resource show mr)"
		fi
		compare "${rows[step]}"
		step=$((step + 1))
		echo >&"$TELL"
		;;
	esac
done
wait "$pid" || sd_fail "statistics: status $?"
[ $step = 7 ] || sd_fail "only $step steps"
