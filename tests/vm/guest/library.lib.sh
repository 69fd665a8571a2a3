# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# What the tests of libsoftodp share. To be sourced after lib.sh.

WORK=/run/library
mkdir -p $WORK
install -m 755 "$SD_BIN/library" $WORK
# The shared library, from where an ordinary user can read it.
cp -a "$SD_ROOT"/build/lib/libsoftodp.so* $WORK
cp "$SD_ROOT"/build/lib/preload/{softodp-odp,libsoftodp-odp.so} $WORK

as_user() {
	(
		ulimit -l $LIMIT
		export LD_LIBRARY_PATH=$WORK
		exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$@"
	)
}

# It listens, or has ended.
started() { ss -Hltn "sport = :18515" | grep -q . || ! kill -0 "$1" 2>/dev/null; }

# pingpong DEVICE COMMAND...: ibv_rc_pingpong as it is, over 200 kB with all bytes checked, both ends started by COMMAND.
# What they said is in $WORK/server and $WORK/client. True if both succeeded, 1 if both failed.
pingpong() {
	local device=$1 server rc=0 client_rc=0
	shift
	set -- timeout 20 "$@" ibv_rc_pingpong -d "$device" -g "$(sd_gid "$device")" -n 5 -c -s 200000
	as_user "$@" >$WORK/server 2>&1 &
	server=$!
	sd_wait 10 started $server || true
	as_user "$@" 127.0.0.1 >$WORK/client 2>&1 || client_rc=1
	wait $server || rc=1
	return $((rc + client_rc == 2 ? 1 : 2 * (rc + client_rc)))
}

# fails DEVICE COMMAND...: both ends do.
fails() {
	local rc=0
	pingpong "$@" || rc=$?
	[ $rc = 1 ] || { cat $WORK/server $WORK/client; sd_fail "status $rc: ibv_rc_pingpong -d $*"; }
}

# shim DEVICE odp|pinned: ibv_rc_pingpong with and without softodp-odp; the second says what the device can.
shim() {
	local said
	ip link set lo up
	LIMIT=64
	fails "$1" env
	said=$(cat $WORK/server)
	[[ $said == *"Couldn't register MR"* ]] || sd_fail "without the shim: $said"
	if [ "$2" = odp ]; then
		pingpong "$1" $WORK/softodp-odp --verbose || sd_fail "under the shim: $(cat $WORK/server $WORK/client)"
		grep -q '1 region, 200000 bytes: on demand' $WORK/server || sd_fail "report: $(cat $WORK/server)"
		tail -n 3 $WORK/client
		fails "$1" $WORK/softodp-odp -v --min-size 1m
		said=$(cat $WORK/server)
		[[ $said == *"1 registration failed: unchanged: smaller than"* ]] || sd_fail "report: $said"
	else
		fails "$1" $WORK/softodp-odp --verbose
		said=$(cat $WORK/server)
		[[ $said == *"1 registration failed: the device has no on-demand paging"* ]] || sd_fail "report on $1: $said"
	fi
	LIMIT=1024
}

LIMIT=1024
