# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# librpma: rpma.c of ours writes, flushes, reads, writes 8 bytes atomically and sends; both sides compare.

rpma_both() {
	[ -x "$C_BIN/rpma" ] || sd_skip "librpma-dev is not installed"
	both cm "$C_BIN/rpma server @ 7204" "$C_BIN/rpma client @ 7204"
}

row rpma 60 switch data 'CM, RC WRITE READ SEND; READ as flush' rpma_both
