#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

usage() {
	cat <<'END'
How many lines of the driver the host's tests execute: driver/mem, driver/wire and what else is built for them.

Usage: tests/coverage.sh [--check] [--html] [--least PERCENT]

  --check          one TAP line instead of the table, for ./run test
  --html           also build/coverage/report.html, line by line
  --least PERCENT  fail when driver/mem has less (default 95)

Builds the unit tests and the fuzz targets once more in build/coverage, with gcov in place of sanitizers, runs the tests, replays
the corpus of each fuzz target, and prints a table: lines, lines executed, per cent, lines that were not. docs/testing.md names
the reason for each of those. Fails when driver/mem has less than it must, and when a test does.
END
}

set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd -P)
. "$root/tests/vm/common.sh"
out=${SOFTODP_COVERAGE_DIR:-$root/build/coverage}
least=95 html='' check=''
while [ $# -gt 0 ]; do
	case $1 in
	--check) check=1 ;;
	--html) html=1 ;;
	--least) least=${2:?--least needs a number}; shift ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; die "unknown option $1" ;;
	esac
	shift
done
command -v gcovr >/dev/null || die "gcovr is not installed"

progress "configuring" "$out/configure.log" cmake -B "$out" -S "$root" -DSOFTODP_MODULE=OFF -DSOFTODP_COVERAGE=ON -DCMAKE_BUILD_TYPE=Debug
for part in unit fuzz; do
	progress "building tests/$part with gcov" "$out/build-$part.log" nice cmake --build "$out/tests/$part" -j "$(nproc)"
done
find "$out" -name '*.gcda' -delete
progress "running the tests" "$out/test.log" nice ctest --test-dir "$out" -R '^(unit|fuzz)/' --output-on-failure --timeout 300 -j "$(nproc)"

options=(--root "$root" --filter "$root/driver/" --csv "$out/report.csv" --txt "$out/report.txt")
[ -z "$html" ] || options+=(--html-details "$out/report.html")
gcovr "${options[@]}" "$out"
[ -n "$check" ] || cat "$out/report.txt"

# Not rounded: 94.96 is less than 95. Lines that were not executed are named where it fails.
awk -F, -v least="$least" -v check="$check" '
$1 ~ /^driver\/mem\// { lines += $2; covered += $3 }
END {
	if (!lines) { print "not ok 1 - coverage: no line of driver/mem was measured"; exit 1 }
	percent = 100 * covered / lines
	bad = percent < least
	says = sprintf("driver/mem: %d of %d lines, %.1f %%, at least %s %% are asked for", covered, lines, percent, least)
	print (check ? (bad ? "not ok" : "ok") " 1 - coverage: " : "") says
	exit bad
}' "$out/report.csv" || { grep -E '^driver/mem/' "$out/report.txt" >&2; exit 1; }
