#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 300
# kernels: stock
# long: debug
#
# rdma-core's own tests of memory regions, completion queues, queue pairs and on-demand paging.
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
/usr/bin/python3 "$SD_ROOT/tests/vm/guest/rdmacore_run.py" --dev sodp0 --gid "$(sd_gid sodp0)" --limit $limit \
	--expected "$SD_ROOT/tests/vm/guest/rdmacore.expected"
