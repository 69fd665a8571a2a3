#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 400
# kernels: stock debug
# long: kcsan
#
# The byte matrix between two processes on one device.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
sd_dummy d0
sd_link sodp0 d0
[ "$SD_KERNEL" = stock ] && short='' || short=--short
"$SD_BIN/matrix" --dev sodp0 $short
