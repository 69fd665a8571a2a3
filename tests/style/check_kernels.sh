#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# The kernels that compat.h lets be built for are those that DKMS builds for, and those that its errors name.
#
# Usage: check_kernels.sh [TREE]

set -euo pipefail
tree=${1:-$(cd "$(dirname "$0")/../.." && pwd -P)}
compat=$tree/driver/compat/compat.h
wrong=0

# number NAME: of the macro, as MAJOR * 1000 + MINOR.
number() { sed -nE "s/^#define $1 +KERNEL_VERSION\\(([0-9]+), ([0-9]+), 0\\)$/\\1 \\2/p" "$compat" | awk '{ print $1 * 1000 + $2 }'; }
first=$(number SODP_KERNEL_FIRST) beyond=$(number SODP_KERNEL_BEYOND)
[ -n "$first" ] && [ -n "$beyond" ] || { echo "$compat: the range of kernels is not where it was"; exit 1; }

BUILD_EXCLUSIVE_KERNEL=$(sed -n 's/^BUILD_EXCLUSIVE_KERNEL="\(.*\)"$/\1/p' "$tree/debian/softodp-dkms.dkms")
[ -n "$BUILD_EXCLUSIVE_KERNEL" ] || { echo "debian/softodp-dkms.dkms has no BUILD_EXCLUSIVE_KERNEL"; exit 1; }
for major in {4..9}; do
	for minor in {0..30}; do
		n=$((major * 1000 + minor)) built=no dkms=no
		[ $n -lt "$first" ] || [ $n -ge "$beyond" ] || built=yes
		for kernel in $major.$minor.0-1-amd64 $major.$minor-rc1 $major.$minor.113+deb12-cloud-arm64; do
			# As dkms does it. The numbers within a major version have no end that is known beforehand: 6.19 was the last of 6.
			dkms=no
			[[ $kernel =~ $BUILD_EXCLUSIVE_KERNEL ]] && dkms=yes
			[ $major = 6 ] && [ $minor -gt 19 ] && continue
			[ $dkms = $built ] || { echo "$kernel: compat.h $built, DKMS $dkms" && wrong=1; }
		done
	done
done

range="Linux $((first / 1000)).$((first % 1000)) to $(((beyond - 1) / 1000)).$(((beyond - 1) % 1000)):"
[ "$(grep -c "^#error .*$range" "$compat")" = 2 ] || { echo "$compat: its errors do not name $range" && wrong=1; }
exit $wrong
