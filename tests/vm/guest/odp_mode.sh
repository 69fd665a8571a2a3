#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 240
# kernels: stock
# long: debug
#
# The switch that makes every registration on demand: programs that ask for pinned memory, as an ordinary user who may
# lock 64 KiB. What else sysfs has, and nonsense written there.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

ip link set lo up
sd_dummy d0
sd_link sodp0 d0
gid=$(sd_gid sodp0)
dir=/sys/class/infiniband/sodp0

listening() { sd_listening 18515 || ! kill -0 "$1" 2>/dev/null; }

as_user() { (ulimit -l 64 && exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all timeout $((30 * ${SD_SLOW:-1})) "$@"); }

# both COMMAND...: as a server, then as its client; what they said is in /run/said.
both() {
	local server rc=0
	as_user "$@" >/run/said 2>&1 &
	server=$!
	sd_wait 10 listening $server || true
	as_user "$@" 127.0.0.1 >>/run/said 2>&1 || rc=1
	wait $server || rc=1
	return $rc
}

# Unmodified, and with no option about memory. Each needs more than may be locked; ib_atomic_lat cannot be made to.
programs=("ibv_rc_pingpong -d sodp0 -g $gid -n 20 -c -s 200000")
more=()
if command -v ib_write_bw >/dev/null; then
	for program in ib_{write,read,send}_{bw,lat}; do
		programs+=("$program -d sodp0 -x $gid -F -n 20 -s 200000")
	done
	programs+=("ib_atomic_bw -d sodp0 -x $gid -F -n 20 -q 16")
	more=("ib_atomic_lat -d sodp0 -x $gid -F -n 20")
else
	echo "# no perftest"
fi

# registers ACCESS: what comes of 200000 bytes, registered by that user: "ok" or the error's name.
registers() {
	as_user python3 -c '
import errno, sys
from pyverbs.device import Context
from pyverbs.mr import MR
from pyverbs.pd import PD
from pyverbs.pyverbs_error import PyverbsRDMAError
import pyverbs.enums as e
access = 0
for word in sys.argv[1:]:
    access |= getattr(e, "IBV_ACCESS_" + word)
try:
    MR(PD(Context(name="sodp0")), 200000, access).close()
    print("ok")
except PyverbsRDMAError as error:
    print(errno.errorcode[error.error_code])
' "$@"
}

# expect WHAT ACCESS...
expect() {
	local want=$1 got
	shift
	got=$(registers "$@")
	[ "$got" = "$want" ] || sd_fail "200000 bytes with $*: $got, not $want"
}

[ "$(<$dir/odp_mode)" = '[requested] always' ] || sd_fail "odp_mode is at first $(<$dir/odp_mode)"
expect ENOMEM LOCAL_WRITE
expect ENOMEM LOCAL_WRITE RELAXED_ORDERING
expect ok LOCAL_WRITE ON_DEMAND
expect ok LOCAL_WRITE ON_DEMAND RELAXED_ORDERING
for program in "${programs[@]}"; do
	# shellcheck disable=SC2086 # words on purpose
	! both $program || sd_fail "passed with 64 KiB of locked memory: $program"
	grep -qiE "register MR|allocate MR|Couldn't|memory" /run/said || sd_fail "$program: $(</run/said)"
done
echo always >$dir/odp_mode
[ "$(<$dir/odp_mode)" = 'requested [always]' ] || sd_fail "odp_mode is $(<$dir/odp_mode)"
expect ok LOCAL_WRITE
expect ok LOCAL_WRITE RELAXED_ORDERING
for program in "${programs[@]}" "${more[@]}"; do
	before=$(sd_counter sodp0 page_faults)
	# shellcheck disable=SC2086 # words on purpose
	both $program || sd_fail "$program: $(</run/said)"
	[ "$(sd_counter sodp0 page_faults)" -gt "$before" ] || sd_fail "no page fault: $program"
	echo "# passed: $program"
done

# A promise of huge pages is kept to where paging on demand was asked for, and only there.
python3 - <<'END' || sd_fail "huge pages: see above"
import ctypes
import errno
import mmap
from pyverbs.device import Context
from pyverbs.mr import MR
from pyverbs.pd import PD
from pyverbs.pyverbs_error import PyverbsRDMAError
import pyverbs.enums as e

pd = PD(Context(name='sodp0'))
huge = e.IBV_ACCESS_LOCAL_WRITE | e.IBV_ACCESS_HUGETLB
page = mmap.mmap(-1, mmap.PAGESIZE)
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
MR(pd, mmap.PAGESIZE, huge, address=address).close()
try:
    MR(pd, mmap.PAGESIZE, huge | e.IBV_ACCESS_ON_DEMAND, address=address)
except PyverbsRDMAError as error:
    assert error.error_code == errno.EINVAL, error
else:
    raise SystemExit('ordinary pages were taken for huge ones')
END

for bad in '' 2 alway 'always requested'; do
	! echo "$bad" >$dir/odp_mode 2>/dev/null || sd_fail "odp_mode takes '$bad'"
done
[ "$(<$dir/odp_mode)" = 'requested [always]' ] || sd_fail "nonsense changed odp_mode"
[ "$(<$dir/fault_hold_ms)" = 4 ] || sd_fail "fault_hold_ms is at first $(<$dir/fault_hold_ms)"
for bad in -1 1001 x ''; do
	! echo "$bad" >$dir/fault_hold_ms 2>/dev/null || sd_fail "fault_hold_ms takes '$bad'"
done
echo 20 >$dir/fault_hold_ms
[ "$(<$dir/fault_hold_ms)" = 20 ] || sd_fail "fault_hold_ms does not keep 20"

# The whole address space, by the program's own option.
echo requested >$dir/odp_mode
before=$(sd_counter sodp0 page_faults)
# shellcheck disable=SC2086 # words on purpose
both ibv_rc_pingpong -d sodp0 -g $gid -n 50 -O -c || sd_fail "pingpong -O: $(</run/said)"
[ "$(sd_counter sodp0 page_faults)" -gt "$before" ] || sd_fail "no page fault: pingpong -O"
