#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

usage() {
	cat <<'END'
The guest's side of ./run package --test: installs the packages as a user does, uses them, upgrades, removes and purges them,
and looks for what is left. systemd is the guest's first process; there is no network.

Usage: tests/vm/package_test.sh FIRST NEXT

  FIRST, NEXT  folders with the packages (.deb) of a version and of a higher one

Prints TAP; status 1 if anything failed. What dpkg, DKMS and the journal said is printed where something did.
END
}

set -uo pipefail
[ $# = 2 ] || { usage >&2; exit 2; }
. "$(dirname "$0")/guest/lib.sh"
[ -n "${SOFTODP_GUEST:-}" ] || sd_fail "only for a guest: it installs packages and loads a module"
first=$1 next=$2
kernel=$(uname -r)
packages='softodp-dkms softodp-tools libsoftodp1 libsoftodp-dev'
work=/run/package-test
conf=/etc/softodp/links.conf
mkdir -p $work
export DEBIAN_FRONTEND=noninteractive

n=0 failures=0
# check WHAT COMMAND...: a line of TAP; what the command said, if it failed.
check() {
	local what=$1
	shift
	n=$((n + 1))
	if "$@" >$work/said 2>&1; then
		echo "ok $n - $what"
	else
		echo "not ok $n - $what"
		tail -n 60 $work/said | sed 's/^/#   /'
		failures=$((failures + 1))
		return 1
	fi
}

version_of() { dpkg-deb -f "$1"/softodp-dkms_*.deb Version; }
present() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
not() { ! "$@"; }
journal() { journalctl --sync; journalctl -b -o cat -u softodp-links --no-pager; }

# What would only take time: the index of all manual pages, at each step.
quicken() { rm -f /var/lib/man-db/auto-update; }

# The guest's modules are a folder of the host's cache, which cannot be written.
prepare_modules() {
	mkdir -p $work/modules/upper $work/modules/work
	mount -t overlay -o "lowerdir=/lib/modules/$kernel,upperdir=$work/modules/upper,workdir=$work/modules/work" overlay \
		"/lib/modules/$kernel" || return
	# linux-image has no such link, linux-headers has, but on the host that folder is below the guest's own.
	[ -e "/lib/modules/$kernel/build/Makefile" ] || ln -sfn "/usr/src/linux-headers-$kernel" "/lib/modules/$kernel/build"
	depmod "$kernel"
}

clean() {
	local package
	for package in $packages; do
		! dpkg-query -W "$package" 2>/dev/null || return
	done
	[ -z "$(dkms status softodp)" ] && ! modinfo softodp && [ ! -d /sys/module/softodp ] && command -v rdma ibv_rc_pingpong
}

# Files of which dpkg, systemd and udev keep what happened, and caches.
noise='^(tmp|root|home|proc|sys|dev|run|var/log|var/cache|var/tmp)(/|$)'
noise+='|^etc/(ld\.so\.cache|machine-id|mtab|\.updated|resolv\.conf|hosts|hostname)$|^var/\.updated$'
noise+='|^var/lib/dpkg/(status|available|diversions|statoverride)(-old)?$|^var/lib/dpkg/(lock.*|triggers/(Lock|Unincorp)|info/format.*)$'
noise+='|^var/lib/systemd/(random-seed|catalog|timers|rfkill|linger|coredump|pstore)(/|$)|^var/lib/dkms/(mok\.(key|pub)|dkms_dbversion)$'

# snapshot FILE: all of this guest's root that is not as on the host, a line each, with a checksum of what it is; and what
# prepare_modules() and DKMS made in the folder of its modules.
snapshot() {
	(
		cd /run/softodp/upper && find . -mindepth 1 -printf '%y %P\n' | while read -r type path; do
			[[ ! $path =~ $noise ]] || continue
			changed "$type" "$path"
		done
		cd $work/modules/upper && find . -mindepth 1 \( -type f -exec sha256sum {} + \) -o -printf '%y %P %l\n' | sed 's/^/modules: /'
	) | LC_ALL=C sort >"$1"
}

# changed TYPE PATH: a folder is copied as soon as something below it changes: that is no change.
changed() {
	local host=/run/softodp/host/$2
	case $1 in
	d) [ -d "$host" ] || echo "folder $2" ;;
	f) cmp -s "$2" "$host" || echo "file $2 $(sha256sum <"$2")" ;;
	l) [ "$(readlink "$2")" = "$(readlink "$host")" ] || echo "link $2" ;;
	# Overlayfs says so what is no more.
	c) [ ! -e "$host" ] || echo "gone $2" ;;
	*) echo "$1 $2" ;;
	esac
}

# One at a time, as a person reads them off: dependencies first.
install_all() { sd_timeout 2400 dpkg -i "$1"/libsoftodp1_*.deb "$1"/libsoftodp-dev_*.deb "$1"/softodp-tools_*.deb "$1"/softodp-dkms_*.deb; }

# built VERSION: this one, and no other, for this kernel.
built() {
	dkms status softodp
	[ "$(dkms status softodp | grep -c .)" = 1 ] && dkms status softodp | grep -q "^softodp/$1, $kernel, .*: installed" &&
		[[ $(modinfo -n softodp) == /lib/modules/$kernel/updates/dkms/softodp.ko* ]]
}

