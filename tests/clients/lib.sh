# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034 # who sources it reads the table
#
# The table of client programs, and what its rows are made of. To be sourced after tests/vm/guest/lib.sh.
#
# rows/FAMILY.sh holds the rows of a family and their own functions. A row runs in a process of its own, in an empty folder,
# with DEV (the device), GID (index of its IPv4 GID), IP (its address), NETDEV and KIND (softodp or rxe).
# It passes with status 0, is skipped with 77 (sd_skip WHY) and fails otherwise (sd_fail WHY).
#
# C_NAMES   the rows, in order; the others are by name
declare -a C_NAMES
declare -A C_LIMIT C_ODP C_DATA C_FEATURES C_COMMAND
C_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
C_BIN=$SD_ROOT/build/clients
IP=10.9.0.1
NETDEV=d0

# row NAME SECONDS ON-DEMAND DATA FEATURES COMMAND...: a row of the family that is being read.
#   ON-DEMAND  switch: all that the program registers, by odp_mode; own: by an option of the program's; kernel: a user within
#              the kernel, whose pages never go; none: there is nothing to page
#   DATA       data: somebody compares what came with what was sent; -: nobody does
#   FEATURES   of verbs, that the row needs
row() {
	local name=$FAMILY/$1
	C_NAMES+=("$name")
	C_LIMIT[$name]=$2 C_ODP[$name]=$3 C_DATA[$name]=$4 C_FEATURES[$name]=$5
	shift 5
	printf -v "C_COMMAND[$name]" '%q ' "$@"
}

# rows_read: all families, in the order of rows/ORDER.
rows_read() {
	for FAMILY in $(<"$C_HERE/rows/ORDER"); do
		# shellcheck disable=SC1090 # by name
		. "$C_HERE/rows/$FAMILY.sh"
	done
}

# --- in a row ----------------------------------------------------------------------------------------------------------

# undo COMMAND...: carried out after the row, in reverse order, however it ends.
undo() { printf '%q ' "$@" >>undo; echo >>undo; }

# try COMMAND...: never fails; for what may be gone already.
try() { "$@" || true; }

# need PROGRAM...
need() {
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null || sd_skip "no program $program"
	done
}

# need_module MODULE...: loaded from now on.
need_module() {
	local module
	for module in "$@"; do
		modprobe "$module" 2>/dev/null || sd_skip "no module $module in this kernel"
	done
}

# words NAME TEXT: sets the array NAME to the words of TEXT, with @ for the address, %d for the device, %g for its GID's index.
words() {
	local -n to=$1
	local text=${2//@/$IP}
	text=${text//%d/$DEV}
	text=${text//%g/$GID}
	read -ra to <<<"$text"
}

# program_of WORD...: the program in a command with assignments before it.
program_of() {
	while [[ $1 == *=* ]]; do shift; done
	echo "$1"
}

# --- a server and its client -------------------------------------------------------------------------------------------

cm_listening() { rdma resource show cm_id | grep 'state LISTEN' >/dev/null; }
cm_quiet() { ! cm_listening; }

# ready WAIT PID: is the server ready, or gone?
#   WAIT  tcp:PORT; cm (it listens by the connection manager); said:REGEX (in its output); COMMAND
ready() {
	kill -0 "$2" 2>/dev/null || return 0
	case $1 in
	tcp:*) sd_listening "${1#tcp:}" ;;
	cm) cm_listening ;;
	said:*) grep -qE "${1#said:}" server.log ;;
	*) $1 ;;
	esac
}

# serve WAIT COMMAND: in the background, until it is ready. Sets SERVER.
serve() {
	local command
	words command "$2"
	need "$(program_of "${command[@]}")"
	[ "$1" != cm ] || sd_wait 40 cm_quiet || sd_fail "another server still listens"
	echo "server: ${command[*]}"
	env "${command[@]}" >>server.log 2>&1 </dev/null &
	SERVER=$!
	sd_wait 40 ready "$1" "$SERVER" || sd_fail "the server is not ready: ${command[*]}"
	kill -0 "$SERVER" 2>/dev/null || sd_fail "the server ended: ${command[*]}: $(tail -n 1 server.log)"
}

# client COMMAND: must succeed.
client() {
	local command rc=0
	words command "$1"
	need "$(program_of "${command[@]}")"
	echo "client: ${command[*]}"
	env "${command[@]}" >>client.log 2>&1 </dev/null || rc=$?
	[ $rc = 0 ] || sd_fail "client: status $rc: ${command[*]}: $(tail -n 1 client.log)"
}

# served: the server ends by itself, and well.
served() {
	local rc=0
	wait "$SERVER" || rc=$?
	[ $rc = 0 ] || sd_fail "server: status $rc: $(tail -n 1 server.log)"
}

# dismiss: of a server that would stay.
dismiss() {
	kill "$SERVER" 2>/dev/null || true
	wait "$SERVER" 2>/dev/null || true
}

# both WAIT SERVER CLIENT: commands as for words().
both() {
	serve "$1" "$2"
	client "$3"
	served
}

# same WAIT COMMAND: with the address, it is the client.
same() { both "$1" "$2" "$2 @"; }

# stays WAIT SERVER CLIENT: of a server that does not end by itself.
stays() {
	serve "$1" "$2"
	client "$3"
	dismiss
}

# said REGEX FILE...: what must be in the output.
said() { grep -qE "$1" "${@:2}" || sd_fail "'$1' is not in ${*:2}: $(tail -qn 1 "${@:2}")"; }

# random_file FILE BYTES
random_file() { head -c "$2" /dev/urandom >"$1"; }
