#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 90
# kernels: stock
# long: debug
#
# The netdev goes away under traffic.
set -euo pipefail
. "$(dirname "$0")/removal.lib.sh"

sd_load
sd_dummy d0
sd_link sodp0 d0
traffic_start
bounded 20 ip link del d0
traffic_ends 0
nothing_left
