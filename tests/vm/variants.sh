# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Debian 12's other kernels of 6.1: PREEMPT_RT, and arm64, which a module is only built for. Sourced by kernel.sh.

kernel_rt() {
	local dir=$SD_CACHE/rt
	[ -e "$dir/version" ] || with_lock "$SD_CACHE/lock/rt" kernel_rt_fetch "$dir"
	K_VERSION=$(<"$dir/version")
	K_ROOT=$dir/root
	K_IMAGE=$K_ROOT/boot/vmlinuz-$K_VERSION
	K_HEADERS=$dir/headers/usr/src/linux-headers-$K_VERSION
}

kernel_rt_fetch() {
	local dir=$1 image headers
	[ ! -e "$dir/version" ] || return 0
	image=$(backports_depends linux-image-rt-amd64 'linux-image-[0-9]')
	headers=$(backports_depends linux-headers-rt-amd64 'linux-headers-[0-9]')
	[ -n "$image" ] && [ -n "$headers" ] || die "apt knows no linux-image-rt-amd64; run apt-get update, or use Debian 12"
	say "kernel rt: fetching $image and its headers"
	variant_headers "$dir/headers" "$headers"
	kernel_unpack "$dir" "$image"
}

# The compiler is a cross one; what the build runs beside it (fixdep, modpost) is this machine's: Debian has it in a package of its
# own, which is the same but for the processor that it runs on, and both processors agree on the size and order of words.
kernel_arm64() {
	local dir=$SD_CACHE/arm64
	[ -e "$dir/version" ] || with_lock "$SD_CACHE/lock/arm64" kernel_arm64_fetch "$dir"
	K_VERSION=$(<"$dir/version")
	K_ROOT='' K_IMAGE=''
	K_HEADERS=$dir/headers/usr/src/linux-headers-$K_VERSION
	K_MAKE=(ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-)
}

kernel_arm64_fetch() {
	local dir=$1 headers
	[ ! -e "$dir/version" ] || return 0
	[ "$(dpkg --print-architecture)" = amd64 ] || die "the kernel arm64 is for a machine whose own architecture is amd64"
	# The machine's dpkg is not told of another architecture: only apt's private lists are.
	APT_FOREIGN=arm64 backports_apt bookworm
	headers=$(backports_depends linux-headers-arm64:arm64 'linux-headers-[0-9]')
	[ -n "$headers" ] || die "bookworm has no linux-headers-arm64 on this mirror"
	say "kernel arm64: fetching $headers"
	variant_headers "$dir/headers" "$headers"
	headers=${headers#linux-headers-}
	echo "${headers%:arm64}" >"$dir/version"
}

# variant_headers DIR PACKAGE: and what it needs; of programs those that run here.
variant_headers() {
	# shellcheck disable=SC2046 # one word a package
	packages_unpack "$1" $(backports_closure "$2" | sed -E 's/^(linux-kbuild-[0-9.]+):.*/\1/' | sort -u)
	backports_relocate "$1"
}
