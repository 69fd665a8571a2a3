# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Long runs are added up over days in files named RESULTS, by the sources of the driver that they ran on. To be sourced
# after tests/vm/common.sh.

# results_hash: what git gives (or would give) to driver/ as it is now.
results_hash() {
	local index
	index=$(mktemp)
	cp "$(git -C "$SD_ROOT" rev-parse --absolute-git-dir)/index" "$index"
	GIT_INDEX_FILE=$index git -C "$SD_ROOT" add driver
	GIT_INDEX_FILE=$index git -C "$SD_ROOT" write-tree --prefix=driver/
	rm -f "$index"
}

# Numbers are printed as %.0f: mawk ends %d at 2^31.

# results_add FILE HEADING KEYS FIELD...: adds the fields after the first KEYS ones to the row that has the same keys, or
# makes a new one.
results_add() {
	local file=$1 heading=$2 keys=$3 new
	shift 3
	new=$(mktemp)
	[ -e "$file" ] || echo "# $heading" >"$file"
	awk -v keys="$keys" -v row="$*" '
	BEGIN { n = split(row, add) }
	!/^#/ && NF == n {
		same = 1
		for (i = 1; i <= keys; i++)
			same = same && $i == add[i]
		if (same) {
			for (i = keys + 1; i <= n; i++)
				add[i] += $i
			next
		}
	}
	{ print }
	END {
		for (i = 1; i <= n; i++)
			printf i <= keys ? "%s%s" : "%12.0f%s", add[i], i < n ? " " : "\n"
	}' "$file" >"$new"
	cat "$new" >"$file"
	rm -f "$new"
}
