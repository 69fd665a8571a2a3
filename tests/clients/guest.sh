#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

usage() {
	cat <<'END'
Runs rows of the table of client programs in a guest, one after the other, and prints TAP.

Usage: guest.sh [--first N] [--pinned] [--packages FOLDER] LIST

  LIST              a file with a line "KIND ROW" each; KIND is softodp or rxe
  --first N         number of the first row
  --pinned          the switch stays off: what a program does not ask for itself is pinned
  --packages FOLDER Debian packages as dpkg -x leaves them: put into the guest's root first

Verdicts go to the log folder as well, as a line "result KIND ROW VERDICT SECONDS FAULTS REASON" of the file rows; each row's output
is KIND.FAMILY.NAME.log there. Status 0: all rows got a verdict. 98: what is left behind does not go, the others need another guest.
END
}

set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
. "$here/../vm/guest/lib.sh"
. "$here/../vm/check.sh"
. "$here/lib.sh"

LOG=/run/softodp/log
REPORT=$LOG/rows
TMP=/run/clients
CGROUP=/sys/fs/cgroup/run/row
number=1 pinned='' packages=''
while [ $# -gt 1 ]; do
	case $1 in
	--first) number=$2; shift ;;
	--pinned) pinned=1 ;;
	--packages) packages=$2; shift ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
