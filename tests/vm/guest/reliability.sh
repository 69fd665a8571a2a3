#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 360
# kernels: stock
# long: debug kcsan
#
# Reliable delivery over a wire that loses, reorders and repeats packets, and the errors that end it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
ip link set lo up
sd_dummy d0
sd_link sodp0 d0
n=800
[ "$SD_KERNEL" = stock ] || n=150

for shortcut in 1 0; do
	echo "# local shortcut: $shortcut"
	sd_shortcut sodp0 $shortcut
	"$SD_BIN/reliability" --dev sodp0 rules
	"$SD_BIN/reliability" --dev sodp0 stream $n
	"$SD_BIN/reliability" --dev sodp0 churn $((n / 4))
done
# Off: only packets in the stack tie a queue pair to a CPU.
"$SD_BIN/reliability" --dev sodp0 busy 6
[ "$(sd_counter sodp0 req_retransmits)" -le 60 ] || echo "# many retransmits on a good wire"

modprobe sch_netem 2>/dev/null || sd_skip "no netem"
lossy() {
	echo "# netem $*"
	# A device's packets to itself go through lo.
	tc qdisc replace dev lo root netem "$@"
	local before after
	before=$(sd_counter sodp0 req_retransmits)
	"$SD_BIN/reliability" --dev sodp0 stream $n
	after=$(sd_counter sodp0 req_retransmits)
	[ "$after" -gt "$before" ] || sd_fail "netem $*: nothing was ever sent again"
}
lossy loss 1% limit 20000
lossy delay 1ms reorder 95% 25% limit 20000
lossy loss 0.5% duplicate 2% delay 200us 100us limit 20000
tc qdisc del dev lo root
