# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# A disk by NVMe over RDMA, target and host in one kernel, and what is done with a disk. To be sourced after lib.sh.

NVME_NQN=nqn.2026-01.test.softodp:disk
NVME_HOST=nqn.2026-01.test.softodp:host
NVME_TARGET=/sys/kernel/config/nvmet

nvme_modules() {
	modprobe -a nvmet nvmet_rdma nvme_rdma || sd_skip "no NVMe over RDMA in this kernel"
	mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
}

# nvme_target ADDRESS DISK: the disk, to whoever asks
nvme_target() {
	local t=$NVME_TARGET
	mkdir -p $t/subsystems/$NVME_NQN/namespaces/1 $t/ports/1
	echo 1 >$t/subsystems/$NVME_NQN/attr_allow_any_host
	echo "$2" >$t/subsystems/$NVME_NQN/namespaces/1/device_path
	echo 1 >$t/subsystems/$NVME_NQN/namespaces/1/enable
	echo rdma >$t/ports/1/addr_trtype
	echo ipv4 >$t/ports/1/addr_adrfam
	echo "$1" >$t/ports/1/addr_traddr
	echo 4420 >$t/ports/1/addr_trsvcid
	ln -s $t/subsystems/$NVME_NQN $t/ports/1/subsystems/$NVME_NQN
}

nvme_no_target() {
	local t=$NVME_TARGET
	rm $t/ports/1/subsystems/$NVME_NQN
	rmdir $t/ports/1
	echo 0 >$t/subsystems/$NVME_NQN/namespaces/1/enable
	rmdir $t/subsystems/$NVME_NQN/namespaces/1 $t/subsystems/$NVME_NQN
}

# nvme_connect ADDRESS: sets disk. What nvme connect does.
nvme_connect() {
	local answer
	exec {fabrics}<>/dev/nvme-fabrics
	echo "transport=rdma,traddr=$1,trsvcid=4420,nqn=$NVME_NQN,hostnqn=$NVME_HOST,nr_io_queues=2,reconnect_delay=1,keep_alive_tmo=5" >&"$fabrics"
	read -r -u "$fabrics" answer
	exec {fabrics}>&-
	answer=${answer#instance=}
	controller=/sys/class/nvme/nvme${answer%%,*}
	sd_wait 20 nvme_has_disk || sd_fail "no disk: $(dmesg | tail -n 20)"
}

# nvme_has_disk: sets disk, of the controller.
nvme_has_disk() {
	local node
	for node in "$controller"/nvme*n1 /sys/class/nvme-subsystem/*/nvme*n1; do
		disk=/dev/${node##*/}
		[ ! -b "$disk" ] || return 0
	done
	return 1
}

nvme_disconnect() { echo 1 >"$controller/delete_controller"; }

# disk_use DISK MIB [MOUNT-POINT]: a file system there, a file, and what was read back
disk_use() {
	local disk=$1 before after at=${3:-/run/disk}
	mkfs.ext4 -q -F "$disk" || sd_fail "mkfs: $(dmesg | tail -n 20)"
	mkdir -p "$at"
	mount "$disk" "$at"
	head -c $(($2 << 20)) /dev/urandom >/run/file
	before=$(sha256sum </run/file)
	dd if=/run/file of="$at/file" bs=64k conv=fsync status=none
	umount "$at"
	blockdev --flushbufs "$disk"
	echo 3 >/proc/sys/vm/drop_caches
	mount -o ro "$disk" "$at"
	after=$(sha256sum <"$at/file")
	umount "$at"
	[ "$before" = "$after" ] || sd_fail "what was read is not what was written"
	# 512 bytes at odd places, past the page cache
	dd if=/run/file of="$disk" bs=512 count=777 seek=4097 oflag=direct status=none
	dd if="$disk" bs=512 count=777 skip=4097 iflag=direct status=none | cmp -n $((777 * 512)) - /run/file ||
		sd_fail "direct: not what was written"
	rm -f /run/file
}
