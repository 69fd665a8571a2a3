#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 60
# kernels: stock rt
# long: debug kcsan
#
# Shared receive queues, on demand; completion queues of another size, send queues that are drained. Our own tests, then
# ibv_srq_pingpong and perftest.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
ip link set lo up
sd_dummy d0
sd_link sodp0 d0
n=300
[ "$SD_KERNEL" = stock ] || n=60
"$SD_BIN/srq" sodp0 $n
"$SD_BIN/queues" sodp0
gid=$(sd_gid sodp0)

both() {
	local server
	timeout 40 "$@" >/run/server.log 2>&1 &
	server=$!
	sd_wait 20 sd_listening 18515 || sd_fail "$*: $(</run/server.log)"
	timeout 40 "$@" 127.0.0.1 >/run/client.log 2>&1 || sd_fail "$*: $(cat /run/client.log /run/server.log)"
	wait $server || sd_fail "server: $*: $(</run/server.log)"
	echo "# passed: $*"
}

both ibv_srq_pingpong -d sodp0 -g "$gid" -q 4 -n 100
both ibv_srq_pingpong -d sodp0 -g "$gid" -q 4 -n 100 -e
command -v ib_send_bw >/dev/null || exit 0
# perftest posts no more receives than -n for all queue pairs together, and a datagram that finds none is lost.
both ib_send_bw -d sodp0 -x "$gid" -F -c RC --use-srq -q 4 -n 100 -s 1000 -r 128
both ib_send_bw -d sodp0 -x "$gid" -F -c UD --use-srq -q 1 -n 100 -s 1000 -r 128
both ib_send_lat -d sodp0 -x "$gid" -F -c RC --use-srq -n 100 -s 1000
both ib_send_lat -d sodp0 -x "$gid" -F -c UD --use-srq -n 100 -s 1000
