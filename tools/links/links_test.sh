#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# links_test.sh SOFTODP-LINKS SYSCONFDIR: what the command makes of files and machines of all kinds. The machine is a folder
# with the part of /sys that it looks at, and an rdma and a modprobe that change that folder.

set -euo pipefail
links=$1 etc=$2/softodp
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/bin"
export SOFTODP_LINKS_ROOT=$dir/root PATH=$dir/bin:$PATH
root=$SOFTODP_LINKS_ROOT

cat >"$dir/bin/modprobe" <<'END'
#!/bin/bash
[ ! -e "$SOFTODP_LINKS_ROOT/no-driver" ] || { cat "$SOFTODP_LINKS_ROOT/no-driver" >&2; exit 1; }
mkdir -p "$SOFTODP_LINKS_ROOT/sys/module/softodp"
END
cat >"$dir/bin/rdma" <<'END'
#!/bin/bash
sys=$SOFTODP_LINKS_ROOT/sys/class/infiniband
echo "rdma $*" >>"$SOFTODP_LINKS_ROOT/log"
case "$1 $2" in
'link add')
	[ "$#" = 7 ] && [ "$4 $5 $6" = 'type softodp netdev' ] || exit 9
	[ -d "$SOFTODP_LINKS_ROOT/sys/module/softodp" ] || { echo 'error: Unknown error' >&2; exit 2; }
	[ ! -e "$SOFTODP_LINKS_ROOT/port-taken" ] || { echo 'error: Address already in use' >&2; exit 2; }
	mkdir "$sys/$3"
	echo '[requested] always' >"$sys/$3/odp_mode"
	echo "$7" >"$sys/$3/netdev"
	;;
'link del') rm -r "${sys:?}/$3" ;;
'link show') echo "link $3 state ACTIVE physical_state LINK_UP netdev $(cat "$sys/${3%/1}/netdev") " ;;
*) exit 9 ;;
esac
END
chmod 755 "$dir"/bin/*

n=0 failures=0
# machine NETDEV...: a new one.
machine() {
	local netdev
	rm -rf "$root"
	mkdir -p "$root$etc" "$root"/sys/class/{net,infiniband} "$root/run"
	: >"$root/log"
	for netdev; do
		mkdir "$root/sys/class/net/$netdev"
		echo 1 >"$root/sys/class/net/$netdev/type"
	done
}
# shellcheck disable=SC2059 # the text has escapes
conf() { printf "$1" >"$root$etc/links.conf"; }
# Another driver's device.
foreign() {
	mkdir "$root/sys/class/infiniband/$1"
	echo "$2" >"$root/sys/class/infiniband/$1/netdev"
}

# expect WHAT STATUS REGEX DEVICES VERB: the call's status, its words ('' for none at all), and then "NAME:NETDEV ..." are there.
expect() {
	local what=$1 status=$2 regex=$3 devices=$4 rc=0 there='' device why=''
	shift 4
	"$links" "$@" >"$dir/out" 2>&1 || rc=$?
	for device in "$root"/sys/class/infiniband/*; do
		[ ! -e "$device/netdev" ] || there+="${there:+ }${device##*/}:$(<"$device/netdev")"
	done
	[ "$rc" = "$status" ] || why="status $rc, not $status"
	[ "$there" = "$devices" ] || why+=" devices '$there', not '$devices'"
	if [ -n "$regex" ]; then
		grep -qE -- "$regex" "$dir/out" || why+=" no /$regex/"
	else
		[ ! -s "$dir/out" ] || why+=" words where none are wanted"
	fi
	n=$((n + 1))
	if [ -z "$why" ]; then
		echo "ok $n - $what"
	else
		echo "not ok $n - $what:$why"
		sed 's/^/#   /' "$dir/out"
		failures=$((failures + 1))
	fi
}

# holds WHAT COMMAND...
holds() {
	n=$((n + 1))
	if "${@:2}"; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		failures=$((failures + 1))
	fi
}

# refused WHAT FILE REGEX: the file is not understood, and nothing happens.
refused() {
	machine eth0 eth1
	conf "$2"
	expect "refused: $1" 2 "$3" '' up
	expect "check: $1" 2 "$3" '' check
	holds "untouched: $1" test ! -s "$root/log" -a ! -e "$root/run/softodp-links"
}

refused 'no netdev' 'sodp0\n' "line 1: 'sodp0' has no netdev"
refused 'a comment for a netdev' '\n\nsodp0 # eth0\n' "line 3: 'sodp0' has no netdev"
refused 'a word too many' 'sodp0 eth0 always now\n' "line 1: nothing can follow 'always', but 'now' does"
refused 'no such mode' 'sodp0 eth0 never\n' "line 1: 'never' is no mode"
refused 'a number for a name' '1 eth0\n' "line 1: '1' is no name of an RDMA device"
refused 'a path for a name' 'a/b eth0\n' "line 1: 'a/b' is no name"
refused 'a pattern for a name' 'sodp%%d eth0\n' "line 1: 'sodp%d' is no name"
refused 'a name too long' "$(printf 'a%.0s' {1..64}) eth0\n" 'too long for the name of an RDMA device'
refused 'a path for a netdev' 'sodp0 ../eth0\n' "line 1: '../eth0' is no name of a netdev"
refused 'a netdev too long' 'sodp0 abcdefghijklmnop\n' 'too long for the name of a netdev'
refused 'a name twice' 'sodp0 eth0\n# x\nsodp0 eth1\n' "line 3: name 'sodp0' is in line 1, too"
refused 'a netdev twice' 'sodp0 eth0\nsodp1 eth0\n' "line 2: netdev 'eth0' is in line 1, too"
refused 'one good line, one bad' 'sodp0 eth0\nsodp1\n' 'line 2'

