#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# exports.sh LIBRARY SOURCE: the library exports what the public header declares and no more; each has a man page.

set -eu
library=$1 source=$2

nm -D --defined-only "$library" | sed -n 's/.* T \(softodp_[a-z_]*\)@@.*/\1/p' | sort >exported.txt
# In the header a declaration is what is not in a comment: a line that begins neither with blank-star nor star.
sed 's,/\*.*\*/,,; /\/\*/,/\*\//d' "$source/include/softodp/softodp.h" |
	grep -o '\bsoftodp_[a-z_]*(' | tr -d '(' | sort -u >declared.txt
diff -u declared.txt exported.txt
[ -s exported.txt ]
[ "$(nm -D --defined-only "$library" | grep -c ' [TDBR] ')" = "$(wc -l <exported.txt)" ]

while read -r name; do
	[ -e "$source/docs/man/$name.3" ] || { echo "no man page: $name"; exit 1; }
done <exported.txt