[ $# = 1 ] || { usage >&2; exit 2; }
[ -n "${SOFTODP_GUEST:-}" ] || sd_fail "only in a guest: see ./run clients"

# --- the machine -------------------------------------------------------------------------------------------------------

# install_packages DIR: on top of the root; what the distribution merged is merged here.
install_packages() {
	local part
	for part in bin sbin lib; do
		[ ! -d "$1/$part" ] || cp -a "$1/$part/." "/usr/$part/"
	done
	for part in usr etc var; do
		[ ! -d "$1/$part" ] || cp -a "$1/$part/." "/$part/"
	done
	grep -q '^_rpc:' /etc/passwd || echo '_rpc:x:990:65534::/run/rpcbind:/usr/sbin/nologin' >>/etc/passwd
	grep -q '^statd:' /etc/passwd || echo 'statd:x:991:65534::/var/lib/nfs:/usr/sbin/nologin' >>/etc/passwd
}

# resources: what exists on the device.
resources() { rdma resource show "$DEV" 2>/dev/null | sed 's/^[0-9]*: //'; }
resources_back() { [ "$(resources)" = "$IDLE" ]; }

faults() {
	if [ "$KIND" = softodp ]; then sd_counter "$DEV" page_faults; else echo 0; fi
}

# device_up KIND
device_up() {
	KIND=$1
	DEV=sodp0
	[ "$KIND" = softodp ] || DEV=rxe0
	(sd_dummy "$NETDEV" "$IP/24" && ip link set "$NETDEV" multicast on && {
		# shellcheck disable=SC2119 # without parameters of the module
		[ "$KIND" != softodp ] || sd_load
		sd_link "$DEV" "$NETDEV" "$KIND"
	}) || return
	# shellcheck disable=SC2034 # rows use it
	GID=$(sd_gid "$DEV") || return
	sd_pause 0.5
	IDLE=$(resources)
}

device_down() {
	local module=softodp
	[ "$KIND" = softodp ] || module=rdma_rxe
	within 30 rdma link del "$DEV" || return
	within 20 ip link del "$NETDEV" || return
	within 30 rmmod $module
}

odp_mode() { [ "$KIND" != softodp ] || echo "$1" >"/sys/class/infiniband/$DEV/odp_mode"; }

# within SECONDS COMMAND...: false if it does not end in time.
within() {
	local end=$((SECONDS + $1 * ${SD_SLOW:-1})) pid
	shift
	"$@" &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		if [ "$SECONDS" -ge "$end" ]; then
			kill -9 $pid 2>/dev/null
			return 124
		fi
		sd_pause 0.1
	done
	wait $pid
}

# --- a row -------------------------------------------------------------------------------------------------------------

# row_processes: those that are still there.
row_processes() { cat "$CGROUP/cgroup.procs" 2>/dev/null; }
row_quiet() { [ -z "$(row_processes)" ]; }

# row_stacks: what a row that takes too long is at.
row_stacks() {
	local pid
	for pid in $(row_processes); do
		echo "--- $pid $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)"
		cat "/proc/$pid/task/"*/stack 2>/dev/null
	done
}

# row_undo: what the row wants to be done after it; what fails is tried once more when its processes are gone.
row_undo() {
	local lines line
	[ -e "$1" ] || return 0
	mapfile -t lines < <(tac "$1")
	: >"$1"
	for line in "${lines[@]}"; do
		echo "undo: $line"
		within 40 eval "$line" || echo "$line" >>"$1.again"
	done
	[ ! -e "$1.again" ] || tac "$1.again" >"$1"
	rm -f "$1.again"
}

# row_inside NAME: in a process of its own.
row_inside() {
	echo "$BASHPID" >"$CGROUP/cgroup.procs" || exit 1
	set -e
	cd "$WORK"
	eval "${C_COMMAND[$1]}"
}

# row_execute NAME: sets RC.
row_execute() {
	local name=$1 end=$((SECONDS + ${C_LIMIT[$1]} * ${SD_SLOW:-1})) pid
	(row_inside "$name") </dev/null >"$WORK/row.log" 2>&1 &
	pid=$!
	RC=''
	while kill -0 $pid 2>/dev/null; do
		if [ "$SECONDS" -ge "$end" ]; then
			row_stacks >"$WORK/stacks.log" 2>&1
			kill -9 $pid 2>/dev/null
			RC=124
			break
		fi
		sd_pause 0.1
	done
	wait $pid 2>/dev/null || RC=${RC:-$?}
	RC=${RC:-0}
}

# row_clean: nothing of the row is left; false if that cannot be had.
row_clean() {
	row_undo "$WORK/undo"
	echo 1 >"$CGROUP/cgroup.kill"
	sd_wait 30 row_quiet || return
	row_undo "$WORK/undo"
	[ ! -s "$WORK/undo" ]
}

# row_judge NAME: sets VERDICT and REASON.
row_judge() {
	local name=$1 dirty
	VERDICT=ok REASON=''
	case $RC in
	0) ;;
	77) VERDICT=skip REASON=$(sed -n 's/^SKIP: //p' "$WORK/row.log" | tail -n 1) ;;
	124) VERDICT=fail REASON="no end within ${C_LIMIT[$name]} s" ;;
	*) VERDICT=fail REASON=$(grep -hE -m 1 '^FAIL: ' "$WORK/row.log" "$WORK"/*.log | head -n 1) ;;
	esac
	[ "$VERDICT" != fail ] || REASON=${REASON:-status $RC}
	REASON=${REASON#FAIL: }
	if [ "$VERDICT$KIND" = oksoftodp ] && [ "$FAULTS" = 0 ]; then
		case ${C_ODP[$name]}$pinned in
		switch | own | own1) VERDICT=fail REASON='it was not on demand: no page fault' ;;
		esac
	fi
	dirty=$(check_dirty "$KIND $name" '')
	if [ -n "$dirty" ]; then
		echo "$dirty" >"$WORK/kernel.log"
		VERDICT=fail REASON="${REASON:+$REASON; }kernel: ${dirty%%$'\n'*}"
	fi
}

# row_log NAME: all that it wrote, in one file.
row_log() {
	local file out=$LOG/$KIND.${1//\//.}.log
	{
		echo "# $1 on $KIND: $VERDICT${REASON:+ ($REASON)}"
		echo "# ${C_COMMAND[$1]}"
		for file in "$WORK"/*.log; do
			[ -s "$file" ] || continue
			echo "== ${file##*/}"
			tail -c 200000 "$file"
		done
	} >"$out"
}

