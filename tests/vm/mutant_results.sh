# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# What looking for mutants adds up to: a line for each run that came to an end, added as soon as it has. To be sourced
# after tests/vm/common.sh.

. "$SD_ROOT/tests/results.sh"

MUTANT_RESULTS=$SD_VM/MUTANTS
MUTANT_HEADING='driver/ (git tree), mutant, kernel, widen, noticed or missed, ms, by which test with its words (or which missed it)'

# mutant_record HASH MUTANT KERNEL WIDEN noticed|missed MS WORD...
mutant_record() {
	[ -s "$MUTANT_RESULTS" ] || echo "# $MUTANT_HEADING" >"$MUTANT_RESULTS"
	printf '%s\n' "$*" | LC_ALL=C tr -cd '[:print:]\n' >>"$MUTANT_RESULTS"
}

# mutant_runs HASH MUTANT KERNEL WIDEN: of those, sets RUNS and CAUGHT, how many noticed it, and of these the times in ms
# MEDIAN, LEAST and MOST, and the words of the median one, RUN_BY.
mutant_runs() {
	local file=$MUTANT_RESULTS
	[ -e "$file" ] || file=/dev/null
	read -r RUNS CAUGHT MEDIAN LEAST MOST RUN_BY < <(LC_ALL=C sort -n -k 6,6 "$file" |
		awk -v hash="$1" -v name="$2" -v on="$3" -v widen="$4" '
		$1 == hash && $2 == name && $3 == on && $4 == widen {
			runs++
			if ($5 != "noticed") next
			ms[n + 0] = $6
			for (i = 1; i <= 6; i++)
				sub(/^[^ ]+ +/, "")
			words[n++] = $0
		}
		END { middle = int(n / 2); print runs + 0, n + 0, ms[middle] + 0, ms[0] + 0, ms[n - 1] + 0, words[middle] }')
}

seconds_of() { printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100)); }

# mutant_table HASH: in Markdown, as in docs/testing.md, a row for each of the table and for the runs without a mutant.
mutant_table() {
	local row='| %-19s | %-6s | %-15s | %4s | %7s | %9s | %-13s | %s |\n' name on widen list
	# shellcheck disable=SC2059 # the format is the same for all
	printf "$row" mutant kernel widen runs noticed 'median, s' 'from, to' by
	echo '|---|---|---|---|---|---|---|---|'
	while read -r name on widen _ list; do
		mutant_runs "$1" "$name" "$on" "$widen"
		[ "$RUN_BY" = "${RUN_BY#the kernel}" ] || RUN_BY=kernel
		# shellcheck disable=SC2059
		if [ "$RUNS" = 0 ]; then
			printf "$row" "$name" "$on" "$widen" 0 - - - "not run yet: $list"
		elif [ "$CAUGHT" = 0 ]; then
			printf "$row" "$name" "$on" "$widen" "$RUNS" 0 - - "${list/#/$([ "$name" = none ] || echo 'not noticed: ')}"
		else
			printf "$row" "$name" "$on" "$widen" "$RUNS" "$CAUGHT" "$(seconds_of "$MEDIAN")" \
				"$(seconds_of "$LEAST"), $(seconds_of "$MOST")" "${RUN_BY%% *}"
		fi
	done < <(
		table
		table | awk '!seen[$2]++ { print "none", $2, "-", 0, "all of these pass" }'
	)
}

# mutant_results: a table for each state of driver/ that there are runs of.
mutant_results() {
	local now hash known=''
	now=$(results_hash)
	if [ -e "$MUTANT_RESULTS" ]; then
		for hash in $(awk '!/^#/ && !seen[$1]++ { print $1 }' "$MUTANT_RESULTS"); do
			[ "$hash" != "$now" ] || known=1
			say "driver ${hash:0:12}$([ "$hash" != "$now" ] || echo ' (as it is now)')"
			mutant_table "$hash"
		done
	fi
	[ -n "$known" ] || say "no runs yet of the driver as it is now, ${now:0:12}"
}
