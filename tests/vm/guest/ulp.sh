#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 240
# kernels: stock
# set: long
#
# Users within the kernel: a disk by NVMe over RDMA, its target and its host both on softodp. Fast registration, local
# invalidate and SEND with invalidate are what it is made of. A file system goes there, and files are compared after the
# caches were dropped.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/vm/guest/nvme.lib.sh
. "$(dirname "$0")/nvme.lib.sh"

sd_load
ip link set lo up
hostname vm
nvme_modules
modprobe brd rd_nr=1 rd_size=131072
sd_dummy d0
sd_link sodp0 d0
nvme_target 10.9.0.1 /dev/ram0
nvme_connect 10.9.0.1
# shellcheck disable=SC2154 # nvme_connect sets it
disk_use "$disk" 48
echo "# NVMe, softodp to itself: $(sd_counter sodp0 rcvd_pkts) packets"
nvme_disconnect
nvme_no_target
rdma link del sodp0
! dmesg | grep -E 'BUG|WARNING:|Oops|I/O error' || sd_fail "the kernel complained"
