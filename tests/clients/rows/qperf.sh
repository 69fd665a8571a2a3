# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# qperf over RC, connected by the CM. uc_* and ud_* cannot be given a GID: they fail on any RoCE device.

qperf_of() { stays tcp:19765 'qperf' "qperf -t 1 -cm 1 ${*:2} @ $1"; }

for q_test in bw bi_bw lat; do
	row rc_$q_test 60 switch - 'CM, RC SEND, CQ events' qperf_of rc_$q_test -m 4K
done
for q_test in read_bw read_lat write_bw write_lat write_poll_lat; do
	q_verb=${q_test%%_*}
	row rc_rdma_$q_test 60 switch - "CM, RC ${q_verb^^}, CQ events" qperf_of rc_rdma_$q_test -m 4K
done
for q_test in rc_compare_swap_mr rc_fetch_add_mr; do
	row $q_test 60 switch - 'CM, RC atomics' qperf_of $q_test
done
for q_test in ver_rc_compare_swap ver_rc_fetch_add; do
	row $q_test 60 switch data 'CM, RC atomics' qperf_of $q_test
done
unset q_test q_verb
