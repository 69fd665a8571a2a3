#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Does check_walls.sh see what it is for? In a copy of the driver one line is planted at a time: the check must pass
# without it, and must name file and line with it. Lengths and licences likewise.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$root/driver" "$work/driver"
mkdir -p "$work"/{lib,tools,examples,tests,include}
failed=0

complain() {
	echo "$*"
	failed=1
}

# plant CHECK FILE LINE...: as the last line
plant() {
	local check=$1 file=$work/$2 text=$3 output
	[ -e "$file" ] || { complain "no $2 to plant into" && return; }
	cp "$file" "$work/saved"
	printf '%s\n' "$text" >>"$file"
	if output=$("$here/$check" "$work" 2>&1); then
		complain "$check passed with in $2: $text"
	elif ! grep -qF "$2:$(wc -l <"$file")" <<<"$output"; then
		complain "$check failed with, but does not name the line of: $2: $text"
	fi
	cp "$work/saved" "$file"
}

# harmless FILE LINE
harmless() {
	local file=$work/$1 text=$2
	cp "$file" "$work/saved"
	printf '%s\n' "$text" >>"$file"
	"$here/check_walls.sh" "$work" >/dev/null || complain "check_walls.sh fails with in $1: $text"
	cp "$work/saved" "$file"
}

"$here/check_walls.sh" "$work" || { echo "the tree itself has breaches" && exit 1; }

walls=check_walls.sh
plant $walls driver/verbs/mr.c '#include <linux/mm.h>'
plant $walls driver/xport/sgl.c '# include <linux/highmem.h>'
plant $walls driver/net/rx.c '#include <linux/hmm.h>'
plant $walls driver/dev.c '#include <linux/mmu_notifier.h>'
plant $walls driver/main.c '#include <linux/pagemap.h>'
plant $walls driver/xport/req.c '#include "mem/entry.h"'
plant $walls driver/verbs/mr.c '#include "../mem/internal.h"'
plant $walls driver/xport/resp.c 'static struct page *stolen;'
plant $walls driver/verbs/qp.c 'int x = get_user_pages_fast(0, 1, 0, 0);'
plant $walls driver/mem/region.c '#include <linux/skbuff.h>'
plant $walls driver/mem/table.c '#include <rdma/ib_verbs.h>'
plant $walls driver/mem/fence.c '#include <linux/netdevice.h>'
plant $walls driver/mem/copy.c '#include "xport/xport.h"'
plant $walls driver/mem/fault.c '#include "verbs/verbs.h"'
plant $walls driver/mem/mem.h 'struct sodp_qp *qp; struct sk_buff *skb;'
plant $walls driver/mem/table.c 'void *p = kmap_local_page(page);'
plant $walls driver/mem/pin.c 'void *p = kmap_local_pfn(pfn);'
plant $walls driver/wire/parse.c '#include <linux/skbuff.h>'
plant $walls driver/wire/build.c '#include "mem/mem.h"'
plant $walls driver/wire/icrc.c '#include <net/ip.h>'
plant $walls driver/xport/pkt.c '#include <net/udp_tunnel.h>'
plant $walls driver/net/sock.c '#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)'
plant $walls driver/mem/pin.c '#include <linux/version.h>'

harmless driver/verbs/mr.c '/* struct page and linux/mm.h are not ours to know: #include <linux/mm.h> */'
harmless driver/verbs/mr.c '#include "mem/mem.h"'
harmless driver/mem/copy.c 'void *p = kmap_local_page(page);'
harmless driver/xport/sgl.c 'const char *s = "struct page KERNEL_VERSION";'

long=$(printf '\nstatic int planted(void)\n{\n'; for _ in {1..100}; do echo '	x++;'; done; echo '}')
cp "$work/driver/main.c" "$work/saved"
printf '%s\n' "$long" >>"$work/driver/main.c"
! "$here/check_sizes.sh" "$work" >/dev/null || complain 'check_sizes.sh passed a function of 103 lines'
cp "$work/saved" "$work/driver/main.c"
for _ in {1..601}; do echo '/* filler */'; done >"$work/driver/filler.c"
! "$here/check_sizes.sh" "$work" >/dev/null || complain 'check_sizes.sh passed a file of 601 lines'
! "$here/check_headers.sh" "$work" >/dev/null || complain 'check_headers.sh passed a file without a licence'
rm "$work/driver/filler.c"
exit $failed
