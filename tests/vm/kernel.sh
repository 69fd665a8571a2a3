# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Finds, fetches and unpacks the kernels that the tests boot. To be sourced after common.sh.
# Nothing is installed: packages are downloaded and unpacked below the cache.
#
#   kernel_prepare stock|debug|kcsan|6.12|7.3|rt|arm64
#
# leaves: K_NAME, K_VERSION, K_IMAGE (bzImage), K_ROOT (holds lib/modules/VERSION), K_HEADERS (KERNEL_DIR for a module),
# K_CHROOT (empty, or the root in which K_HEADERS is a path and the compiler is found), K_MAKE (more arguments of make). arm64 is
# only built for: it has no K_IMAGE.

. "$SD_VM/backports.sh"
. "$SD_VM/variants.sh"

# kernel_checked NAME: is it one of ours, with checkers built in? They take their time: four times as much, at least.
kernel_checked() { [ "$1" = debug ] || [ "$1" = kcsan ]; }

SD_KERNELS='stock debug kcsan 6.12 7.3 rt arm64'

kernel_prepare() {
	K_NAME=$1 K_CHROOT='' K_MAKE=()
	case $K_NAME in
	stock) kernel_stock ;;
	debug) kernel_debug debug-kernel.config ;;
	kcsan) kernel_debug debug-kernel.config kcsan-kernel.config ;;
	6.12 | 7.3) kernel_backport "$K_NAME" ;;
	rt) kernel_rt ;;
	arm64) kernel_arm64 ;;
	*) die "no kernel named '$K_NAME' (there are: $SD_KERNELS)" ;;
	esac
	[ "$K_NAME" = arm64 ] || [ -e "$K_IMAGE" ] || die "$K_NAME: no kernel image at $K_IMAGE; remove $SD_CACHE/$K_NAME to fetch it again"
}

kernel_stock() {
	local dir=$SD_CACHE/stock
	[ -e "$dir/version" ] || with_lock "$SD_CACHE/lock/stock" kernel_stock_fetch "$dir"
	K_VERSION=$(<"$dir/version")
	K_ROOT=$dir/root
	K_IMAGE=$K_ROOT/boot/vmlinuz-$K_VERSION
	K_HEADERS=/usr/src/linux-headers-$K_VERSION
}

kernel_stock_fetch() {
	local dir=$1 package
	[ ! -e "$dir/version" ] || return 0
	package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
	[ -n "$package" ] || die "apt knows no linux-image-amd64; run apt-get update, or use Debian 12"
	say "stock kernel: fetching $package"
	kernel_unpack "$dir" "$package"
}

# kernel_unpack DIR PACKAGE...: a kernel and its modules into DIR/root; the version file comes last.
kernel_unpack() {
	local dir=$1 version
	shift
	packages_unpack "$dir/root" "$@"
	# Newer suites have /usr/lib/modules only.
	if [ ! -d "$dir/root/lib/modules" ]; then
		mkdir -p "$dir/root/lib"
		ln -s ../usr/lib/modules "$dir/root/lib/modules"
	fi
	version=$(cd "$dir/root/lib/modules" && ls -d [0-9]*)
	/sbin/depmod -b "$dir/root" "$version"
	echo "$version" >"$dir/version"
}

# packages_unpack DIR PACKAGE...: downloads with apt, and unpacks without installing.
packages_unpack() {
	local root=$1 deb
	shift
	rm -rf "$root" "$root.deb"
	mkdir -p "$root" "$root.deb"
	(cd "$root.deb" && apt-get "${APT_PRIVATE[@]}" -qq -o "APT::Sandbox::User=$(id -un)" download "$@")
	for deb in "$root.deb"/*.deb; do
		dpkg-deb -x "$deb" "$root"
	done
	rm -rf "$root.deb"
}

# kernel_debug FRAGMENT...: 6.1 with checkers, built from source.
kernel_debug() {
	local package dir fragments=("${@/#/$SD_VM/}")
	package=$(dpkg-query -W -f '${Version}' linux-source-6.1 2>/dev/null) ||
		die "the $K_NAME kernel needs the package linux-source-6.1"
	dir=$SD_CACHE/$K_NAME-$package-$(cat "${fragments[@]}" | sha256sum | cut -c1-12)
	[ -e "$dir/version" ] || with_lock "$SD_CACHE/lock/$K_NAME" kernel_debug_build "$dir" "${fragments[@]}"
	K_VERSION=$(<"$dir/version")
	K_ROOT=$dir/root
	K_IMAGE=$K_ROOT/boot/vmlinuz-$K_VERSION
	K_HEADERS=$dir/src
}

kernel_debug_build() {
	[ -e "$1/version" ] || "$SD_VM/kernel-debug.sh" "$@"
}
