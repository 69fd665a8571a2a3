#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 700
# kernels: debug
# set: long
# long: debug
#
# Allocations that fail, for which Debian's kernels are not built: in each call, in each page fault, and all of them for a
# while. The scenarios of the stress, alone.
set -euo pipefail
exec "$(dirname "$0")/stress.sh" --seconds 60 --scenario 'lowmem*'
