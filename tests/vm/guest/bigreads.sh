#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# Eight READs of 1 GiB at once: no soft lockup, and others keep moving.
# timeout: 90
# modes: preempt
set -euo pipefail
. "$(dirname "$0")/lib.sh"
sd_load
ip link set lo up
sd_dummy d0
sd_link sodp0 d0
"$SD_BIN/bigreads" sodp0 15
rdma link del sodp0
