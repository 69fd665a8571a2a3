#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

usage() {
	cat <<'END'
One of two guests with a wire between them: each makes a device of the wanted kind at its end, then wire.c's matrix of RC, UC and UD
runs between them, in each round with other kinds.

Usage: hosts.sh first|second ROUND...

  ROUND   ROW:KIND:FIRST:SECOND, the row and column of the table that it is for, and the kinds of device (softodp or rxe);
          the second guest asks, the first one serves

Verdicts are lines "result KIND ROW VERDICT SECONDS FAULTS REASON" in the file rows of the log folder, of each guest its own.
END
}

set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
. "$here/../vm/guest/lib.sh"
LOG=/run/softodp/log
WIRE=$SD_ROOT/build/clients/wire
ME=$1
shift
ROUNDS=("$@")
[ $# -gt 0 ] || { usage >&2; exit 2; }

set_up() {
	ip link set lo up
	modprobe virtio_net || skip_all "no module virtio_net in this kernel"
	sd_wait 20 test -e /sys/class/net/eth0 || sd_fail "no eth0"
	ip link set eth0 mtu 4200 up
	if [ "$ME" = first ]; then ip addr add 10.9.7.1/24 dev eth0; else ip addr add 10.9.7.2/24 dev eth0; fi
}

# skip_all WHY
skip_all() {
	local each row kind
	for each in "${ROUNDS[@]}"; do
		IFS=: read -r row kind _ <<<"$each"
		echo "result $kind $row skip 0 0 $1" >>"$LOG/rows"
	done
	sd_skip "$1"
}

# matrix PORT: this side of it.
matrix() {
	if [ "$ME" = first ]; then
		timeout $((600 * ${SD_SLOW:-1})) "$WIRE" --dev "$DEV" --server "$1"
	else
		timeout $((600 * ${SD_SLOW:-1})) "$WIRE" --dev "$DEV" --client "10.9.7.1:$1"
	fi
}

# play PORT KIND: in a process of its own; sets nothing.
play() {
	local port=$1 kind=$2 faults
	DEV=sodp0
	[ "$kind" = softodp ] || DEV=rxe0
	# shellcheck disable=SC2119 # without parameters of the module
	[ "$kind" != softodp ] || sd_load
	sd_link "$DEV" eth0 "$kind" || sd_fail "no $kind device"
	matrix "$port" || sd_fail "the matrix: status $?"
	faults=$(sd_counter "$DEV" page_faults)
	echo "faults $faults"
	[ "$kind" != softodp ] || [ "$faults" -gt 0 ] || sd_fail "it was not on demand: no page fault"
}

# put_away KIND
put_away() {
	if [ "$1" = softodp ]; then
		rdma link del sodp0 && rmmod softodp
	else
		rdma link del rxe0 && rmmod rdma_rxe
	fi
}

round() {
	local number=$1 row kind first second mine started=$SECONDS verdict=ok reason='' faults log
	IFS=: read -r row kind first second <<<"$2"
	mine=$first
	[ "$ME" = first ] || mine=$second
	log=$LOG/$kind.${row//\//.}.log
	(play $((7471 + number)) "$mine") >"$log" 2>&1 </dev/null || {
		verdict=fail
		reason=$(grep -hE -m 1 '^(FAIL: |not ok)' "$log" || tail -n 1 "$log")
	}
	put_away "$mine" >>"$log" 2>&1 || verdict=fail reason="${reason:+$reason; }the $mine device does not go"
	faults=$(sed -n 's/^faults //p' "$log")
	echo "result $kind $row $verdict $((SECONDS - started)) ${faults:-0} ${reason#FAIL: }" >>"$LOG/rows"
	sed 's/^/# /' "$log"
	echo "# $row: $first serves, $second asks: $verdict${reason:+, $reason}"
	[ "$verdict" = ok ]
}

set_up
status=0
for number in "${!ROUNDS[@]}"; do
	round "$number" "${ROUNDS[number]}" || status=1
done
exit $status
