#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 500
# kernels: stock
#
# The byte matrix between softodp in a network namespace and the kernel's own rdma_rxe in the initial one, both ways.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
sd_veth_pair rxe softodp
[ "$SD_KERNEL" = stock ] && short=--half || short=--short

echo "# rxe asks, softodp serves"
sd_in "$SD_NS1" "$SD_BIN/matrix" --dev "$SD_DEV1" --server /run/matrix.sock &
"$SD_BIN/matrix" --dev "$SD_DEV0" --client /run/matrix.sock $short
wait $!

echo "# softodp asks, rxe serves"
"$SD_BIN/matrix" --dev "$SD_DEV0" --server /run/matrix.sock &
sd_in "$SD_NS1" "$SD_BIN/matrix" --dev "$SD_DEV1" --client /run/matrix.sock $short
wait $!
