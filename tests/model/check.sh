#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

usage() {
	cat <<'END'
The model of the fence: spin searches every state that a configuration can reach.

Usage: tests/model/check.sh [--out DIR] [NAME...]
       tests/model/check.sh --list
       tests/model/check.sh --total DIR
       tests/model/check.sh [--out DIR] --trail NAME

  NAME          configurations (tests/model/configs; a shell pattern will do; default all)
  --list        their names
  --total DIR   what all of them took, of those that were searched in DIR; a failure if one is not there, or if it is too much
  --trail NAME  how NAME is refuted, a column for each party, time downwards
  --out DIR     where trails and logs are kept (default build/model)

One TAP line for each. A configuration must hold, or be refuted by the rule that configs names. A search that was not
exhaustive, or refuted by another rule, is a failure. So is it if all of them take 5 minutes or more: counted is the time of a
CPU, compiling included, which is what one job after the other takes on a machine that does nothing else.
END
}

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
out=$(cd "$here/../.." && pwd -P)/build/model
memory=3000 seconds=550 depth=4000000 all_seconds=300
mode=check names=()
while [ $# -gt 0 ]; do
	case $1 in
	--list) mode=list ;;
	--total) mode=total && out=${2:?--total needs a folder} && shift ;;
	--trail) mode=trail && names+=("${2:?--trail needs a name}") && shift ;;
	--out) out=${2:?--out needs a folder} && shift ;;
	-h | --help) usage && exit 0 ;;
	-*) usage >&2 && exit 2 ;;
	*) names+=("$1") ;;
	esac
	shift
done

