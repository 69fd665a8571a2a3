# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Installs the distribution's packages that are missing. To be sourced after common.sh.

# packages_missing SET...: those of packages.txt that dpkg does not have.
packages_missing() {
	local set package
	while read -r set package; do
		[[ " $* " == *" $set "* ]] || continue
		package_present "$package" || echo "$package"
	done < <(grep -v '^#' "$SD_VM/packages.txt")
}

package_present() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# packages_need SET...
packages_need() {
	local set package missing
	if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
		packages_need_elsewhere "$@"
		return
	fi
	mapfile -t missing < <(packages_missing "$@")
	[ "${#missing[@]}" = 0 ] || packages_install "${missing[@]}"
}

packages_install() {
	say "installing ${#*} packages: $*"
	[ -n "${SD_APT_FRESH:-}" ] || progress "apt-get update" "$SD_BUILD/logs/apt-update.log" as_root apt-get -q update || true
	SD_APT_FRESH=1
	progress "apt-get install" "$SD_BUILD/logs/apt-install.log" \
		as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@" ||
		die "could not install: $*"
}

# Without apt: the programs that we cannot do without; if one lacks, the list of what Debian would install, and no further.
packages_need_elsewhere() {
	local program missing=()
	for program in gcc make cmake rsync qemu-system-x86_64 busybox cpio modprobe rdma ibv_devinfo; do
		command -v "$program" >/dev/null || missing+=("$program")
	done
	warn "this is not a Debian system (no apt-get), so nothing can be installed for you"
	warn "missing programs: ${missing[*]:-none}"
	warn "Debian 12's packages for this are:"
	grep -v '^#' "$SD_VM/packages.txt" | while read -r set package; do
		if [[ " $* " == *" $set "* ]]; then printf '   %s\n' "$package" >&2; fi
	done
	die "the tests boot Debian's kernels, which are fetched with apt; please use Debian 12"
}

# packages_headers: the headers that belong to the stock kernel of the guests.
packages_headers() {
	[ ! -e "$K_HEADERS/Makefile" ] || return 0
	if ! apt-cache show "linux-headers-$K_VERSION" >/dev/null 2>&1; then
		note "the archive has no headers for the kernel $K_VERSION any more: fetching a newer kernel"
		rm -rf "$SD_CACHE/stock"
		kernel_prepare stock
	fi
	packages_install "linux-headers-$K_VERSION"
}
