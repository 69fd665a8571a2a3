# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Which tests run in which guest, from the comments at the head of tests/vm/guest/NAME.sh. To be sourced after common.sh.
#
#   # timeout: SECONDS      its own time limit, four times as much on the debug and KCSAN kernels; default 60
#   # kernels: stock debug  where it runs; default stock
#   # modes: preempt        runs also on the stock kernel with preempt=full
#   # needs: nodriver       the driver is not loaded for it
#   # boot: OPTIONS         needs a guest of its own kind, started with these options of tests/vm/vm
#   # set: long             only in ./run test --long
#   # long: debug           kernels on which it runs in ./run test --long alone: too slow there for every day
#   # dmesg-allow: REGEX    kernel messages that it provokes on purpose

select_header() { sed -n "s/^# $2: *//p;/^[^#]/q" "$1"; }

# select_tests SET KERNEL MODE PATTERN: names of the tests, a line each.
select_tests() {
	local set=$1 kernel=$2 mode=$3 pattern=$4 file name kernels
	for file in "$SD_VM"/guest/*.sh; do
		name=$(basename "$file" .sh)
		[ "$name" != lib ] && [ -x "$file" ] || continue
		# shellcheck disable=SC2053 # the pattern is one
		[[ $name == $pattern ]] || continue
		kernels=$(select_header "$file" kernels)
		if [ "$(select_header "$file" set)" != "$set" ]; then
			[ "$set" = long ] || continue
			kernels=$(select_header "$file" long)
			[ -n "$kernels" ] || continue
		fi
		if [ -n "$mode" ]; then
			select_header "$file" modes | grep -qw "$mode" || continue
		else
			[[ " ${kernels:-stock} " == *" $kernel "* ]] || continue
		fi
		echo "$name"
	done
}

# select_boot NAME: its boot options.
select_boot() { select_header "$SD_VM/guest/$1.sh" boot; }

# select_time KERNEL NAME...: the seconds that a guest may take for these tests, an upper bound.
select_time() {
	local kernel=$1 name limit sum=0 slow=${SOFTODP_SLOW:-1}
	shift
	! kernel_checked "$kernel" || slow=$((slow * 4))
	for name in "$@"; do
		limit=$(select_header "$SD_VM/guest/$name.sh" timeout)
		sum=$((sum + ${limit:-60} * slow + 60))
	done
	echo $((sum + 120 * slow))
}
