# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Reliable datagram sockets over RDMA: rds.py compares each message. That they went through the device is seen there.

rds() {
	local before after
	need_module rds rds_rdma
	undo modprobe -r rds_rdma rds
	before=$(sd_counter "$DEV" rcvd_pkts)
	python3 "$C_HERE/rds.py" "$IP"
	after=$(sd_counter "$DEV" rcvd_pkts)
	[ "$after" -gt $((before + 200)) ] || sd_fail "it was not the device: $((after - before)) packets"
}

row rds 90 kernel data 'CM, RC SEND, kernel DMA key' rds
