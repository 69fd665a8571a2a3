#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 120
# kernels: stock debug rt
# long: kcsan
#
# rdma link del under traffic; then again with faults that nobody will ever answer.
set -euo pipefail
. "$(dirname "$0")/removal.lib.sh"

sd_load
sd_dummy d0
sd_link sodp0 d0
traffic_start
bounded 20 rdma link del sodp0
traffic_ends 0

sd_link sodp0 d0
traffic_start --dead
bounded 20 rdma link del sodp0
traffic_ends 0
nothing_left
