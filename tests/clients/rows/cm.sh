# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Programs of librdmacm: connections by the RDMA CM, multicast.

group_joined() { ip maddr show dev "$NETDEV" | grep -F 239.1.2.3 >/dev/null; }

# Joined is seen a little before the queue pair is attached.
multicast() {
	serve group_joined 'mckey -m 239.1.2.3 -b @ -C 5'
	sd_pause 0.5
	client 'mckey -m 239.1.2.3 -b @ -C 5 -s'
	served
}

row rping 60 switch data 'CM, RC SEND READ WRITE, CQ events' both cm 'rping -s -a @ -C 20 -S 4096 -V' 'rping -c -a @ -C 20 -S 4096 -V'
row rping_large 90 switch data 'CM, RC SEND READ WRITE, CQ events' both cm 'rping -s -a @ -C 50 -S 65000 -V' 'rping -c -a @ -C 50 -S 65000 -V'
row ucmatose 60 switch - 'CM, RC SEND, 4 connections' both cm 'ucmatose -b @ -C 20 -c 4' 'ucmatose -s @ -C 20 -c 4'
row ucmatose_migrate 60 switch - 'CM, its event channels' both cm 'ucmatose -b @ -C 20 -c 4 -m' 'ucmatose -s @ -C 20 -c 4 -m'
row udaddy 60 switch - 'CM, UD SEND with immediate' both cm 'udaddy -b @ -C 20 -c 4' 'udaddy -s @ -C 20 -c 4'
row mckey 60 switch - 'CM, UD multicast' multicast
row rdma_client 60 switch - 'CM, RC SEND, inline' both cm 'rdma_server -s @ -p 7471' 'rdma_client -s @ -p 7471'
row rdma_xclient 60 switch - 'CM, RC SEND' both cm 'rdma_xserver -c r -p 7471' 'rdma_xclient -s @ -c r -p 7471'
row cmtime 90 none - 'CM, 50 connections' stays cm 'cmtime -b @ -c 50' 'cmtime -s @ -c 50'
