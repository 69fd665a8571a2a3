# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Disks over RDMA: NVMe-oF, iSER, SRP; target and initiator in one kernel, over the guest's /dev/vda. What was written is
# compared by fio's checksums, and through a file system by disk_use() of nvme.lib.sh.

# shellcheck source=tests/vm/guest/nvme.lib.sh
. "$SD_ROOT/tests/vm/guest/nvme.lib.sh"

B_CONFIG=/sys/kernel/config/target
B_IQN=iqn.2026-01.test.softodp:disk
B_FEATURES='kernel: CM, fast registration, RC SEND READ WRITE, SEND with invalidate'

# --- what a disk is used for: sets nothing, wants disk -------------------------------------------------------------------

block_fio() {
	need fio
	fio --name=verify --filename="$disk" --rw=randwrite --bsrange=4k-64k --size="$1" --direct=1 --ioengine=libaio --iodepth=8 \
		--verify=crc32c --do_verify=1 --verify_fatal=1 --output=fio.log || sd_fail "fio: $(grep -m 1 -E 'verify|error' fio.log)"
}

block_files() { disk_use "$disk" "$1" "$PWD/mount"; }

block_down() {
	ip link set "$NETDEV" down
	tc qdisc replace dev lo root netem loss 100%
}

block_up() {
	tc qdisc del dev lo root 2>/dev/null || true
	ip link set "$NETDEV" up
}

# The port goes down, and what one host sends to itself passes by lo: the third time for longer than connections last.
block_flap() {
	local n
	for ((n = 1; ; n++)); do
		sd_pause 4
		block_down
		if [ $((n % 3)) = 0 ]; then sd_pause 8; else sd_pause 1.5; fi
		block_up
		echo "flap $n" >>flaps.log
	done
}

block_fio_flaps() {
	local flapper
	need tc
	need_module sch_netem
	undo try block_up
	block_flap &
	flapper=$!
	block_fio "$1"
	kill $flapper
	block_up
	[ "$(wc -l <flaps.log)" -ge 3 ] || sd_fail "only $(wc -l <flaps.log) flaps in that time"
}

