#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 200
# kernels: stock
#
# What our packets look like to a third party on the wire, and whether stock rdma_rxe and we take each other's. The peer is
#
#   initial namespace: rdma_rxe 10.9.1.1 (v0) -------- (v1) 10.9.1.2 softodp: namespace "peer"
set -Eeuo pipefail
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d)
trap 'tail -n 20 "$work"/*' ERR

# watch_start INTERFACE, watch_end: wirecheck.py in between
watch_start() {
	python3 "$SD_ROOT/tests/vm/guest/wirecheck.py" "$1" 600 >"$work/watch" 2>&1 &
	watcher=$!
	sd_wait 60 grep -q ready "$work/watch"
}

watch_end() {
	sleep 0.3
	kill "$watcher"
	wait "$watcher" || sd_fail "packets that are wrong: $(cat "$work/watch")"
	cat "$work/watch"
}

# pingpong SERVER_DEV SERVER_NS CLIENT_DEV CLIENT_NS SERVER_IP OPTION...
pingpong() {
	local sdev=$1 sns=$2 cdev=$3 cns=$4 ip=$5 server sgid cgid
	shift 5
	sgid=${gid[$sdev]} cgid=${gid[$cdev]}
	sd_in "$sns" timeout 40 ibv_rc_pingpong -d "$sdev" -g "$sgid" "$@" >"$work/server" 2>&1 &
	server=$!
	sd_wait 30 sd_listening 18515 "$sns"
	sd_in "$cns" timeout 40 ibv_rc_pingpong -d "$cdev" -g "$cgid" "$@" "$ip" >"$work/client" 2>&1
	wait "$server"
	echo "ok $sdev <- $cdev $*"
}

sd_load
sd_veth_pair rxe softodp
ip link set lo up
declare -A gid
gid[$SD_DEV0]=$(sd_gid "$SD_DEV0")
gid[$SD_DEV1]=$(sd_gid_in "$SD_NS1" "$SD_DEV1")

watch_start v0
for options in "-m 1024 -s 4096" "-m 4096 -s 65536" "-m 256 -s 1001" "-m 1024 -s 1"; do
	# shellcheck disable=SC2086
	pingpong "$SD_DEV0" "" "$SD_DEV1" "$SD_NS1" "$SD_IP0" $options -n 20 -c
	# shellcheck disable=SC2086
	pingpong "$SD_DEV1" "$SD_NS1" "$SD_DEV0" "" "$SD_IP1" $options -n 20 -c
done
watch_end
grep -q "^$SD_IP1 packets [0-9]\{3,\}" "$work/watch" || sd_fail "too few packets of ours were seen"
grep -q "^$SD_IP0 packets [0-9]\{3,\}" "$work/watch" || sd_fail "too few packets of rdma_rxe were seen"

sd_counters "$SD_DEV1" "$SD_NS1" | grep -v " 0$"
for counter in drop_icrc_error drop_short_packet drop_bad_header drop_bad_opcode drop_bad_pkey drop_wrong_address send_err; do
	n=$(sd_counter "$SD_DEV1" "$counter" "$SD_NS1")
	[ "$n" = 0 ] || sd_fail "$counter is $n"
done
