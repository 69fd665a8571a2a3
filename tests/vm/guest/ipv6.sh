#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 240
# kernels: stock
# long: debug
#
# RoCEv2 over IPv6: two devices with a wire between them by global and by link-local addresses, one device with itself, and
# with the kernel's own rdma_rxe both ways.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
sd_veth_pair softodp softodp
ip addr add fd00:9::1/64 dev v0 nodad
ip -n "$SD_NS1" addr add fd00:9::2/64 dev v1 nodad

# gid DEVICE PREFIX [NS]: the index of its RoCEv2 GID that begins so.
gid() {
	# shellcheck disable=SC2016 # for the shell there
	sd_in "${3:-}" bash -c 'cd /sys/class/infiniband/$1/ports/1 && for i in {0..15}; do
		[[ $(<gids/$i) == $2* && $(<gid_attrs/types/$i) == "RoCE v2" ]] && echo $i && exit
	done 2>/dev/null; exit 1' gid "$1" "$2"
}

# pingpong PREFIX SERVER-DEVICE SERVER-NS CLIENT-DEVICE CLIENT-NS ADDRESS
pingpong() {
	local prefix=$1 sdev=$2 sns=$3 cdev=$4 cns=$5 address=$6 server sgid cgid odp=-o codp=-o
	sgid=$(gid "$sdev" "$prefix" "$sns") && cgid=$(gid "$cdev" "$prefix" "$cns") || sd_fail "no GID that begins with $prefix"
	[[ $sdev != rxe* ]] || odp=''
	[[ $cdev != rxe* ]] || codp=''
	# shellcheck disable=SC2086 # options, or none
	sd_in "$sns" timeout 30 ibv_rc_pingpong -d "$sdev" -g "$sgid" -n 50 -s 20000 -m 1024 -c $odp >/run/server 2>&1 &
	server=$!
	sd_wait 10 sd_listening 18515 "$sns" || true
	# shellcheck disable=SC2086
	sd_in "$cns" timeout 30 ibv_rc_pingpong -d "$cdev" -g "$cgid" -n 50 -s 20000 -m 1024 -c $codp "$address" >/run/client 2>&1 ||
		sd_fail "$cdev to $sdev by $prefix: $(cat /run/client /run/server)"
	wait $server || sd_fail "$cdev to $sdev by $prefix: $(</run/server)"
	echo "# $cdev to $sdev by $prefix: $(tail -n 1 /run/client)"
}

sd_wait 10 gid sd0 fd00: && sd_wait 10 gid sd1 fd00: "$SD_NS1" && sd_wait 10 gid sd0 fe80: || sd_fail "no IPv6 GID"
# The kernel waits a second for a neighbour's answer before a queue pair cannot be connected, and asks once in a second:
# a wire that comes up just then takes longer.
# reached ADDRESS [NS]: somebody there says that nobody listens.
reached() {
	[[ $(sd_in "${2:-}" timeout 3 bash -c "</dev/tcp/$1/9" 2>&1) == *refused* ]]
}
sd_wait 10 reached fd00:9::1 "$SD_NS1" && sd_wait 10 reached fd00:9::2 || sd_fail "no way over IPv6"
before=$(sd_counter sd1 rcvd_pkts "$SD_NS1")
pingpong fd00: sd1 "$SD_NS1" sd0 '' 10.9.1.2
pingpong fe80: sd1 "$SD_NS1" sd0 '' 10.9.1.2
[ "$(sd_counter sd1 rcvd_pkts "$SD_NS1")" -gt $((before + 2000)) ] || sd_fail "no packet came"
pingpong fd00: sd0 '' sd0 '' 127.0.0.1

RD_FAMILY=6 sd_in "$SD_NS1" env RD_FAMILY=6 "$SD_BIN/matrix" --dev "$SD_DEV1" --server /run/matrix.sock &
RD_FAMILY=6 "$SD_BIN/matrix" --dev "$SD_DEV0" --client /run/matrix.sock --short
wait $!

# A damaged packet is dropped for its ICRC: UDP has no checksum here.
modprobe sch_netem
tc qdisc add dev v0 root netem corrupt 5%
drops=$(sd_counter sd1 drop_icrc_error "$SD_NS1")
pingpong fd00: sd1 "$SD_NS1" sd0 '' 10.9.1.2
tc qdisc del dev v0 root
[ "$(sd_counter sd1 drop_icrc_error "$SD_NS1")" -gt "$drops" ] || sd_fail "no packet was found damaged"

rdma link del sd0
sd_link rxe0 v0 rxe
sd_wait 10 gid rxe0 fd00: || sd_fail "no IPv6 GID of rxe"
pingpong fd00: sd1 "$SD_NS1" rxe0 '' 10.9.1.2
pingpong fd00: rxe0 '' sd1 "$SD_NS1" 10.9.1.1
