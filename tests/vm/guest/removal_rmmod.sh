#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 90
# kernels: stock
# long: debug kcsan
#
# rmmod after rdma link del, with descriptors and mappings still in use.
set -euo pipefail
. "$(dirname "$0")/removal.lib.sh"

sd_load
sd_dummy d0
sd_link sodp0 d0
traffic_start --hold
bounded 20 rdma link del sodp0
sleep 1
[ -e "/proc/$TRAFFIC" ] || sd_fail "the process is gone"
nothing_left
sleep 1
kill "$TRAFFIC"
traffic_ends 0
