# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# ./run clients: programs that others wrote, in guests, on softodp and then on stock rdma_rxe. To be sourced after
# tests/vm/common.sh, kernel.sh and packages.sh.

CLIENTS=$SD_ROOT/tests/clients
CLIENTS_LOG=$SD_BUILD/logs/clients

# clients_names PATTERN: rows of the table; a family alone stands for all of it.
clients_names() {
	local name pattern=$1
	[[ $pattern == */* ]] || pattern+='/*'
	"$CLIENTS/list.sh" | while IFS=$'\t' read -r name _; do
		# shellcheck disable=SC2053 # the pattern is one
		[[ $name != $pattern ]] || echo "$name"
	done
}

# clients_seconds LIST: an upper bound.
clients_seconds() {
	local slow=${SOFTODP_SLOW:-1}
	! kernel_checked "$kernel" || slow=$((slow * 4))
	"$CLIENTS/list.sh" | awk -F'\t' -v slow="$slow" '
		NR == FNR { limit[$1] = $2; next }
		{ split($0, word, " "); sum += limit[word[2]] * slow + 60 }
		END { printf "%d\n", sum + 300 * slow }' - "$1"
}

# clients_unpacked: packages whose services must not be started on this machine are unpacked, for the guests alone. Prints
# where.
clients_unpacked() {
	local dir=$SD_CACHE/clients packages
	mapfile -t packages < <(sed -n 's/^clients-guest //p' "$SD_VM/packages.txt")
	[ "$(cat "$dir/packages" 2>/dev/null)" = "${packages[*]}" ] ||
		with_lock "$SD_CACHE/lock/clients" clients_unpack "$dir" "${packages[@]}" >&2
	echo "$dir/root"
}

clients_unpack() {
	local dir=$1
	shift
	say "unpacking for the guests: $*"
	mkdir -p "$dir"
	# The distribution's own sources, whatever the kernel came from.
	APT_PRIVATE=()
	packages_unpack "$dir/root" "$@"
	rm -rf "$dir/root/usr/share/doc" "$dir/root/usr/share/man" "$dir/root/usr/share/locale" "$dir"/root/{usr/,}lib/{systemd,udev}
	echo "$*" >"$dir/packages"
}

# clients_take LOG: the verdicts of a guest go to the results, its rows' logs to KIND/FAMILY.NAME.log.
clients_take() {
	local verdict kind row file
	while read -r verdict kind row _; do
		[ "$verdict" = result ] || continue
		mkdir -p "$CLIENTS_LOG/$kind"
		file=$1/$kind.${row//\//.}.log
		[ ! -e "$file" ] || mv "$file" "$CLIENTS_LOG/$kind/${row//\//.}.log"
	done <"$1/rows"
	grep '^result ' "$1/rows" >>"$CLIENTS_LOG/results" || true
	[ ! -e "$1/suite" ] || cat "$1/suite" >>"$CLIENTS_LOG/suite"
}

# clients_rest LIST LOG: what is not done yet remains in the list. A row in which the guest ended is done: it failed; and if the
# guest did nothing at all, so did the others.
clients_rest() {
	local kind row died
	touch "$2/rows"
	grep -q '^start ' "$2/rows" || {
		warn "the guest did nothing; logs in ${2#"$SD_ROOT"/}"
		sed 's/.*/result & fail 0 0 no row was started/' "$1" >>"$2/rows"
	}
	died=$(awk '$1 == "start" { now = $2 " " $3 } $1 == "result" { now = "" } END { print now }' "$2/rows")
	if [ -n "$died" ]; then
		read -r kind row <<<"$died"
		echo "result $kind $row fail 0 0 the guest ended in it" >>"$2/rows"
		echo "not ok $CLIENTS_NUMBER - $kind: $row # the guest ended in it"
	fi
	awk 'NR == FNR { if ($1 == "result") done[$2 " " $3] = 1; next } !($0 in done)' "$2/rows" "$1" >"$1.rest"
	mv "$1.rest" "$1"
}

# clients_guests LIST PACKAGES: as many guests as it takes.
clients_guests() {
	local list=$1 log boot=0 options=()
	[ -z "$clients_pinned" ] || options+=(--pinned)
	while [ -s "$list" ]; do
		log=$CLIENTS_LOG/boot$boot
		boot=$((boot + 1))
		say "clients: $(wc -l <"$list") rows in a guest on kernel $K_VERSION"
		tests/vm/vm --kernel "$kernel" --mem 4G --disk 3G --disk 3G --dirty-ok --timeout "$(clients_seconds "$list")" --log "$log" -- \
			bash tests/clients/guest.sh --first "$CLIENTS_NUMBER" "${options[@]}" --packages "$2" "$list" || true
		clients_rest "$list" "$log"
		clients_take "$log"
		CLIENTS_NUMBER=$(($(wc -l <"$CLIENTS_LOG/results") + 1))
	done
}

# clients_rounds NAME...: what hosts.sh plays for these rows.
clients_rounds() {
	local name kind
	for name in "$@"; do
		for kind in $clients_peer; do
			case $name:$kind in
			hosts/same:*) echo "$name:$kind:$kind:$kind" ;;
			hosts/asks_rxe:softodp) echo "$name:softodp:rxe:softodp" ;;
			hosts/serves_rxe:softodp) echo "$name:softodp:softodp:rxe" ;;
			esac
		done
	done
}

