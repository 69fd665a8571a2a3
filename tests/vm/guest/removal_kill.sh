#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 120
# kernels: stock
# long: debug kcsan
#
# kill -9 of a process with traffic, faults and faults that nobody will ever answer.
set -euo pipefail
. "$(dirname "$0")/removal.lib.sh"

sd_load
sd_dummy d0
sd_link sodp0 d0
no_resources() { ! rdma resource show qp | grep -q traffic && ! rdma resource show mr | grep -q traffic; }
for options in "" "--pairs 32" "--dead"; do
	# shellcheck disable=SC2086
	traffic_start $options
	kill -9 "$TRAFFIC"
	sd_wait 5 traffic_gone || sd_fail "kill -9 took over 5 s"
	wait "$TRAFFIC" || true
	sd_wait 5 no_resources || sd_fail "left: $(rdma resource show)"
done
bounded 20 rdma link del sodp0
nothing_left
