#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# Crafted packets, scribbled rings, nonsense to uverbs, at random and while others work: nobody is harmed, all goes away.
# timeout: 120
# kernels: stock
# long: debug kcsan
set -euo pipefail
. "$(dirname "$0")/lib.sh"

usage='hostile.sh [--packets N] [--states N] [--calls N] [--seed S] [--lies 0|1] [--leaks 0|1] [--seeds 0|1]: 0 leaves a part out'
packets=10000 states=3000 calls=3000 lies=1 leaks=0 seeds=1 seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
# Slower by six or more; and that harm is noticed has nothing to do with the kernel.
case ${SD_KERNEL:-stock} in debug | kcsan) packets=800 states=400 calls=400 lies=0 ;; esac
while [ $# -gt 0 ]; do
	[[ ${2:-} =~ ^(0x[0-9a-f]+|[0-9]+)$ ]] || sd_fail "$1 needs a number; $usage"
	case $1 in
	--packets) packets=$2 ;;
	--states) states=$2 ;;
	--calls) calls=$2 ;;
	--seed) seed=$2 ;;
	--lies) lies=$2 ;;
	--seeds) seeds=$2 ;; # of tests/vm/hostile/SEEDS
	--leaks) leaks=$2 ;; # where nobody looks for them afterwards
	*) sd_fail "there is no $1; $usage" ;;
	esac
	shift 2
done

sd_load
sd_hostile_wire 9000
peer=(--local "$SD_IP0" --peer "$SD_IP1" --namespace "$SD_NS1")
failed=0

# hostile MODE COUNT [OPTION]...
hostile() {
	local mode=$1 count=$2
	shift 2
	"$SD_BIN/hostile" "$mode" sodp0 --count "$count" --seed "$seed" "$@"
}

# again MODE COUNT: the command that does it again.
again() {
	local part
	printf 'tests/vm/hostile/run.sh --kernel %s' "${SD_KERNEL:-stock}"
	for part in peer=packets program=states uverbs=calls; do
		printf ' --%s %s' "${part#*=}" "$([ "$1" = "${part%=*}" ] && echo "$2" || echo 0)"
	done
	printf ' --seed %s --keep-nothing\n' "$((seed))"
}

# attack MODE COUNT [OPTION]...: nobody may be harmed. How to do it again is said first: the guest may end in it.
attack() {
	local mode=$1 count=$2
	shift 2
	[ "$count" -gt 0 ] || return 0
	echo "# $mode: again with: $(again "$mode" "$count")"
	hostile "$mode" "$count" "$@" && return
	failed=1
	echo "not ok - $mode: seed $((seed)) failed; again with: $(again "$mode" "$count")"
	echo "# once it is mended, for tests/vm/hostile/SEEDS: $mode $((seed)) $count WHAT"
}

# attack_seeds: those that are always tried. As many as there are must have run.
attack_seeds() {
	local list mode count what tried=0 options seed
	list=$(dirname "$0")/../hostile/SEEDS
	while read -r mode seed count what; do
		[[ $mode =~ ^(peer|program|uverbs)$ && $seed =~ ^[0-9]+$ && $count =~ ^[1-9][0-9]*$ && -n $what ]] ||
			sd_fail "SEEDS: '$mode $seed $count $what' is not: part seed count what"
		options=(--brief)
		[ "$mode" != peer ] || options+=("${peer[@]}")
		attack "$mode" "$count" "${options[@]}" </dev/null
		tried=$((tried + 1))
	done < <(sed 's/#.*//; /^[[:space:]]*$/d' "$list")
	[ "$tried" -gt 0 ] || sd_fail "SEEDS has none"
	echo "# $tried seeds of SEEDS"
}

# lie MODE COUNT [OPTION]...: what harms must be noticed.
lie() {
	local mode=$1 out
	[ "$lies" != 0 ] || return 0
	if out=$(hostile "$@" --lie); then
		echo "$out"
		echo "not ok - $mode: harm that was done was not noticed"
		failed=1
		return
	fi
	grep -m 1 '^# HARM' <<<"$out" || { echo "$out" && failed=1; }
}

# Nothing of all those processes is left.
# But what the kernel's management datagrams have.
left() { rdma resource show | grep -vE '(pd 1 cq 1 qp 1 cm_id 0 mr 0 ctx 0|^$)'; }

[ "$seeds" = 0 ] || attack_seeds
attack peer "$packets" "${peer[@]}"
attack program "$states"
# Somebody looks at all of it meanwhile.
while sd_pause 1; do rdma resource show mr && rdma statistic show mr && rdma resource show qp; done >/dev/null 2>&1 &
attack uverbs "$calls"
kill $!
lie peer 6000 "${peer[@]}"
lie program 8000
lie uverbs 6000
! left || { echo "not ok - something is left" && failed=1; }
rdma link del sodp0
ip netns del "$SD_NS1"
sd_unload
[ ! -d /sys/module/softodp ] || failed=1
[ "$leaks" = 0 ] || sd_leaks
echo "# total: $packets packets, $states states, $calls calls, seed $seed, $failed failed"
exit $failed
