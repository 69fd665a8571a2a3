#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 180
# kernels: stock
# long: debug
#
# The RDMA connection manager: management datagrams through queue pair 1, then programs of librdmacm, on one device, and
# with the kernel's own rdma_rxe at the other end, both ways.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
ip link set lo up
hostname vm

listening() { sd_in "$1" rdma resource show cm_id | grep 'state LISTEN' >/dev/null; }
quiet() { ! listening "$1"; }

# both SERVER-NS CLIENT-NS ADDRESS PROGRAM "SERVER OPTIONS" "CLIENT OPTIONS": @ stands for the address of the server
both() {
	local sns=$1 cns=$2 address=$3 program=$4 server start=$EPOCHREALTIME
	sd_wait 40 quiet "$sns"
	# shellcheck disable=SC2086 # words
	sd_in "$sns" timeout 60 "$program" ${5//@/$address} >/run/server 2>&1 &
	server=$!
	sd_wait 40 listening "$sns" || sd_fail "no server: $program: $(</run/server)"
	# shellcheck disable=SC2086 # words
	sd_in "$cns" timeout 60 "$program" ${6//@/$address} >/run/client 2>&1 ||
		sd_fail "$program to $address: $(cat /run/client /run/server; dmesg | tail -n 20)"
	wait $server || sd_fail "server of $program at $address: $(</run/server)"
	echo "# $program to $address in $(((${EPOCHREALTIME/./} - ${start/./}) / 1000)) ms"
}

programs() {
	both "$1" "$2" "$3" rping '-s -a @ -C 20 -S 4096 -V' '-c -a @ -C 20 -S 4096 -V'
	both "$1" "$2" "$3" ucmatose '-b @ -C 20 -c 4' '-s @ -C 20 -c 4'
	both "$1" "$2" "$3" udaddy '-b @ -C 20 -c 4' '-s @ -C 20 -c 4'
}

sd_dummy d0
sd_link sodp0 d0
programs '' '' 10.9.0.1
[ "$(sd_counter sodp0 drop_bad_qkey)" = 0 ] || sd_fail "management datagrams refused: $(sd_counters sodp0)"
rdma link del sodp0

sd_veth_pair rxe softodp
programs '' "$SD_NS1" "$SD_IP0"
programs "$SD_NS1" '' "$SD_IP1"
sd_in "$SD_NS1" rdma link del sd1
rdma link del sd0
sd_unload
! dmesg | grep -E 'BUG|WARNING:|Oops|Couldn.t' || sd_fail "the kernel complained"
