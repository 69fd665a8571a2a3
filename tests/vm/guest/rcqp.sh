#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 120
# kernels: stock debug rt
# long: kcsan
#
# Reliable connections as verbs describe them, on one device.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
sd_dummy d0
sd_link sodp0 d0
"$SD_BIN/rcqp" --dev sodp0
