// SPDX-License-Identifier: GPL-2.0
/* The opcode table: opcode.h. */
#include <linux/errno.h>

#include "wire/opcode.h"
#include "wire/pkt.h"

enum {
	RETH_LEN = 16,
	ATOMIC_LEN = 28,
	AETH_LEN = 4,
	ATOMIC_ACK_LEN = 8,
	IMM_LEN = 4,
	IETH_LEN = 4,
	DETH_LEN = 8,
};

#define REQ	SODP_IS_REQUEST
#define RESP	SODP_IS_RESPONSE
#define FIRST	SODP_IS_FIRST
#define LAST	SODP_IS_LAST
#define ONLY	(FIRST | LAST)
#define DATA	SODP_HAS_PAYLOAD
#define A_SEND	(REQ | SODP_IS_SEND)
#define A_WRITE (REQ | SODP_IS_WRITE)

static const struct sodp_opcode_info table[256] = {
	[SODP_RC_SEND_FIRST] = {
		.name = "SEND_FIRST",
		.flags = A_SEND | FIRST | DATA,
		.hdr_len = SODP_BTH_LEN,
	},
	[SODP_RC_SEND_MIDDLE] = {
		.name = "SEND_MIDDLE",
		.flags = A_SEND | DATA,
		.hdr_len = SODP_BTH_LEN,
	},
	[SODP_RC_SEND_LAST] = {
		.name = "SEND_LAST",
		.flags = A_SEND | LAST | DATA,
		.hdr_len = SODP_BTH_LEN,
	},
	[SODP_RC_SEND_LAST_IMM] = {
		.name = "SEND_LAST_IMM",
		.flags = A_SEND | LAST | DATA | SODP_HAS_IMM,
		.hdr_len = SODP_BTH_LEN + IMM_LEN,
	},
	[SODP_RC_SEND_ONLY] = {
		.name = "SEND_ONLY",
		.flags = A_SEND | ONLY | DATA,
		.hdr_len = SODP_BTH_LEN,
	},
	[SODP_RC_SEND_ONLY_IMM] = {
		.name = "SEND_ONLY_IMM",
		.flags = A_SEND | ONLY | DATA | SODP_HAS_IMM,
		.hdr_len = SODP_BTH_LEN + IMM_LEN,
	},
	[SODP_RC_WRITE_FIRST] = {
		.name = "WRITE_FIRST",
		.flags = A_WRITE | FIRST | DATA | SODP_HAS_RETH,
		.hdr_len = SODP_BTH_LEN + RETH_LEN,
	},
	[SODP_RC_WRITE_MIDDLE] = {
		.name = "WRITE_MIDDLE",
		.flags = A_WRITE | DATA,
		.hdr_len = SODP_BTH_LEN,
	},
	[SODP_RC_WRITE_LAST] = {
		.name = "WRITE_LAST",
		.flags = A_WRITE | LAST | DATA,
		.hdr_len = SODP_BTH_LEN,
	},
	[SODP_RC_WRITE_LAST_IMM] = {
		.name = "WRITE_LAST_IMM",
		.flags = A_WRITE | LAST | DATA | SODP_HAS_IMM,
		.hdr_len = SODP_BTH_LEN + IMM_LEN,
	},
	[SODP_RC_WRITE_ONLY] = {
		.name = "WRITE_ONLY",
		.flags = A_WRITE | ONLY | DATA | SODP_HAS_RETH,
		.hdr_len = SODP_BTH_LEN + RETH_LEN,
	},
	[SODP_RC_WRITE_ONLY_IMM] = {
		.name = "WRITE_ONLY_IMM",
		.flags = A_WRITE | ONLY | DATA | SODP_HAS_RETH | SODP_HAS_IMM,
		.hdr_len = SODP_BTH_LEN + RETH_LEN + IMM_LEN,
	},
	[SODP_RC_READ_REQUEST] = {
		.name = "READ_REQUEST",
		.flags = REQ | ONLY | SODP_IS_READ | SODP_HAS_RETH,
		.hdr_len = SODP_BTH_LEN + RETH_LEN,
	},
	[SODP_RC_READ_RESP_FIRST] = {
		.name = "READ_RESP_FIRST",
		.flags = RESP | FIRST | DATA | SODP_IS_READ | SODP_HAS_AETH,
		.hdr_len = SODP_BTH_LEN + AETH_LEN,
	},
	[SODP_RC_READ_RESP_MIDDLE] = {
		.name = "READ_RESP_MIDDLE",
		.flags = RESP | DATA | SODP_IS_READ,
		.hdr_len = SODP_BTH_LEN,
	},
	[SODP_RC_READ_RESP_LAST] = {
		.name = "READ_RESP_LAST",
		.flags = RESP | LAST | DATA | SODP_IS_READ | SODP_HAS_AETH,
		.hdr_len = SODP_BTH_LEN + AETH_LEN,
	},
	[SODP_RC_READ_RESP_ONLY] = {
		.name = "READ_RESP_ONLY",
		.flags = RESP | ONLY | DATA | SODP_IS_READ | SODP_HAS_AETH,
		.hdr_len = SODP_BTH_LEN + AETH_LEN,
	},
	[SODP_RC_ACK] = {
		.name = "ACK",
		.flags = RESP | ONLY | SODP_HAS_AETH,
		.hdr_len = SODP_BTH_LEN + AETH_LEN,
	},
	[SODP_RC_ATOMIC_ACK] = {
		.name = "ATOMIC_ACK",
		.flags = RESP | ONLY | SODP_IS_ATOMIC | SODP_HAS_AETH |
			 SODP_HAS_ATOMIC_ACK,
		.hdr_len = SODP_BTH_LEN + AETH_LEN + ATOMIC_ACK_LEN,
	},
	[SODP_RC_CMP_SWAP] = {
		.name = "CMP_SWAP",
		.flags = REQ | ONLY | SODP_IS_ATOMIC | SODP_HAS_ATOMIC,
		.hdr_len = SODP_BTH_LEN + ATOMIC_LEN,
	},
	[SODP_RC_FETCH_ADD] = {
		.name = "FETCH_ADD",
		.flags = REQ | ONLY | SODP_IS_ATOMIC | SODP_HAS_ATOMIC,
		.hdr_len = SODP_BTH_LEN + ATOMIC_LEN,
	},
};

