#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 90
# kernels: stock
# long: debug
#
# The device is closed with regions and QPs alive and work posted to them.
set -euo pipefail
. "$(dirname "$0")/removal.lib.sh"

sd_load
sd_dummy d0
sd_link sodp0 d0
no_resources() { ! rdma resource show qp | grep -q traffic && ! rdma resource show mr | grep -q traffic; }
traffic_start --close
kill "$TRAFFIC"
sd_wait 10 no_resources || sd_fail "left: $(rdma resource show)"
[ -e "/proc/$TRAFFIC" ] || sd_fail "the process is gone"
bounded 20 rdma link del sodp0
nothing_left
kill "$TRAFFIC"
traffic_ends 0
