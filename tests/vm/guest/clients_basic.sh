#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 180
# kernels: stock rt
# long: debug
#
# Programs that others wrote, on one device: ibv_devinfo, ibv_rc_pingpong, perftest with --odp.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
ip link set lo up
sd_dummy d0
sd_link sodp0 d0
gid=$(sd_gid sodp0)

# both PORT COMMAND...: the command as a server, then as its client.
both() {
	local port=$1 server
	shift
	sd_timeout 40 "$@" >/run/server.log 2>&1 &
	server=$!
	sd_wait 20 sd_listening "$port" || { cat /run/server.log; return 1; }
	sd_timeout 40 "$@" 127.0.0.1 >/run/client.log 2>&1 || {
		cat /run/server.log /run/client.log
		sd_fail "$*"
	}
	wait "$server" || { cat /run/server.log; sd_fail "server: $*"; }
	echo "# passed: $*"
}

ibv_devinfo -v -d sodp0 >/run/devinfo
# What stands under the heading of the transport, up to the next heading.
caps=$(sed -n '/rc_odp_caps:/,/uc_odp_caps:/p' /run/devinfo)
grep -q ODP_SUPPORT_IMPLICIT /run/devinfo || sd_fail "no implicit ODP: $(cat /run/devinfo)"
grep -q 'ODP_SUPPORT' <<<"$(sed -n '/general_odp_caps:/,/rc_odp_caps:/p' /run/devinfo)" || sd_fail "no ODP: $(cat /run/devinfo)"
for cap in SEND RECV WRITE READ ATOMIC; do
	grep -q "SUPPORT_$cap" <<<"$caps" || sd_fail "no ODP for RC $cap: $caps"
done
grep -q 'state:.*PORT_ACTIVE' /run/devinfo || sd_fail "port not active"

before=$(sd_counter sodp0 page_faults)
both 18515 ibv_rc_pingpong -d sodp0 -g "$gid" -n 200 -o -c
[ "$(sd_counter sodp0 page_faults)" -gt "$before" ] || sd_fail "ibv_rc_pingpong -o made no page fault"
both 18515 ibv_rc_pingpong -d sodp0 -g "$gid" -n 200 -c
both 18515 ibv_rc_pingpong -d sodp0 -g "$gid" -n 200 -o -c -e
both 18515 ibv_rc_pingpong -d sodp0 -g "$gid" -n 50 -o -c -s 1000000 -m 4096

n=100
[ "$SD_KERNEL" = stock ] || n=20
command -v ib_write_bw >/dev/null || { echo "# no perftest"; exit 0; }
for program in ib_write_bw ib_read_bw ib_send_bw ib_write_lat ib_read_lat ib_send_lat; do
	before=$(sd_counter sodp0 page_faults)
	both 18515 $program -d sodp0 -x "$gid" -F -n $n -s 65536 --odp
	[ "$(sd_counter sodp0 page_faults)" -gt "$before" ] || sd_fail "$program --odp made no page fault"
done
both 18515 ib_atomic_bw -d sodp0 -x "$gid" -F -n $n
both 18515 ib_write_bw -d sodp0 -x "$gid" -F -n $n -s 4096 -q 8
