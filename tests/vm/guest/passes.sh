#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 150
#
# What a peer can make the kernel do in one go, with softirqs off: the packets and bytes of the longest pass and of the longest
# run of passes, counted by the function graph tracer beside READs of 1 GiB. How long they take is printed, not judged: this
# clock is an emulated machine's, and the tracer's own time is in it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

tracing=/sys/kernel/tracing
mountpoint -q $tracing || mount -t tracefs none $tracing
grep -qw function_graph $tracing/available_tracers || sd_skip "no function graph tracer in this kernel"
sd_load
ip link set lo up
sd_dummy d0
sd_link sodp0 d0

traced='sodp_side_run sodp_resp_pass sodp_req_pass sodp_mem_copy_in sodp_mem_copy_out'
tracer_off() {
	echo 0 >$tracing/tracing_on
	echo nop >$tracing/current_tracer
	echo >$tracing/set_ftrace_filter
	echo 1408 >$tracing/buffer_size_kb
}
trap tracer_off EXIT

tracer_on() {
	tracer_off
	echo 8192 >$tracing/buffer_size_kb
	echo "$traced" >$tracing/set_ftrace_filter
	for name in $traced; do
		grep -q "^$name\b" $tracing/set_ftrace_filter || sd_fail "$name cannot be traced"
	done
	echo function_graph >$tracing/current_tracer
	echo 0 >$tracing/options/funcgraph-irqs
	: >$tracing/trace
	echo 1 >$tracing/tracing_on
}

# Of the trace: how many there were, the most copies and the longest time of a responder's pass, of a requester's, and of a run,
# which has several; and the most passes of a run. Each copy is a packet. What the ring buffer has lost begins in the middle:
# only what was seen to begin is closed.
longest() {
	awk '
		function us_of(  i) { for (i = 2; i < NF; i++) if ($(i + 1) == "us") return $i + 0; return 0 }
		function kind_of() { return /sodp_side_run/ ? "run" : /sodp_resp_pass/ ? "responder" : "requester" }
		function seen(what, n) { times[what]++; if (n > most[what]) most[what] = n; if (us_of() > us[what]) us[what] = us_of() }
		# A run that begins in a softirq at the end of another one is one of its own.
		function add(sum,  i) {
			for (i = depth[cpu]; i >= 1; i--) {
				sum[cpu, i]++
				if (kind[cpu, i] == "run") break
			}
		}
		/LOST/ { split("", depth); next }
		!/^ *[0-9]+\)/ { next }
		{ cpu = $1 }
		/\}/ {
			if (!depth[cpu]) next
			what = kind[cpu, depth[cpu]]
			seen(what, copies[cpu, depth[cpu]])
			if (what == "run" && passes[cpu, depth[cpu]] > most["passes"]) most["passes"] = passes[cpu, depth[cpu]]
			depth[cpu]--
			next
		}
		/sodp_mem_copy_/ { add(copies); next }
		!/sodp_(side_run|resp_pass|req_pass)/ { next }
		!/sodp_side_run/ { add(passes) }
		/\{/ {
			depth[cpu]++
			kind[cpu, depth[cpu]] = kind_of()
			copies[cpu, depth[cpu]] = passes[cpu, depth[cpu]] = 0
			next
		}
		{ seen(kind_of(), 0) }
		END {
			for (i = split("responder requester run passes", name, " "); i; i--)
				printf "%s %d %d %d\n", name[i], times[name[i]], most[name[i]], us[name[i]]
		}' $tracing/trace
}

# at_most WHAT NUMBER LIMIT
at_most() { [ "$2" -le "$3" ] || sd_fail "$1: $2, the bound is $3"; }

# measure MTU SHORTCUT: the budget of a pass is 64 packets or 64 KiB, whichever ends first; it must have ended one.
measure() {
	local mtu=$1 shortcut=$2 what n most us budget=$((65536 / $1))
	local -A count=() max=()
	[ "$budget" -lt 64 ] || budget=64
	sd_shortcut sodp0 "$shortcut"
	tracer_on
	"$SD_BIN/bigreads" sodp0 8 "$mtu"
	echo 0 >$tracing/tracing_on
	while read -r what n most us; do
		count[$what]=$n max[$what]=$most
		echo "# MTU $mtu, shortcut $shortcut: $what: $n times, most $most, longest $us us"
	done < <(longest)
	tracer_off
	[ "${count[responder]:-0}" -gt 100 ] && [ "${count[run]:-0}" -gt 100 ] || sd_fail "too little was traced"
	[ "${max[responder]}" -ge "$budget" ] || sd_fail "no pass has used its budget of $budget packets up: ${max[responder]}"
	at_most "packets of a responder's pass" "${max[responder]}" "$budget"
	# What it sends, and answers.
	at_most "packets of a requester's pass" "${max[requester]}" $((2 * budget))
	# Two passes, each with eight of those who were handed its packets.
	at_most "passes in a run" "${max[passes]}" $((shortcut ? 18 : 2))
	at_most "packets of a run" "${max[run]}" $(((shortcut ? 18 : 2) * 2 * budget))
}

measure 4096 1
measure 4096 0
measure 256 1
sd_shortcut sodp0 1
rdma link del sodp0
