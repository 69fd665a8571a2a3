#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# What an unprivileged user can make the kernel hold: the translation table of a region is charged to its owner.
# timeout: 90
# dmesg-allow: Memory cgroup out of memory|oom-kill:
set -euo pipefail
. "$(dirname "$0")/lib.sh"
sd_load
ip link set lo up
sd_dummy d0
sd_link sodp0 d0
group=/sys/fs/cgroup/limits
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p $group
trap 'echo 1 >$group/cgroup.kill; sd_wait 10 rmdir $group 2>/dev/null' EXIT
"$SD_BIN/limits" sodp0 $group
