# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# What tests in a guest share. A test begins with
#
#   #!/bin/bash
#   # timeout: 60
#   set -euo pipefail
#   . "$(dirname "$0")/lib.sh"
#
# and ends with status 0 (passed), 77 (skipped, through sd_skip) or anything else (failed).

SD_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd -P)
# Compiled test programs: "$SD_BIN/NAME" for tests/vm/guest/NAME.c.
SD_BIN=$SD_ROOT/build/tests

sd_fail() {
	echo "FAIL: $*" >&2
	exit 1
}

sd_skip() {
	echo "SKIP: $*"
	exit 77
}

# sd_wait SECONDS COMMAND...: until the command succeeds; false when the time is over. Slow kernels have more of it.
sd_wait() {
	local end=$((SECONDS + $1 * ${SD_SLOW:-1}))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || { echo "sd_wait: gave up on: $*" >&2; return 1; }
		sd_pause 0.1
	done
}

# sd_timeout SECONDS COMMAND...: as timeout, by the same measure.
sd_timeout() { timeout $(($1 * ${SD_SLOW:-1})) "${@:2}"; }

# sd_pause SECONDS: without a process; an emulated guest feels every exec.
sd_pause() {
	[ -n "${SD_NEVER:-}" ] || exec {SD_NEVER}<> <(:)
	read -r -t "$1" -u "$SD_NEVER" || true
}

# sd_load, sd_unload: the driver, as the guest was started with it.
sd_load() {
	[ ! -d /sys/module/softodp ] || return 0
	[ -n "${SD_DRIVER:-}" ] || sd_skip "the driver is not built"
	local dependency
	modprobe -a ib_uverbs rdma_ucm
	for dependency in $(modinfo -F depends "$SD_DRIVER" | tr , ' '); do
		modprobe "$dependency"
	done
	insmod "$SD_DRIVER" "$@"
}

sd_unload() { [ ! -d /sys/module/softodp ] || rmmod softodp; }

# In the namespace NS, or here if it is empty.
sd_in() {
	if [ -n "$1" ]; then ip netns exec "$@"; else shift && "$@"; fi
}

# sd_dummy [NAME [ADDRESS/BITS [MTU]]]: a dummy netdev that is up and has an IPv4 address.
sd_dummy() {
	local name=${1:-d0} address=${2:-10.9.0.1/24} mtu=${3:-4200}
	[ -d /sys/module/dummy ] || modprobe dummy numdummies=0 2>/dev/null || true
	ip -batch - <<-END
		link add $name mtu $mtu type dummy
		addr add $address dev $name
		link set $name up
	END
}

# sd_listening PORT [NS]: does anybody wait there for a connection by TCP?
sd_listening() {
	local hex sockets
	printf -v hex %04X "$1"
	if [ -n "${2:-}" ]; then
		sockets=$(ip netns exec "$2" cat /proc/net/tcp /proc/net/tcp6)
	else
		sockets=$(</proc/net/tcp)$(</proc/net/tcp6)
	fi
	[[ $sockets =~ :$hex\ [0-9A-F]+:0000\ 0A\  ]]
}

# sd_gid DEV [PORT]: the index of the first RoCE v2 GID that holds an IPv4 address; false if there is none yet.
sd_gid() {
	local dir=/sys/class/infiniband/$1/ports/${2:-1} i gid kind
	for i in {0..15}; do
		{ read -r gid <"$dir/gids/$i"; } 2>/dev/null || continue
		[[ $gid == 0000:0000:0000:0000:0000:ffff:* ]] || continue
		{ read -r kind <"$dir/gid_attrs/types/$i"; } 2>/dev/null || continue
		[ "$kind" != "RoCE v2" ] || { echo "$i"; return 0; }
	done
	return 1
}

# sd_gid_in NS DEVICE: the same in a namespace, which has a /sys of its own.
sd_gid_in() { sd_in "$1" bash -c ". '$SD_ROOT/tests/vm/guest/lib.sh' && sd_gid $2"; }

sd_device_ready() {
	local state
	{ read -r state <"/sys/class/infiniband/$1/ports/1/state"; } 2>/dev/null || return 1
	[[ $state == *ACTIVE* ]] && sd_gid "$1" >/dev/null
}

# sd_link NAME NETDEV [TYPE [NS]]: makes an RDMA device and waits until its port is active and its IPv4 GID is there. With
# SD_SHORTCUT=0 in the environment, one whose packets to itself take the way through the loopback device.
sd_link() {
	local name=$1 netdev=$2 type=${3:-softodp} ns=${4:-}
	case $type in
	rxe | siw) modprobe "rdma_$type" 2>/dev/null || modprobe "$type" ;;
	esac
	sd_in "$ns" rdma link add "$name" type "$type" netdev "$netdev" || return
	if [ -z "$ns" ]; then
		sd_wait 20 sd_device_ready "$name" || return
	else
		sd_in "$ns" bash -c ". '$SD_ROOT/tests/vm/guest/lib.sh'; sd_wait 20 sd_device_ready '$name'" || return
	fi
	[ "$type" != softodp ] || [ -z "${SD_SHORTCUT:-}" ] || [ -n "$ns" ] || sd_shortcut "$name" "$SD_SHORTCUT"
}

