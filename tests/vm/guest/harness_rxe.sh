#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 60
# kernels: stock 6.12 7.3
# long: debug
# needs: nodriver
#
# The harness alone: stock Soft-RoCE between two processes of a guest.

set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_dummy d0
sd_link rxe0 d0 rxe
gid=$(sd_gid rxe0)
ibv_rc_pingpong -d rxe0 -g "$gid" -n 100 -c &
sd_wait 10 bash -c "ss -ltn | grep -q :18515"
ibv_rc_pingpong -d rxe0 -g "$gid" -n 100 -c 127.0.0.1
wait $!
