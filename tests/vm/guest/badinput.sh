#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# Malformed packets, keys and ranges that are not the peer's, scribbled rings, nonsense in arguments.
# timeout: 240
# kernels: stock
# long: debug kcsan
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
sd_hostile_wire 4200
dmesg_lines=$(dmesg | wc -l)
"$SD_BIN/badinput" sodp0 "$SD_IP0" "$SD_IP1" "$SD_NS1"
[ "$(dmesg | tail -n +$((dmesg_lines + 1)) | grep -ci softodp)" = 0 ] || sd_fail "bad input made the driver talk"
rdma link del sodp0
ip netns del "$SD_NS1"
