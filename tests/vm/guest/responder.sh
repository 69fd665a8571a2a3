#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 120
# kernels: stock
# long: debug
#
# A responder that is not ready yet, and one that never will be.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
sd_dummy d0
sd_link sodp0 d0
"$SD_BIN/responder" sodp0
