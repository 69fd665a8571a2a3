# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# What the removal tests share: traffic in the background, and nothing left behind.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

READY=/run/traffic.ready

# traffic_start OPTION...: in the background; sets TRAFFIC, its process.
traffic_start() {
	rm -f "$READY"
	"$SD_BIN/traffic" --dev sodp0 --ready "$READY" "$@" &
	TRAFFIC=$!
	sd_wait 30 test -e "$READY"
}

# bounded SECONDS COMMAND...: the command succeeds within that time.
bounded() {
	local limit=$1 start=$SECONDS
	shift
	timeout "$limit" "$@" || sd_fail "'$*' failed or took over $limit s"
	echo "# $*: $((SECONDS - start)) s"
}

traffic_gone() { [ ! -e "/proc/$TRAFFIC" ] || grep -q '^State:.*Z' "/proc/$TRAFFIC/status" 2>/dev/null; }

# traffic_ends STATUS: the process ends soon, with this status.
traffic_ends() {
	local status=0
	sd_wait 15 traffic_gone || sd_fail "the process with the traffic does not end"
	wait "$TRAFFIC" || status=$?
	[ "$status" = "$1" ] || sd_fail "the process with the traffic ended with status $status, not $1"
}

refcount_zero() { [ "$(cat /sys/module/softodp/refcnt)" = 0 ]; }

# Nothing refers to the driver any more, and it goes.
nothing_left() {
	local left
	left=$(rdma link show | grep -c sodp0) || true
	[ "$left" = 0 ] || sd_fail "the device is still there"
	sd_wait 15 refcount_zero || sd_fail "module reference count $(cat /sys/module/softodp/refcnt)"
	bounded 20 rmmod softodp
}
