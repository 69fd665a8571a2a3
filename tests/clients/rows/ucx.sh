# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# UCX: ucx_perftest's UCP tests over RC and UD (rc_v and ud_v bring the transport along that sets connections up; rc_verbs
# alone has none), its UCT tests, and io_demo. The check of a datagram's destination GID, on by default, takes none of a
# device with one port for its own.

UCX_ENV='UCX_UD_VERBS_ETH_DGID_CHECK=n UCX_NET_DEVICES=%d:1'

# ucx_ucp TRANSPORTS OPTION...
ucx_ucp() {
	local run="UCX_TLS=$1 $UCX_ENV ucx_perftest"
	both tcp:13337 "$run" "$run @ ${*:2}"
}

# ucx_uct TRANSPORT OPTION...
ucx_uct() {
	local run="$UCX_ENV ucx_perftest"
	both tcp:13337 "$run" "$run @ -d %d:1 -x ${*}"
}

# Both sides compare; the server goes on.
ucx_io_demo() {
	local run="UCX_TLS=$1 $UCX_ENV io_demo -q -d 1000:200000 -b 2"
	stays tcp_or_cm "$run -p 1337" "$run -p 1337 -i 200 -o read,write @"
	! grep -E 'corruption|mismatch|^ERROR' client.log server.log || sd_fail "io_demo complains"
}

tcp_or_cm() { sd_listening 1337 || cm_listening; }

for u_tls in rc ud; do
	u_what="${u_tls^^}, UD+AH"
	[ $u_tls = rc ] || u_what='UD+AH'
	for u_test in tag_lat tag_bw tag_sync_lat tag_sync_bw stream_bw stream_lat ucp_am_lat ucp_am_bw ucp_put_lat ucp_put_bw ucp_get; do
		row ucp_${u_tls}_${u_test#ucp_} 90 switch - "$u_what, SRQ, inline, CQ events" \
			ucx_ucp ${u_tls}_v -t $u_test -n 200 -w 20 -s 4096
	done
	for u_test in ucp_add ucp_fadd ucp_swap ucp_cswap; do
		row ucp_${u_tls}_${u_test#ucp_} 90 switch - "$u_what, atomics or messages for them" \
			ucx_ucp ${u_tls}_v -t $u_test -n 200 -w 20 -s 8
	done
done
row uct_rc_am_short 60 switch - 'RC SEND, inline, SRQ' ucx_uct rc_verbs -t am_lat -n 200 -w 20 -s 8 -D short
row uct_rc_am_bcopy 60 switch - 'RC SEND, SRQ' ucx_uct rc_verbs -t am_lat -n 200 -w 20 -s 1024 -D bcopy
row uct_rc_am_zcopy 60 switch - 'RC SEND, SRQ' ucx_uct rc_verbs -t am_bw -n 200 -w 20 -s 4096 -D zcopy
row uct_rc_put_lat 60 switch - 'RC WRITE, inline' ucx_uct rc_verbs -t put_lat -n 200 -w 20 -s 8 -D short
row uct_rc_put_bw 60 switch - 'RC WRITE' ucx_uct rc_verbs -t put_bw -n 200 -w 20 -s 65536 -D zcopy
row uct_rc_get 60 switch - 'RC READ' ucx_uct rc_verbs -t get -n 200 -w 20 -s 4096 -D zcopy
row uct_rc_fadd 60 switch - 'RC atomics' ucx_uct rc_verbs -t fadd -n 200 -w 20 -s 8
row uct_rc_cswap 60 switch - 'RC atomics' ucx_uct rc_verbs -t cswap -n 200 -w 20 -s 8
row uct_ud_am 60 switch - 'UD SEND' ucx_uct ud_verbs -t am_lat -n 200 -w 20 -s 1024 -D bcopy
row io_demo_rc 90 switch data 'CM, RC SEND READ WRITE, UD+AH, SRQ' ucx_io_demo rc_v
row io_demo_ud 90 switch data 'CM, UD+AH' ucx_io_demo ud_v
unset u_tls u_what u_test
