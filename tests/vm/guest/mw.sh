#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 120
# kernels: stock
# long: debug kcsan
#
# Memory windows of both types on regions on demand and pinned ones: bounds, rights and owner of every access, how they end,
# and what is left of a program that dies with some.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
ip link set lo up
sd_dummy d0
sd_link sodp0 d0
n=100
[ "$SD_KERNEL" = stock ] || n=25
"$SD_BIN/mw" sodp0 ondemand $n
"$SD_BIN/mw" sodp0 pinned $n

all_gone() { [ -z "$(rdma resource show mr dev sodp0)" ]; }

# A program that is killed: what was bound, in whatever order it was made, goes with it.
for kind in ondemand pinned; do
	"$SD_BIN/mw" sodp0 $kind hang >/run/hang &
	pid=$!
	sd_wait 20 grep -q bound /run/hang || sd_fail "no windows: $(</run/hang)"
	kill -9 $pid
	wait $pid 2>/dev/null || true
	sd_wait 20 all_gone || sd_fail "regions are left: $(rdma resource show mr dev sodp0)"
done
rdma link del sodp0
sd_unload
sd_leaks
