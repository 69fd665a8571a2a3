#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 120
# kernels: stock
# long: debug
#
# sodp(1) over a region whose resident pages are known, on softodp and on stock rdma_rxe; as root and as somebody.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sodp=$SD_ROOT/build/tools/sodp
out=/run/sodp
mkdir -p $out
ip link set lo up
sd_dummy d0
sd_link sodp0 d0

# ask PROGRAM-IN-PYTHON FILE: prints what that is of d, what the file has; lines of several objects are a list. One process
# for all: a Python takes its time to start here.
cat >$out/ask.py <<'END'
import json, sys
for line in sys.stdin:
    program, path = line.rstrip("\n").split("\t")
    try:
        text = open(path).read()
        try:
            d = json.loads(text)
        except ValueError:
            d = [json.loads(line) for line in text.splitlines()]
        print(eval(program), flush=True)
    except Exception as error:
        print(repr(error), flush=True)
END
coproc PYTHON { exec python3 $out/ask.py 2>&1; }
exec {ASK}>&"${PYTHON[1]}" {ANSWER}<&"${PYTHON[0]}" # a $(...) does not have the others
ask() {
	local answer
	printf '%s\t%s\n' "$1" "$2" >&"$ASK"
	read -r -t 60 answer <&"$ANSWER" || answer='no answer'
	echo "$answer"
}

# check PROGRAM-IN-PYTHON FILE: that is true.
check() {
	local answer
	answer=$(ask "bool($1)" "$2")
	[ "$answer" = True ] || sd_fail "$1: $answer: $(head -c 2000 "$2")"
}

# has PATTERN: it is in the input, all of which is read: who writes is not to find the pipe closed.
has() { grep "$@" >/dev/null; }

# terminal COMMAND: on one; its input is open and silent.
terminal() {
	sd_pause 0
	script -qec "$1" /dev/null <&"$SD_NEVER"
}

# region DEVICE: one to look at; lines to fd 3 make it fault.
region() {
	rm -f $out/ready
	mkfifo $out/lines
	"$SD_BIN/region" "$1" <$out/lines >$out/ready &
	holder=$!
	exec 3>$out/lines
	rm $out/lines
	sd_wait 20 grep -q ready $out/ready || sd_fail "no region on $1"
	$sodp list "$1" --json >$out/list
	name=$(ask 'd["regions"][0]["region"]' $out/list)
}

region_ends() {
	exec 3>&-
	wait $holder || sd_fail "the region's program: status $?"
}

$sodp list --json >$out/list
check 'd["devices"][0]["name"] == "sodp0" and d["devices"][0]["odp_mode"] == "requested" and not d["regions"]' $out/list
$sodp list | has '^sodp0 .*netdev d0 .*0 regions, on demand where requested' || sd_fail "list: $($sodp list)"

region sodp0
check 'len(d["regions"]) == 1 and d["regions"][0]["kind"] == "on-demand" and d["regions"][0]["command"] == "region"' $out/list
check 'd["regions"][0]["length"] == 4 << 20 and d["regions"][0]["statistics"]["resident_pages"] == 256' $out/list
check 'd["regions"][0]["statistics"]["page_prefetch"] == 256 and "lkey" in d["regions"][0]' $out/list
$sodp list | has -E "^$name +$holder region +on-demand +4.0 MiB +1.0 MiB" || sd_fail "list: $($sodp list)"

$sodp map "$name" --json >$out/map
# 256 parts of 4 pages: 4 that are full, 12 that are empty
check 'd["pages"] == 1024 and d["pages_per_part"] == 4 and d["resident"] == ([4] * 4 + [0] * 12) * 16' $out/map
$sodp map "$name" --width 64 >$out/text
[ "$(grep -c '████············████············████············████' $out/text)" = 4 ] || sd_fail "map: $(<$out/text)"
! grep -q $'\033' $out/text || sd_fail "colours in a file"
terminal "TERM=xterm $sodp map $name" >$out/text
grep -q $'\033\\[1;32m█' $out/text || sd_fail "no colours on a terminal: $(<$out/text)"
terminal "NO_COLOR=1 TERM=xterm $sodp map $name" >$out/text
! grep -q $'\033' $out/text || sd_fail "colours in spite of NO_COLOR"
$sodp map "$name" --svg $out/map.svg
python3 - $out/map.svg <<'END' || sd_fail "svg: $(<$out/map.svg)"
import sys, xml.etree.ElementTree as tree
cells = [r for r in tree.parse(sys.argv[1]).getroot() if len(r)]
assert len(cells) == 256 and len({c.get("fill") for c in cells[:16]}) == 2, len(cells)
assert cells[0][0].text == "pages 0 to 3: 4 resident" and cells[4][0].text == "pages 16 to 19: 0 resident"
END
if command -v rsvg-convert >/dev/null; then
	rsvg-convert -o $out/map.png $out/map.svg && [ "$(head -c 4 $out/map.png | tail -c 3)" = PNG ] || sd_fail "rsvg-convert"
	echo "# rendered: $(wc -c <$out/map.png) bytes of PNG"
