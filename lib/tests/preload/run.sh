#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# run.sh SOFTODP_ODP USER LOADER PLUGIN FILLER: the shim under a program and a libibverbs made for this, and what it reports.

set -euo pipefail
odp=$1 user=$2 loader=$3 plugin=$4 filler=$5
failed=0

# check NAME WANTED COMMAND...: it succeeds, and its standard error, without names and numbers of processes, is WANTED.
check() {
	local name=$1 wanted=$2 said rc=0
	shift 2
	said=$("$@" 2>&1 >/dev/null | sed 's/^softodp-odp: [^[]*\[[0-9]*\]: //'; exit "${PIPESTATUS[0]}") || rc=$?
	[ $rc = 0 ] && [ "$said" = "$wanted" ] || {
		printf 'FAIL %s: status %d, said\n%s\nwanted\n%s\n' "$name" $rc "$said" "$wanted"
		failed=1
	}
}

# refused WANTED COMMAND...: it fails with status 2 and says so.
refused() {
	local wanted=$1 said rc=0
	shift
	said=$("$@" 2>&1) || rc=$?
	[ $rc = 2 ] && [[ $said == *"$wanted"* ]] || { printf 'FAIL %s: status %d: %s\n' "$*" $rc "$said"; failed=1; }
}

# has PATTERN: it is in the input, all of which is read: who writes is not to find the pipe closed.
has() { grep "$@" >/dev/null; }

unset "${!SOFTODP_ODP_@}"
one='1 region, 4096 bytes'
check bare '' "$user" bare
check rows '' "$odp" "$user" rows
check 'rows, told' "$(cat <<'END'
3 regions, 12288 bytes: on demand
6 regions, 24576 bytes: the device has no on-demand paging (see ODP in ibv_devinfo -v)
3 registrations failed: the device has no on-demand paging (see ODP in ibv_devinfo -v)
3 regions, 12288 bytes: the device has no on-demand paging for an operation that the access flags allow; ask for fewer
3 regions, 12288 bytes: the device has on-demand paging but refused this range or these access flags
3 registrations failed: the device has on-demand paging but refused this range or these access flags
3 regions, 12288 bytes: the device did not tell what it can (ibv_query_device_ex failed)
3 regions, 12288 bytes: on demand, as the program asked itself
3 registrations failed: on demand, as the program asked itself
END
)" "$odp" -v "$user" rows
check threads '2000 regions, 8192000 bytes: on demand' "$odp" -v "$user" threads
# The child's line comes first, it is waited for.
check fork "2 regions, 8192 bytes: on demand
501 regions, 2052096 bytes: on demand" "$odp" -v "$user" fork
check 'libsoftodp chooses' '' "$odp" -v "$user" chosen
check 'IBVERBS_1.0' '' "$odp" -v "$user" old
check 'a plugin' "$one: on demand" "$odp" -v "$loader" "$plugin"
check 'too small' "$one: unchanged: smaller than SOFTODP_ODP_MIN_SIZE" "$odp" -v -m 4097 "$user" bare
check 'large enough' "$one: on demand" "$odp" -v --min-size 4k "$user" one
check 'other device' "$one: unchanged: not a device of SOFTODP_ODP_DEVICES" "$odp" -v --devices 'mlx*,sodp?' "$user" bare
check 'this device' "$one: on demand" "$odp" -v -d 'mlx*,fake?' "$user" one
check 'for UD too' "$one: the device has no on-demand paging for that transport (see ODP in ibv_devinfo -v)" \
	"$odp" -v -t rc,ud "$user" bare
check 'several preloaded' "$one: on demand" env LD_PRELOAD=libdl.so.2 "$odp" -v "$user" one
check 'bad environment' "softodp-odp: SOFTODP_ODP_MIN_SIZE='4x' is ignored: a number of bytes is wanted, with K, M, G or T if you like
softodp-odp: SOFTODP_ODP_VERBOSE='yes' is ignored: 0, 1 or 2 is wanted" \
	env SOFTODP_ODP_MIN_SIZE=4x SOFTODP_ODP_VERBOSE=yes "$odp" "$user" one
for size in 99999999999999999999 16777216T -1; do
	SOFTODP_ODP_MIN_SIZE=$size "$odp" true 2>&1 | has "'$size' is ignored" || { echo "FAIL min size $size"; failed=1; }
done
"$odp" -v -v "$user" one 2>&1 | has ': fake0: 4096 bytes at 0x[0-9a-f]*: on demand$' || { echo "FAIL twice verbose"; failed=1; }

check 'a provider that lacks something' '' "$filler" bare
check 'what it lacks' '' "$odp" "$filler" filled

refused 'no command' "$odp"
refused "no option '-x'" "$odp" -x true
refused 'needs a value' "$odp" --devices
refused 'not a number' "$odp" -m 4x true
refused "no 'rd'" "$odp" -t rc,rd true
refused 'not a list' "$odp" -t rc,,ud true
"$odp" --help | has '^Usage: softodp-odp' || { echo "FAIL --help"; failed=1; }
rc=0
"$odp" sh -c 'exit 5' || rc=$?
[ $rc = 5 ] || { echo "FAIL status of the command: $rc"; failed=1; }
exit $failed
