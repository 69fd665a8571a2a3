#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 400
# kernels: stock
# long: debug
#
# The byte matrix between two devices with a wire between them.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
sd_veth_pair
[ "$SD_KERNEL" = stock ] && short=--half || short=--short
sd_in "$SD_NS1" "$SD_BIN/matrix" --dev "$SD_DEV1" --server /run/matrix.sock &
"$SD_BIN/matrix" --dev "$SD_DEV0" --client /run/matrix.sock $short
wait $!
