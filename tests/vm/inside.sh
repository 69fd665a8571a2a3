#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# First process of a test guest once its root is the host's: sets the guest up, runs the job, reports and reboots.
# Sourced by the job file that vm wrote, which sets the JOB_ variables.

. "$JOB_VM/check.sh"

REPORT=/dev/virtio-ports/softodp.report
OUT=/dev/virtio-ports/softodp.out
LOG=/run/softodp/log

report() { echo "$*" >"$REPORT"; }
out() { echo "$*" >"$OUT"; }

finish() {
	dmesg >"$LOG/dmesg.log"
	report "exit $1"
	sync -f "$LOG" 2>/dev/null
	sleep 0.2
	exec /bin/busybox reboot -f
}

set_up() {
	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=$JOB_TERM LC_ALL=C.UTF-8
	export SOFTODP_GUEST=1 SD_DRIVER=$JOB_DRIVER SD_KERNEL=$JOB_KERNEL SD_MODE=$JOB_MODE
	umask 022
	mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts 2>/dev/null || {
		mkdir -p /dev/pts
		mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
	}
	mkdir -p /dev/shm /dev/hugepages
	mount -t tmpfs -o mode=1777 shm /dev/shm
	mount -t tmpfs -o mode=0755 run /run
	mount -t tmpfs -o mode=1777 tmp /tmp
	mount -t tmpfs -o mode=1777 tmp /var/tmp
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mount -t debugfs debugfs /sys/kernel/debug
	mount -t tracefs tracefs /sys/kernel/tracing
	mount -t configfs configfs /sys/kernel/config 2>/dev/null
	mount -t hugetlbfs hugetlbfs /dev/hugepages
	ln -sf /proc/self/fd /dev/fd
	mkdir -p /run/softodp/log /run/netns /run/lock
	mount -t 9p -o trans=virtio,version=9p2000.L,cache=none,msize=512000 logs "$LOG" || echo "no log share" >/dev/console

	hostname "$JOB_HOSTNAME"
	echo "127.0.0.1 localhost $JOB_HOSTNAME" >/etc/hosts
	ip link set lo up

	local port
	mkdir -p /dev/virtio-ports
	for port in /sys/class/virtio-ports/*; do
		[ -e "$port/name" ] && ln -sf "../${port##*/}" "/dev/virtio-ports/$(<"$port/name")"
	done

	# Everything from notices on goes to the console log as well, in case the guest dies before dmesg can be read.
	dmesg -n 6
	echo "${JOB_HUNG:-40}" >/proc/sys/kernel/hung_task_timeout_secs 2>/dev/null
	echo 1 >/proc/sys/kernel/sysrq
	ulimit -c 0
}

load_driver() {
	local module=$JOB_DRIVER dependency
	[ -n "$module" ] || return 0
	modprobe -a ib_uverbs rdma_ucm || return 1
	for dependency in $(modinfo -F depends "$module" | tr , ' '); do
		modprobe "$dependency" || return 1
	done
	insmod "$module" ${JOB_DRIVER_ARGS:-}
}

# run_one NAME SECONDS COMMAND...: runs in a session of its own with a time limit; output to OUT and the log.
# Sets RC, and DIRTY to what the kernel said meanwhile that it should not have.
run_one() {
	local name=$1 limit=$2 pid
	shift 2
	echo "<5>softodp-run: $name: start" >/dev/kmsg
	(
		cd "$JOB_ROOT" || exit 126
		exec timeout -k 10 "$limit" "$@"
	) </dev/null > >(exec tee "$LOG/$name.log" >"$RUN_OUT") 2>&1 &
	pid=$!
	wait "$pid"
	RC=$?
	if [ "$RC" = 124 ] || [ "$RC" = 137 ]; then
		echo "<5>softodp-run: $name: time-out, blocked tasks follow" >/dev/kmsg
		echo w >/proc/sysrq-trigger
		dmesg | check_since "$name" | tail -n 200 >>"$LOG/$name.log"
	fi
	DIRTY=$(dmesg | check_since "$name" | check_dirty "${ALLOW:-}")
	[ -z "$DIRTY" ] || echo "$DIRTY" >>"$LOG/$name.log"
	echo "<5>softodp-run: $name: end, status $RC" >/dev/kmsg
}

# What the command line of vm asked for, one command after another in one boot.
run_commands() {
	local i worst=0
	RUN_OUT=$OUT
	for i in "${!JOB_RUN[@]}"; do
		report "start run$i"
		run_one "run$i" "$JOB_LIMIT" /bin/bash -c "${JOB_RUN[i]}"
		[ "${#JOB_RUN[@]}" = 1 ] || out "## status $RC: ${JOB_RUN[i]}"
		[ -z "$DIRTY" ] || while read -r line; do report "dirty $line"; done <<<"$DIRTY"
		[ "$RC" = 0 ] || worst=$RC
	done
	return "$worst"
}

run_shell() {
	. "$JOB_VM/guest/lib.sh"
	if [ -n "$JOB_DRIVER" ] && sd_dummy dummy0 192.168.77.1/24; then
		sd_link sodp0 dummy0 || true
	fi
	report "start shell"
	cd "$JOB_ROOT" || true
	stty -F /dev/ttyS0 sane rows "${JOB_ROWS:-24}" cols "${JOB_COLS:-80}"
	dmesg -n 4
	setsid -c /bin/bash -l </dev/ttyS0 >/dev/ttyS0 2>&1
	return 0
}

set_up
report "boot $(uname -r)"
check_boot=$(dmesg | check_dirty '')
[ -z "$check_boot" ] || while read -r line; do report "dirty $line"; done <<<"$check_boot"
if ! [ "$JOB_KIND" = tests ] && ! load_driver; then
	out "the driver did not load:"
	dmesg | tail -n 20 >"$OUT"
	finish 125
fi
case $JOB_KIND in
commands) run_commands ;;
shell) run_shell ;;
tests) . "$JOB_VM/runner.sh"; run_tests ;;
esac
finish $?
