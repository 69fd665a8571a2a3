#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# examples.sh SOURCE LIBRARY COMPILER...: each man page of a call has an example that uses it and compiles and links as it is
# there. What it may take for granted is written below.

set -euo pipefail
source=$1 library=$2
shift 2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# example PAGE: what is between .Bd and .Ed in EXAMPLES, each such block in a scope of its own.
example() {
	sed -n '/^\.Sh EXAMPLES/,/^\.Sh [^E]/p' "$1" |
		sed -n '/^\.Bd/,/^\.Ed/{s/^\.Bd.*/{/;s/^\.Ed.*/}/;s/\\e/\\/g;s/\\-/-/g;s/\\&//g;p}'
}

# Without those that only say where another is.
for page in "$source"/docs/man/*.3; do
	! grep -q '^\.so ' "$page" || continue
	name=$(basename "$page" .3)
	example "$page" >"$dir/body"
	[ -s "$dir/body" ] || { echo "$name: no example"; exit 1; }
	while read -r call; do
		grep -q "\<$call(" "$dir/body" || { echo "$name: no example of $call"; exit 1; }
	done < <(sed -n 's/^\.F[no] \(softodp_[a-z_]*\).*/\1/p' "$page")
	cat >"$dir/$name.c" <<END
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <softodp/softodp.h>

void example(struct ibv_context *context, struct ibv_pd *pd, struct ibv_mr *mr, void *pool, size_t pool_size, int fd);
void example(struct ibv_context *context, struct ibv_pd *pd, struct ibv_mr *mr, void *pool, size_t pool_size, int fd)
{
	int ret = 0;

	(void)context, (void)pd, (void)mr, (void)pool, (void)pool_size, (void)fd, (void)ret;
$(cat "$dir/body")
}

int main(void)
{
	return 0;
}
END
	"$@" -std=gnu11 -Wall -Wextra -Werror "-I$source/include" -o "$dir/$name" "$dir/$name.c" "$library" -libverbs ||
		{ cat "$dir/body"; echo "$name: the example does not compile"; exit 1; }
	echo "# $name"
done
