#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Makes the initramfs of a kernel: busybox, the modules that reach the host's root, and init.
# Usage: initramfs.sh KERNEL_ROOT VERSION OUTPUT

set -euo pipefail
. "$(dirname "$0")/common.sh"

root=$1 version=$2 output=$3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

mkdir -p "$tmp/bin" "$tmp/modules"
# The file that busybox-static brings does not need a C library beside it; the plain one does.
busybox=$(command -v busybox)
cp "$busybox" "$tmp/bin/busybox"
ldd "$busybox" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
	mkdir -p "$tmp$(dirname "$library")"
	cp -L "$library" "$tmp$library"
done || true
cp "$SD_VM/init" "$tmp/init"
chmod 755 "$tmp/init"

: >"$tmp/modules/list"
for module in virtio_pci 9p 9pnet_virtio overlay virtio_console; do
	/sbin/modprobe -d "$root" -S "$version" --show-depends "$module"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
	name=$(basename "$file")
	name=${name%.xz}
	name=${name%.zst}
	# busybox insmod reads no compressed module.
	case $file in
	*.xz) xz -dc "$file" >"$tmp/modules/$name" ;;
	*.zst) zstd -qdc "$file" >"$tmp/modules/$name" ;;
	*) cp "$file" "$tmp/modules/$name" ;;
	esac
	echo "$name" >>"$tmp/modules/list"
done

mkdir -p "$(dirname "$output")"
(cd "$tmp" && find . | cpio -o -H newc --quiet -R 0:0) | gzip -1 >"$output.tmp"
mv "$output.tmp" "$output"
