# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Runs the tests of tests/vm/guest in the guest, one after the other, and prints TAP. Sourced by inside.sh.
# Between two tests the guest is swept clean; what cannot be swept away is a failure of the test that left it.

# header FILE: sets LIMIT, NEEDS and ALLOW from the comments at the head of a test, without starting a program.
header() {
	local line
	LIMIT=60 NEEDS='' ALLOW=''
	while read -r line && [[ $line == \#* ]]; do
		case $line in
		'# timeout: '*) LIMIT=${line#*: } ;;
		'# needs: '*) NEEDS=${line#*: } ;;
		'# dmesg-allow: '*) ALLOW=${line#*: } ;;
		esac
	done <"$1"
	LIMIT=$((LIMIT * ${JOB_SLOW:-1}))
}

run_tests() {
	local name n=${JOB_FIRST:-1} failed=0
	RUN_OUT=/dev/null
	CGROUP=/sys/fs/cgroup/run
	[ ! -w /sys/kernel/debug/kmemleak ] || echo clear >/sys/kernel/debug/kmemleak
	for name in "${JOB_TESTS[@]}"; do
		run_test "$n" "$name" || failed=$((failed + 1))
		n=$((n + 1))
	done
	if [ -w /sys/kernel/debug/kmemleak ] || [ "$JOB_KERNEL" = debug ]; then
		run_leaks "$n" || failed=$((failed + 1))
	fi
	[ "$failed" = 0 ]
}

run_test() {
	local number=$1 name=$2 file=$JOB_VM/guest/$2.sh started=$SECONDS verdict='' why='' took left
	report "start $name"
	header "$file"
	mark "$name"
	if [ -n "$JOB_DRIVER" ] && [[ " $NEEDS " != *" nodriver "* ]]; then
		load_driver >"$LOG/$name.log" 2>&1 || verdict=fail why="the driver did not load"
	fi
	if [ -z "$verdict" ]; then
		run_one "$name" "$LIMIT" /bin/bash "$file"
		case $RC in
		0) verdict=ok ;;
		77)
			verdict=skip
			why=$(sed -n 's/^SKIP: //p' "$LOG/$name.log" | tail -n 1)
			;;
		124) verdict=fail why="time-out after $LIMIT s" ;;
		*) verdict=fail why="status $RC$(first_complaint "$LOG/$name.log")" ;;
		esac
	fi
	left=$(sweep 2>&1)
	[ -z "$left" ] || echo "left behind: $left" >>"$LOG/$name.log"
	[ -z "$left" ] || verdict=fail why="${why:+$why; }left behind: ${left//$'\n'/, }"
	take_dirty "$name"
	[ -z "$DIRTY" ] || verdict=fail why="${why:+$why; }kernel: ${DIRTY%%$'\n'*}"
	took=$((SECONDS - started))
	report "result $verdict $name $took $why"
	case $verdict in
	ok) out "ok $number - $JOB_LABEL$name # $took s" ;;
	skip) out "ok $number - $JOB_LABEL$name # SKIP $why" ;;
	*)
		out "not ok $number - $JOB_LABEL$name # $took s, $why"
		# What failed in it may be far above its end.
		{ grep -E -m 10 "$COMPLAINT" "$LOG/$name.log"; echo ...; tail -n 25 "$LOG/$name.log"; } | sed 's/^/#   /' >"$OUT"
		;;
	esac
	[ "$verdict" != fail ]
}

# What a test says of a part of it that failed, and how to see it again.
COMPLAINT='^(not ok|FAIL)|^# again: '

# first_complaint LOG: to be put behind a verdict.
first_complaint() {
	local line
	line=$(grep -E -m 1 "$COMPLAINT" "$1") && echo ": ${line:0:160}"
}

