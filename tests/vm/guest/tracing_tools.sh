#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 300
# kernels: stock
# set: long
#
# What docs/tracing.md asks the tracepoints with bpftrace and perf, word by word, while an example runs; each must say
# something of it. Neither tool is needed otherwise: a kernel without BTF and a machine without them are said.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

page=$SD_ROOT/docs/tracing.md
work=$(mktemp -d)
cd "$work"
has_bpftrace='' has_perf=''
command -v bpftrace >/dev/null && has_bpftrace=1 || echo "# no bpftrace here (package bpftrace)"
command -v perf >/dev/null && has_perf=1 || echo "# no perf here (package linux-perf)"
[ -n "$has_bpftrace$has_perf" ] || sd_skip "neither bpftrace nor perf"
[ -e /sys/kernel/btf/vmlinux ] && echo "# the kernel has BTF" || echo "# the kernel has no BTF"
ip link set lo up
sd_dummy d0
sd_link sodp0 d0

# The page's commands run until Ctrl-C, and these until the example has ended.
cat >load <<-END2
	#!/bin/sh
	"$SD_ROOT/build/examples/hello_write" sodp0 && "$SD_ROOT/build/examples/snapshot" sodp0
END2
chmod +x load
bpftrace() { command bpftrace -c "/bin/bash $work/load" "$@"; }
perf() { if [ "$1" = record ]; then command perf "${@:1:5}" -- "$work/load"; else command perf "$@"; fi; }

# The Nth block of commands.
block() { awk '/^```/ { n += /^```sh/; inside = /^```sh/; next } inside && n == '"$1" "$page"; }
asked=0
# ask TITLE PATTERN COMMANDS
ask() {
	local started=$SECONDS
	[ -n "$3" ] || sd_fail "docs/tracing.md does not have it any more: $1"
	eval "$3" >said 2>&1 || sd_fail "$1: status $?: $(<said)"
	sed 's/^/# /' said | tail -n 25
	grep -qE "$2" said || sd_fail "$1: says nothing of the example"
	asked=$((asked + 1))
	echo "ok - $1 ($((SECONDS - started)) s)"
}
if [ -n "$has_bpftrace" ]; then
	ask "how long do faults take" '^\[[0-9K, ]+[])] +[1-9][0-9]* \|' "$(block 3)"
	ask "who invalidates, by bpftrace" '^@\[snapshot' "$(block 4 | grep ^bpftrace)"
	ask "who waits" '^@\[[0-9]+, [01]\]: [1-9]' "$(block 5)"
fi
if [ -n "$has_perf" ]; then
	ask "who invalidates, by perf" 'snapshot' "$(block 4 | grep ^perf)"
fi
echo "# $asked questions"
