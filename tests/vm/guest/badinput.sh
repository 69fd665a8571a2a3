#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# Malformed packets, keys and ranges that are not the peer's, scribbled rings, nonsense in arguments.
# timeout: 240
# kernels: stock
# long: debug
set -euo pipefail
. "$(dirname "$0")/lib.sh"

#   initial namespace              namespace "bad"
#   sodp0  b0 10.9.5.1 ---------- b1 10.9.5.2  a raw socket, no device
sd_load
ip netns add bad
ip link add b0 mtu 4200 type veth peer name b1 mtu 4200 netns bad
ip addr add 10.9.5.1/24 dev b0
ip link set b0 up
ip -n bad addr add 10.9.5.2/24 dev b1
ip -n bad link set b1 up
ip -n bad link set lo up
ip link set lo up
sd_link sodp0 b0
dmesg_lines=$(dmesg | wc -l)
"$SD_BIN/badinput" sodp0 10.9.5.1 10.9.5.2 bad
[ "$(dmesg | tail -n +$((dmesg_lines + 1)) | grep -ci softodp)" = 0 ] || sd_fail "bad input made the driver talk"
rdma link del sodp0
ip netns del bad
