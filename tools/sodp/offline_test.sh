#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# What sodp does without any device: help, errors of the caller, explanations. tests/vm/guest/sodp.sh has the rest.
#
# Usage: offline_test.sh PROGRAM TREE
set -euo pipefail
program=$1 tree=$2
said=$(mktemp)
trap 'rm -f "$said"' EXIT

bad() {
	echo "FAIL: $*"
	cat "$said"
	exit 1
}

# expect STATUS TEXT ARGUMENT...: it ends with that status and says that.
expect() {
	local want=$1 text=$2 rc=0
	shift 2
	"$program" "$@" >"$said" 2>&1 </dev/null || rc=$?
	[ $rc = "$want" ] || bad "sodp $*: status $rc, not $want"
	grep -qF -- "$text" "$said" || bad "sodp $*: does not say '$text'"
}

expect 0 'Usage: sodp list' --help
expect 0 'sodp 0.' --version
expect 2 'Usage: sodp list'
expect 2 "no command 'lst'" lst
expect 2 'list has no option -w' list --width 20
expect 2 '--svg is an option of map' list --svg x
expect 2 'map what? It needs: REGION' map
expect 2 'is named DEVICE/NUMBER' map sodp0
expect 2 'is named DEVICE/NUMBER' map sodp0/
expect 2 'is named DEVICE/NUMBER' map sodp0/4294967296
expect 2 'is named DEVICE/NUMBER' map /3
expect 2 "one at a time, 'b' is too much" explain ENOMEM b
expect 2 '--sort size: faults,' top --sort size
expect 2 '--delay takes a number from 0.1 to 3600' top --delay 0
expect 2 '--delay takes a number from 0.1 to 3600' top --delay nan
expect 2 '--count takes a whole number' top --count 1.5
expect 2 '--width takes a number from 8 to 256' map --width 300 sodp0/1
expect 2 'is no error that is known' explain 'no such thing'

expect 0 'softodp-odp' explain ENOMEM
expect 0 'softodp-odp' explain enomem
expect 0 'IBV_WC_REM_ACCESS_ERR' explain 10
expect 0 'IBV_WC_REM_ACCESS_ERR' explain 'remote access error'
expect 0 'IBV_WC_RETRY_EXC_ERR' explain RETRY_EXC_ERR
expect 0 'ENOMEM' explain -- -12
expect 0 'EOPNOTSUPP' explain ENOTSUP

# Each error: words, JSON that is some, and a remark at least.
"$program" explain '?' >"$said" 2>&1 || true
mapfile -t names < <(sed -n 's/^  //p' "$said")
[ ${#names[@]} -ge 20 ] || bad "only ${#names[@]} errors are known"
for name in "${names[@]}"; do
	expect 0 "$name" explain "$name"
done
for name in "${names[@]}"; do "$program" explain "$name" --json; done >"$said"
python3 - "$said" ${#names[@]} <<'END' || bad "explain --json"
import json, sys
text, at, n = open(sys.argv[1]).read().strip(), 0, 0
while at < len(text):
    d, at = json.JSONDecoder().raw_decode(text, at)
    at += len(text[at:]) - len(text[at:].lstrip())
    n += 1
    assert d["means"] and d["remarks"] and all(d["remarks"]), d
assert n == int(sys.argv[2]), n
END

# What there is is written down, and completed.
for option in $(grep -oE '^	\{ "[a-z]+", (no|required)_' "$tree/tools/sodp/main.c" | cut -d'"' -f2); do
	grep -q -- "Fl Fl $option" "$tree/docs/man/sodp.1" || bad "--$option is not in docs/man/sodp.1"
done
PATH=$(dirname "$program"):$PATH
# shellcheck source=/dev/null
. "$tree/tools/completion/sodp"
# completes TEXT WORD...: TEXT is among what the last word can become.
completes() {
	local text=$1
	shift
	COMP_WORDS=(sodp "$@") COMP_CWORD=$#
	_sodp
	grep -qxF -- "$text" < <(printf '%s\n' "${COMPREPLY[@]}") || bad "sodp $*: '$text' is not completed"
}
completes explain ex
completes --sort top --s
completes invalidations top --sort inv
completes ENOMEM explain ENO
echo "ok"