const struct sodp_opcode_info *sodp_opcode(u8 opcode)
{
	return &table[opcode];
}

size_t sodp_hdr_len(u8 opcode)
{
	return table[opcode].hdr_len;
}

static size_t len_of_flags(u32 flags)
{
	size_t len = SODP_BTH_LEN;

	if (flags & SODP_HAS_DETH)
		len += DETH_LEN;
	if (flags & SODP_HAS_RETH)
		len += RETH_LEN;
	if (flags & SODP_HAS_ATOMIC)
		len += ATOMIC_LEN;
	if (flags & SODP_HAS_AETH)
		len += AETH_LEN;
	if (flags & SODP_HAS_ATOMIC_ACK)
		len += ATOMIC_ACK_LEN;
	if (flags & SODP_HAS_IMM)
		len += IMM_LEN;
	if (flags & SODP_HAS_IETH)
		len += IETH_LEN;
	return len;
}

int sodp_opcode_check_table(void)
{
	const u32 class = SODP_IS_REQUEST | SODP_IS_RESPONSE;
	unsigned int i;

	for (i = 0; i < 256; i++) {
		const struct sodp_opcode_info *info = &table[i];

		if (!info->flags) {
			if (info->name || info->hdr_len)
				return -EINVAL;
			continue;
		}
		if (!info->name || info->hdr_len > SODP_MAX_HDR_LEN ||
		    info->hdr_len != len_of_flags(info->flags))
			return -EINVAL;
		/* a request or a response, never both */
		if ((info->flags & class) == class || !(info->flags & class))
			return -EINVAL;
	}
	return 0;
}
