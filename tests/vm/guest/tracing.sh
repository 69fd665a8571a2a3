#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 60
# kernels: stock
# long: debug
#
# What docs/tracing.md says: the tracepoints with their fields, and the histogram of fault times by its own commands.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

page=$SD_ROOT/docs/tracing.md
events=/sys/kernel/tracing/events/softodp
sd_load
mountpoint -q /sys/kernel/tracing || mount -t tracefs none /sys/kernel/tracing

# "| name | when | fields |": the fields' words without what is in parentheses
documented() { sed -n "s/^| $1 | [^|]* | \(.*\) |\$/\1/p" "$page" | sed 's/([^)]*)//g' | tr -d ' '; }
for event in "$events"/*/; do
	name=$(basename "$event")
	fields=$(sed -n 's/^\tfield:.* \([a-z_]*\);.*/\1/p' "$event/format" | grep -v ^common_ | paste -sd,)
	[ "$(documented "$name")" = "$fields" ] || sd_fail "$name has $fields, docs/tracing.md says '$(documented "$name")'"
done
[ "$(grep -cE '^\| [a-z_]+ \| .* \| .*[a-z].* \|$' "$page")" = $(($(find "$events" -mindepth 1 -maxdepth 1 -type d | wc -l) + 1)) ] ||
	sd_fail "docs/tracing.md has tracepoints that there are not"

# The first block of commands there, and the second.
commands() { awk '/^```/ { n += /^```sh/; inside = /^```sh/; next } inside && n == '"$1" "$page" | grep -v '^cat'; }
[ "$(commands 1 | wc -l)" = 5 ] && [ "$(commands 2 | wc -l)" = 5 ] || sd_fail "not the commands that docs/tracing.md had"
# The fields are checked by now; a histogram needs an event that the kernel puts together.
[ -e /sys/kernel/tracing/synthetic_events ] || sd_skip "this kernel has no synthetic events (CONFIG_SYNTH_EVENTS)"
(eval "$(commands 1)") || sd_fail "the commands of docs/tracing.md"
ip link set lo up
sd_dummy d0
sd_link sodp0 d0
sd_timeout 30 "$SD_ROOT/build/examples/hello_write" sodp0
sd_timeout 30 "$SD_ROOT/build/examples/snapshot" sodp0
hist=$(</sys/kernel/tracing/events/synthetic/sodp_fault/hist)
echo "${hist//$'\n'/$'\n'# }"
hits=$(sed -n 's/^ *Hits: //p' <<<"$hist")
(eval "$(commands 2)") || sd_fail "the commands of docs/tracing.md that clean up"
[ "${hits:-0}" -gt 10 ] || sd_fail "the histogram has $hits faults"
