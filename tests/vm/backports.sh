# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Kernels from Debian's backports: 6.12 (of Debian 12) and 7.3 (of Debian 13, whose modules need that release's compiler,
# found in a small root of its own). The machine's apt sources are only read, to learn which mirror it uses: everything
# apt keeps for these suites is below the cache. Sourced by kernel.sh.

# Options of apt for a private suite; empty means the machine's own sources.
APT_PRIVATE=()

# backports_mirror: where this machine gets Debian itself from.
backports_mirror() {
	local mirror
	mirror=$(apt-get indextargets --format '$(ORIGIN)|$(CODENAME)|$(REPO_URI)' 'Created-By: Packages' |
		awk -F'|' '$1 == "Debian" && $2 !~ /-/ { print $3; exit }')
	[ -n "$mirror" ] || die "apt knows no Debian mirror; run apt-get update"
	echo "$mirror"
}

# backports_apt SUITE...: fills APT_PRIVATE for these suites and reads their lists; those of the architecture APT_FOREIGN, too.
backports_apt() {
	local dir=$SD_CACHE/apt/${1//\//-}${APT_FOREIGN:+-$APT_FOREIGN} suite mirror
	mirror=$(backports_mirror)
	mkdir -p "$dir"/{lists/partial,cache/archives/partial}
	: >"$dir/sources.list"
	for suite in "$@"; do
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >>"$dir/sources.list"
	done
	: >"$dir/status"
	APT_PRIVATE=(-o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
		-o "Dir::State::Lists=$dir/lists" -o "Dir::State::status=$dir/status" -o "Dir::Cache=$dir/cache"
		-o Debug::NoLocking=true -o "APT::Sandbox::User=$(id -un)" -o "APT::Default-Release=$1")
	[ -z "${APT_FOREIGN:-}" ] || APT_PRIVATE+=(-o "APT::Architectures::=$(dpkg --print-architecture)" -o "APT::Architectures::=$APT_FOREIGN")
	progress "reading the package lists of $*" "$dir/update.log" apt-get "${APT_PRIVATE[@]}" -q update
}

# backports_closure PACKAGE...: these and what they depend on, as far as the names say that it is part of the kernel.
backports_closure() {
	apt-cache "${APT_PRIVATE[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
		--no-enhances "$@" | grep -E '^linux-(image|binary|modules|base|headers|kbuild)-[0-9]' |
		grep -v -- -unsigned | sort -u
}

kernel_backport() {
	local dir=$SD_CACHE/$1 suite
	case $1 in
	6.12) suite=bookworm-backports K_CHROOT='' ;;
	7.3) suite=trixie-backports K_CHROOT=$SD_CACHE/trixie ;;
	esac
	[ -e "$dir/version" ] || with_lock "$SD_CACHE/lock/$1" backports_fetch "$1" "$dir" "$suite"
	K_VERSION=$(<"$dir/version")
	K_ROOT=$dir/root
	K_IMAGE=$K_ROOT/boot/vmlinuz-$K_VERSION
	# Newer packages keep it beside the modules.
	[ -e "$K_IMAGE" ] || K_IMAGE=$K_ROOT/lib/modules/$K_VERSION/vmlinuz
	if [ -n "$K_CHROOT" ]; then
		[ -e "$K_CHROOT/ready" ] || with_lock "$SD_CACHE/lock/trixie" backports_trixie
		K_HEADERS=/usr/src/linux-headers-$K_VERSION
		[ -e "$K_CHROOT$K_HEADERS/Makefile" ] ||
			as_root cp -a "$dir/headers/usr" "$K_CHROOT/"
	else
		K_HEADERS=$dir/headers/usr/src/linux-headers-$K_VERSION
	fi
}

backports_fetch() {
	local name=$1 dir=$2 suite=$3 image headers
	[ ! -e "$dir/version" ] || return 0
	backports_apt "$suite" "${suite%-backports}"
	image=$(backports_depends linux-image-amd64 'linux-image-[0-9]')
	headers=$(backports_depends linux-headers-amd64 'linux-headers-[0-9]')
	[ -n "$image" ] && [ -n "$headers" ] || die "$suite has no linux-image-amd64"
	say "kernel $name: fetching $image and its headers from $suite"
	# shellcheck disable=SC2046 # one word a package
	packages_unpack "$dir/headers" $(backports_closure "$headers")
	[ "$name" != 6.12 ] || backports_relocate "$dir/headers"
	# shellcheck disable=SC2046
	kernel_unpack "$dir" $(backports_closure "$image")
}

# backports_relocate DIR: headers know their parts by absolute path; let them be found below DIR.
backports_relocate() {
	local dir=$1 link target
	grep -rlE --include=Makefile --include='.kernelvariables' '(^|[ =])/usr/(src|lib)/linux-' "$dir/usr/src"/*/Makefile \
		"$dir"/usr/src/*/.kernelvariables 2>/dev/null | xargs -r sed -i -E "s#(^|[ =])/usr/(src|lib)/linux-#\\1$dir/usr/\\2/linux-#g"
	find "$dir/usr/src" -maxdepth 2 -type l | while read -r link; do
		target=$(readlink "$link")
		case $target in
		/usr/*) ln -sfn "$dir$target" "$link" ;;
		esac
	done
}

# backports_trixie: a small Debian 13 with the compiler that its kernel was built with.
backports_trixie() {
	[ ! -e "$SD_CACHE/trixie/ready" ] || return 0
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	as_root rm -rf "$SD_CACHE/trixie"
	progress "making a Debian 13 root for its compiler" "$SD_CACHE/trixie.log" \
		as_root debootstrap --variant=minbase --keyring="$keyring" --include=gcc-14,make,dwarves,kmod,libc6-dev \
		trixie "$SD_CACHE/trixie" "$(backports_mirror)" ||
		die "debootstrap failed"
	as_root touch "$SD_CACHE/trixie/ready"
}

# backports_depends PACKAGE PATTERN: the package of that pattern that PACKAGE stands for.
backports_depends() {
	apt-cache "${APT_PRIVATE[@]}" depends "$1" | awk -v p="^$2" '$1 == "Depends:" && $2 ~ p { print $2; exit }'
}
