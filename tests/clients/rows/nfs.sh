# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# NFS over RDMA, server and client in one kernel: the kernel's include/ tree and a large file, written, and compared after the
# client has forgotten them. The export is an ext4 on /dev/vdb; that RDMA was used is seen in mountstats.

N_FEATURES='kernel: CM, fast registration, RC SEND READ WRITE, SEND with invalidate'

nfs_mounted() { mountpoint -q "$1" || mount -t "$2" "$2" "$1"; }

# nfs_backing: $PWD/disk with an export on it.
nfs_backing() {
	modprobe virtio_blk 2>/dev/null || true
	[ -b /dev/vdb ] || sd_skip "the guest has no second disk"
	mkdir -p disk
	mkfs.ext4 -q -F /dev/vdb
	undo try umount "$PWD/disk"
	mount /dev/vdb disk
	mkdir disk/export
}

# nfs_server: v3 and v4, by RDMA.
nfs_server() {
	need exportfs rpc.nfsd rpc.mountd rpcbind
	need_module nfsd rpcrdma
	undo try modprobe -r rpcrdma nfsd
	mkdir -p /var/lib/nfs/{v4recovery,rpc_pipefs} /run/rpcbind /run/sendsigs.omit.d
	touch /var/lib/nfs/{etab,rmtab}
	nfs_mounted /proc/fs/nfsd nfsd
	undo try umount /proc/fs/nfsd
	rpcbind || sd_fail "rpcbind does not start"
	undo try exportfs -ua
	exportfs -o rw,no_root_squash,insecure,no_subtree_check,fsid=0 "*:$PWD/disk/export"
	undo try rpc.nfsd 0
	rpc.nfsd --lease-time 10 --grace-time 10 --rdma=20049 4 || sd_fail "nfsd does not start: $(dmesg | tail -n 3)"
	grep -q '^rdma 20049' /proc/fs/nfsd/portlist || sd_fail "nfsd does not listen by RDMA: $(</proc/fs/nfsd/portlist)"
	echo Y >/proc/fs/nfsd/v4_end_grace 2>/dev/null || true
	rpc.mountd || sd_fail "mountd does not start"
}

# nfs_mount VERSION: sets nothing; $PWD/mount.
nfs_mount() {
	local what="$IP:/" options=vers=$1,proto=rdma,port=20049
	if [ "$1" = 3 ]; then
		what=$IP:$PWD/disk/export
		options+=,mountproto=tcp,nolock
	fi
	mkdir -p mount
	mount.nfs "$what" "$PWD/mount" -o "$options" || sd_fail "mount: $(dmesg | tail -n 3)"
	awk -v at="$PWD/mount" '$1 == "device" { here = $5 == at } here && $1 == "xprt:" { print $2 }' /proc/self/mountstats |
		grep -x rdma >/dev/null || sd_fail "the mount does not use RDMA"
}

nfs_again() {
	umount "$PWD/mount"
	echo 3 >/proc/sys/vm/drop_caches
	nfs_mount "$1"
}

# nfs_tree: sets TREE, the headers of a kernel.
nfs_tree() {
	TREE=$(compgen -G '/usr/src/linux-headers-*-common/include' | tail -n 1) || true
	[ -d "$TREE" ] || sd_skip "no kernel headers on this machine"
	cp -r "$TREE" tree
	TREE=$PWD/tree
}

# nfs VERSION MIB: the tree, and a file of so many MiB.
nfs() {
	need mount.nfs
	need_module nfs
	if [ "$1" = 3 ]; then need_module nfsv3; else need_module nfsv4; fi
	nfs_backing
	nfs_server
	nfs_tree
	head -c "$2M" /dev/urandom >disk/source
	undo try umount -f -l "$PWD/mount"
	nfs_mount "$1"
	cp -r "$TREE" mount/tree
	cp disk/source mount/large
	nfs_again "$1"
	diff -r "$TREE" mount/tree || sd_fail "the tree differs"
	cmp disk/source mount/large || sd_fail "the file differs"
	echo "$(find "$TREE" -type f | wc -l) files, $2 MiB"
	rm -r mount/tree mount/large
	umount "$PWD/mount"
}

row v41 1800 kernel data "$N_FEATURES" nfs 4.1 512
row v3 1200 kernel data "$N_FEATURES" nfs 3 64
