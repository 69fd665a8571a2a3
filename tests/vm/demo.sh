#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

usage() {
	cat <<'END'
What on-demand paging gives, in under two minutes. Runs in a test guest (./run demo) or, as root, on a machine that has
the driver loaded.

Usage: demo.sh [--json] [--color=auto|always|never]

  --json         only a summary in JSON on standard output
  --color=WHEN   colours and progress bars; auto: if standard output is a terminal

Each claim is checked twice: the bytes must be right, and the page faults and invalidations without which they could not
be must have been counted. Status 0 if all claims hold.
END
}

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/guest/lib.sh"

json='' color=auto
for argument; do
	case $argument in
	--json) json=1 ;;
	--color=auto | --color=always | --color=never) color=${argument#*=} ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
done
[ "$color" != auto ] || { [ -t 1 ] && color=always || color=never; }
[ "$(id -u)" = 0 ] || sd_fail "needs root, to make devices and a namespace"
if [ "$color" = always ] && [ -z "$json" ]; then
	BOLD=$'\e[1m' DIM=$'\e[2m' GOOD=$'\e[1;32m' BAD=$'\e[1;31m' OFF=$'\e[0m' COLOUR=1
else
	BOLD='' DIM='' GOOD='' BAD='' OFF='' COLOUR=0
fi
exec 3>&1
[ -z "$json" ] || exec >/dev/null

PROGRAMS=${SD_DEMO_BIN:-$SD_ROOT/build/demo}
WORK=/run/softodp-demo
RESULTS=$WORK/results
USER_ID=65534 # nobody

# However it ends: a demo that breaks off is one that failed.
at_exit() {
	local rc=$?
	trap - EXIT
	if [ -z "${SUMMED_UP:-}" ]; then
		claim finished false false "the demo came to its end" "it broke off with status $rc"
		summary || rc=1
	fi
	clean_up
	exit "$rc"
}

# Only what was made here, so that a machine that is no guest is left as it was.
clean_up() {
	rdma link del demo_rxe 2>/dev/null || true
	sd_in demo rdma link del demo_odp 2>/dev/null || true
	ip netns del demo 2>/dev/null || true
	ip link del demo0 2>/dev/null || true
	[ -z "${LOADED_RXE:-}" ] || modprobe -r rdma_rxe 2>/dev/null || true
	[ -z "${SWAPPED:-}" ] || { swapoff "$SWAPPED" && modprobe -r zram; } 2>/dev/null || true
	[ -z "${EXCLUSIVE:-}" ] || rdma system set netns shared 2>/dev/null || true
	rm -rf "$WORK"
}

heading() { printf '\n%s%s%s\n' "$BOLD" "$*" "$OFF"; }
say() { printf '     %s\n' "$*"; }

# claim ID DATA COUNTERS TEXT EVIDENCE: DATA and COUNTERS are true or false. As the programs of the demo print theirs.
claim() {
	local verdict=PASS color=$GOOD missing=''
	case $2,$3 in
	true,true) ;;
	true,*) missing=' (counters)' ;;
	*,true) missing=' (data)' ;;
	*) missing=' (data and counters)' ;;
	esac
	[ -z "$missing" ] || verdict=FAIL color=$BAD
	printf '%s%s%s %s%s\n     %s%s%s\n' "$color" "$verdict" "$OFF" "$4" "$missing" "$DIM" "$5" "$OFF"
	printf '{"claim": "%s", "verdict": "%s", "data": %s, "counters": %s, "text": "%s", "evidence": "%s"}\n' \
		"$1" "$verdict" "$2" "$3" "$4" "$5" >>"$RESULTS"
}

# On zram, which writes and reads at once: what comes back from it has been there.
swap_on() {
	if modprobe zram num_devices=1 2>/dev/null && echo 256M >/sys/block/zram0/disksize; then
		SWAPPED=/dev/zram0
		mkswap "$SWAPPED" >/dev/null
		swapon "$SWAPPED"
	else
		sd_swap
		SWAPPED=$(sed -n '2s/ .*//p' /proc/swaps)
	fi
}

prepare() {
	clean_up
	trap at_exit EXIT
	mkdir -p "$WORK"
	chmod 755 "$WORK"
	# The ordinary user need not be able to read where this was built.
	install -m 755 "$PROGRAMS/demo_odp" "$PROGRAMS/demo_wire" "$WORK"
	: >"$RESULTS"
	chown "$USER_ID" "$RESULTS"
	sd_load
	# Refused where there are namespaces already; devices are then seen from all of them, which does no harm here.
	if rdma system show 2>/dev/null | grep -q shared && rdma system set netns exclusive 2>/dev/null; then EXCLUSIVE=1; fi
	ip netns add demo
	ip -n demo link set lo up
	grep -q '^/' /proc/swaps || swap_on
}

