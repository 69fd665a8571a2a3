#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 420
# kernels: stock
#
# Events of the memory management and traffic at the same time: every scenario of tests/stress, 3 minutes in all.
# What is given on the command line goes to the program: tests/vm/guest/stress.sh --minutes 10 --scenario 'fork*'
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
sd_swap
sd_dummy d0
sd_link sodp0 d0
"${SD_STRESS:-$SD_BIN/stress}" --dev sodp0 "$@"
