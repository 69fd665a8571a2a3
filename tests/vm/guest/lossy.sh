#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 180
# kernels: stock
# long: debug
#
# Reliable delivery over a wire that loses, repeats and reorders. Packets to an address of our own go over lo.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
modprobe sch_netem 2>/dev/null || sd_skip "the kernel has no netem"
sd_dummy d0
sd_link sodp0 d0
tc qdisc add dev lo root netem loss 2% duplicate 2% limit 100000
"$SD_BIN/lossy" sodp0 15
tc qdisc change dev lo root netem loss 1% duplicate 1% delay 3ms reorder 97% limit 100000
"$SD_BIN/lossy" sodp0 15
tc qdisc del dev lo root
