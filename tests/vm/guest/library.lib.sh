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

# start DEVICE COMMAND...: an end of ibv_rc_pingpong as it is, over 200 kB with all bytes checked, started by COMMAND. With PEER,
# the client.
start() {
	local device=$1
	shift
	as_user timeout $((20 * ${SD_SLOW:-1})) "$@" ibv_rc_pingpong -d "$device" -g "$(sd_gid "$device")" -n 5 -c -s 200000 $PEER
}

# fails TEXT DEVICE COMMAND...: it does, before it looks for a peer, and says so.
fails() {
	local text=$1 said rc=0
	shift
	said=$(start "$@" 2>&1) || rc=$?
	[ $rc != 0 ] && [[ $said == *"$text"* ]] || sd_fail "status $rc: ibv_rc_pingpong -d $*: $said"
}

# It listens, or has ended.
started() { sd_listening 18515 || ! kill -0 "$1" 2>/dev/null; }

# pingpong DEVICE COMMAND...: both ends. What they said is in $WORK/server and $WORK/client.
pingpong() {
	local server rc=0
	start "$@" >$WORK/server 2>&1 &
	server=$!
	sd_wait 10 started $server || true
	PEER=127.0.0.1 start "$@" >$WORK/client 2>&1 || rc=1
	wait $server || rc=1
	[ $rc = 0 ] || { cat $WORK/server $WORK/client; sd_fail "ibv_rc_pingpong -d $*"; }
}

# shim DEVICE odp|pinned: ibv_rc_pingpong with and without softodp-odp, as a user who may lock 64 KiB; the second says what the
# device can.
shim() {
	ip link set lo up
	LIMIT=64
	if [ "$2" = odp ]; then
		fails "Couldn't register MR" "$1" env
		pingpong "$1" $WORK/softodp-odp --verbose
		grep -q '1 region, 200000 bytes: on demand' $WORK/server || sd_fail "report: $(cat $WORK/server)"
		tail -n 3 $WORK/client
	else
		fails '1 registration failed: the device has no on-demand paging' "$1" $WORK/softodp-odp --verbose
	fi
	LIMIT=1024
}

PEER=''
LIMIT=1024
