#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

usage() {
	cat <<'END'
Fuzzes parts of the driver on the host with libFuzzer, its files as they are, under ASan and UBSan.

Usage: tests/fuzz/run.sh [TARGET...] [--runs N | --seconds N] [OPTION]...

  TARGET           of: parse mem rc pair (default: each of them)
  --runs N         so many inputs for each target
  --seconds N      or so long (default 60)
  --seed S         of the fuzzer's own choices; it prints the one that it took
  --build DIR      where the targets are built (default: build)
  --results FILE   where the totals are added up (default: tests/fuzz/RESULTS)
  --regressions D  where inputs that fail are kept (default: tests/fuzz/regressions)
  --keep-nothing   neither the new inputs nor the totals; an input that fails is kept all the same

Starts from tests/fuzz/corpus/TARGET and what earlier runs found (DIR/fuzz/TARGET). In the end the smallest inputs that reach the
same are put into tests/fuzz/corpus/TARGET, which goes into git, and the totals are printed and added to those of the same driver
sources. An input that fails is kept in tests/fuzz/regressions/TARGET, named by its content: the tests replay it from then on, so
commit it with what mends it. Its name and the command that replays it are printed. (A target of its own, planted, fails on
purpose, to test just that.)
END
}

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
. "$root/tests/vm/common.sh"
. "$root/tests/results.sh"
build=$root/build results=$here/RESULTS regressions=$here/regressions keep=1 seed=0 limit=(-max_total_time=60) targets=()
declare -A max_len=([parse]=256 [mem]=1024 [rc]=1024 [pair]=1024 [planted]=16)
# What the committed corpus of a target may take.
corpus_bytes=$((80 * 1024)) corpus_files=200

number() { [[ ${2:-} =~ ^[0-9]+$ ]] || die "$1 needs a number"; }

while [ $# -gt 0 ]; do
	case $1 in
	--runs) number "$1" "${2:-}"; limit=(-runs="$2"); shift ;;
	--seconds) number "$1" "${2:-}"; limit=(-max_total_time="$2"); shift ;;
	--seed) number "$1" "${2:-}"; seed=$2; shift ;;
	--build) build=${2:?--build needs a folder}; shift ;;
	--results) results=${2:?--results needs a file}; shift ;;
	--regressions) regressions=${2:?--regressions needs a folder}; shift ;;
	--keep-nothing) keep='' ;;
	-h | --help) usage; exit 0 ;;
	-*) usage >&2; die "unknown option $1" ;;
	*)
		[ -n "${max_len[$1]:-}" ] || die "no target named '$1' (there are: ${!max_len[*]})"
		targets+=("$1")
		;;
	esac
	shift
done
[ "${#targets[@]}" -gt 0 ] || targets=(parse mem rc pair)
command -v clang >/dev/null || die "clang is not installed"

# thin_out FOLDER: to the limits, evenly over small and large inputs.
thin_out() {
	find "$1" -type f -printf '%s %p\n' | sort -n | awk -v files="$corpus_files" -v bytes="$corpus_bytes" '
	{ size[NR] = $1; path[NR] = $2; all += $1 }
	END {
		keep = NR * bytes / all
		keep = keep < files ? keep : files
		for (i = 1; i <= NR; i++)
			if (int(i * keep / NR) == int((i - 1) * keep / NR))
				print path[i]
	}' | xargs -r rm -f
}

