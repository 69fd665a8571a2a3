#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

usage() {
	cat <<'END'
The guest's side of mutants.sh: runs tests until one of them, or the kernel, notices that something is wrong.

Usage: tests/vm/mutant_guest.sh SECONDS TEST...

  SECONDS  for each test; it may take longer
  TEST     stress:SCENARIO, mmevents:CASE, reliability:PART, or guest:NAME for tests/vm/guest/NAME.sh; widen=... sets the parameter for
           those that follow, mutant=... loads the driver anew with that one

Status 0: nothing was noticed, or not of the last mutant; 1: something was; 2: it did not work at all.
END
}

set -uo pipefail
[ $# -ge 2 ] || { usage >&2; exit 2; }
. "$(dirname "$0")/guest/lib.sh"
. "$(dirname "$0")/check.sh"
SD_BIN=${SD_MUTANT_BIN:-$SD_BIN}
# As the times in docs/testing.md were measured; without packets in the stack there is no CPU to be patient with.
export SD_SHORTCUT=0
complaint=/tmp/complaint log=/tmp/test.log

# command_of TEST SECONDS
command_of() {
	case $1 in
	stress:*) echo "$SD_BIN/stress --dev sodp0 --seconds $2 --scenario ${1#*:}" ;;
	mmevents:*) echo "$SD_BIN/mmevents --dev sodp0 --case ${1#*:}" ;;
	reliability:*) echo "$SD_BIN/reliability --dev sodp0 ${1#*:} 20" ;;
	guest:*) echo "$SD_ROOT/tests/vm/guest/${1#*:}.sh" ;;
	*) return 1 ;;
	esac
}

# The first complaint of the kernel after the marker, as soon as it is there.
listen() {
	# shellcheck disable=SC2002 # a record is read as a whole or not at all
	cat /dev/kmsg | sed -u "1,/softodp-run: $1: start/d" | grep --line-buffered -vE "$CHECK_FINE" |
		grep --line-buffered -m 1 -E "$CHECK_BAD" >$complaint
}

# The first words of a failure in the test's output, which may be long before its end; false if there are none.
failure() {
	case $1 in
	stress:*) grep -E "^(not ok|# ${1#*:} failed: )" $log ;;
	mmevents:*) grep -E '^(not ok|#   )' $log ;;
	*) grep -E '^(not ok|FAIL)' $log ;;
	esac | grep -m 1 .
}

# run TEST SECONDS: sets MS and BY; true if it was noticed.
run() {
	local name=mutant-$1 command pid listener started rc=0
	command=$(command_of "$1" "$2") || { echo "no such test: $1"; exit 2; }
	: >$complaint
	: >$log
	echo "<5>softodp-run: $name: start" >/dev/kmsg
	listen "$name" &
	listener=$!
	echo "mutant start $1"
	started=${EPOCHREALTIME/./} BY=''
	# shellcheck disable=SC2086 # a list of words
	setsid timeout -k 5 $(($2 + 120)) $command >$log 2>&1 &
	pid=$!
	while kill -0 $pid 2>/dev/null && [ ! -s $complaint ] && ! BY=$(failure "$1"); do
		sd_pause 0.1
	done
	MS=$(((${EPOCHREALTIME/./} - started) / 1000))
	if [ -z "$BY" ] && [ ! -s $complaint ]; then
		wait $pid || rc=$?
		BY=$(failure "$1") || [ $rc = 0 ] || [ $rc = 77 ] || BY="status $rc"
		# What was done to the memory may be seen a little later only.
		[ -n "$BY" ] || sd_pause 0.5
	fi
	kill -9 -- -$pid 2>/dev/null
	kill $listener 2>/dev/null
	[ ! -s $complaint ] || BY="the kernel: $(head -n 1 $complaint | sed 's/^[^;]*;//')"
	[ -n "$BY" ] || [ $rc != 77 ] || echo "mutant skipped $1 $(grep -m 1 -o 'SKIP.*' $log)"
	[ -n "$BY" ]
}

# reload MUTANT: the driver anew, broken in another way.
gone() { rmmod softodp 2>/dev/null; }
reload() {
	rdma link del sodp0 && sd_wait 20 gone && insmod "$SD_DRIVER" "mutant=$1" && sd_link sodp0 d0
}

seconds=$1 noticed=0
shift
{ sd_swap && sd_dummy d0 && sd_link sodp0 d0; } || exit 2
for test in "$@"; do
	if [[ $test == widen=* ]]; then
		echo "${test#widen=}" >/sys/module/softodp/parameters/widen || exit 2
		continue
	fi
	if [[ $test == mutant=* ]]; then
		reload "${test#mutant=}" || exit 2
		echo "mutant loaded ${test#mutant=}"
		noticed=0
		continue
	fi
	[ $noticed = 0 ] || continue
	if run "$test" "$seconds"; then
		tail -n 30 $log | sed 's/^/    /'
		echo "mutant noticed $test $MS ${BY:0:160}"
		noticed=1
	else
		echo "mutant missed $test $MS"
	fi
done
exit $noticed
