# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# rsockets: sockets over RC WRITE with immediate; by programs that know of them, and under programs that do not (LD_PRELOAD).

RS_PRELOAD=LD_PRELOAD=/usr/lib/x86_64-linux-gnu/rsocket/librspreload.so
RS_FEATURES='CM, RC WRITE with immediate, CQ events'

# -p of rcopy must come last. Its server goes on.
rs_copy() {
	random_file from 3000001
	serve cm 'rcopy -p 7427'
	client "rcopy $PWD/from @:$PWD/to -p 7427"
	cmp from to || sd_fail "the copy differs"
	dismiss
}

# Client to server only: netcat-traditional ends when its peer has closed.
rs_netcat() {
	local library=${RS_PRELOAD#*=}
	need nc.traditional
	[ -e "$library" ] || sd_skip "no $library"
	random_file from 2000001
	sd_wait 40 cm_quiet || sd_fail "another server still listens"
	env "$RS_PRELOAD" nc.traditional -n -l -p 5001 >to 2>server.log </dev/null &
	SERVER=$!
	sd_wait 40 ready cm $SERVER || sd_fail "no server"
	env "$RS_PRELOAD" nc.traditional -n -q 1 "$IP" 5001 <from >client.log 2>&1 || sd_fail "client: $(tail -n 1 client.log)"
	wait $SERVER || sd_fail "server: $(tail -n 1 server.log)"
	cmp from to || sd_fail "what came is not what was sent"
}

rs_under() { "$1" cm "$RS_PRELOAD $2" "$RS_PRELOAD $3"; }

row rstream 90 switch data "$RS_FEATURES" both cm 'rstream -b @ -S 65536 -C 50 -I 2 -T v' 'rstream -s @ -S 65536 -C 50 -I 2 -T v'
row rstream_async 90 switch data "$RS_FEATURES" both cm 'rstream -b @ -S 4096 -C 50 -I 2 -T v -T a' 'rstream -s @ -S 4096 -C 50 -I 2 -T v -T a'
row riostream 90 switch data "$RS_FEATURES, rsocket's own regions" both cm 'riostream -b @ -S 65536 -C 50 -I 2 -T v' 'riostream -s @ -S 65536 -C 50 -I 2 -T v'
row rcopy 90 switch data "$RS_FEATURES" rs_copy
row netcat 90 switch data "$RS_FEATURES" rs_netcat
row NPtcp 180 switch data "$RS_FEATURES" rs_under both 'NPtcp -i -u 65536 -n 20' 'NPtcp -i -u 65536 -n 20 -h @'
row iperf 90 switch - "$RS_FEATURES" rs_under stays 'iperf -s -B @' 'iperf -c @ -n 4M'
