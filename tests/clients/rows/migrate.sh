# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# QEMU's migration by RDMA: a guest that stands still, from one emulator to another within the test guest. migrate.py
# compares the two memories.

migrate() {
	need qemu-system-x86_64 python3
	python3 "$C_HERE/migrate.py" "$IP" "$@"
}

row qemu 180 switch data 'CM, RC WRITE SEND, many regions' migrate
row qemu_pin_all 180 switch data 'CM, RC WRITE SEND, the whole memory at once' migrate --pin-all
