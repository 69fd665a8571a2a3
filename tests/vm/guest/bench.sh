#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# Figures of softodp and of the kernel's own rdma_rxe by one program, tests/bench: lines "bench NAME WHERE:HOW VALUE UNIT".
# No test: for ./run bench, in a guest with --icount and 4 GB; with --count in one with two CPUs, where only counts mean
# anything.
# timeout: 3600
# set: bench
#
#   loop   one device; with a way of its own for a peer on the same device switched off, if it has one
#   short  the same with that way switched on
#   veth   two devices, in two network namespaces, with a wire between them
#   smp    one device, two CPUs
#
#   sodp-pin, sodp-odp, rxe-pin, rxe-odp
set -euo pipefail
. "$(dirname "$0")/lib.sh"

WIRE='latency rate bandwidth qps'
ALL="$WIRE registration touch notifier fork memory storm"
# The switch, in /sys/class/infiniband/DEV.
SHORTCUT=${SD_SHORTCUT:-local_shortcut}

parts=$ALL count=''
while [ $# -gt 0 ]; do
	case $1 in
	--parts) parts=${2//,/ } && shift ;;
	--count) count=1 ;;
	*) sd_fail "unknown option $1" ;;
	esac
	shift
done

# chosen "PART...": those of them that are wanted, a line each.
chosen() {
	local part
	for part in $1; do
		[[ " $parts " != *" $part "* ]] || echo "$part"
	done
}

# measure WHERE HOW "PART..." OPTION...: a part that fails takes no other along.
failed=0
measure() {
	local where=$1 how=$2 part list options=()
	mapfile -t list < <(chosen "$3")
	shift 3
	case $how in
	sodp-odp) options=(--on-demand --most 1t) ;;
	rxe-odp) options=(--on-demand) ;; # its table is as long as the region
	esac
	for part in "${list[@]}"; do
		"$SD_BIN/verbsbench" --config "$where:$how" "${options[@]}" "$@" "$part" || {
			echo "failed $part $where:$how"
			failed=1
		}
	done
}

# ways KIND DEVICE: how it can register.
ways() {
	echo "$1-pin"
	! "$SD_BIN/verbsbench" --dev "$2" --has-odp || echo "$1-odp"
}

one_device() {
	local kind=$1 how file=/sys/class/infiniband/bench0/$SHORTCUT
	[ "$kind" = sodp ] && [ -w "$file" ] || file=''
	[ -z "$file" ] || echo 0 >"$file"
	for how in $(ways "$kind" bench0); do
		measure loop "$how" "$WIRE registration touch notifier fork memory" --dev bench0
	done
	[ -n "$file" ] || return 0
	echo 1 >"$file"
	for how in $(ways "$kind" bench0); do
		measure short "$how" "$WIRE" --dev bench0
	done
}

# A wire in one namespace: before 7.x rdma_rxe listens in the first one alone. Each end would find the other's address to
# be the machine's own, but devices ask for a way out of their own netdev.
wire_here() {
	local end
	ip -batch - <<-END
		link add w0 mtu 4200 type veth peer name w1 mtu 4200
		addr add 10.9.2.1/24 dev w0
		addr add 10.9.2.2/24 dev w1
		link set w0 up
		link set w1 up
	END
	echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
	for end in w0 w1; do
		echo 1 >"/proc/sys/net/ipv4/conf/$end/accept_local"
		echo 0 >"/proc/sys/net/ipv4/conf/$end/rp_filter"
	done
	ip neigh replace 10.9.2.2 lladdr "$(</sys/class/net/w1/address)" dev w0
	ip neigh replace 10.9.2.1 lladdr "$(</sys/class/net/w0/address)" dev w1
}

# two_devices KIND TYPE
two_devices() {
	local kind=$1 type=$2 how peer=(--peer bench1 --peer-netns peer)
	if [ "$kind" = rxe ] && [ "$SD_KERNEL" != 7.3 ]; then
		wire_here
		sd_link bench0 w0 "$type"
		sd_link bench1 w1 "$type"
		peer=(--peer bench1)
	else
		sd_link bench0 v0 "$type"
		sd_link bench1 v1 "$type" peer
	fi
	for how in $(ways "$kind" bench0); do
		measure veth "$how" "$WIRE" --dev bench0 "${peer[@]}"
	done
	rdma link del bench0
	if [ "${#peer[@]}" = 2 ]; then rdma link del bench1; else sd_in peer rdma link del bench1; fi
}

# UDP port 4791 of a namespace is one's: whoever is second finds it free when the first one's devices have gone.
each_kind() {
	local kind=$1 type=$2
	sd_link bench0 d0 "$type"
	if [ -n "$count" ]; then
		local how
		for how in $(ways "$kind" bench0); do
			measure smp "$how" storm --dev bench0
		done
	else
		one_device "$kind"
	fi
	rdma link del bench0
	[ -n "$count" ] || [ -z "$(chosen "$WIRE")" ] || two_devices "$kind" "$type"
}

# The clock of a guest that counts instructions runs away while it waits for files.
export SD_SLOW=$((${SD_SLOW:-1} * 10))
sd_load
rdma system set netns exclusive
ip link set lo up
sd_dummy d0
sd_wire v0 10.9.1.1 v1 10.9.1.2 peer 4200
each_kind sodp softodp
each_kind rxe rxe
exit $failed