# configurations [PATTERN...]: the lines of configs
configurations() {
	local name rest pattern
	while read -r name rest; do
		[[ -n $name && $name != \#* ]] || continue
		for pattern in "${@:-*}"; do
			# shellcheck disable=SC2053 # it is a pattern
			[[ $name != $pattern ]] || { echo "$name $rest" && break; }
		done
	done <"$here/configs"
}

# search NAME VERDICT SWITCH...: builds the search and runs it; its log is $work/log. What must be refuted is searched by
# breadth, for the shortest counterexample.
search() {
	local verdict=$2 rc=0 order=(-O0 -DBFS) limits=(-w20)
	work=$out/$1
	shift 2
	[ "$verdict" != holds ] || { order=(-O2 -DCOLLAPSE) limits=(-w22 "-m$depth"); }
	rm -rf "$work"
	mkdir -p "$work"
	cp "$here"/*.pml "$work"
	switches=("${@/#/-D}")
	(
		cd "$work"
		spin -a "${switches[@]}" fence.pml &&
			nice "${CC:-gcc}" -w -DSAFETY "-DMEMLIM=$memory" "${order[@]}" -o pan pan.c &&
			nice timeout "$seconds" ./pan "${limits[@]}" && echo finished || rc=$?
		times >cpu # its second line: the children's
		exit "$rc"
	) >"$work/log" 2>&1 </dev/null || rc=$?
	rm -f "$work"/pan*
	[ "$rc" = 0 ] || echo "status $rc" >>"$work/log"
}

# replay: the trail of the last search, as spin tells it
replay() {
	(cd "$work" && spin -t "${switches[@]}" fence.pml) 2>&1 </dev/null
}

# idle: steps that no process ever takes. Where a search holds, there must be none: it would show less than it says.
idle() {
	sed -nE 's/^\t([a-z]+\.pml:[0-9]+), state.*, (".*")$/\1 \2/p' "$work/log"
}

# outcome: "holds", the rule that was broken, or why there is no verdict
outcome() {
	local log=$work/log
	if [ -e "$work/fence.pml.trail" ]; then
		if grep -q '^pan:1: invalid end state' "$log"; then
			echo F10
		else
			replay | sed -nE 's/.*failed assertion:.*[(!]([A-Z][A-Z0-9]+)==NOBODY.*/\1/p' | head -n 1
		fi
	elif ! grep -qx finished "$log"; then
		echo "no verdict ($(grep -iE 'error|memory limit|out of memory|status' "$log" | tail -n 1))"
	elif grep -qE 'max search depth too small|Search not completed|out of memory|memory limit' "$log"; then
		echo "the search was cut off"
	elif ! grep -qE '^State-vector .* errors: 0$' "$log"; then
		echo "spin's report is not understood"
	elif idle | grep -q .; then
		echo "it has steps that are never taken: $(idle | head -n 1)"
	else
		echo holds
	fi
}

# facts: how big it was
facts() {
	awk '/states, stored/ { states = $1 } /depth reached/ { gsub(",", ""); depth = $6 } /elapsed time/ { seconds = $4 }
		END { printf "%d states, depth %d, %.1f s", states, depth, seconds }' "$work/log"
}

check() {
	local n=0 failed=0 all=0 name verdict rest found
	[ ${#names[@]} != 0 ] || all=1
	echo "1..$((${#lines[@]} + all))"
	for line in "${lines[@]}"; do
		n=$((n + 1))
		read -r name verdict rest <<<"$line"
		# shellcheck disable=SC2086 # words on purpose
		search "$name" "$verdict" $rest
		found=$(outcome)
		if [ "$found" = "$verdict" ] && [ "$found" = holds ]; then
			echo "ok $n - model: $name holds ($(facts))"
		elif [ "$found" = "$verdict" ]; then
			echo "ok $n - model: $name is refuted by $found ($(facts))"
		else
			echo "not ok $n - model: $name # wanted: $verdict; found: ${found:-$(grep '^pan:1:' "$work/log")} ($(facts)); log: $work/log"
			failed=1
		fi
	done
	[ "$all" = 0 ] || total $((n + 1)) || failed=1
	return $failed
}

# total NUMBER: what all took, as a line of TAP. False if that is too much, or one has not been searched.
total() {
	local number=$1 name files=()
	for name in "${lines[@]%% *}"; do
		[ -s "$out/$name/cpu" ] || { echo "not ok $number - model: $name was not searched in $out" && return 1; }
		files+=("$out/$name/cpu")
	done
	awk -v number="$number" -v most="$all_seconds" '
	function of(time) { split(time, part, "m"); return part[1] * 60 + part[2] }
	FNR == 2 { seconds += of($1) + of($2); files++ }
	END {
		bad = files != ARGC - 1 || seconds >= most
		printf "%s %d - model: all %d configurations took %.0f s of a CPU, less than %d s are asked for\n",
			bad ? "not ok" : "ok", number, files, seconds, most
		exit bad
	}' "${files[@]}"
}

# columns: spin's replay as a table. Lines of the model: @PID=PARTY, @PID|TEXT.
columns() {
	awk '
	/@[0-9]+=/ { sub(/^ *@/, ""); split($0, half, "="); party[half[1] + 0] = half[2]; next }
	/@[0-9]+\|/ && !broken {
		sub(/^ *@/, ""); at = index($0, "|"); who[++n] = substr($0, 1, at - 1) + 0; text[n] = substr($0, at + 1)
		if (!(who[n] in width)) width[who[n]] = length(party[who[n]])
		if (length(text[n]) > width[who[n]]) width[who[n]] = length(text[n])
		next
	}
	/failed assertion/ { broken = 1 }
	END {
		for (p = 0; p < 32; p++) if (p in width) { from[p] = column; column += width[p] + 3 }
		for (p = 0; p < 32; p++) if (p in width) { head = head sprintf("%-" (width[p] + 3) "s", party[p])
			line = substr("--------------------", 1, length(party[p])); rule = rule sprintf("%-" (width[p] + 3) "s", line) }
		print head; print rule
		for (i = 1; i <= n; i++) printf "%" (from[who[i]] ? from[who[i]] : "") "s%s\n", "", text[i]
	}'
}

# meaning RULE: what it says when it is broken
meaning() {
	case $1 in
	F1) echo "a transfer touches a page after the start hook has returned" ;;
	F3) echo "an entry is, or may be, installed between start and end" ;;
	F4) echo "a completed write is lost" ;;
	F5) echo "the device writes where the page table says read-only" ;;
	F7) echo "an end hook without a start hook" ;;
	F8) echo "access, or a leaf, after the end of the region" ;;
	F9) echo "the device uses a frame after a CPU thread has used another one at this address" ;;
	F10) echo "somebody can never go on" ;;
	OWNER) echo "the frame belongs to somebody else by now" ;;
	ENTRY) echo "the entry is not what the page table says" ;;
	FREED) echo "the leaf is freed, or no longer in the table" ;;
	DIRTY) echo "a frame is marked dirty that is not mapped writable any more" ;;
	EXACT) echo "the log says yes without need" ;;
	*) echo "$1" ;;
	esac
}

trail() {
	local name verdict rest found
	[ ${#lines[@]} = 1 ] || { echo "--trail takes one name" >&2 && return 2; }
	read -r name verdict rest <<<"${lines[0]}"
	# shellcheck disable=SC2086
	search "$name" '' $rest # by breadth, whatever is wanted
	found=$(outcome)
	[ -e "$work/fence.pml.trail" ] || { echo "$name: $found" && return 1; }
	replay | columns | sed 's/ *$//'
	printf '\nrefuted by %s: %s\n' "${found:-spin}" "$(meaning "${found:-$(grep '^pan:1:' "$work/log")}")"
}

mapfile -t lines < <(configurations ${names[@]+"${names[@]}"})
[ ${#lines[@]} -gt 0 ] || { echo "no configuration is named ${names[*]}; --list shows them" >&2 && exit 2; }
if [ "$mode" = list ]; then
	printf '%s\n' "${lines[@]}" | cut -d ' ' -f 1
	exit 0
fi
if [ "$mode" = total ]; then
	echo 1..1
	total 1
	exit
fi
command -v spin >/dev/null || { echo "spin is not installed (Debian package spin)" >&2 && exit 1; }
"$mode"
