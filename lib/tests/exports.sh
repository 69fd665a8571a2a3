#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# exports.sh LIBRARY SOURCE: the library exports what the public header declares and no more, all with a version of ours;
# each has a man page that names it.

set -eu
library=$1 source=$2

nm -D --defined-only "$library" | sed -n 's/.* T \(softodp_[a-z_]*\)@@SOFTODP_[0-9.]*$/\1/p' | sort >exported.txt
# In the header a declaration is what is not in a comment: a line that begins neither with blank-star nor star.
sed 's,/\*.*\*/,,; /\/\*/,/\*\//d' "$source/include/softodp/softodp.h" |
	grep -o '\bsoftodp_[a-z_]*(' | tr -d '(' | sort -u >declared.txt
diff -u declared.txt exported.txt
[ -s exported.txt ]
[ "$(nm -D --defined-only "$library" | grep -c ' [TDBRVW] ')" = "$(wc -l <exported.txt)" ]

while read -r name; do
	page=$source/docs/man/$name.3
	[ -e "$page" ] || { echo "no man page: $name"; exit 1; }
	if grep -q '^\.so ' "$page"; then
		page=$source/docs/man/$(sed -n 's,^\.so man3/,,p' "$page")
	fi
	grep -q "^\.Nm $name\>" "$page" || { echo "$page does not name $name"; exit 1; }
	grep -Eq "^\.F[no] $name\>" "$page" || { echo "$page has no synopsis of $name"; exit 1; }
done <exported.txt
