#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# First process of a test guest once its root is the host's: sets the guest up, runs the job, reports and reboots.
# Sourced by the job file that vm wrote, which sets the JOB_ variables.

# As a service: what follows is for its process.
if [ -n "${JOB_SYSTEMD:-}" ] && [ $$ = 1 ]; then
	. "$JOB_VM/systemd.sh"
fi

. "$JOB_VM/check.sh"

REPORT=/dev/virtio-ports/softodp.report
OUT=/dev/virtio-ports/softodp.out
LOG=/run/softodp/log

report() { echo "$*" >"$REPORT"; }
out() { echo "$*" >"$OUT"; }

finish() {
	/bin/busybox dmesg >"$LOG/dmesg.log"
	report "exit $1"
	exec /bin/busybox reboot -f
}

# init has mounted what is needed.
set_up() {
	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=$JOB_TERM LC_ALL=C.UTF-8
	export SOFTODP_GUEST=1 SD_DRIVER=$JOB_DRIVER SD_KERNEL=$JOB_KERNEL SD_MODE=$JOB_MODE SD_SLOW=$JOB_SLOW
	umask 022
	ulimit -c 0
	[ ! -w /sys/kernel/debug/kcsan ] || echo on >/sys/kernel/debug/kcsan
}

load_driver() {
	[ -n "$JOB_DRIVER" ] || return 0
	if [ -z "${DRIVER_DEPENDS:-}" ]; then
		DRIVER_DEPENDS=$(modinfo -F depends "$JOB_DRIVER")
		# shellcheck disable=SC2086 # a list
		modprobe -a ib_uverbs rdma_ucm ${DRIVER_DEPENDS//,/ } || return 1
	fi
	# shellcheck disable=SC2086 # a list
	insmod "$JOB_DRIVER" ${JOB_DRIVER_ARGS:-} || return 1
	[ ! -e /sys/module/softodp/sections/.text ] || echo "$(</sys/module/softodp/sections/.text)" >>"$LOG/driver-text"
}

# Where the processes of a run are, from outside: nothing here may wait for a lock that they hold.
dump_processes() {
	local pid
	for pid in $(cat "$CGROUP/cgroup.procs" "$CGROUP"/*/cgroup.procs 2>/dev/null); do
		echo "--- $pid $(cat "/proc/$pid/comm" 2>/dev/null)"
		cat "/proc/$pid/task/"*/stack 2>/dev/null
	done
	echo w >/proc/sysrq-trigger
	check_since "$1" | tail -n 150
}

# The clock of a run: ends it, after a look at what it is doing; if even SIGKILL does not, ends the guest.
watchdog() {
	local name=$1 limit=$2
	read -r -t "$limit" <>"$RUN/never"
	: >"$RUN/time-out"
	dump_processes "$name" >"$LOG/$name.time-out" 2>&1
	echo 1 >"$CGROUP/cgroup.kill"
	read -r -t 20 <>"$RUN/never"
	report "hung $name"
	out "# $name: still there 20 s after SIGKILL"
	/bin/busybox dmesg >"$LOG/dmesg.log"
	exec /bin/busybox reboot -f
}

# run_one NAME SECONDS COMMAND...: in a session and a control group of its own, with a time limit; output to RUN_OUT and
# the log. Sets RC (124 after a time-out) and DIRTY to what the kernel said meanwhile that it should not have.
run_one() {
	local name=$1 limit=$2 pid guard tee i
	shift 2
	CGROUP=/sys/fs/cgroup/run
	RUN=/run/softodp
	/bin/busybox rm -f "$RUN/time-out"
	[ -p "$RUN/pipe" ] || /bin/busybox mkfifo "$RUN/never" "$RUN/pipe"
	/bin/busybox tee -a "$LOG/$name.log" <"$RUN/pipe" >"$RUN_OUT" &
	tee=$!
	(
		echo 0 >"$CGROUP/cgroup.procs"
		cd "$JOB_ROOT" || exit 126
		exec setsid "$@"
	) </dev/null >"$RUN/pipe" 2>&1 &
	pid=$!
	watchdog "$name" "$limit" &
	guard=$!
	wait "$pid"
	RC=$?
	[ "$JOB_KIND" = commands ] || echo 1 >"$CGROUP/cgroup.kill"
	[ ! -e "$RUN/time-out" ] || RC=124
	# The output ends when the last process that holds it does; one left behind must not hold us.
	for i in {1..30}; do
		kill -0 "$tee" 2>/dev/null || break
		read -r -t 0.1 <>"$RUN/never"
	done
	kill "$guard" 2>/dev/null
	if [ "$RC" = 124 ]; then
		echo "time-out after $limit s" >>"$LOG/$name.log"
		cat "$LOG/$name.time-out" >>"$LOG/$name.log"
		rm -f "$LOG/$name.time-out"
	fi
	# After a test its remains are swept away first.
	[ "$JOB_KIND" = tests ] || take_dirty "$name"
	echo "<5>softodp-run: $name: end, status $RC" >/dev/kmsg
}

# mark NAME: where NAME's part of dmesg begins.
mark() { echo "<5>softodp-run: $1: start" >/dev/kmsg; }

# take_dirty NAME: sets DIRTY to the kernel's complaints since NAME started.
take_dirty() {
	DIRTY=$(check_dirty "$1" "${ALLOW:-}")
	[ -z "$DIRTY" ] || echo "$DIRTY" >>"$LOG/$1.log"
}

report_dirty() {
	local line
	[ -n "$DIRTY" ] || return 0
	while read -r line; do report "dirty $line"; done <<<"$DIRTY"
}

# What the command line of vm asked for, one command after another in one boot.
run_commands() {
	local i worst=0
	RUN_OUT=$OUT
	for i in "${!JOB_RUN[@]}"; do
		report "start run$i"
		mark "run$i"
		run_one "run$i" "$JOB_LIMIT" /bin/bash -c "${JOB_RUN[i]}"
		[ "${#JOB_RUN[@]}" = 1 ] || out "## status $RC: ${JOB_RUN[i]}"
		report_dirty
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
DIRTY=$(check_dirty '' '')
report_dirty
if [ "$JOB_KIND" != tests ]; then
	mark driver
	if ! load_driver; then
		out "the driver did not load:"
		dmesg | tail -n 20 >"$OUT"
		take_dirty driver
		report_dirty
		finish 125
	fi
	take_dirty driver
	report_dirty
fi
case $JOB_KIND in
commands) run_commands ;;
shell) run_shell ;;
tests)
	. "$JOB_VM/runner.sh"
	run_tests
	;;
esac
finish $?
