# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Paths and words that every script of the harness shares. To be sourced.

SD_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
SD_VM=$SD_ROOT/tests/vm
SD_BUILD=$SD_ROOT/build
# Slow things that outlive a clone: packages, unpacked kernels, the debug kernel. May be deleted at any time.
SD_CACHE=${SOFTODP_CACHE:-${HOME:-/root}/.cache/softodp}

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
	SD_DIM=$'\e[2m' SD_BOLD=$'\e[1m' SD_RED=$'\e[31m' SD_OFF=$'\e[0m'
else
	SD_DIM='' SD_BOLD='' SD_RED='' SD_OFF=''
fi

# All of the harness's own words go to stderr: stdout belongs to the command that runs in the guest.
say() { printf '%s>>%s %s\n' "$SD_BOLD" "$SD_OFF" "$*" >&2; }
note() { printf '%s   %s%s\n' "$SD_DIM" "$*" "$SD_OFF" >&2; }
warn() { printf '%s!!%s %s\n' "$SD_RED" "$SD_OFF" "$*" >&2; }
die() { warn "$*"; exit 1; }

# as_root COMMAND...: directly, or through sudo.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "needs root for: $*"
	fi
}

# with_lock FILE COMMAND...: two runs on one machine must not fill the same cache entry.
with_lock() {
	local file=$1
	shift
	mkdir -p "$(dirname "$file")"
	(
		if ! flock -n 9; then
			say "waiting for another run to finish with ${file##*/}"
			flock 9
		fi
		"$@"
	) 9>"$file"
}

# progress LABEL LOGFILE COMMAND...: runs quietly, shows that it lives, and prints the end of the log if it fails.
progress() {
	local label=$1 log=$2 started=$SECONDS pid rc=0
	shift 2
	mkdir -p "$(dirname "$log")"
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	say "$label"
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		if [ $(((SECONDS - started) % 30)) = 29 ]; then
			note "$label: $((SECONDS - started)) s, $(wc -l <"$log") lines of log"
		fi
	done
	wait "$pid" || rc=$?
	if [ "$rc" != 0 ]; then
		tail -n 25 "$log" >&2
		warn "$label: failed ($rc), whole log in $log"
		return "$rc"
	fi
	note "$label: done in $((SECONDS - started)) s"
}
