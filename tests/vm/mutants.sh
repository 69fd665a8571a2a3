#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

usage() {
	cat <<'END'
Builds the module with one rule broken on purpose, once for each rule of driver/compat/mutant.h that the suite must
defend, and runs the tests that should notice. A mutant that passes them all has survived: that is a failure.

Usage: tests/vm/mutants.sh [NAME]...      (without a name: every one)

Prints which test caught which mutant; docs/testing.md has the table.
END
}

set -euo pipefail
. "$(dirname "$0")/common.sh"

# NAME  KERNEL  TESTS (tests/vm/guest/NAME.sh, with commas)  FLAGS
# SLOW_COPY makes the window wide in which a transfer that nobody waits for does its harm; it breaks nothing by itself.
mutants() {
	cat <<'END'
NO_INVALIDATE   stock  mmevents
NO_DRAIN        stock  mmevents  -DSODP_MUTANT_SLOW_COPY=1
NO_RECHECK      stock  mmevents
DIRTY_LATE      stock  mmevents
NO_PREEMPT_OFF  debug  smoke
END
}

[ "${1:-}" != --help ] || { usage; exit 0; }
wanted=" $* " survived=0 caught=0

while read -r name kernel tests flags; do
	[ $# = 0 ] || [[ $wanted == *" $name "* ]] || continue
	out=$SD_BUILD/mutants/$name-$kernel log=$SD_BUILD/logs/mutants/$name-$kernel
	mkdir -p "$log"
	say "mutant $name: building for $kernel"
	# shellcheck disable=SC2086 # a list of words
	"$SD_VM/module.sh" "$kernel" "$out" "-DSODP_MUTANT_$name=1" $flags >"$log/build.log" 2>&1 ||
		die "mutant $name does not build; see $log/build.log"
	rc=0
	# shellcheck disable=SC2086 # lists of words
	"$SD_VM/vm" --kernel "$kernel" --module "$out/softodp.ko" --disk 1G --timeout 900 --log "$log/guest" \
		--label "mutant $name: " --tests ${tests//,/ } >"$log/tap" 2>&1 </dev/null || rc=$?
	if [ "$rc" = 0 ]; then
		warn "mutant $name SURVIVED $tests on $kernel"
		survived=$((survived + 1))
		continue
	fi
	caught=$((caught + 1))
	by=$(grep -rhoE 'not ok [0-9]+ - [A-Za-z0-9:_ -]*' "$log/tap" "$log/guest" 2>/dev/null | sed 's/not ok [0-9]* - //' | sort -u | head -n 8 |
		paste -sd, -)
	say "mutant $name: caught on $kernel by ${by:-the kernel log (status $rc)}"
	grep -hE 'memory corruption|WARNING: |BUG: ' "$log"/guest/dmesg.log 2>/dev/null | head -n 2 | sed 's/^/    /' || true
done < <(mutants)

echo "mutants: $caught caught, $survived survived"
[ "$survived" = 0 ] && [ "$caught" -gt 0 ]