# clients_hosts NAME...: the rows for two guests. The verdict is that of the one who asks, and fails if the other did.
clients_hosts() {
	local rounds log=$CLIENTS_LOG/hosts
	mapfile -t rounds < <(clients_rounds "$@")
	[ "${#rounds[@]}" -gt 0 ] || return 0
	say "clients: ${#rounds[@]} rounds in two guests on kernel $K_VERSION"
	tests/vm/pair --kernel "$kernel" --mem 1G --dirty-ok --timeout $((${#rounds[@]} * 900 * ${SOFTODP_SLOW:-1} + 300)) --log "$log" \
		--first "bash tests/clients/hosts.sh first ${rounds[*]}" --second "bash tests/clients/hosts.sh second ${rounds[*]}" || true
	touch "$log/first/rows" "$log/second/rows"
	printf '%s\n' "${rounds[@]}" | awk -F: '{ print $2, $1 }' >"$log/wanted"
	mkdir -p "$log/both"
	awk '
		FILENAME ~ /wanted$/ { order[n++] = $0; next }
		FILENAME ~ /first.rows$/ { if ($4 != "ok") bad[$2 " " $3] = $0; seen[$2 " " $3] = 1; next }
		{ line[$2 " " $3] = $0 }
		END {
			for (i = 0; i < n; i++) {
				key = order[i]
				if (!(key in line) || !(key in seen))
					print "result", key, "fail 0 0 a guest did not get that far"
				else if (line[key] ~ " ok " && key in bad)
					print "result", key, "fail 0 0 at the other end:", bad[key]
				else
					print line[key]
			}
		}' "$log/wanted" "$log/first/rows" "$log/second/rows" >"$log/both/rows"
	cp "$log"/second/*.hosts.*.log "$log/both/" 2>/dev/null || true
	awk -v n="$CLIENTS_NUMBER" '{ print ($4 == "ok" ? "ok " : "not ok ") n++ " - " $2 ": " $3 }' "$log/both/rows"
	clients_take "$log/both"
}

verb_clients() {
	local names packages list=$CLIENTS_LOG/list kind rc=0 options=()
	mapfile -t names < <(clients_names "$only")
	[ "${#names[@]}" -gt 0 ] || die "--only: no row '$only' (tests/clients/list.sh has them all)"
	kernel=${kernel:-stock}
	prepare "$kernel"
	packages_need clients
	packages=$(clients_unpacked)
	build_host
	build_module "$kernel"
	rm -rf "$CLIENTS_LOG"
	mkdir -p "$CLIENTS_LOG"
	: >"$CLIENTS_LOG/results"
	for kind in $clients_peer; do
		printf '%s\n' "${names[@]}" | grep -v '^hosts/' | sed "s/^/$kind /" || true
	done >"$list"
	CLIENTS_NUMBER=1
	clients_guests "$list" "$packages"
	mapfile -t names < <(printf '%s\n' "${names[@]}" | grep '^hosts/' || true)
	[ -n "$clients_pinned" ] || clients_hosts "${names[@]}"
	[ -z "$clients_save" ] || options+=(--save)
	. "$SD_ROOT/tests/results.sh"
	"$CLIENTS/report.py" --kernel "$kernel" --driver "$(results_hash | cut -c1-12)" --log "$CLIENTS_LOG" "${options[@]}" || rc=$?
	say "each row's output is in ${CLIENTS_LOG#"$SD_ROOT"/}/KIND/FAMILY.NAME.log"
	return "$rc"
}
