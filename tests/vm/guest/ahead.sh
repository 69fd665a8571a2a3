#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 90
# kernels: stock
# long: debug kcsan
#
# Faults that come in order are read ahead, those at random are not punished, and a fork costs no fault for each page.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

ip link set lo up
sd_dummy d0
sd_link sodp0 d0
"$SD_BIN/ahead" sodp0
