# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Two guests, a wire between them: wire.c's matrix of RC, UC and UD. run.sh starts them by tests/vm/pair, hosts.sh plays each
# part; in one guest there is nothing to run.

hosts_elsewhere() { sd_skip "needs two guests"; }

H_FEATURES='RC, UC, UD: SEND WRITE READ, immediate, atomics'
row same 900 own data "$H_FEATURES; both ends of one kind" hosts_elsewhere
row asks_rxe 900 own data "$H_FEATURES; stock rxe serves" hosts_elsewhere
row serves_rxe 900 own data "$H_FEATURES; stock rxe asks" hosts_elsewhere