# sweep: takes away what a test left, and says what did not go. Looks before it calls a program: most tests leave little,
# and every exec is dear in an emulated guest.
sweep() {
	local thing
	shopt -s nullglob
	echo 1 >"$CGROUP/cgroup.kill"
	for thing in {1..100}; do
		[ -n "$(<"$CGROUP/cgroup.procs")" ] || break
		read -r -t 0.1 <>"$RUN/never"
	done
	thing=$(<"$CGROUP/cgroup.procs")
	[ -z "$thing" ] || echo "processes ${thing//$'\n'/ }"
	sweep_swap
	for thing in /run/netns/*; do
		thing=${thing##*/}
		sweep_links ip netns exec "$thing"
		within 20 ip netns del "$thing" || echo "namespace $thing"
	done
	for thing in /sys/class/infiniband/*; do
		sweep_links
		break
	done
	for thing in /sys/class/net/*; do
		thing=${thing##*/}
		# Deleting one end of a pair takes the other along.
		[ "$thing" != lo ] && [ -e "/sys/class/net/$thing" ] || continue
		sweep_netdev "$thing"
	done
	for thing in rdma_rxe siw softodp; do
		[ ! -d "/sys/module/$thing" ] || within 20 rmmod "$thing" || echo "module $thing"
	done
	[ ! -d /sys/module/ib_core ] || [ "$(</sys/module/ib_core/parameters/netns_mode)" = Y ] || rdma system set netns shared
}

# sweep_netdev NAME: that goes by itself when the namespace of its other end is at its end, which takes the kernel a while.
sweep_netdev() {
	local complaint tries
	complaint=$(within 20 ip link del "$1" 2>&1) && return
	for tries in {1..50}; do
		[ -e "/sys/class/net/$1" ] || return 0
		read -r -t 0.1 <>"$RUN/never"
	done
	echo "$complaint"
	echo "netdev $1, after $tries looks"
}

# within SECONDS COMMAND...: without timeout(1), which is one more program to start. Where the clock counts instructions it
# runs away while the guest waits for its files, and says nothing about how long something takes.
within() {
	local end=$((SECONDS + $1)) pid
	shift
	if [ -n "${JOB_ICOUNT:-}" ]; then
		"$@"
		return
	fi
	"$@" &
	pid=$!
	while [ "$SECONDS" -le "$end" ]; do
		kill -0 "$pid" 2>/dev/null || { wait "$pid"; return; }
		read -r -t 0.02 <>"$RUN/never"
	done
	kill -9 "$pid"
	return 124
}

sweep_swap() {
	local disk
	while read -r disk _; do
		[ "$disk" = Filename ] || within 60 swapoff "$disk" || echo "swap on $disk"
	done </proc/swaps
}

# sweep_links [PREFIX...]: deletes every RDMA device that the prefix's namespace shows.
sweep_links() {
	local device
	for device in $("$@" rdma -d dev 2>/dev/null | sed -n 's/^[0-9]*: \([^:]*\):.*/\1/p'); do
		within 20 "$@" rdma link del "$device" || echo "RDMA device $device"
	done
}

# run_leaks NUMBER: after all tests, what the kernel allocated and lost. The driver is gone by then, so its own functions
# are bare addresses in the report; LOG/driver-text has where it was. The debug kernel has kmemleak, or has switched it off
# for want of memory, which is a failure: nothing was looked for.
run_leaks() {
	local leaks=/sys/kernel/debug/kmemleak started=$SECONDS
	report "start kmemleak"
	# Objects younger than 5 s are not reported, and the first scan only takes checksums.
	sleep 5
	if ! { echo scan && sleep 1 && echo scan; } 2>/dev/null | while read -r word; do echo "$word" >"$leaks"; done; then
		if [ "$JOB_KERNEL" = debug ]; then
			report "result fail kmemleak $((SECONDS - started)) it does not scan"
			out "not ok $1 - ${JOB_LABEL}kmemleak # it does not scan"
			return 1
		fi
		report "result skip kmemleak 0 not enabled"
		out "ok $1 - ${JOB_LABEL}kmemleak # SKIP not enabled"
		return 0
	fi
	cat "$leaks" >"$LOG/kmemleak.log"
	if grep -qE '\[(softodp|ib_core|ib_uverbs)\]|\] 0xffffffff[0-9a-f]{8}$' "$LOG/kmemleak.log"; then
		report "result fail kmemleak $((SECONDS - started)) memory was lost"
		out "not ok $1 - ${JOB_LABEL}kmemleak"
		head -n 60 "$LOG/kmemleak.log" | sed 's/^/#   /' >"$OUT"
		return 1
	fi
	report "result ok kmemleak $((SECONDS - started))"
	out "ok $1 - ${JOB_LABEL}kmemleak # $((SECONDS - started)) s"
}
