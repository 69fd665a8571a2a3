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
[ "$memory" -le 416 ] || sd_fail "$memory MiB of memory, more than the boot line asks for"
export KV_MIB=$((416 * 4)) KV_FILE=/mnt/kv.table KV_GETS=1000
before=$(sed -n 's/^oom_kill //p' /proc/vmstat)
timeout 200 "$examples/kv_store" sodp0 >/run/said 2>&1 &
store=$!
# While it is filled, read and after it: neither end ever pins a page.
looked=0
while kill -0 $store 2>/dev/null; do
	for pid in $(pgrep -x kv_store); do
		pinned=$(sed -n 's/^VmPin:\t *//p' "/proc/$pid/status" 2>/dev/null || true)
		[ -n "$pinned" ] || continue
		[ "$pinned" = '0 kB' ] || sd_fail "kv_store pins $pinned"
		looked=$((looked + 1))
	done
	sd_pause 0.2
done
wait $store || sd_fail "kv_store: status $?: $(</run/said)"
said=$(</run/said)
echo "# kv_store with $memory MiB of memory: ${said//$'\n'/; }; looked $looked times for pinned memory"
[ $looked -ge 10 ] || sd_fail "kv_store was looked at only $looked times"
grep -q "1000 values out of $KV_MIB MiB, 0 wrong" <<<"$said" || sd_fail "kv_store: $said"
grep -qE '^VmPin:\s+0 kB' <<<"$said" || sd_fail "kv_store pins: $said"
[ "$(sed -n 's/^oom_kill //p' /proc/vmstat)" = "$before" ] || sd_fail "somebody was killed for memory"
umount /mnt
