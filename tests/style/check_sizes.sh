#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Lengths: a function of more than 60 lines is reported, of more than 100 is a failure, and so is a file of more than 600.
# A function is what begins with { and ends with } in the first column. An example has at most 150 lines; A test in a
# guest runs it.
#
# Usage: check_sizes.sh [TREE]

set -euo pipefail
tree=${1:-$(cd "$(dirname "$0")/../.." && pwd -P)}
. "$(dirname "${BASH_SOURCE[0]}")/sources.sh"
cd "$tree"
mapfile -t files < <(sources '*.[ch]')
[ ${#files[@]} -gt 0 ] || { echo "no sources below $tree"; exit 1; }

bad=0
awk -v report=60 -v fail=100 -v file_fail=600 '
function end_of_file() {
	if (file && lines > file_fail) {
		printf "%s: %d lines, at most %d\n", file, lines, file_fail
		bad++
	}
}
FNR == 1 { end_of_file(); file = FILENAME; head = 0; open = 0 }
{ lines = FNR }
# the head begins after the last line that ends a statement, a block or a comment
!open && /^(}|#|\/\/| \*\/|\/\*.*\*\/$)|;[ \t]*$|^$/ { head = 0 }
!open && !head && /^[A-Za-z_]/ && !/;[ \t]*$/ { head = FNR; name = $0 }
/^{/ && head { open = 1 }
/^}/ && open {
	n = FNR - head + 1
	if (n > report) {
		sub(/^.*[ *]([A-Za-z_0-9]+)\(/, "&", name)
		printf "%s:%d: %d lines%s: %s\n", FILENAME, head, n, (n > fail ? ", at most " fail : ""), name
		if (n > fail)
			bad++
	}
	open = 0; head = 0
}
END { end_of_file(); exit bad > 0 }
' "${files[@]}" || bad=1

for file in examples/*.c; do
	[ -e "$file" ] || continue
	lines=$(wc -l <"$file")
	[ "$lines" -le 150 ] || { echo "$file: $lines lines, at most 150" && bad=1; }
	grep -q '^int main(' "$file" || continue
	name=$(basename "$file" .c)
	grep -qw "$name" tests/vm/guest/*.sh || { echo "$file: no test runs it" && bad=1; }
done
exit $bad
