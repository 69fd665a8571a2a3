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

nqn=nqn.2026-01.test.softodp:disk
sd_load
ip link set lo up
hostname vm
modprobe -a nvmet nvmet_rdma nvme_rdma || sd_skip "no NVMe over RDMA in this kernel"
modprobe brd rd_nr=1 rd_size=131072
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config

# target ADDRESS: the RAM disk, to whoever asks
target() {
	local t=/sys/kernel/config/nvmet
	mkdir -p $t/subsystems/$nqn/namespaces/1 $t/ports/1
	echo 1 >$t/subsystems/$nqn/attr_allow_any_host
	echo /dev/ram0 >$t/subsystems/$nqn/namespaces/1/device_path
	echo 1 >$t/subsystems/$nqn/namespaces/1/enable
	echo rdma >$t/ports/1/addr_trtype
	echo ipv4 >$t/ports/1/addr_adrfam
	echo "$1" >$t/ports/1/addr_traddr
	echo 4420 >$t/ports/1/addr_trsvcid
	ln -s $t/subsystems/$nqn $t/ports/1/subsystems/$nqn
}

no_target() {
	local t=/sys/kernel/config/nvmet
	rm $t/ports/1/subsystems/$nqn
	rmdir $t/ports/1
	echo 0 >$t/subsystems/$nqn/namespaces/1/enable
	rmdir $t/subsystems/$nqn/namespaces/1 $t/subsystems/$nqn
}

# connect ADDRESS: sets disk. What nvme connect does.
connect() {
	local answer
	exec {fabrics}<>/dev/nvme-fabrics
	echo "transport=rdma,traddr=$1,trsvcid=4420,nqn=$nqn,hostnqn=nqn.2026-01.test.softodp:host,nr_io_queues=2,reconnect_delay=1,keep_alive_tmo=5" >&"$fabrics"
	read -r -u "$fabrics" answer
	exec {fabrics}>&-
	answer=${answer#instance=}
	controller=/sys/class/nvme/nvme${answer%%,*}
	sd_wait 20 has_disk || sd_fail "no disk: $(dmesg | tail -n 20)"
}

has_disk() {
	local node
	for node in "$controller"/nvme*n1 /sys/class/nvme-subsystem/*/nvme*n1; do
		disk=/dev/${node##*/}
		[ ! -b "$disk" ] || return 0
	done
	return 1
}

disconnect() { echo 1 >"$controller/delete_controller"; }

# use MIB: a file system there, a file, and what was read back
use() {
	local before after
	mkfs.ext4 -q -F "$disk" || sd_fail "mkfs: $(dmesg | tail -n 20)"
	mkdir -p /run/disk
	mount "$disk" /run/disk
	head -c $(($1 << 20)) /dev/urandom >/run/file
	before=$(sha256sum </run/file)
	dd if=/run/file of=/run/disk/file bs=64k conv=fsync status=none
	umount /run/disk
	blockdev --flushbufs "$disk"
	echo 3 >/proc/sys/vm/drop_caches
	mount -o ro "$disk" /run/disk
	after=$(sha256sum </run/disk/file)
	umount /run/disk
	[ "$before" = "$after" ] || sd_fail "what was read is not what was written"
	# 512 bytes at odd places, past the page cache
	dd if=/run/file of="$disk" bs=512 count=777 seek=4097 oflag=direct status=none
	dd if="$disk" bs=512 count=777 skip=4097 iflag=direct status=none | cmp -n $((777 * 512)) - /run/file ||
		sd_fail "direct: not what was written"
}

sd_dummy d0
sd_link sodp0 d0
target 10.9.0.1
connect 10.9.0.1
use 48
echo "# NVMe, softodp to itself: $(sd_counter sodp0 rcvd_pkts) packets"
disconnect
no_target
rdma link del sodp0
! dmesg | grep -E 'BUG|WARNING:|Oops|I/O error' || sd_fail "the kernel complained"
