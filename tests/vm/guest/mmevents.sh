#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 240
# kernels: stock debug rt
# modes: preempt
# long: kcsan
#
# Events of the memory management under traffic, on one device.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
sd_swap
sd_dummy d0
sd_link sodp0 d0
"$SD_BIN/mmevents" --dev sodp0
