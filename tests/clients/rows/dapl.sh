# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# DAPL's own tests over the CM. Their status says nothing: what they print does.

# dapl_conf: sets DAPL, an assignment that names our configuration.
dapl_conf() {
	echo "ofa-v2-client u2.0 nonthreadsafe default libdaplofa.so.2 dapl.2.0 \"$NETDEV 0\" \"\"" >dat.conf
	DAPL=DAT_OVERRIDE=$PWD/dat.conf
}

dapl_dtest() {
	dapl_conf
	stays cm "$DAPL dtest -P ofa-v2-client -s ${*}" "$DAPL dtest -P ofa-v2-client -h @ ${*}"
	said PASSED client.log
	! grep FAILED client.log server.log || sd_fail "dtest says FAILED"
}

dapl_dapltest() {
	dapl_conf
	stays cm "$DAPL dapltest -T S -D ofa-v2-client" "$DAPL dapltest -T T -D ofa-v2-client -s @ -i 50 -V ${*}"
	! grep -iE 'fail|error|mismatch' client.log || sd_fail "dapltest complains"
	said 'Stats ----|completed successfully' client.log
}

row dtest 90 switch - 'CM, RC SEND READ WRITE' dapl_dtest -b 65536
row dtest_cno 90 switch - 'CM, RC SEND READ WRITE, CQ events' dapl_dtest -b 65536 -c
row dapltest 120 switch data 'CM, RC SEND READ WRITE' dapl_dapltest client SR 4096 server SR 4096 client RW 16384 client RR 16384
row dapltest_qps 180 switch data 'CM, RC SEND READ WRITE, 4 QPs, 2 threads' dapl_dapltest -t 2 -w 2 client SR 1024 server SR 1024 client RW 4096
