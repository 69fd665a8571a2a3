#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# errors.sh SOURCE PROGRAM...: each error that a man page names for a call came in a test of that call: the programs print
# them, "# CALL: ERROR", when they came as they should. And the pages are such as mandoc reads without an error.

set -euo pipefail
source=$1
shift
failed=0

bad() {
	echo "$*"
	failed=1
}

seen=$(for program in "$@"; do "$program" || echo "FAIL: $program"; done)
! grep '^FAIL' <<<"$seen" || exit 1

# rows PAGE: "CALL ERROR" for each; a heading ".Fn CALL :" says whose they are, else they are those of every call of the page.
rows() {
	awk '
	/^\.F[no] softodp_/ && !errors { calls[$2] = 1 }
	/^\.Sh / { errors = /^\.Sh ERRORS/; one = "" }
	errors && /^\.Fn .* :$/ { one = $2 }
	errors && /^\.It Bq Er / {
		for (i = 4; i <= NF; i++)
			if ($i != ",") {
				if (one) { print one, $i; continue }
				for (call in calls) print call, $i
			}
	}' "$1"
}

n=0
for page in "$source"/docs/man/softodp_*.3; do
	! grep -q '^\.so ' "$page" || continue
	! command -v mandoc >/dev/null || mandoc -T lint -W error "$page" || bad "$page: see above"
	while read -r call error; do
		n=$((n + 1))
		grep -qx "# $call: $error" <<<"$seen" || bad "$(basename "$page"): no test sees $call give $error"
	done < <(rows "$page")
done
[ "$n" -ge 40 ] || bad "only $n errors are in the man pages"
[ $failed = 0 ] && echo "$n errors, each seen"
exit $failed
