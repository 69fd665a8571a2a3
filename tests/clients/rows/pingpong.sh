# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# ibv_*_pingpong of rdma-core. -c compares the bytes.

pingpong() { same tcp:18515 "ibv_$1_pingpong -d %d -g %g -c ${*:2}"; }

row rc 60 switch data 'RC SEND' pingpong rc -n 200
row rc_events 60 switch data 'RC SEND, CQ events' pingpong rc -n 200 -e
row rc_large 60 switch data 'RC SEND, 1 MB' pingpong rc -n 20 -s 1000000 -m 4096
row rc_post_api 60 switch data 'RC SEND by ibv_wr_*' pingpong rc -n 200 -N
row rc_odp 60 own data 'RC SEND on demand' pingpong rc -n 200 -o
row rc_odp_events 60 own data 'RC SEND on demand, CQ events' pingpong rc -n 200 -o -e
row rc_implicit 60 own data 'RC SEND, the address space as one region' pingpong rc -n 200 -O
row uc 60 switch data 'UC SEND' pingpong uc -n 200
row ud 60 switch data 'UD SEND' pingpong ud -n 200 -s 1024
row srq 60 switch data 'RC SEND, SRQ' pingpong srq -q 4 -n 100
row srq_events 60 switch data 'RC SEND, SRQ, CQ events' pingpong srq -q 4 -n 100 -e
row srq_odp 60 own data 'RC SEND on demand, SRQ' pingpong srq -q 4 -n 100 -o
