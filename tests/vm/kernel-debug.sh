#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Builds a debug kernel into the cache: Debian's linux-source-6.1 with the options of the fragments; of an option that
# is named twice the last line counts.
# Usage: kernel-debug.sh OUTDIR FRAGMENT...
# Leaves OUTDIR/src (also the KERNEL_DIR for modules), OUTDIR/root/boot/vmlinuz, OUTDIR/root/lib/modules/VERSION and,
# last, OUTDIR/version, which says that the rest is complete.

set -euo pipefail
. "$(dirname "$0")/common.sh"

out=$1
shift
fragments=("$@")
tarball=/usr/src/linux-source-6.1.tar.xz

# The options of all fragments, the last line of each.
merged() {
	awk '/^CONFIG_/ { name = $0; sub(/=.*/, "", name) }
	/^# CONFIG_.* is not set$/ { name = $2 }
	/^(CONFIG_|# CONFIG_.* is not set$)/ { if (!(name in last)) order[n++] = name; last[name] = $0 }
	END { for (i = 0; i < n; i++) print last[order[i]] }' "${fragments[@]}"
}

configure() {
	local line option bad=0 fragment=$out/fragment.config
	merged >"$fragment"
	KCONFIG_ALLCONFIG=$fragment make -C "$out/src" allnoconfig
	while read -r line; do
		case $line in
		CONFIG_*=n) option=${line%%=*} ;;
		'# CONFIG_'*' is not set') option=${line#\# } option=${option%% *} ;;
		CONFIG_*)
			grep -qxF -- "$line" "$out/src/.config" || { echo "not honoured: $line"; bad=1; }
			continue
			;;
		*) continue ;;
		esac
		if grep -q "^$option=" "$out/src/.config"; then
			echo "not honoured: $line"
			bad=1
		fi
	done <"$fragment"
	return $bad
}

build() {
	local jobs version
	jobs=$(nproc)
	make -C "$out/src" -j"$jobs" bzImage modules
	make -C "$out/src" INSTALL_MOD_PATH="$out/root" modules_install
	version=$(make -s -C "$out/src" kernelrelease)
	mkdir -p "$out/root/boot"
	cp "$out/src/arch/x86/boot/bzImage" "$out/root/boot/vmlinuz-$version"
	cp "$out/src/System.map" "$out/root/boot/System.map-$version"
	rm -f "$out/root/lib/modules/$version/build" "$out/root/lib/modules/$version/source"
	echo "$version" >"$out/version.new"
}

[ -e "$tarball" ] || die "no $tarball: install the package linux-source-6.1"
rm -rf "$out"
mkdir -p "$out/src"
name=$(basename "$out")
progress "$name: unpacking the source" "$out/unpack.log" \
	tar -C "$out/src" --strip-components=1 -xf "$tarball"
progress "$name: configuring" "$out/configure.log" configure
renice -n 15 $$ >/dev/null
progress "$name: building, about 1000 s of CPU time, once" "$out/build.log" build
mv "$out/version.new" "$out/version"
