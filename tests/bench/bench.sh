# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# ./run bench: a guest that counts instructions, one with two CPUs for what is counted only, the host's own part; then
# tables, targets and plots. To be sourced after tests/vm/common.sh.

BENCH_TIMED='latency rate bandwidth qps registration touch notifier fork memory'
BENCH_PARTS="$BENCH_TIMED storm native"

# bench_parts LIST: the parts of a list with commas, a line each; '*' stands for all.
bench_parts() {
	local part list=${1//,/ }
	[ "$1" != '*' ] || list=$BENCH_PARTS
	for part in $list; do
		[[ " $BENCH_PARTS " == *" $part "* ]] || die "--only: no part '$part' (there are: $BENCH_PARTS)"
		echo "$part"
	done
}

# bench_guest NAME RESULTS "VM OPTION..." ARGUMENT...: its lines are added to the results. What it could not measure, it
# says there.
bench_guest() {
	local name=$1 results=$2 log=$SD_BUILD/logs/bench-$1 rc=0 options
	read -ra options <<<"$3"
	shift 3
	# The clock of a guest that counts instructions runs away while it waits for files: no limit by it.
	tests/vm/vm --kernel "$kernel" "${options[@]}" --limit 1000000 --timeout 7200 --log "$log" -- \
		bash tests/vm/guest/bench.sh "$@" | tee "$log.log" || rc=$?
	grep -E '^(bench|wrong|failed) ' "$log.log" >>"$results" || true
	[ "$rc" = 0 ] || warn "$name: the guest ended with status $rc; logs in ${log#"$SD_ROOT"/}"
	return "$rc"
}

bench_info() {
	. "$SD_ROOT/tests/results.sh"
	echo "info command ./run bench --kernel $kernel${only_given:+ --only $only}"
	echo "info kernel $K_VERSION, as Debian packages it"
	echo "info driver git tree $(results_hash | cut -c1-12)"
	echo "info emulator $(qemu-system-x86_64 --version | head -n 1)"
}

verb_bench() {
	local parts timed=() part out results rc=0 only_given='' options=()
	# shellcheck disable=SC2153 # of ./run
	[ "$only" = '*' ] || only_given=1
	parts=$(bench_parts "$only") || return
	[ -z "$bench_save" ] || [ -z "$only_given" ] || die "--save is for all parts: without --only"
	kernel=${kernel:-7.3}
	! kernel_checked "$kernel" || die "bench: a kernel with checkers measures the checkers"
	prepare "$kernel"
	packages_need test bench
	build_host
	build_module "$kernel"
	out=$SD_BUILD/bench/$kernel
	results=$out/results
	mkdir -p "$out"
	bench_info >"$results"
	for part in $parts; do
		[[ " $BENCH_TIMED " != *" $part "* ]] || timed+=("$part")
	done
	if [ "${#timed[@]}" -gt 0 ]; then
		say "bench on kernel $K_VERSION: ${timed[*]}"
		bench_guest "$kernel" "$results" '--icount --mem 4G' --parts "$(IFS=,; echo "${timed[*]}")" || rc=1
	fi
	if [[ $parts == *storm* ]]; then
		say "bench on kernel $K_VERSION: what is counted with two CPUs"
		bench_guest "$kernel-count" "$results" '--smp 2' --count || rc=1
	fi
	if [[ $parts == *native* ]]; then
		say "bench: table, fence and copy on this machine"
		"$SD_BUILD/tests/membench" >>"$results" || rc=1
	fi
	# Of half a run nothing is kept.
	[ -z "$bench_save" ] || [ "$rc" != 0 ] || options+=(--save docs/performance.md)
	[ -z "$bench_check" ] || options+=(--check)
	tests/bench/report.py --kernel "$kernel" "${options[@]}" --plots "$out" "$results" | tee "$out/report.md" || rc=1
	say "figures, tables and plots in ${out#"$SD_ROOT"/}"
	return "$rc"
}
