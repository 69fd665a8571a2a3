#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 600
# kernels: stock
# boot: --append numa=fake=2 --append kernelcore=1278M --append memmap=128M!1G --append nokaslr --append secretmem.enable=1
#
# Events of the memory management and traffic at the same time: every scenario of tests/stress, 3 minutes in all.
# What is given on the command line goes to the program: tests/vm/guest/stress.sh --minutes 10 --scenario 'fork*'
#
# The guest has two NUMA nodes, memory that can be taken offline (where no luck of the boot puts the kernel into it), and
# some that is persistent.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# Where this guest's logs go: a failure leaves the driver's trace there.
keep=()
[ ! -d /run/softodp/log ] || keep=(--keep /run/softodp/log/keep)

# What the kernel says while a scenario runs is that scenario's failure.
export SD_CHECK=$SD_ROOT/tests/vm/check.sh

sd_load
sd_swap
sd_dummy d0
sd_link sodp0 d0
rc=0
"${SD_STRESS:-$SD_BIN/stress}" --dev sodp0 "${keep[@]}" "$@" || rc=$?
[ "$rc" = 0 ] || exit "$rc"
rdma link del sodp0 || sd_fail "the device cannot be deleted"
sd_unload || sd_fail "the module cannot be unloaded"
sd_leaks || sd_fail "memory is lost"
