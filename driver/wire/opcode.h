/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The opcode table: IBTA table 35 (BTH opcodes). One row an opcode says which
 * headers follow and what class the packet is of. The top three
 * bits are the service: RC, UC and UD.
 */
#ifndef SODP_WIRE_OPCODE_H
#define SODP_WIRE_OPCODE_H

#include <linux/types.h>

enum sodp_service {
	SODP_SERVICE_RC = 0x00,
	SODP_SERVICE_UC = 0x20,
	SODP_SERVICE_UD = 0x60,
	SODP_SERVICE_MASK = 0xe0,
};

/* Those of UC that there are have the same names, with the service added. */
enum sodp_opcode {
	SODP_RC_SEND_FIRST = 0x00,
	SODP_RC_SEND_MIDDLE = 0x01,
	SODP_RC_SEND_LAST = 0x02,
	SODP_RC_SEND_LAST_IMM = 0x03,
	SODP_RC_SEND_ONLY = 0x04,
	SODP_RC_SEND_ONLY_IMM = 0x05,
	SODP_RC_WRITE_FIRST = 0x06,
	SODP_RC_WRITE_MIDDLE = 0x07,
	SODP_RC_WRITE_LAST = 0x08,
	SODP_RC_WRITE_LAST_IMM = 0x09,
	SODP_RC_WRITE_ONLY = 0x0a,
	SODP_RC_WRITE_ONLY_IMM = 0x0b,
	SODP_RC_READ_REQUEST = 0x0c,
	SODP_RC_READ_RESP_FIRST = 0x0d,
	SODP_RC_READ_RESP_MIDDLE = 0x0e,
	SODP_RC_READ_RESP_LAST = 0x0f,
	SODP_RC_READ_RESP_ONLY = 0x10,
	SODP_RC_ACK = 0x11,
	SODP_RC_ATOMIC_ACK = 0x12,
	SODP_RC_CMP_SWAP = 0x13,
	SODP_RC_FETCH_ADD = 0x14,
	SODP_RC_SEND_LAST_INV = 0x16,
	SODP_RC_SEND_ONLY_INV = 0x17,
};

enum sodp_opcode_flag {
	/* headers behind the BTH, in wire order */
	SODP_HAS_RETH = 1 << 0,
	SODP_HAS_ATOMIC = 1 << 1,
	SODP_HAS_AETH = 1 << 2,
	SODP_HAS_ATOMIC_ACK = 1 << 3,
	SODP_HAS_IMM = 1 << 4,
	SODP_HAS_IETH = 1 << 5,
	SODP_HAS_DETH = 1 << 6,
	SODP_HAS_PAYLOAD = 1 << 7, /* may carry bytes */
	/* place in the message */
	SODP_IS_FIRST = 1 << 8, /* an ONLY is FIRST and LAST */
	SODP_IS_LAST = 1 << 9,
	/* class */
	SODP_IS_REQUEST = 1 << 10,
	SODP_IS_RESPONSE = 1 << 11,
	SODP_IS_SEND = 1 << 12,
	SODP_IS_WRITE = 1 << 13,
	SODP_IS_READ = 1 << 14,
	SODP_IS_ATOMIC = 1 << 15,
};

struct sodp_opcode_info {
	const char *name;
	u32 flags; /* 0: no such opcode */
	u8 hdr_len; /* with the BTH */
};

/* Never NULL; an unknown opcode has flags 0. */
const struct sodp_opcode_info *sodp_opcode(u8 opcode);

/* Module load: is the table what its flags say? 0 or -EINVAL. */
int sodp_opcode_check_table(void);

#endif
