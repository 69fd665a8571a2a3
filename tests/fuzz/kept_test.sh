#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# An input that fails is kept by run.sh, under the name of its content; the command that run.sh prints fails on it and names
# it, and so does a replay of the whole folder, as the tests do it.
#
# Usage: kept_test.sh BUILD

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
build=${1:?the build folder}
cd "$here/../.." # from where the command is meant
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "FAIL: $*" >&2
	[ ! -e "$work/out" ] || cat "$work/out" >&2
	exit 1
}

# must_fail COMMAND...: with its output in $work/out.
must_fail() {
	local rc=0
	"$@" >"$work/out" 2>&1 || rc=$?
	[ "$rc" != 0 ] || fail "'$*' says that all is well"
}

must_fail "$here/run.sh" planted --runs 1000000 --build "$build" --keep-nothing --regressions "$work/kept"
mapfile -t kept < <(find "$work/kept/planted" -type f)
[ "${#kept[@]}" = 1 ] || fail "${#kept[@]} inputs are kept, not one"
[ "${kept[0]##*/}" = "$(sha256sum "${kept[0]}" | cut -c 1-16)" ] || fail "${kept[0]} is not named by its content"
grep -q "is kept as ${kept[0]}" "$work/out" || fail "run.sh does not say where"
command=$(sed -n 's/.*it is replayed by: //p' "$work/out")
[ -n "$command" ] || fail "run.sh does not say how to replay it"
# shellcheck disable=SC2086 # words on purpose
for each in "$command" "$build/tests/fuzz/fuzz_planted_replay --if-any $work/kept/planted"; do
	must_fail $each
	grep -qF "it fails on ${kept[0]}" "$work/out" || fail "'$each' does not name the input"
done
# A second run meets it among its inputs: once is enough.
must_fail "$here/run.sh" planted --runs 1000000 --build "$build" --keep-nothing --regressions "$work/kept"
[ "$(find "$work/kept/planted" -type f | wc -l)" = 1 ] || fail "kept twice"
