#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 90
# kernels: 7.3
# needs: nodriver
#
# libsoftodp on somebody else's device that pages on demand: the rdma_rxe of Linux 7, whose provider here has neither advise_mr
# nor rereg_mr.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/library.lib.sh"

sd_dummy d0
sd_link rxe0 d0 rxe
as_user $WORK/library rxe0 odp
shim rxe0 odp
