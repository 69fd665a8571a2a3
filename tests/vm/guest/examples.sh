#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 240
# kernels: stock
# boot: --mem 416M --disk 4G
#
# The examples, each at its word. The key-value store's table is four times as large as the guest's memory: it has to come
# from the disk, and nothing may be pinned.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

examples=$SD_ROOT/build/examples
ip link set lo up
sd_dummy d0
sd_link sodp0 d0

# says TEXT EXAMPLE: it succeeds, and says that.
says() {
	local text=$1 said rc=0
	said=$(timeout 60 "$examples/$2" sodp0 2>&1) || rc=$?
	echo "# $2: ${said//$'\n'/; }"
	[ $rc = 0 ] && [[ $said == *"$text"* ]] || sd_fail "$2: status $rc, without '$text'"
}

says '0 wrong' fork_server
says 'stood still' snapshot
says '0 bytes wrong' balloon
says ' 0 page faults in the stream' prefetch_pipeline
says '0 words wrong' post_copy

modprobe virtio_blk # vda is for swap
sd_wait 10 test -b /dev/vdb
mkfs.ext4 -q -O ^has_journal /dev/vdb
mkdir -p /mnt
mount /dev/vdb /mnt
memory=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))
export KV_MIB=$((memory * 4)) KV_FILE=/mnt/kv.table KV_GETS=1000
before=$(sed -n 's/^oom_kill //p' /proc/vmstat)
said=$(timeout 200 "$examples/kv_store" sodp0 2>&1) || sd_fail "kv_store: $said"
echo "# kv_store with $memory MiB of memory: ${said//$'\n'/; }"
grep -q "1000 values out of $KV_MIB MiB, 0 wrong" <<<"$said" || sd_fail "kv_store: $said"
grep -qE '^VmPin:\s+0 kB' <<<"$said" || sd_fail "kv_store pins: $said"
[ "$(sed -n 's/^oom_kill //p' /proc/vmstat)" = "$before" ] || sd_fail "somebody was killed for memory"
umount /mnt
