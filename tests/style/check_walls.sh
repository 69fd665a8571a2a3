#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# The walls of the driver: what may know what. Prints each breach as FILE:LINE and fails if there is one.
#
# Usage: check_walls.sh [TREE]

set -euo pipefail
tree=${1:-$(cd "$(dirname "$0")/../.." && pwd -P)}
cd "$tree"
breaches=0

# Source without comments and strings, line numbers kept; #include lines whole.
code() {
	awk '
	{
		line = $0; out = ""
		if (!inside && line ~ /^[ \t]*#[ \t]*include/) { print; next }
		while (length(line)) {
			if (inside) {
				i = index(line, "*/")
				if (!i) break
				line = substr(line, i + 2); inside = 0
				continue
			}
			if (match(line, /"([^"\\]|\\.)*"|\/\*|\/\//)) {
				token = substr(line, RSTART, RLENGTH)
				out = out substr(line, 1, RSTART - 1)
				line = substr(line, RSTART + RLENGTH)
				if (token == "//") break
				if (token == "/*") inside = 1
				else out = out "\"\""
			} else { out = out line; break }
		}
		print out
	}' "$1"
}

# forbid WHY REGEX FILE...
forbid() {
	local why=$1 regex=$2 file hits
	shift 2
	for file in "$@"; do
		hits=$(code "$file" | grep -nE "$regex" || true)
		[ -n "$hits" ] || continue
		while IFS= read -r hit; do
			echo "$file:${hit%%:*}: $why: $(sed 's/^[ \t]*//' <<<"${hit#*:}")"
			breaches=$((breaches + 1))
		done <<<"$hits"
	done
}

include='^[[:space:]]*#[[:space:]]*include[[:space:]]*'
mapfile -t all < <(find driver -name '*.[ch]' | sort)
within() { printf '%s\n' "${all[@]}" | grep -E "^driver/($1)" || true; }
beyond() { printf '%s\n' "${all[@]}" | grep -vE "^driver/($1)" || true; }
[ ${#all[@]} -gt 0 ] || { echo "no sources below $tree/driver"; exit 1; }

mapfile -t files < <(beyond 'mem/|compat/')
mm='mm|mm_types|mm_inline|highmem|hmm|mmu_notifier|pagemap|page-flags|page_ref|rmap|swap|huge_mm|userfaultfd_k|sched/mm'
forbid 'only mem/ knows pages' "$include<linux/($mm)\.h>" "${files[@]}"
forbid 'mem.h is all that others see of mem/' "$include\"([./]*/)?mem/([^\"]*/)?(m[^e]|me[^m]|mem[^.]|[^m])[^\"]*\"" "${files[@]}"
forbid 'only mem/ knows pages' \
	'\bstruct (page|folio|mm_struct|mmu_notifier|mmu_notifier_range)\b|\b(get|pin)_user_pages|\bkmap|\bvmalloc_to_page\b' \
	"${files[@]}"

mapfile -t files < <(within 'mem/')
forbid 'mem/ knows no packet, device or queue pair' \
	"$include(<(linux/(skbuff|netdevice|if_[a-z]+|udp|ip)\.h|rdma/|net/)|\"([./]*/)?(xport|verbs|net|wire)/|\"([./]*/)?dev\.h)" \
	"${files[@]}"
forbid 'mem/ knows no packet, device or queue pair' '\bstruct (sk_buff|net_device|sodp_qp|sodp_pkt|sodp_dev|ib_[a-z_]+)\b' "${files[@]}"
mapfile -t files < <(within 'mem/' | grep -v '/copy\.c$')
forbid 'only mem/copy.c maps pages' '\bkmap(_local|_atomic)?(_page|_pfn|_folio|_prot)*[[:space:]]*\(' "${files[@]}"

mapfile -t files < <(within 'wire/')
forbid 'wire/ is functions on bytes' \
	"$include(<(linux/(skbuff|netdevice|slab|mm|highmem|spinlock|mutex|workqueue)\.h|rdma/|net/)|\"([./]*/)?(xport|verbs|net|mem|obs)/|\"([./]*/)?dev\.h)" \
	"${files[@]}"

mapfile -t files < <(within 'xport/')
forbid 'xport/ sends through net.h' "$include(<(linux/(udp|ip)|net/(ip|udp|udp_tunnel|route))\.h>|\"([./]*/)?net/internal\.h\")" "${files[@]}"

mapfile -t files < <(beyond 'compat/')
forbid 'kernel versions belong into compat/compat.h' \
	'\b(LINUX_VERSION_CODE|KERNEL_VERSION|LINUX_VERSION_MAJOR|RHEL_RELEASE_CODE)\b|linux/version\.h' "${files[@]}"

[ $breaches = 0 ] || { echo "$breaches breaches"; exit 1; }
