# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# fio's rdma engine. It compares no data.

fio_rdma() {
	both cm 'fio --name=receiver --ioengine=rdma --port=8888 --bs=64k --size=2m --rw=read --iodepth=16' \
		"fio --name=sender --ioengine=rdma --hostname=@ --port=8888 --verb=$1 --bs=64k --size=2m --rw=write --iodepth=1 --iodepth_batch_complete=1"
}

row rdma_write 90 switch - 'CM, RC WRITE' fio_rdma write
row rdma_read 90 switch - 'CM, RC READ' fio_rdma read
row rdma_send 90 switch - 'CM, RC SEND' fio_rdma send
