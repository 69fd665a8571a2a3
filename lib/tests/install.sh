#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# install.sh BUILD VERSION CC CXX: what is installed can be used from where it is, and from where it is moved to.

set -euo pipefail
build=$1 version=$2 cc=$3 cxx=$4
here=$(cd "$(dirname "$0")" && pwd -P)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() { echo "FAIL: $*"; exit 1; }

# runs SHARED PROGRAM: it does, with the library of the prefix or without any.
runs() {
	local needed
	needed=$(objdump -p "$2" | grep -c 'NEEDED.*libsoftodp' || true)
	[ "$needed" = "$1" ] || fail "$2 needs $needed shared libsoftodp"
	[ "$(LD_LIBRARY_PATH=$lib "$2")" = "as asked for" ] || fail "$2 says something else"
}

cmake --install "$build" --component library --prefix "$dir/first" >"$dir/log" || fail "$(cat "$dir/log")"
mv "$dir/first" "$dir/prefix"
prefix=$dir/prefix
lib=$(dirname "$(find "$prefix" -name libsoftodp.a)")
export PKG_CONFIG_PATH=$lib/pkgconfig

[ "$(pkg-config --modversion softodp)" = "$version" ] || fail "pkg-config: version"
read -ra shared < <(pkg-config --cflags --libs softodp)
read -ra static < <(pkg-config --static --cflags --libs softodp | sed 's/-lsoftodp\>/-l:libsoftodp.a/')
cp "$here/consumer/consumer.c" "$dir/consumer.cc"
strict=(-Wall -Wextra -Werror)
"$cc" -std=c99 "${strict[@]}" -o "$dir/c" "$here/consumer/consumer.c" "${shared[@]}"
"$cxx" -std=c++11 "${strict[@]}" -o "$dir/cxx" "$dir/consumer.cc" "${shared[@]}"
"$cc" -std=c99 "${strict[@]}" -o "$dir/c_static" "$here/consumer/consumer.c" "${static[@]}"
runs 1 "$dir/c"
runs 1 "$dir/cxx"
runs 0 "$dir/c_static"

# configure VERSION: the project that asks for this one.
configure() {
	CC=$cc CXX=$cxx cmake -S "$here/consumer" -B "$dir/build" -DCMAKE_PREFIX_PATH="$prefix" -DWANTED="$1" >"$dir/log" 2>&1
}
! configure 99 || fail "CMake takes $version for 99"
grep -q "version: $version" "$dir/log" || fail "CMake did not find it: $(cat "$dir/log")"
configure "${version%.*}" && cmake --build "$dir/build" >>"$dir/log" 2>&1 || fail "$(cat "$dir/log")"
for language in c cxx; do
	runs 1 "$dir/build/${language}_softodp"
	runs 0 "$dir/build/${language}_softodp_static"
done

"$prefix/bin/softodp-odp" sh -c 'grep -q libsoftodp-odp.so /proc/self/maps' || fail "softodp-odp preloads nothing"
ln -s "$prefix/bin/softodp-odp" "$dir/link"
"$dir/link" true || fail "softodp-odp by a link"
ldd "$lib/libsoftodp-odp.so" | grep -q ibverbs && fail "the shim is linked with libibverbs"

# Pages that only say where another is do so from the top of the manual.
man=$(dirname "$(dirname "$(find "$prefix" -name softodp_reg_mr.3)")")
for page in "$man"/man3/*.3; do
	target=$(sed -n 's/^\.so //p' "$page")
	[ -z "$target" ] || [ -e "$man/$target" ] || fail "$page: no $target"
done
[ -e "$man/man1/softodp-odp.1" ] && [ -e "$man/man7/softodp.7" ] || fail "pages are missing"
