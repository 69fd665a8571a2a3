#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 400
# kernels: stock
# long: debug
#
# rdma-core's own tests of memory regions, completion queues, queue pairs and on-demand paging. Then, what its provider of
# version 44 lacks and this one has, prefetch and registration anew: the same tests of regions and on-demand paging under
# softodp-odp, which lets those calls through to the kernel and here changes no registration.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ -d /usr/share/doc/rdma-core/tests ] || sd_skip "package rdma-core has no tests here"
/usr/bin/python3 -c 'import pyverbs.device' 2>/dev/null || sd_skip "package python3-pyverbs is not installed"
sd_load
ip link set lo up
sd_dummy d0
sd_link sodp0 d0
# Two tests need huge pages.
echo 32 >/proc/sys/vm/nr_hugepages
limit=20
[ "$SD_KERNEL" = stock ] || limit=60
expected=$SD_ROOT/tests/vm/guest/rdmacore.expected
run=(/usr/bin/python3 "$SD_ROOT/tests/vm/guest/rdmacore_run.py" --dev sodp0 --gid "$(sd_gid sodp0)" --limit "$limit")
"${run[@]}" --expected "$expected"
# What is in no list must pass. With a provider that has them all of it did above.
{
	sed '/the provider .*has no/d' "$expected"
	# One goes on with the old key. The others poll, after a reset, what a queue pair left in its completion queue: the
	# provider does not take it out.
	echo test_mr.MRTest.test_mr_rereg_access fail registering anew gives new keys
	echo test_mr.MRTest.test_mr_rereg_addr fail the provider leaves completions of a queue pair that is reset
	echo test_mr.MRTest.test_mr_rereg_pd fail the provider leaves completions of a queue pair that is reset
} >/run/rdmacore.filled
[ "$(grep -c 'the provider .*has no' "$expected")" = 10 ] || sd_fail "not the tests that the list had"
"$SD_ROOT/build/lib/preload/softodp-odp" --devices none "${run[@]}" --expected /run/rdmacore.filled test_mr test_odp
