#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 120
# kernels: stock
# long: debug 7.3 kcsan
#
# Prefetch: each advice, by libsoftodp and by the kernel's own interface, at once and in the background; what it brings in,
# what it refuses, and that nobody waits for one that hangs.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
ip link set lo up
sd_dummy d0
sd_link sodp0 d0
"$SD_BIN/advise" sodp0
# The process that was killed has left nothing.
gone() { ! rdma resource show mr | grep -q 'comm advise'; }
sd_wait 10 gone
