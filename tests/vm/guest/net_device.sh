#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 180
# kernels: stock
# long: debug
#
# The device follows its netdev: MTU, port state and its events, its end in every way. One UDP port for each namespace.
set -Eeuo pipefail
. "$(dirname "$0")/lib.sh"

PORT=4791
work=$(mktemp -d)
trap 'tail -n 20 "$work"/*' ERR

mtu() { ibv_devinfo -d "$1" | sed -n 's/.*active_mtu:[[:space:]]*\([0-9]*\).*/\1/p'; }
state() { cat "/sys/class/infiniband/$1/ports/1/state"; }
listening() { sd_in "${1:-}" ss -Huln "sport = :$PORT" | grep -q .; }
is_gone() { [ ! -e "/sys/class/infiniband/$1" ]; }
sees() { [ "$("$1" "$2")" = "$3" ] || sd_fail "$1 of $2 is '$("$1" "$2")', not '$3'"; }

sd_load
sd_dummy d0 10.9.0.1/24 1500
listening && sd_fail "port $PORT is in use before there is a device"
sd_link sodp0 d0
listening || sd_fail "nobody listens on port $PORT"

echo "# MTU"
while read -r netdev path; do
	ip link set d0 mtu "$netdev"
	sees mtu sodp0 "$path"
done <<-END
	1500 1024
	4200 4096
	4180 4096
	4179 2048
	9000 4096
	596 512
	595 256
	1500 1024
END

echo "# port events: one each, none for what changes nothing"
stdbuf -oL ibv_asyncwatch -d sodp0 >"$work/events" 2>&1 &
watch=$!
events() { grep -c "$1" "$work/events" || true; }
sd_wait 10 grep -q "async event" "$work/events"
ip link set d0 down
sees state sodp0 "1: DOWN"
sd_wait 10 grep -q PORT_ERR "$work/events"
ip link set d0 mtu 4200
ip link set d0 up
sees state sodp0 "4: ACTIVE"
sd_wait 10 grep -q PORT_ACTIVE "$work/events"
ip link set d0 mtu 1500
ip link set d0 alias nothing
sleep 0.5
kill $watch
wait $watch 2>/dev/null || true
cat "$work/events"
[ "$(events PORT_ERR)" = 1 ] || sd_fail "port error: $(events PORT_ERR) times"
[ "$(events PORT_ACTIVE)" = 1 ] || sd_fail "port active: $(events PORT_ACTIVE) times"

echo "# two devices, one socket"
sd_dummy d1 10.9.2.1/24
sd_link sodp1 d1
rdma link del sodp0
listening || sd_fail "the socket went with the first of two devices"
rdma link del sodp1
sd_wait 10 is_gone sodp1
listening && sd_fail "the socket stayed behind the last device"

echo "# the port is taken"
python3 -c "import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', $PORT)); print('bound', flush=True); sys.stdin.read()" \
	< <(sleep 60) >"$work/bound" &
holder=$!
sd_wait 10 grep -q bound "$work/bound"
if rdma link add sodp0 type softodp netdev d0 2>"$work/error"; then
	sd_fail "made a device although port $PORT is taken"
fi
cat "$work/error"
grep -q "in use" "$work/error" || sd_fail "not the error that it is"
inode=$(stat -L -c %i /proc/self/ns/net)
dmesg | grep "softodp.*$PORT.*$inode" || sd_fail "no message that names port and namespace $inode"
kill $holder
wait $holder 2>/dev/null || true
sd_link sodp0 d0

echo "# ends: netdev del, netdev moved, netns del"
ip link del d0
sd_wait 10 is_gone sodp0
ip netns add other
sd_link sodp1 d1
ip link set d1 netns other
sd_wait 10 is_gone sodp1
listening && sd_fail "the socket stayed behind a netdev that moved"
ip -n other addr add 10.9.2.1/24 dev d1
ip -n other link set d1 up
sd_in other rdma link add sodp1 type softodp netdev d1
listening other || sd_fail "nobody listens on port $PORT in the other namespace"
ip netns del other
sd_wait 20 is_gone sodp1

echo "# unload with devices there"
sd_dummy d0
sd_link sodp0 d0
timeout 20 rmmod softodp
listening && sd_fail "the socket stayed behind the module"
ip link del d0
sd_load
