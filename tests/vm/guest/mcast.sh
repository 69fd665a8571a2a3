#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 180
# kernels: stock
# long: debug
#
# Multicast on demand, by IPv4 and IPv6: within a device, over a wire both ways, by mckey; what the interface has joined and left
# again; a program that is killed.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
ip link set lo up
sd_dummy d0
ip link set d0 multicast on
ip -6 addr add fd00:9::1/64 dev d0 nodad
sd_link sodp0 d0
n=200
[ "$SD_KERNEL" = stock ] || n=40

has_gid6() { grep -q '^fd00:0009:' /sys/class/infiniband/sodp0/ports/1/gids/* 2>/dev/null; }
sd_wait 20 has_gid6 || sd_fail "no IPv6 GID"
all_left() { [ "$(groups_joined d0)" = 0 ]; }
device_gone() { [ ! -d /sys/class/infiniband/sodp0 ]; }
groups_joined() { ip maddr show dev "$1" | grep -cE 'inet +239\.7\.|inet6 ff0e::7' || true; }
for family in 4 6; do
	RD_FAMILY=$family "$SD_BIN/mcast" sodp0 $n
	[ "$(groups_joined d0)" = 0 ] || sd_fail "IPv$family: still joined: $(ip maddr show dev d0)"
	RD_FAMILY=$family "$SD_BIN/mcast" sodp0 receive 1 >/run/member &
	pid=$!
	sd_wait 20 grep -q ready /run/member || sd_fail "no member"
	[ "$(groups_joined d0)" = 1 ] || sd_fail "IPv$family: not joined: $(ip maddr show dev d0)"
	kill -9 $pid
	wait $pid 2>/dev/null || true
	sd_wait 20 all_left || sd_fail "IPv$family: who was killed is still a member"
done

# The netdevice goes while a program is in a group.
"$SD_BIN/mcast" sodp0 receive 1 >/run/member 2>&1 &
pid=$!
sd_wait 20 grep -q ready /run/member || sd_fail "no member"
ip link del d0
sd_wait 20 device_gone || sd_fail "the device did not go with its netdev"
kill -9 $pid 2>/dev/null || true
wait $pid 2>/dev/null || true

# Over a wire.
sd_veth_pair
for ends in ":sd0:$SD_NS1:sd1" "$SD_NS1:sd1::sd0"; do
	IFS=: read -r rns rdev sns sdev <<<"$ends"
	sd_in "$rns" "$SD_BIN/mcast" "$rdev" receive $n >/run/member &
	pid=$!
	sd_wait 20 grep -q ready /run/member || sd_fail "no member"
	sd_in "$sns" "$SD_BIN/mcast" "$sdev" send $n
	wait $pid || sd_fail "$sdev to $rdev: $(</run/member)"
	echo "# $sdev to $rdev: $(grep ok /run/member)"
done

command -v mckey >/dev/null || exit 0
timeout 60 mckey -m 239.8.8.8 -b "$SD_IP0" -C 10 >/run/mckey.receive 2>&1 &
pid=$!
joined() { ip maddr show dev v0 | grep -q 239.8.8.8; }
sd_wait 20 joined || sd_fail "mckey does not join: $(</run/mckey.receive)"
sd_pause 0.5
sd_in "$SD_NS1" timeout 60 mckey -m 239.8.8.8 -b "$SD_IP1" -C 10 -s >/run/mckey.send 2>&1 ||
	sd_fail "mckey -s: $(</run/mckey.send)"
wait $pid || sd_fail "mckey: $(</run/mckey.receive)"
