#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 120
# kernels: stock
# long: debug
#
# libsoftodp, as an ordinary user: on a softodp device, and on stock rdma_rxe, which pages nothing on demand. Then the
# examples, and a program that knows nothing of it all under softodp-odp.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

. "$(dirname "$0")/library.lib.sh"

install -m 755 "$SD_ROOT"/build/examples/{all_memory,hello_write,odp_fork,odp_prefetch} $WORK

sd_dummy d0
if [ -z "${LIBRARY_RXE_ONLY:-}" ]; then
	sd_link sodp0 d0
	as_user $WORK/library sodp0 odp
	as_user timeout $((20 * ${SD_SLOW:-1})) $WORK/hello_write sodp0
	as_user timeout $((20 * ${SD_SLOW:-1})) $WORK/all_memory sodp0
	as_user timeout $((20 * ${SD_SLOW:-1})) $WORK/odp_fork sodp0
	as_user timeout $((20 * ${SD_SLOW:-1})) $WORK/odp_prefetch sodp0
	# With all capabilities regions are found by key, whatever else there is.
	LD_LIBRARY_PATH=$WORK timeout $((20 * ${SD_SLOW:-1})) $WORK/odp_prefetch sodp0
	shim sodp0 odp
	rdma link del sodp0
fi
sd_link rxe0 d0 rxe
as_user $WORK/library rxe0 pinned
shim rxe0 pinned