fi
[ ! -d /run/softodp/log ] || cp $out/map.svg /run/softodp/log/
! $sodp map "$name" --svg /nowhere/x 2>$out/text || sd_fail "a picture in no folder"
grep -q 'No such file' $out/text || sd_fail "svg: $(<$out/text)"
rc=0
setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all $sodp map "$name" 2>$out/text || rc=$?
[ $rc = 1 ] && grep -q CAP_NET_ADMIN $out/text || sd_fail "map by somebody: status $rc: $(<$out/text)"
setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all $sodp list --json >$out/text
check '"lkey" not in d["regions"][0]' $out/text
! $sodp map sodp0/4000000 2>$out/text || sd_fail "a region that there is not"
grep -q 'there is no region' $out/text || sd_fail "map: $(<$out/text)"

# Rates: while it faults, and when it does not.
$sodp top --json --count 2 --delay 0.5 >$out/text
check 'len(d) == 2 and all(look["regions"][0]["faults_per_second"] == 0 for look in d)' $out/text
(for ((i = 0; i < 40; i++)); do echo again && sd_pause 0.05; done) >&3 &
$sodp top --json --count 3 --delay 0.5 --sort invalidations >$out/text
check 'any(look["regions"][0]["faults_per_second"] > 1 and look["regions"][0]["invalidations_per_second"] > 1 for look in d)' $out/text
wait $!
terminal "TERM=xterm timeout --foreground $((20 * ${SD_SLOW:-1})) $sodp top --count 2 --delay 0.3" >$out/text ||
	sd_fail "top on a terminal: status $?: $(<$out/text)"
grep -q FAULTS/s $out/text && grep -q "$name" $out/text || sd_fail "top on a terminal: $(<$out/text)"
$sodp top --count 1 --delay 0.1 | has "^$name" || sd_fail "top into a pipe"

# Bash completes what there is: devices and regions.
# completes WORD...: what the last word can become.
completes() (
	PATH=$(dirname "$sodp"):$PATH
	. "$SD_ROOT/tools/completion/sodp"
	COMP_WORDS=(sodp "$@") COMP_CWORD=$#
	_sodp
	echo "${COMPREPLY[*]}"
)
[ "$(completes map sod)" = "$name" ] || sd_fail "completion of a region: $(completes map sod)"
[ "$(completes list sod)" = sodp0 ] || sd_fail "completion of a device: $(completes list sod)"

# What was read ahead of those faults is there as well.
$sodp explain "$name" | has -E 'on-demand, [1-4]\.[0-9] MiB reachable now' || sd_fail "explain: $($sodp explain "$name")"
$sodp explain sodp0 | has 'regions on demand: nothing is pinned' || sd_fail "explain: $($sodp explain sodp0)"
region_ends
! $sodp map "$name" 2>$out/text || sd_fail "a region that is gone"

! $sodp list nosuch0 2>$out/text || sd_fail "list of no device"
grep -q 'there is no device nosuch0' $out/text || sd_fail "list: $(<$out/text)"

# A device that tells nothing.
rdma link del sodp0
sd_link rxe0 d0 rxe
region rxe0
check 'd["regions"][0]["kind"] == "unknown" and "statistics" not in d["regions"][0]' $out/list
! $sodp map "$name" 2>$out/text || sd_fail "a map of a region of rxe"
grep -q 'does not tell which pages' $out/text || sd_fail "map: $(<$out/text)"
$sodp explain "$name" >/dev/null
$sodp explain rxe0 | has 'no regions on demand' || sd_fail "explain: $($sodp explain rxe0)"
region_ends
