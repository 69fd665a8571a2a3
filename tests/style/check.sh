#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

usage() {
	cat <<'END'
Static checks: format, walls, lengths, licences; the driver with W=1 and under sparse; cppcheck; and
that the wall check fails when a wall is broken, and that the check of the kernel's messages sees the bad ones.

Usage: tests/style/check.sh [--fast] [--kernel KERNEL] [CHECK...]

  --fast           only what needs no compiler
  --kernel KERNEL  whose headers to build the driver against, as for tests/vm/module.sh (default stock)
  CHECK            format walls walls-selftest dmesg-selftest sizes headers kbuild cppcheck (default all)

Prints one TAP line a check, what was found above it. Logs are in build/style.
END
}

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
logs=$root/build/style
kernel=stock
checks=()
while [ $# -gt 0 ]; do
	case $1 in
	--fast) checks+=(format walls walls-selftest dmesg-selftest sizes headers) ;;
	--kernel) kernel=${2:?} && shift ;;
	-h | --help) usage && exit 0 ;;
	-*) usage >&2 && exit 2 ;;
	*) checks+=("$1") ;;
	esac
	shift
done
[ ${#checks[@]} -gt 0 ] || checks=(format walls walls-selftest dmesg-selftest sizes headers kbuild cppcheck)
mkdir -p "$logs"
cd "$root"

need() {
	command -v "$1" >/dev/null || { echo "$1 is not installed" && return 1; }
}

. "$here/sources.sh"

check_format() {
	need clang-format || return 1
	sources '*.[ch]' | xargs clang-format --dry-run -Werror 2>&1
}

check_walls() { "$here/check_walls.sh" "$root"; }
check_walls_selftest() { "$here/walls_selftest.sh"; }
check_dmesg_selftest() { "$here/dmesg_selftest.sh"; }
check_sizes() { "$here/check_sizes.sh" "$root"; }
check_headers() { "$here/check_headers.sh" "$root"; }

# Every warning of gcc (W=1) or sparse that names one of our files is a failure.
check_kbuild() {
	local out=$logs/module warnings
	need sparse || return 1
	rm -rf "$out"
	if ! W=1 C=2 nice "$root/tests/vm/module.sh" "$kernel" "$out" >"$logs/kbuild.log" 2>&1; then
		tail -n 40 "$logs/kbuild.log"
		return 1
	fi
	grep -q "^ *CHECK " "$logs/kbuild.log" || { echo "sparse did not run: see build/style/kbuild.log" && return 1; }
	warnings=$(grep -E '(warning|error):' "$logs/kbuild.log" || true)
	[ -z "$warnings" ] || { echo "$warnings" && return 1; }
}

check_cppcheck() {
	need cppcheck || return 1
	local folders
	mapfile -t folders < <(source_folders)
	nice cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,performance,portability \
		--library=posix --suppressions-list="$here/cppcheck.suppress" --max-configs=4 \
		-I driver -I include "${folders[@]}" 2>&1
}

failed=0 n=0
echo "1..${#checks[@]}"
for check in "${checks[@]}"; do
	n=$((n + 1))
	if output=$("check_${check//-/_}" 2>&1); then
		verdict=ok
	else
		verdict='not ok'
		failed=1
	fi
	[ -z "$output" ] || printf '%s\n' "$output" | tee "$logs/$check.log" | head -n 200 | sed 's/^/# /'
	echo "$verdict $n - style: $check"
done
exit $failed