# sd_shortcut DEV 0|1: do its packets to this same namespace skip the IP stack?
sd_shortcut() { echo "$2" >"/sys/class/infiniband/$1/local_shortcut"; }

# sd_wire NETDEV ADDRESS PEER PEER-ADDRESS NAMESPACE MTU: a wire from here into a new namespace.
sd_wire() {
	local netdev=$1 address=$2 peer=$3 peer_address=$4 ns=$5 mtu=$6
	ip -batch - <<-END
		netns add $ns
		link add $netdev mtu $mtu type veth peer name $peer mtu $mtu netns $ns
		addr add $address/24 dev $netdev
		link set $netdev up
	END
	ip -n "$ns" -batch - <<-END
		addr add $peer_address/24 dev $peer
		link set $peer up
		link set lo up
	END
}

# sd_hostile_wire MTU: for one who sends what he likes,
#
#   initial namespace              namespace "bad"
#   sodp0  b0 10.9.5.1 ---------- b1 10.9.5.2  a raw socket, no device
#
# Sets SD_IP0 SD_IP1 SD_NS1.
sd_hostile_wire() {
	SD_IP0=10.9.5.1 SD_IP1=10.9.5.2 SD_NS1=bad
	sd_wire b0 $SD_IP0 b1 $SD_IP1 $SD_NS1 "$1"
	ip link set lo up
	sd_link sodp0 b0
}

# sd_veth_pair [TYPE0 [TYPE1]]: two devices with a wire between them,
#
#   initial namespace                namespace "peer"
#   sd0 (TYPE0) v0 10.9.1.1 -------- v1 10.9.1.2 sd1 (TYPE1)
#
# Sets SD_DEV0 SD_IP0 SD_DEV1 SD_IP1 SD_NS1. The peer's device exists in its namespace alone: sd_in "$SD_NS1" COMMAND.
sd_veth_pair() {
	local type0=${1:-softodp} type1=${2:-softodp}
	SD_DEV0=sd0 SD_DEV1=sd1 SD_IP0=10.9.1.1 SD_IP1=10.9.1.2 SD_NS1=peer
	rdma system set netns exclusive
	sd_wire v0 $SD_IP0 v1 $SD_IP1 "$SD_NS1" 4200
	sd_link "$SD_DEV0" v0 "$type0"
	sd_link "$SD_DEV1" v1 "$type1" "$SD_NS1"
}

# sd_counter DEV NAME [NS]: a hardware counter of port 1; 0 if the device has none of that name.
sd_counter() {
	local file=/sys/class/infiniband/$1/ports/1/hw_counters/$2 value
	[ -n "${3:-}" ] || ! { read -r value <"$file"; } 2>/dev/null || { echo "$value" && return; }
	value=$(sd_in "${3:-}" cat "$file" 2>/dev/null) ||
		value=$(sd_in "${3:-}" rdma statistic show link "$1/1" | tr ' ' '\n' | grep -A1 -x "$2" | tail -n 1)
	echo "${value:-0}"
}

# sd_counters DEV [NS]: all of them, a line each.
sd_counters() {
	sd_in "${2:-}" rdma statistic show link "$1/1" | tr ' ' '\n' | sed 1,2d | paste -d ' ' - -
}

# sd_swap [DISK]: swap on a disk that the guest was started with (--disk), else on zram.
sd_swap() {
	local disk=${1:-/dev/vda}
	[ -b "$disk" ] || modprobe virtio_blk 2>/dev/null || true
	if [ ! -b "$disk" ]; then
		modprobe zram num_devices=1 2>/dev/null || sd_skip "no disk and no zram"
		disk=/dev/zram0
		echo 512M >/sys/block/zram0/disksize
	fi
	mkswap "$disk" >/dev/null
	swapon "$disk"
}

# sd_leaks: with kmemleak, what softodp allocated and lost since the guest started, after it was unloaded; false if anything.
sd_leaks() {
	local leaks=/sys/kernel/debug/kmemleak i
	[ -w "$leaks" ] || return 0
	# Objects younger than 5 s are not reported, and the first scan only takes checksums.
	sd_pause 6
	for i in 1 2; do
		# It gives up for good when there is no memory for its own notes.
		echo scan >"$leaks" 2>/dev/null || sd_fail "kmemleak has switched itself off: $(dmesg | grep kmemleak | tail -n 1)"
		sd_pause 1
	done
	! grep -qE '\[(softodp|ib_core|ib_uverbs)\]|\] 0xffffffff[0-9a-f]{8}$' "$leaks" || {
		grep -n '' "$leaks" | head -n 60
		sd_fail "memory was lost"
	}
}
