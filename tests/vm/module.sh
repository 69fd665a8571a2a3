#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

usage() {
	cat <<'END'
Builds softodp.ko out of tree, in a copy of driver/, so that the sources stay clean.

Usage: tests/vm/module.sh KERNEL OUTDIR [FLAG...]

  KERNEL  stock, debug, kcsan, 6.12, 7.3, rt, arm64, or the path of a kernel's headers (/usr/src/linux-headers-...)
  OUTDIR  where to build; '-' stands for build/driver/VERSION, where tests/vm/vm looks for the driver
  FLAG    added to the compiler's flags, for instance -DSODP_MUTANT_NO_ZAP

W=1 and C=1 in the environment are passed on to Kbuild.
END
}

set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$SD_VM/kernel.sh"

[ $# -ge 2 ] || { usage >&2; exit 2; }
kernel=$1 out=$2
shift 2
case $kernel in
/*)
	K_HEADERS=$kernel K_CHROOT='' K_MAKE=()
	[ -e "$K_HEADERS/Makefile" ] || die "no kernel headers in $K_HEADERS"
	K_VERSION=$(make -s -C "$K_HEADERS" kernelrelease)
	;;
*) kernel_prepare "$kernel" ;;
esac
[ "$out" != - ] || out=$SD_BUILD/driver/$K_VERSION
mkdir -p "$out"
out=$(cd "$out" && pwd -P)
[ -e "$SD_ROOT/driver/Kbuild" ] || die "there is no driver/Kbuild"
# Two must not build the same one; whoever comes second finds it done.
exec {lock}>"${out%/}.lock"
flock "$lock"

# Objects are kept, for a quick rebuild; sources that went away go away here too.
rsync -a --delete --filter='P *.o' --filter='P .*' --filter='P *.ko' --filter='P *.mod' --filter='P *.mod.c' \
	--filter='P Module.symvers' --filter='P modules.order' --filter='P /include/***' --filter='P /build.log' \
	--exclude CMakeLists.txt "$SD_ROOT/driver/" "$out/"
rsync -a --delete "$SD_ROOT/include/" "$out/include/"

build=(nice -n 10 make -C "$K_HEADERS" "${K_MAKE[@]}" "M=$out" "KCFLAGS=-I$out/include $*" ${W:+"W=$W"} ${C:+"C=$C"} ${CHECK:+"CHECK=$CHECK"}
	-j"$(nproc)" modules)
if [ -z "$K_CHROOT" ]; then
	"${build[@]}"
else
	# In a mount namespace of its own, so that nothing stays mounted whatever happens.
	as_root unshare -m bash -euc '
		root=$1 out=$2
		shift 2
		mkdir -p "$root$out"
		mount --bind "$out" "$root$out"
		mount -t proc proc "$root/proc"
		exec chroot "$root" "$@"' - "$K_CHROOT" "$out" env PATH=/usr/sbin:/usr/bin:/sbin:/bin "${build[@]}"
	[ "$(id -u)" = 0 ] || as_root chown -R "$(id -u):$(id -g)" "$out"
fi
note "built ${out#"$SD_ROOT"/}/softodp.ko for $K_VERSION"