there() { [ -e /sys/class/infiniband/sodp0/odp_mode ]; }
gone() { ! there; }
link_ready() { sd_wait 30 there && sd_wait 30 sd_device_ready sodp0; }
says() { journal | tee /dev/stderr | grep -qE -- "$1"; }
mode_is() { grep -qF "[$1]" /sys/class/infiniband/sodp0/odp_mode; }

# write LINE...: the file of links.
write() { printf '%s\n' "$@" >$conf; }

# pingpong [COMMAND...]: both ends under it, on demand, contents checked, and the device's faults counted.
pingpong() {
	local server gid before
	gid=$(sd_gid sodp0) || return
	before=$(sd_counter sodp0 page_faults)
	sd_timeout 60 "${@}" -d sodp0 -g "$gid" -c -n 100 &
	server=$!
	sd_wait 20 sd_listening 18515 || return
	sd_timeout 60 "${@}" -d sodp0 -g "$gid" -c -n 100 127.0.0.1 && wait $server && [ "$(sd_counter sodp0 page_faults)" -gt "$before" ]
}
# Without a word of on demand, where no more than 64 KiB may be locked.
unmodified() { (ulimit -l 64 && pingpong softodp-odp ibv_rc_pingpong -s 1000000); }

enabled() { [ "$(systemctl is-enabled softodp-links)" = enabled ] && systemctl is-active softodp-links; }
# What a reboot does to it.
restart() {
	systemctl stop softodp-links && gone && rmmod softodp && [ ! -e /run/softodp-links ] &&
		systemctl start softodp-links && link_ready
}
comes_back() {
	ip link del d0 && sd_wait 20 gone && sd_dummy d0 && link_ready
}
misread() {
	write 'sodp0 d0' 'sodp1'
	! systemctl reload softodp-links && says "line 2: 'sodp1' has no netdev" && there
}
program() { mkdir -p $work/program && AUTOPKGTEST_TMP=$work/program sh "$SD_ROOT/debian/tests/library"; }
sees() { sodp list && sodp list --json | grep -q sodp0; }
man_pages() {
	local page
	for page in 1/sodp 1/softodp-odp 7/softodp 8/softodp-links 3/softodp_reg_mr; do
		ls "/usr/share/man/man$page.${page%%/*}.gz" || return
	done
}

# The device that is in use stays as it is, with the numbers it has counted, and the loaded module with it.
upgrade() {
	local before
	before=$(sd_counter sodp0 page_faults)
	cp $conf $work/conf
	install_all "$next" && there && [ "$before" -gt 0 ] && [ "$(sd_counter sodp0 page_faults)" = "$before" ] && cmp $conf $work/conf
}
former_gone() { [ ! -e "/usr/src/softodp-$(version_of "$first")" ] && [ ! -e "/var/lib/dkms/softodp/$(version_of "$first")" ]; }
# shellcheck disable=SC2086 # a list
remove() { sd_timeout 600 dpkg -r $packages; }
# shellcheck disable=SC2086
purge() { sd_timeout 600 dpkg -P $packages; }
removed() {
	local package
	for package in $packages; do ! present "$package" || return; done
	gone && [ ! -d /sys/module/softodp ] && [ -z "$(dkms status softodp)" ] && ! modinfo softodp && [ -e $conf ]
}
purged() {
	snapshot $work/after
	clean && [ ! -e /etc/softodp ] && [ ! -e /run/softodp-links ] && diff $work/before $work/after
}

version=$(version_of "$first") newer=$(version_of "$next")
check 'systemd is the first process' test "$(cat /proc/1/comm)" = systemd || exit 1
check 'the modules can be written to' prepare_modules || exit 1
check 'nothing of softodp is there' clean || exit 1
quicken
check "$newer is higher than $version" dpkg --compare-versions "$newer" gt "$version"
snapshot $work/before

check 'install' install_all "$first" || exit 1
check 'built by DKMS for this kernel' built "$version"
check 'manual pages' man_pages
check 'a program, by pkg-config; the commands' program
check 'the service is enabled, and is content without links' enabled
check 'nothing is loaded without links' test ! -d /sys/module/softodp

write '# a test' 'sodp0 d0'
check 'a link whose netdev is not there: no error' systemctl reload softodp-links
check 'but a word in the journal' says 'there is no netdev d0 \(line 2\)'
check 'the netdev comes' sd_dummy d0
check 'and the link with it' link_ready
check 'ibv_rc_pingpong -o' pingpong ibv_rc_pingpong -o
check 'softodp-odp ibv_rc_pingpong, 64 KiB of locked memory' unmodified
check 'sodp list' sees
write 'sodp0 d0 always'
check 'a mode' systemctl reload softodp-links
check 'is set' mode_is always
check 'a file that cannot be understood: a clear error, and all stays' misread
write 'sodp0 d0 always'
check 'the netdev goes and comes back' comes_back
check 'the link is there after a restart' restart
check 'and so is its mode' mode_is always
check 'and works' pingpong ibv_rc_pingpong

check "upgrade to $newer, the device in use stays" upgrade
check 'built by DKMS, and the former one gone' built "$newer"
check 'with its sources' former_gone
check 'the new one is loaded at the next start' restart
check 'and works' pingpong ibv_rc_pingpong -o

check 'remove' remove
check 'what is removed is gone; the settings stay' removed
check 'purge' purge
check 'nothing is left' purged
if [ "$failures" != 0 ]; then
	journal | tail -n 40 | sed 's/^/# journal: /'
fi
echo "1..$n"
[ "$failures" = 0 ]
