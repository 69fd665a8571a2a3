#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 200
# kernels: stock
#
# ibv_rc_pingpong and perftest between softodp in a network namespace and the kernel's rdma_rxe in the initial one.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
sd_veth_pair rxe softodp
gid0=$(sd_gid "$SD_DEV0")
gid1=$(sd_gid_in "$SD_NS1" "$SD_DEV1")

# between SERVER-NS CLIENT-NS ADDRESS-OF-SERVER OPTION-FOR-GID COMMAND...
between() {
	local server_ns=$1 client_ns=$2 address=$3 opt=$4 server start=$SECONDS
	shift 4
	local s=(-d "$SD_DEV0" "$opt" "$gid0") c=(-d "$SD_DEV1" "$opt" "$gid1")
	[ -z "$server_ns" ] || { s=(-d "$SD_DEV1" "$opt" "$gid1"); c=(-d "$SD_DEV0" "$opt" "$gid0"); }
	timeout 30 bash -c "$(declare -f sd_in); sd_in \"\$@\"" - "$server_ns" "$@" "${s[@]}" >/run/server.log 2>&1 &
	server=$!
	sd_wait 20 sd_listening 18515 "$server_ns" || { cat /run/server.log; sd_fail "no server: $*"; }
	timeout 30 bash -c "$(declare -f sd_in); sd_in \"\$@\"" - "$client_ns" "$@" "${c[@]}" "$address" >/run/client.log 2>&1 || {
		cat /run/server.log /run/client.log
		sd_fail "client: $*"
	}
	wait "$server" || { cat /run/server.log; sd_fail "server: $*"; }
	echo "# passed in $((SECONDS - start)) s, server in '${server_ns:-initial}': $*"
}

between "" "$SD_NS1" "$SD_IP0" -g ibv_rc_pingpong -n 200 -c
between "$SD_NS1" "" "$SD_IP1" -g ibv_rc_pingpong -n 200 -c
command -v ib_write_bw >/dev/null || exit 0
for program in ib_write_bw ib_read_bw ib_send_bw ib_atomic_bw; do
	size=(-s 65536)
	[ $program != ib_atomic_bw ] || size=()
	between "" "$SD_NS1" "$SD_IP0" -x $program -F -n 100 "${size[@]}"
	between "$SD_NS1" "" "$SD_IP1" -x $program -F -n 100 "${size[@]}"
done
