# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Runs the tests of tests/vm/guest in the guest, one after the other, and prints TAP. Sourced by inside.sh.
# Between two tests the guest is swept clean; what cannot be swept away is a failure of the test that left it.

# header FILE KEY: what the file's comments say about a key, "# KEY: VALUE".
header() { sed -n "s/^# $2: *//p;/^[^#]/q" "$1"; }

run_tests() {
	local name n=${JOB_FIRST:-1} failed=0
	RUN_OUT=/dev/null
	CGROUP=/sys/fs/cgroup/run
	mkdir -p "$CGROUP"
	[ ! -w /sys/kernel/debug/kmemleak ] || echo clear >/sys/kernel/debug/kmemleak
	for name in "${JOB_TESTS[@]}"; do
		run_test "$n" "$name" || failed=$((failed + 1))
		n=$((n + 1))
	done
	[ "$failed" = 0 ]
}

run_test() {
	local number=$1 name=$2 file=$JOB_VM/guest/$2.sh limit started=$SECONDS verdict='' why='' took left
	report "start $name"
	limit=$(header "$file" timeout)
	limit=$((${limit:-60} * ${JOB_SLOW:-1}))
	ALLOW=$(header "$file" dmesg-allow)
	mark "$name"
	if [ -n "$JOB_DRIVER" ] && ! header "$file" needs | grep -qw nodriver; then
		load_driver >"$LOG/$name.log" 2>&1 || verdict=fail why="the driver did not load"
	fi
	if [ -z "$verdict" ]; then
		run_one "$name" "$limit" /bin/bash "$file"
		case $RC in
		0) verdict=ok ;;
		77)
			verdict=skip
			why=$(sed -n 's/^SKIP: //p' "$LOG/$name.log" | tail -n 1)
			;;
		124) verdict=fail why="time-out after $limit s" ;;
		*) verdict=fail why="status $RC" ;;
		esac
	fi
	check_leaks >>"$LOG/$name.log" || verdict=fail why="${why:+$why; }kernel memory leaked"
	left=$(sweep 2>&1 | tee -a "$LOG/$name.log")
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
		tail -n 25 "$LOG/$name.log" | sed 's/^/#   /' >"$OUT"
		;;
	esac
	[ "$verdict" != fail ]
}

# sweep: takes away what a test left, and says what did not go.
sweep() {
	local thing netdev
	echo 1 >"$CGROUP/cgroup.kill"
	for thing in {1..50}; do
		grep -q 'populated 0' "$CGROUP/cgroup.events" && break
		sleep 0.1
	done
	grep -q 'populated 0' "$CGROUP/cgroup.events" || echo "processes $(xargs <"$CGROUP/cgroup.procs")"
	for thing in $(swapon --show=NAME --noheadings 2>/dev/null); do swapoff "$thing" || echo "swap on $thing"; done
	for thing in $(ip netns list | awk '{ print $1 }'); do
		sweep_links ip netns exec "$thing"
		timeout 20 ip netns del "$thing" || echo "namespace $thing"
	done
	sweep_links
	for netdev in $(ip -o link show | awk -F': ' '{ print $2 }' | cut -d@ -f1 | grep -vx lo); do
		timeout 20 ip link del "$netdev" 2>/dev/null || echo "netdev $netdev"
	done
	rdma system set netns shared 2>/dev/null
	for thing in rdma_rxe siw softodp; do
		[ ! -d "/sys/module/$thing" ] || timeout 20 rmmod "$thing" || echo "module $thing"
	done
	return 0
}

# sweep_links [PREFIX...]: deletes every RDMA device that the prefix's namespace shows.
sweep_links() {
	local device
	for device in $("$@" rdma -d dev 2>/dev/null | sed -n 's/^[0-9]*: \([^:]*\):.*/\1/p'); do
		timeout 20 "$@" rdma link del "$device" || echo "RDMA device $device"
	done
}

# check_leaks: on a kernel with kmemleak, false if a scan finds something of ours. An object younger than 5 s is not
# reported, and module addresses have names only while the module is loaded: so wait, and scan before the sweep.
check_leaks() {
	local leaks=/sys/kernel/debug/kmemleak found
	[ -w "$leaks" ] || return 0
	sleep 5
	# The first scan only takes checksums.
	echo scan >"$leaks" 2>/dev/null || return 0
	echo scan >"$leaks"
	found=$(cat "$leaks")
	echo clear >"$leaks"
	[ -n "$found" ] || return 0
	echo "$found"
	! grep -qE '\[(softodp|ib_core|ib_uverbs)\]|0xffffffff[0-9a-f]{8}$' <<<"$found"
}
