#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 300
# kernels: stock
# long: debug kcsan
#
# The local shortcut: packets between queue pairs of one namespace are handed over, and the bytes are those of the IP stack.
# The counters say how many; the loopback device and a packet socket see the others, and those are right. What keeps packets
# off the short way: the switch at either end, a port that is down, netem on the loopback device, another namespace.
set -euo pipefail
. "$(dirname "$0")/removal.lib.sh"

lo_packets() { echo $(($(</sys/class/net/lo/statistics/rx_packets))); }

# measure COMMAND...: sets SENT and HANDED, of both devices, and LO while it runs.
measure() {
	local sent handed lo
	sent=$(total sent_pkts) handed=$(total handed_over_pkts) lo=$(lo_packets)
	"$@"
	SENT=$(($(total sent_pkts) - sent)) HANDED=$(($(total handed_over_pkts) - handed)) LO=$(($(lo_packets) - lo))
	echo "# $*: $SENT packets, $HANDED handed over, $LO on lo"
}
total() { echo $(($(sd_counter sodp0 "$1") + $(sd_counter sodp1 "$1"))); }

all_by_hand() {
	[ "$SENT" -gt 1000 ] || sd_fail "only $SENT packets"
	[ "$HANDED" = "$SENT" ] || sd_fail "of $SENT packets $HANDED were handed over"
	[ "$LO" -lt $((SENT / 10)) ] || sd_fail "the loopback device saw $LO packets"
}
none_by_hand() {
	[ "$SENT" -gt 1000 ] || sd_fail "only $SENT packets"
	[ "$HANDED" = 0 ] || sd_fail "$HANDED packets were handed over"
	[ "$LO" -ge "$SENT" ] || sd_fail "of $SENT packets the loopback device saw $LO"
}

one_device() { "$SD_BIN/matrix" --dev sodp0 --short; }
two_devices() {
	"$SD_BIN/matrix" --dev sodp1 --server /run/matrix.sock &
	"$SD_BIN/matrix" --dev sodp0 --client /run/matrix.sock --short
	wait $!
}

ip link set lo up
sd_load
sd_dummy d0
sd_dummy d1 10.9.2.1/24
sd_link sodp0 d0
sd_link sodp1 d1

echo "# on: the default"
[ "$(</sys/class/infiniband/sodp0/local_shortcut)" = 1 ] || sd_fail "local_shortcut is not 1 at first"
measure one_device
all_by_hand
measure two_devices
all_by_hand

echo "# off: the same bytes, and a third party sees them"
sd_shortcut sodp0 0
[ "$(</sys/class/infiniband/sodp0/local_shortcut)" = 0 ] || sd_fail "local_shortcut does not keep 0"
python3 "$SD_ROOT/tests/vm/guest/wirecheck.py" lo 600 >/run/watch 2>&1 &
watcher=$!
sd_wait 60 grep -q ready /run/watch
measure one_device
kill $watcher
wait $watcher || sd_fail "packets that are wrong: $(</run/watch)"
grep -q "^10.9.0.1 packets [0-9]\{3,\}" /run/watch || sd_fail "too few packets were seen: $(</run/watch)"
none_by_hand
measure two_devices # one end is enough
none_by_hand
sd_shortcut sodp0 1
sd_shortcut sodp1 0
measure two_devices
none_by_hand
sd_shortcut sodp1 1

for bad in '' 2 maybe; do
	! echo "$bad" >/sys/class/infiniband/sodp0/local_shortcut 2>/dev/null || sd_fail "local_shortcut takes '$bad'"
done
[ "$(</sys/class/infiniband/sodp0/local_shortcut)" = 1 ] || sd_fail "nonsense changed local_shortcut"

echo "# to and fro under traffic, which goes on"
traffic_start --pairs 4
goes_on() {
	local sent
	sent=$(sd_counter sodp0 sent_pkts)
	more() { [ "$(sd_counter sodp0 sent_pkts)" -gt $((sent + 200)) ]; }
	sd_wait 20 more || sd_fail "the traffic stands still: $1"
}
for i in {1..20}; do
	sd_shortcut sodp0 $((i % 2))
	goes_on "switch $((i % 2))"
done
sd_shortcut sodp0 1

# off_the_short_way WHAT: what is under way at the change may still end; then nothing is handed over, and traffic goes on.
off_the_short_way() {
	sd_pause 0.5
	local handed
	handed=$(sd_counter sodp0 handed_over_pkts)
	goes_on "$1"
	[ "$(sd_counter sodp0 handed_over_pkts)" = "$handed" ] || sd_fail "handed over: $1"
}
on_the_short_way() {
	local handed
	handed=$(sd_counter sodp0 handed_over_pkts)
	again() { [ "$(sd_counter sodp0 handed_over_pkts)" -gt $((handed + 200)) ]; }
	sd_wait 20 again || sd_fail "not handed over: $1"
}
on_the_short_way "after the switch"
if modprobe sch_netem 2>/dev/null; then
	tc qdisc add dev lo root netem delay 1ms
	off_the_short_way "netem on lo"
	tc qdisc del dev lo root
	on_the_short_way "after netem"
fi
ip link set d0 down
off_the_short_way "a port that is down"
ip link set d0 up
on_the_short_way "after the port was down"
rdma link del sodp0
traffic_ends 0
rdma link del sodp1

echo "# another namespace: by the wire"
sd_veth_pair
sd_in "$SD_NS1" "$SD_BIN/matrix" --dev "$SD_DEV1" --server /run/matrix.sock &
"$SD_BIN/matrix" --dev "$SD_DEV0" --client /run/matrix.sock --short
wait $!
[ "$(sd_counter "$SD_DEV0" sent_pkts)" -gt 1000 ] || sd_fail "no traffic over the wire"
[ "$(sd_counter "$SD_DEV0" handed_over_pkts)" = 0 ] || sd_fail "packets to another namespace were handed over"
[ "$(sd_counter "$SD_DEV1" handed_over_pkts "$SD_NS1")" = 0 ] || sd_fail "packets from another namespace were handed over"