tap() {
	case $VERDICT in
	ok) echo "ok $number - $KIND: $1 # $2 s" ;;
	skip) echo "ok $number - $KIND: $1 # SKIP $REASON" ;;
	*) echo "not ok $number - $KIND: $1 # $2 s, $REASON" ;;
	esac
	number=$((number + 1))
}

# row_run NAME: clears SOUND if the guest is of no more use. Not to be called in a condition: there errexit is off, in the row, too.
row_run() {
	local name=$1 started=$SECONDS before took
	SOUND=1
	WORK=$TMP/$KIND.${name//\//.}
	rm -rf "$WORK"
	mkdir -p "$WORK" "$CGROUP"
	echo "start $KIND $name" >>"$REPORT"
	echo "<5>softodp-run: $KIND $name: start" >/dev/kmsg
	odp_mode requested
	[ "${C_ODP[$name]}$pinned" != switch ] || odp_mode always
	before=$(faults)
	row_execute "$name"
	took=$((SECONDS - started))
	FAULTS=$(($(faults) - before))
	{ row_clean || SOUND=''; } >"$WORK/undo.log" 2>&1
	row_judge "$name"
	if ! sd_wait 10 resources_back 2>/dev/null; then
		REASON="${REASON:+$REASON; }left behind: $(resources) instead of $IDLE"
		VERDICT=fail
		# A device that nobody used before, for the rows that follow.
		device_down >>"$WORK/undo.log" 2>&1 && device_up "$KIND" >>"$WORK/undo.log" 2>&1 || SOUND=''
	fi
	[ -n "$SOUND" ] || VERDICT=fail REASON="${REASON:+$REASON; }what is left behind does not go"
	REASON=$(echo -n "${REASON:0:300}" | tr -s '\n\t ' '   ')
	echo "result $KIND $name $VERDICT $took $FAULTS $REASON" >>"$REPORT"
	row_log "$name"
	tap "$name" "$took"
	[ "$VERDICT" != fail ] || tail -n 15 "$LOG/$KIND.${name//\//.}.log" | sed 's/^/#   /'
	[ -z "$SOUND" ] || rm -rf --one-file-system "$WORK"
}

# --- all of them -------------------------------------------------------------------------------------------------------

# device_end: the device and its module go; a verdict of its own, as the row device/end.
device_end() {
	local started=$SECONDS said
	FAULTS=0 VERDICT=ok REASON=''
	echo "<5>softodp-run: $KIND device/end: start" >/dev/kmsg
	said=$(device_down 2>&1) || VERDICT=fail REASON="it does not go: ${said//$'\n'/ }"
	said=$(check_dirty "$KIND device/end" '')
	[ -z "$said" ] || VERDICT=fail REASON="${REASON:+$REASON; }kernel: ${said%%$'\n'*}"
	echo "result $KIND device/end $VERDICT $((SECONDS - started)) 0 $REASON" >>"$REPORT"
	tap device/end $((SECONDS - started))
	KIND=''
	[ "$VERDICT" = ok ]
}

main() {
	local kind name rows
	mkdir -p "$TMP"
	[ -z "$packages" ] || install_packages "$packages"
	rows_read
	ip link set lo up
	KIND=''
	mapfile -t rows <"$1"
	for name in "${rows[@]}"; do
		read -r kind name <<<"$name"
		if [ "$KIND" != "$kind" ]; then
			[ -z "$KIND" ] || device_end || return 98
			device_up "$kind" >"$LOG/$kind.device.log" 2>&1 || {
				echo "Bail out! no $kind device: $(tail -n 3 "$LOG/$kind.device.log" | tr '\n' ' ')"
				return 97
			}
		fi
		row_run "$name"
		[ -n "$SOUND" ] || return 98
	done
	device_end || return 98
}

main "$1"
