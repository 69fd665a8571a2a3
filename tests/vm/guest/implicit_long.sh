#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 180
# kernels: stock debug
# set: long
#
# One key for the whole address space: a minute of malloc, free, mmap and munmap under traffic, every byte checked. Then a
# table of over 1 MiB, which is below that again when what it was for is unmapped.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
sd_swap
sd_dummy d0
sd_link sodp0 d0
"$SD_BIN/stress" --dev sodp0 --seconds 60 --scenario implicit | tee /run/said
bytes=$(sed -n 's/^# implicit: [0-9]* pages far from each other, \([0-9]*\) bytes of tables$/\1/p' /run/said)
left=$(sed -n 's/^# implicit: in the end .* resident, \([0-9]*\) bytes of tables$/\1/p' /run/said)
[ "${bytes:-0}" -gt $((1 << 20)) ] && [ "${left:-$bytes}" -lt $((1 << 20)) ] ||
	sd_fail "tables: '$bytes' bytes, '$left' in the end"
