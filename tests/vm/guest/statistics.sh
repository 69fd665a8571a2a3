#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 60
# kernels: stock rt
# long: debug
#
# The numbers that a region shows, step by step, are those that are written down.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# Nothing but the steps moves or takes pages.
echo 0 >/proc/sys/kernel/numa_balancing 2>/dev/null || true
sd_dummy d0
sd_link sodp0 d0
"$SD_BIN/statistics" sodp0