# In the namespace demo: the port of RoCE in the initial one is rdma_rxe's once that is loaded. As nobody, with what Debian
# gives to users and a little more: 64 MiB of memory may be locked.
part_memory() {
	local rc=0
	modprobe dummy numdummies=0 2>/dev/null || true
	ip -n demo link add demo0 mtu 4200 type dummy
	ip -n demo addr add 10.77.0.1/24 dev demo0
	ip -n demo link set demo0 up
	sd_link demo_odp demo0 softodp demo
	sd_in demo bash -c "ulimit -l 65536 && exec setpriv --reuid=$USER_ID --regid=$USER_ID --clear-groups \
		--inh-caps=-all timeout -k 5 120 $WORK/demo_odp demo_odp $RESULTS $COLOUR" || rc=$?
	if [ $rc -gt 1 ] || ! grep -q '"munmap"' "$RESULTS"; then
		claim finished false false "the first part came to its end" "status $rc"
	fi
	sd_in demo rdma link del demo_odp
	ip -n demo link del demo0
}

listening() { sd_in "$1" ss -Hltn "sport = :$2" | grep -q .; }

demo_counter() { sd_counter demo_odp "$1" demo; }

# one_wire NAME SERVER_NS SERVER_COMMAND CLIENT_NS CLIENT_COMMAND: both must succeed.
both_ends() {
	local log=$WORK/server.log server rc=0
	sd_in "$1" timeout -k 5 60 bash -c "$2" >"$log" 2>&1 &
	server=$!
	sd_wait 10 listening "$1" 18515 || rc=1
	[ $rc = 1 ] || sd_in "$3" timeout -k 5 60 bash -c "$4" >"$WORK/client.log" 2>&1 || rc=1
	wait $server || rc=1
	return $rc
}

pingpong() {
	local id=$1 text=$2 server_ns=$3 server=$4 client_ns=$5 client=$6 data=true counters=true
	local faults packets
	faults=$(demo_counter page_faults) packets=$(demo_counter rcvd_pkts)
	both_ends "$server_ns" "ibv_rc_pingpong $server -c -n 100 -s 20000" \
		"$client_ns" "ibv_rc_pingpong $client -c -n 100 -s 20000" || data=false
	faults=$(($(demo_counter page_faults) - faults)) packets=$(($(demo_counter rcvd_pkts) - packets))
	[ $faults -gt 0 ] && [ $packets -gt 100 ] || counters=false
	claim "$id" $data $counters "$text" \
		"$(tail -n 1 "$WORK/client.log"); page faults of softodp +$faults, packets in +$packets"
}

part_wire() {
	local here there
	heading "8  On the wire: softodp and stock rdma_rxe"
	say "namespace demo                          initial namespace"
	say "softodp  demo_odp 10.77.1.2 ----------- 10.77.1.1 demo_rxe  rdma_rxe"
	say "on demand                               pinned"
	[ -d /sys/module/rdma_rxe ] || LOADED_RXE=1
	ip link add demo0 mtu 4200 type veth peer name demo1 mtu 4200 netns demo
	ip addr add 10.77.1.1/24 dev demo0
	ip link set demo0 up
	ip -n demo addr add 10.77.1.2/24 dev demo1
	ip -n demo link set demo1 up
	sd_link demo_odp demo1 softodp demo
	sd_link demo_rxe demo0 rxe

	both_ends demo "$WORK/demo_wire demo_odp listen $RESULTS $COLOUR >&4" \
		'' "$WORK/demo_wire demo_rxe 10.77.1.2" 4>&1 ||
		say "$(cat "$WORK/server.log" "$WORK/client.log")"
	grep -q '"softodp-to-rxe"' "$RESULTS" || claim wire-finished false false "the traffic came to its end" "see above"

	there="-d demo_odp -g $(sd_in demo bash -c ". '$SD_ROOT/tests/vm/guest/lib.sh'; sd_gid demo_odp") -o"
	here="-d demo_rxe -g $(sd_gid demo_rxe)"
	pingpong pingpong-to "ibv_rc_pingpong: rdma_rxe to softodp on demand (-o), contents checked" \
		demo "$there" '' "$here 10.77.1.2"
	pingpong pingpong-from "ibv_rc_pingpong: softodp on demand (-o) to rdma_rxe, contents checked" \
		'' "$here" demo "$there 10.77.1.1"
}

summary() {
	local claims failed
	SUMMED_UP=1
	claims=$(wc -l <"$RESULTS")
	failed=$(grep -c '"verdict": "FAIL"' "$RESULTS") || true
	if [ "$failed" = 0 ]; then
		heading "${GOOD}All $claims claims hold$OFF  (${SECONDS} s)"
	else
		heading "${BAD}$failed of $claims claims do not hold$OFF  (${SECONDS} s)"
	fi
	if [ -n "$json" ]; then
		printf '{"demo": "softodp", "kernel": "%s", "seconds": %d, "verdict": "%s", "claims": [\n%s\n]}\n' "$(uname -r)" \
			"$SECONDS" "$([ "$failed" = 0 ] && echo PASS || echo FAIL)" "$(sed '$!s/$/,/' "$RESULTS")" >&3
	fi
	[ "$failed" = 0 ]
}

prepare
part_memory
part_wire
summary