machine eth0
expect 'no file is no error' 0 'there is no .*links.conf' '' up
holds 'and loads no driver' test ! -d "$root/sys/module/softodp"
conf '# nothing\n\n   # at all\n'
expect 'a file of comments is no error' 0 '' '' up
holds 'and loads no driver either' test ! -d "$root/sys/module/softodp"

machine eth0 eth1
conf '# two\n  sodp0\teth0   # the first\nsodp1 eth1 always'
expect 'links are made, the last line without its end' 0 'sodp1 on eth1' 'sodp0:eth0 sodp1:eth1' up
holds 'the mode is set' grep -qx always "$root/sys/class/infiniband/sodp1/odp_mode"
holds 'and only where it is asked for' grep -q requested "$root/sys/class/infiniband/sodp0/odp_mode"
: >"$root/log"
expect 'once more: nothing to do' 0 '' 'sodp0:eth0 sodp1:eth1' up
holds 'and nothing done' bash -c "! grep -q 'add\|del' '$root/log'"
expect 'status' 0 '^sodp0 +eth0 +there, mode requested$' 'sodp0:eth0 sodp1:eth1' status
conf 'sodp1 eth1\n'
expect 'a line that went: its link goes' 0 '' 'sodp1:eth1' up
conf 'sodp1 eth0\n'
expect 'a line that changed: its link moves' 0 'sodp1 on eth0' 'sodp1:eth0' up
rm "$root$etc/links.conf"
expect 'down needs no file' 0 '' '' down
holds 'and leaves nothing' test ! -e "$root/run/softodp-links"
expect 'down again' 0 '' '' down

machine eth0
conf 'sodp0 eth0\nsodp1 eth1\n'
expect 'a netdev that lacks is no error, and no obstacle' 0 'no netdev eth1 \(line 2\); the link is made when it comes' sodp0:eth0 up
holds 'the rule of udev knows of it' test -e "$root/run/softodp-links/netdevs/eth1"
expect 'status of it' 0 '^sodp1 +eth1 +waits for its netdev$' sodp0:eth0 status
mkdir "$root/sys/class/net/eth1"
echo 1 >"$root/sys/class/net/eth1/type"
expect 'it comes' 0 'sodp1 on eth1' 'sodp0:eth0 sodp1:eth1' up
rm -r "$root"/sys/class/{net/eth0,infiniband/sodp0}
expect 'one goes, its device with it' 0 'no netdev eth0' sodp1:eth1 up
mkdir "$root/sys/class/net/eth0"
echo 1 >"$root/sys/class/net/eth0/type"
expect 'and comes back' 0 'sodp0 on eth0' 'sodp0:eth0 sodp1:eth1' up
"$links" up
holds 'what was made is not told twice' test "$(grep -c sodp0 "$root/run/softodp-links/links")" = 1
expect 'all go' 0 '' '' down

machine eth0 eth1 ib0
echo 32 >"$root/sys/class/net/ib0/type"
conf 'a ib0\nb eth1\n'
expect 'no Ethernet device: an error, the others are made' 1 'a: ib0 is no Ethernet device \(line 1\)' b:eth1 up

machine eth0
foreign sodp0 eth0
conf 'sodp0 eth0\n'
expect "another driver's device of that name" 1 'is no softodp device \(line 1\)' sodp0:eth0 up
expect 'status of it' 0 'taken by another driver' sodp0:eth0 status
expect 'and it is not taken away' 0 '' sodp0:eth0 down

machine eth0 eth1
conf 'sodp0 eth0\n'
modprobe softodp
rdma link add sodp0 type softodp netdev eth1
expect 'made by hand, on another netdev' 1 'on eth1, not on eth0 \(line 1\)' sodp0:eth1 up
expect 'what was made by hand stays' 0 '' sodp0:eth1 down

machine eth0 eth1
conf 'sodp0 eth0\nsodp1 eth1\n'
expect 'two are made' 0 'sodp1 on eth1' 'sodp0:eth0 sodp1:eth1' up
rdma link del sodp0
rdma link add sodp0 type softodp netdev eth7
rm "$root/sys/class/infiniband/sodp1/odp_mode"
expect 'what others put in their place stays' 0 '' 'sodp0:eth7 sodp1:eth1' down

machine eth0
conf 'sodp0 eth0\n'
: >"$root/port-taken"
expect 'port 4791 is taken' 1 'rdma_rxe, most likely' '' up
rm "$root/port-taken"
expect 'and free again' 0 'sodp0 on eth0' sodp0:eth0 up

# refuses WORDS REGEX: what modprobe says, and what is made of it.
refuses() {
	machine eth0 eth1
	conf 'sodp0 eth0\nsodp1 eth1\n'
	echo "$1" >"$root/no-driver"
	expect "modprobe: ${1##*: }" 1 "$2" '' up
	holds 'said once' test "$(grep -c 'did not load' "$dir/out")" = 1
}
refuses "modprobe: ERROR: could not insert 'softodp': Key was rejected by service" 'mokutil --import'
refuses 'modprobe: FATAL: Module softodp not found in directory /lib/modules/6.1' 'dkms status softodp'
refuses "modprobe: ERROR: could not insert 'softodp': Exec format error" 'dkms autoinstall'

machine
expect 'no such verb' 2 '^Usage' '' sideways
expect 'no verb' 2 '^Usage' ''
echo "1..$n"
[ "$failures" = 0 ]
