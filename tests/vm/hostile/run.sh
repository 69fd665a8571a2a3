#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

usage() {
	cat <<'END'
The long form of tests/vm/guest/hostile.sh: builds the driver as it is now, attacks it in a guest, and adds up what was done.

Usage: tests/vm/hostile/run.sh [OPTION]...

  --packets N      crafted packets (default 1000000)
  --states N       states of rings (default 1000000)
  --calls N        calls of uverbs (default 100000); 0 leaves a part out
  --seed S         the same choices again, as a failed run prints them; what comes of them depends on the time, too. Without it
                   also those of tests/vm/hostile/SEEDS
  --kernel K       as for tests/vm/vm (default stock)
  --results FILE   where the totals are added up (default: tests/vm/hostile/RESULTS)
  --keep-nothing   not there

A row of the results: the git tree of driver/, the kernel, runs, packets, states, calls, failed (or complaints of the kernel).
END
}

set -euo pipefail
. "$(dirname "$0")/../common.sh"
. "$SD_ROOT/tests/results.sh"
packets=1000000 states=1000000 calls=100000 seed='' kernel=stock results=$SD_VM/hostile/RESULTS
heading='driver/ (git tree), kernel, runs, packets, states, calls, failed (or complaints)'

while [ $# -gt 0 ]; do
	case $1 in
	--packets | --states | --calls | --seed)
		[[ ${2:-} =~ ^[0-9]+$ ]] || die "$1 needs a number"
		declare "${1#--}=$2"
		shift
		;;
	--kernel) kernel=${2:?--kernel needs a name}; shift ;;
	--results) results=${2:?--results needs a file}; shift ;;
	--keep-nothing) results='' ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; die "unknown option $1" ;;
	esac
	shift
done

log=$SD_BUILD/logs/hostile-$kernel
out=$log/output
mkdir -p "$log"
hash=$(results_hash)
progress "the driver for $kernel" "$log/module.log" "$SD_VM/module.sh" "$kernel" "$log/module"
[ -e "$SD_BUILD/CMakeCache.txt" ] || cmake -B "$SD_BUILD" -S "$SD_ROOT" -DSOFTODP_MODULE=OFF >/dev/null
progress "the program" "$log/build.log" cmake --build "$SD_BUILD" --target guest_hostile

# With room for a busy machine.
seconds=$(((packets * 2 + states * 3 + calls * 2) / 1000 + 300))
case $kernel in debug | kcsan) seconds=$((seconds * 8)) ;; esac
seconds=$((seconds * ${SOFTODP_SLOW:-1}))
rc=0
"$SD_VM/vm" --kernel "$kernel" --module "$log/module/softodp.ko" --timeout "$seconds" --log "$log/guest" -- \
	bash "$SD_VM/guest/hostile.sh" --packets "$packets" --states "$states" --calls "$calls" --lies 0 --leaks 1 ${seed:+--seed "$seed" --seeds 0} |
	tee "$out" || rc=$?
done=$(sed -n 's/^# total: \([0-9]*\) packets, \([0-9]*\) states, \([0-9]*\) calls,.*/\1 \2 \3/p' "$out")
[ -n "$done" ] || rc=${rc/#0/1}
if [ -n "$results" ]; then
	# shellcheck disable=SC2086 # words on purpose
	results_add "$results" "$heading" 2 "$hash" "$kernel" 1 ${done:-0 0 0} $((rc != 0))
	grep -F "$hash" "$results"
fi
exit "$rc"
