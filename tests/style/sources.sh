# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# What the static checks look at, from the top of a tree. To be sourced.

# source_folders: those of ours that the tree has; git keeps no empty one.
source_folders() {
	local folder
	for folder in driver lib tools examples tests include; do
		[ ! -d "$folder" ] || echo "$folder"
	done
}

# sources PATTERN...: the files whose names match one of the patterns.
sources() {
	local folders names=() pattern
	mapfile -t folders < <(source_folders)
	for pattern in "$@"; do
		names+=(-o -name "$pattern")
	done
	find "${folders[@]}" -type f \( "${names[@]:1}" \) -not -path '*/build/*' | sort
}
