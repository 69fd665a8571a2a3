#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# Registration on demand costs the same for 4 KiB, for 1 TiB and for the whole address space, counted in instructions.
# Its clock runs away while the guest waits for its files, so the limit is a wide one.
# timeout: 600
# boot: --icount
set -euo pipefail
. "$(dirname "$0")/lib.sh"
sd_load
ip link set lo up
sd_dummy d0
sd_link sodp0 d0
"$SD_BIN/regcost" sodp0
rdma link del sodp0
