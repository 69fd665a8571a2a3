#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 60
# kernels: stock
# long: debug
#
# Each bit of the on-demand capabilities, both ways: what is claimed works on memory that is not there yet, what is not claimed
# is refused.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
ip link set lo up
sd_dummy d0
sd_link sodp0 d0
"$SD_BIN/odpcaps" sodp0
