#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 60
# kernels: 6.12 7.3
#
# A DMA-BUF that is one, of udmabuf, which Debian's 6.1 has not: it cannot be imported, as docs/semantics.md says, and what
# it says to do instead works.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ -c /dev/udmabuf ] || modprobe udmabuf 2>/dev/null || true
[ -c /dev/udmabuf ] || sd_skip "this kernel has no udmabuf"
sd_load
ip link set lo up
sd_dummy d0
sd_link sodp0 d0
"$SD_BIN/dmabuf" sodp0
