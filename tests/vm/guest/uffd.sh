#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 240
# kernels: stock
# long: debug kcsan
#
# Page faults that take long or for ever.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
sd_dummy d0
sd_link sodp0 d0
if [ "$SD_KERNEL" = stock ]; then
	"$SD_BIN/uffd" --dev sodp0
else
	"$SD_BIN/uffd" --dev sodp0 --faults 600 --qps 100
fi
# The process that was killed has left nothing.
gone() { ! rdma resource show qp | grep -q 'comm uffd'; }
sd_wait 10 gone
