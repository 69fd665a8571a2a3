#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# Crafted packets, scribbled rings, nonsense to uverbs, at random and while others work: nobody is harmed, all goes away.
# timeout: 90
# kernels: stock debug
set -euo pipefail
. "$(dirname "$0")/lib.sh"

packets=20000 states=20000 calls=4000 seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ') lies=1
case ${SD_KERNEL:-stock} in debug | kcsan) packets=5000 states=5000 calls=1500 ;; esac
while [ $# -gt 1 ]; do
	case $1 in
	--packets) packets=$2 ;;
	--states) states=$2 ;;
	--calls) calls=$2 ;;
	--seed) seed=$2 ;;
	--lies) lies=$2 ;;
	*) sd_fail "no option $1 (there are: --packets --states --calls --seed N, --lies 0|1)" ;;
	esac
	shift 2
done
[ $# = 0 ] || sd_fail "no value for $1"

#   initial namespace              namespace "bad"
#   sodp0  b0 10.9.5.1 ---------- b1 10.9.5.2  a raw socket, no device
sd_load
ip netns add bad
ip link add b0 mtu 9000 type veth peer name b1 mtu 9000 netns bad
ip addr add 10.9.5.1/24 dev b0
ip link set b0 up
ip -n bad addr add 10.9.5.2/24 dev b1
ip -n bad link set b1 up
ip -n bad link set lo up
ip link set lo up
sd_link sodp0 b0
peer=(--local 10.9.5.1 --peer 10.9.5.2 --namespace bad)

# what MODE COUNT [OPTION]...
what() {
	local mode=$1 count=$2
	shift 2
	[ "$count" -gt 0 ] || return 0
	"$SD_BIN/hostile" "$mode" sodp0 --count "$count" --seed "$seed" "$@"
}

what peer "$packets" "${peer[@]}"
what program "$states"
rdma link del sodp0
ip netns del bad
sd_unload
sd_leaks
