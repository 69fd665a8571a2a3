#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# output.sh PROGRAM: what sodp prints of regions that made_up.c has: text, JSON, and a picture whose pixels are looked at.
set -euo pipefail
program=$1
here=$(cd "$(dirname "$0")" && pwd -P)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export LC_ALL=C.UTF-8

bad() {
	echo "FAIL: $*"
	exit 1
}

# says WANTED ARGUMENT...: exactly that.
says() {
	local wanted=$1
	shift
	"$program" "$@" >"$dir/said" 2>&1 || bad "sodp $*: status $?: $(<"$dir/said")"
	diff -u --label wanted <(echo "$wanted") --label said "$dir/said" || bad "sodp $*"
}

mine='?[1m<x&"'\''?'
"$program" list | sed -E 's/^(sodp0\/3 +)[0-9]+/\1   42/; s/  +/  /g' >"$dir/list"
diff -u - "$dir/list" <<END || bad "sodp list"
sodp0  netdev d0  3 regions, on demand where requested

REGION  PID COMMAND  KIND  LENGTH  RESIDENT  TABLE  FAULTS  INVALID.
sodp0/0  178 region  on-demand  4.0 MiB  1.0 MiB  12 KiB  0  0
sodp0/3  42 $mine  implicit  all  8.0 KiB  8.0 KiB  0  0
sodp0/4  9 pinned  pinned  3.9 MiB  0 B  0 B  0  0
END
! grep -qP '[\x00-\x09\x0b-\x1f\x7f-\xff]' "$dir/list" || bad "a process's name reaches the terminal as it is"

says "sodp0/0  on-demand, 4.0 MiB of region (pid 178)
resident 1.0 MiB of 1024 pages; a cell is 16 KiB

        0 B  ████············████············████············████············
    1.0 MiB  ████············████············████············████············
    2.0 MiB  ████············████············████············████············
    3.0 MiB  ████············████············████············████············

             · none  ░ few  ▒ half  ▓ most  █ all" map sodp0/0 --width 64
"$program" map sodp0/4 --width 8 >"$dir/said"
grep -q '^ *0 B  ▒███████$' "$dir/said" && [ "$(grep -c '█\{7\}' "$dir/said")" = 8 ] || bad "the map of 63 parts: $(<"$dir/said")"
"$program" map sodp0/3 --width 64 >"$dir/said"
grep -q '^ *0 B  ·░·*$' "$dir/said" || bad "a page of the whole address space is not to be seen: $(<"$dir/said")"

"$program" list --json >"$dir/list"
"$program" map sodp0/0 --json >"$dir/map"
"$program" map sodp0/3 --json >"$dir/whole"
"$program" top --json --count 2 --delay 0.5 >"$dir/top"
"$program" top --json --count 1 --delay 0.1 --sort length >"$dir/sorted"
"$program" explain sodp0/3 --json >"$dir/explained"
for region in 0 3 4; do
	"$program" map "sodp0/$region" --svg "$dir/$region.svg" >/dev/null || bad "no picture of sodp0/$region"
	! command -v rsvg-convert >/dev/null || rsvg-convert -o "$dir/$region.png" "$dir/$region.svg" || bad "rsvg-convert $region"
done
command -v rsvg-convert >/dev/null || echo "# no rsvg-convert here (package librsvg2-bin): the pictures are only read"
python3 "$here/output.py" "$dir"
