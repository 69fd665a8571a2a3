#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 90
# kernels: stock
# long: debug
#
# The network namespace of the device goes away under traffic.
set -euo pipefail
. "$(dirname "$0")/removal.lib.sh"

sd_load
ip netns add gone
modprobe dummy numdummies=0
ip -n gone link add d0 mtu 4200 type dummy
ip -n gone addr add 10.9.0.1/24 dev d0
ip -n gone link set d0 up
ip -n gone link set lo up
# In shared mode a process outside of the namespace may use the device, and does not keep the namespace alive.
sd_in gone rdma link add sodp0 type softodp netdev d0
sd_wait 20 sd_device_ready sodp0
traffic_start
bounded 20 ip netns del gone
traffic_ends 0
sd_wait 15 eval "! rdma link show | grep -q sodp0"
nothing_left
