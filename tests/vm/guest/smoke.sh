#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 90
# kernels: stock debug 6.12 7.3 rt
# modes: preempt
# long: kcsan
#
# What a user would try first, with the programs of the distribution: a device on demand, and data that comes back
# unchanged through it, with registrations that are paged on demand and with pinned ones.

set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_dummy d0
sd_link sodp0 d0
gid=$(sd_gid sodp0)

ibv_devinfo -v -d sodp0 >/tmp/devinfo
grep -A 20 general_odp_caps /tmp/devinfo
grep -q ODP_SUPPORT /tmp/devinfo || sd_fail "ibv_devinfo shows no on-demand paging"

# pingpong OPTION...: client and server check each other's bytes (-c).
pingpong() {
	ibv_rc_pingpong -d sodp0 -g "$gid" -c "$@" &
	sd_wait 20 sd_listening 18515
	ibv_rc_pingpong -d sodp0 -g "$gid" -c "$@" 127.0.0.1
	wait $!
}

n=100
case $SD_KERNEL in debug | kcsan) n=25 ;; esac
pingpong -n $n -s 65536
faults=$(sd_counter sodp0 page_faults)
pingpong -n $n -s 65536 -o
[ "$(sd_counter sodp0 page_faults)" -gt "$faults" ] || sd_fail "nothing was paged on demand"
sd_counters sodp0