# keep_corpus TARGET: the fewest, smallest inputs that reach all that is reached.
keep_corpus() {
	local target=$1 to=$here/corpus/$1 new=$build/fuzz/new-$1
	rm -rf "$new"
	mkdir -p "$new" "$to"
	"$build/tests/fuzz/fuzz_$target" -merge=1 -max_len="${max_len[$target]}" "$new" "$build/fuzz/seeds-$target" "$to" "$build/fuzz/$target" \
		>"$build/fuzz/merge-$target.log" 2>&1 || { warn "$target: merge failed, see $build/fuzz/merge-$target.log"; return 0; }
	thin_out "$new"
	rm -f "$to"/*
	cp "$new"/* "$to"
	note "$target: $(find "$to" -type f | wc -l) inputs, $(cat "$to"/* | wc -c) bytes in tests/fuzz/corpus/$target"
}

# keep_failures TARGET: what libFuzzer has left of inputs that fail goes to the regressions, each once.
keep_failures() {
	local target=$1 file to
	mkdir -p "$regressions/$target"
	for file in "$build/fuzz/crashes/$target"/*; do
		[ -e "$file" ] || continue
		to=$regressions/$target/$(sha256sum "$file" | cut -c 1-16)
		mv "$file" "$to"
		to=$(cd "${to%/*}" && pwd -P)/${to##*/}
		warn "$target: the input that fails is kept as ${to#"$root/"}: commit it with what mends it"
		warn "$target: it is replayed by: ${build#"$root/"}/tests/fuzz/fuzz_${target}_replay ${to#"$root/"}"
	done
}

fuzz() {
	local target=$1 log=$build/fuzz/$1.log rc=0 inputs crashes=0 started=$SECONDS rate folder folders
	rm -rf "$build/fuzz/crashes/$target"
	mkdir -p "$build/fuzz/$target" "$build/fuzz/crashes/$target"
	[ -n "$keep" ] || { rm -rf "$build/fuzz/once-$target"; mkdir -p "$build/fuzz/once-$target"; }
	folders=("$build/fuzz/${keep:+$target}")
	[ -n "$keep" ] || folders=("$build/fuzz/once-$target")
	mkdir -p "$build/fuzz/seeds-$target"
	"$build/tests/fuzz/fuzz_${target}_replay" --write-seeds "$build/fuzz/seeds-$target"
	folders+=("$build/fuzz/seeds-$target")
	for folder in "$here/corpus/$target" "$regressions/$target"; do
		[ ! -d "$folder" ] || folders+=("$folder")
	done
	nice "$build/tests/fuzz/fuzz_$target" "${limit[@]}" -seed="$seed" -max_len="${max_len[$target]}" -print_final_stats=1 -entropic=0 \
		-timeout=60 -rss_limit_mb=2048 -artifact_prefix="$build/fuzz/crashes/$target/" "${folders[@]}" >"$log" 2>&1 || rc=$?
	inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	if [ "$rc" != 0 ]; then
		crashes=1
		tail -n 40 "$log" >&2
		warn "$target: status $rc"
		rm -f "$build/fuzz/crashes/$target"/slow-unit-*
		keep_failures "$target"
	fi
	rate=$((${inputs:-0} / (SECONDS - started > 0 ? SECONDS - started : 1)))
	echo "$target: ${inputs:-0} inputs, $rate/s, $crashes crashes"
	if [ -n "$keep" ]; then
		results_add "$results" "driver/ (git tree), target, inputs, crashes" 2 "$hash" "$target" "${inputs:-0}" "$crashes"
		[ "$rc" != 0 ] || keep_corpus "$target"
	fi
	return "$rc"
}

for target in "${targets[@]}"; do
	[ -e "$build/CMakeCache.txt" ] || cmake -B "$build" -S "$root" -DSOFTODP_MODULE=OFF >/dev/null
	mkdir -p "$build/fuzz"
	cmake --build "$build" --target "fuzz_${target}_target" "fuzz_${target}_replay" >"$build/fuzz/build-$target.log" 2>&1 ||
		{ tail -n 25 "$build/fuzz/build-$target.log" >&2; die "fuzz_$target does not build"; }
done
hash=''
[ -z "$keep" ] || hash=$(results_hash)
failed=0
for target in "${targets[@]}"; do
	fuzz "$target" || failed=1
done
if [ -n "$keep" ]; then grep -F "$hash" "$results"; fi
exit "$failed"
