#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 60
# kernels: stock 6.12 7.3
# long: debug
# needs: nodriver
#
# The harness alone: stock Soft-RoCE between two processes of a guest.

set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_dummy d0
sd_link rxe0 d0 rxe
gid=$(sd_gid rxe0)

# both: a server and its client; says of each how it ended.
both() {
	local server client_rc=0 server_rc=0
	ibv_rc_pingpong -d rxe0 -g "$gid" -n 100 -c &
	server=$!
	sd_wait 10 sd_listening 18515 || echo "# nobody listens"
	ibv_rc_pingpong -d rxe0 -g "$gid" -n 100 -c 127.0.0.1 || client_rc=$?
	wait $server || server_rc=$?
	echo "# client: status $client_rc, server: status $server_rc"
	[ $client_rc = 0 ] && [ $server_rc = 0 ]
}

# Not ours: one of these was seen to end with 255 although both had printed all of their success (7.3, once in many runs).
both || {
	echo "# once more"
	both || sd_fail "stock rdma_rxe: twice"
}