# block_new_disk: the SCSI disk that was not there before; sets disk.
block_new_disk() {
	local each
	for each in /sys/block/sd*; do
		each=${each##*/}
		[[ " $B_BEFORE " == *" $each "* ]] || [ ! -b "/dev/$each" ] || { disk=/dev/$each && return; }
	done
	return 1
}

block_remember() { B_BEFORE=$(cd /sys/block && echo sd*); }

# block_backing: the guest's own disk.
block_backing() {
	modprobe virtio_blk 2>/dev/null || true
	[ -b /dev/vda ] || sd_skip "the guest has no disk"
	wipefs -qa /dev/vda
}

# --- NVMe --------------------------------------------------------------------------------------------------------------

block_nvme() {
	need nvme
	block_backing
	nvme_modules
	undo try modprobe -r nvme_rdma nvmet_rdma
	undo try nvme_no_target
	nvme_target "$IP" /dev/vda
	undo try nvme disconnect -n "$NVME_NQN"
	nvme connect -t rdma -a "$IP" -s 4420 -n "$NVME_NQN" -q "$NVME_HOST" -i 2 -c 1 -k 5 || sd_fail "nvme connect: $(dmesg | tail -n 3)"
	controller=$(grep -lx "$NVME_NQN" /sys/class/nvme/nvme*/subsysnqn) || sd_fail "no controller: $(dmesg | tail -n 3)"
	controller=${controller%/*}
	sd_wait 20 nvme_has_disk || sd_fail "no disk: $(dmesg | tail -n 3)"
	"$@"
	nvme disconnect -n "$NVME_NQN"
}

# --- LIO: what iSER and SRP have in common -----------------------------------------------------------------------------

lio_backing() {
	block_backing
	need_module target_core_mod target_core_iblock sd_mod
	undo try lio_remove
	mkdir -p $B_CONFIG/core/iblock_0/disk
	echo udev_path=/dev/vda >$B_CONFIG/core/iblock_0/disk/control
	echo 1 >$B_CONFIG/core/iblock_0/disk/enable
}

# lio_lun GROUP: the backing becomes its first unit.
lio_lun() {
	mkdir "$1/lun/lun_0"
	ln -s $B_CONFIG/core/iblock_0/disk "$1/lun/lun_0/disk"
}

# lio_links FOLDER...: what is linked there goes, and they do.
lio_links() {
	local each
	for each in "$@"; do
		find "$each" -maxdepth 1 -type l -delete
		rmdir "$each"
	done
}

# lio_remove: all that there is.
lio_remove() {
	local c=$B_CONFIG each
	shopt -s nullglob
	for each in "$c"/{iscsi,srpt}/*/*/enable; do echo 0 >"$each"; done
	[ ! -d "$c/srpt" ] || echo 0 >"$c/srpt/discovery_auth/rdma_cm_port"
	lio_links "$c"/{iscsi,srpt}/*/*/acls/*/lun_*
	for each in "$c"/{iscsi,srpt}/*/*/acls/* "$c"/iscsi/*/*/np/*; do rmdir "$each"; done
	lio_links "$c"/{iscsi,srpt}/*/*/lun/lun_*
	for each in "$c"/iscsi/*/tpgt_* "$c"/srpt/*/*:* "$c"/iscsi/iqn* "$c"/srpt/*:*; do rmdir "$each"; done
	for each in "$c/iscsi" "$c/srpt" "$c/core/iblock_0/disk" "$c/core/iblock_0"; do
		[ ! -d "$each" ] || rmdir "$each"
	done
	shopt -u nullglob
}

# --- iSER --------------------------------------------------------------------------------------------------------------

iser_target() {
	local t=$B_CONFIG/iscsi/$B_IQN/tpgt_1
	need_module iscsi_target_mod ib_isert
	mkdir -p $B_CONFIG/iscsi
	mkdir $B_CONFIG/iscsi/$B_IQN $t
	echo 0 >$t/attrib/authentication
	echo 1 >$t/attrib/generate_node_acls
	echo 1 >$t/attrib/cache_dynamic_acls
	echo 0 >$t/attrib/demo_mode_write_protect
	lio_lun $t
	mkdir "$t/np/$IP:3260"
	echo 1 >"$t/np/$IP:3260/iser"
	echo 1 >$t/enable
}

iscsid_ready() { grep -q ISCSIADM_ABSTRACT_NAMESPACE /proc/net/unix; }

block_iser() {
	need iscsid iscsiadm
	undo try modprobe -r ib_isert ib_iser
	lio_backing
	iser_target
	need_module ib_iser
	mkdir -p /etc/iscsi/{nodes,send_targets,ifaces} /var/lib/iscsi /run/lock/iscsi
	echo InitiatorName=iqn.2026-01.test.softodp:host >/etc/iscsi/initiatorname.iscsi
	iscsid -f >iscsid.log 2>&1 &
	sd_wait 20 iscsid_ready || sd_fail "iscsid does not start: $(tail -n 1 iscsid.log)"
	block_remember
	iscsiadm -m node -o new -T $B_IQN -p "$IP:3260,1" -I iser
	undo try iscsiadm -m node -T $B_IQN -p "$IP:3260" -I iser --logout
	iscsiadm -m node -T $B_IQN -p "$IP:3260" -I iser --login || sd_fail "login: $(dmesg | tail -n 3)"
	sd_wait 30 block_new_disk || sd_fail "no disk: $(dmesg | tail -n 3)"
	"$@"
}

# --- SRP ---------------------------------------------------------------------------------------------------------------

# The target is named by the last half of the first GID, initiators by their address.
srp_target() {
	local id t
	need_module ib_srpt
	read -r id <"/sys/class/infiniband/$DEV/ports/1/gids/0"
	id=${id#*:*:*:*:}
	mkdir -p $B_CONFIG/srpt
	echo 5555 >$B_CONFIG/srpt/discovery_auth/rdma_cm_port
	t=$B_CONFIG/srpt/$id/$id
	mkdir "${t%/*}" "$t"
	lio_lun "$t"
	mkdir -p "$t/acls/$IP/lun_0"
	ln -s "$t/lun/lun_0" "$t/acls/$IP/lun_0/lun_0"
	echo 1 >"$t/enable"
}

srp_logout() {
	local port
	for port in /sys/class/srp_remote_ports/port-*/delete; do
		[ ! -w "$port" ] || echo 1 >"$port"
	done
	sd_wait 20 srp_gone
}

srp_gone() { ! compgen -G '/sys/class/srp_remote_ports/port-*' >/dev/null; }

block_srp() {
	local guid
	undo try modprobe -r ib_srpt ib_srp
	lio_backing
	srp_target
	need_module ib_srp
	guid=$(</sys/module/ib_srpt/parameters/srpt_service_guid)
	block_remember
	undo try srp_logout
	echo "id_ext=$guid,ioc_guid=$guid,dest=$IP:5555" >"/sys/class/infiniband_srp/srp-$DEV-1/add_target" ||
		sd_fail "login: $(dmesg | tail -n 3)"
	sd_wait 30 block_new_disk || sd_fail "no disk: $(dmesg | tail -n 3)"
	"$@"
}

row nvme_files 300 kernel data "$B_FEATURES" block_nvme block_files 64
row nvme_fio_1g 1200 kernel data "$B_FEATURES" block_nvme block_fio 1g
row nvme_fio_1g_flaps 1500 kernel data "$B_FEATURES; the port and the wire go down and come back" block_nvme block_fio_flaps 1g
row iser_files 300 kernel data "$B_FEATURES" block_iser block_files 64
row iser_fio 600 kernel data "$B_FEATURES" block_iser block_fio 128m
row srp_files 300 kernel data "kernel: CM, SRQ or RQ, fast registration, RC SEND READ WRITE" block_srp block_files 64
row srp_fio 600 kernel data "kernel: CM, SRQ or RQ, fast registration, RC SEND READ WRITE" block_srp block_fio 128m
