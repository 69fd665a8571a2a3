#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

usage() {
	cat <<'END'
Builds the Debian packages from a copy of this tree. ./run package installs what is needed for it, and calls this.

Usage: debian/build.sh OUTDIR [SUFFIX]

  OUTDIR  is emptied; gets the packages (.deb), the source package (.dsc, .tar.xz) and .changes
  SUFFIX  is put behind the version, for instance +local1: a newer one of the same sources
END
}

set -euo pipefail
[ $# -ge 1 ] && [ $# -le 2 ] && [[ $1 != -* ]] || { usage >&2; exit 2; }
tree=$(cd "$(dirname "$0")/.." && pwd -P)
suffix=${2:-}
[[ $suffix =~ ^(\+[a-z0-9.]+)?$ ]] || { echo "SUFFIX is a plus, then small letters, digits and dots" >&2; exit 2; }
rm -rf "$1"
mkdir -p "$1"
out=$(cd "$1" && pwd -P)

version=$(dpkg-parsechangelog -l "$tree/debian/changelog" -S Version)
declared=$(sed -n 's/^project(softodp VERSION \([0-9.]*\) .*/\1/p' "$tree/CMakeLists.txt")
[ "$version" = "$declared" ] || { echo "debian/changelog has version $version, CMakeLists.txt $declared" >&2; exit 1; }
version+=$suffix
copy=$out/softodp-$version

mkdir "$copy"
cd "$tree"
if git rev-parse --show-toplevel 2>/dev/null | grep -qxF "$tree"; then
	git ls-files -z --cached --others --exclude-standard
else
	find . -path ./build -prune -o -type f -print0
fi | rsync -a --from0 --files-from=- --ignore-missing-args . "$copy/"

if [ -n "$suffix" ]; then
	{
		printf 'softodp (%s) unstable; urgency=medium\n\n  * Built from the sources as they were.\n\n' "$version"
		sed -n '/^ -- /{p;q}' debian/changelog
		echo
		cat debian/changelog
	} >"$copy/debian/changelog"
fi

cd "$copy"
export DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-} noautodbgsym"
dpkg-buildpackage --no-sign -j"$(nproc)"
rm -rf "$copy"
