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

#define ROW(op, text, bits, len)                 \
	[op] = {                                 \
		.name = text,                    \
		.flags = bits,                   \
		.hdr_len = SODP_BTH_LEN + (len), \
	}

/* What each connected service has, with numbers of its own. */
#define SEND_AND_WRITE(base, text)                                          \
	ROW((base) + SODP_RC_SEND_FIRST, text "SEND_FIRST",                 \
	    A_SEND | FIRST | DATA, 0),                                      \
		ROW((base) + SODP_RC_SEND_MIDDLE, text "SEND_MIDDLE",       \
		    A_SEND | DATA, 0),                                      \
		ROW((base) + SODP_RC_SEND_LAST, text "SEND_LAST",           \
		    A_SEND | LAST | DATA, 0),                               \
		ROW((base) + SODP_RC_SEND_LAST_IMM, text "SEND_LAST_IMM",   \
		    A_SEND | LAST | DATA | SODP_HAS_IMM, IMM_LEN),          \
		ROW((base) + SODP_RC_SEND_ONLY, text "SEND_ONLY",           \
		    A_SEND | ONLY | DATA, 0),                               \
		ROW((base) + SODP_RC_SEND_ONLY_IMM, text "SEND_ONLY_IMM",   \
		    A_SEND | ONLY | DATA | SODP_HAS_IMM, IMM_LEN),          \
		ROW((base) + SODP_RC_WRITE_FIRST, text "WRITE_FIRST",       \
		    A_WRITE | FIRST | DATA | SODP_HAS_RETH, RETH_LEN),      \
		ROW((base) + SODP_RC_WRITE_MIDDLE, text "WRITE_MIDDLE",     \
		    A_WRITE | DATA, 0),                                     \
		ROW((base) + SODP_RC_WRITE_LAST, text "WRITE_LAST",         \
		    A_WRITE | LAST | DATA, 0),                              \
		ROW((base) + SODP_RC_WRITE_LAST_IMM, text "WRITE_LAST_IMM", \
		    A_WRITE | LAST | DATA | SODP_HAS_IMM, IMM_LEN),         \
		ROW((base) + SODP_RC_WRITE_ONLY, text "WRITE_ONLY",         \
		    A_WRITE | ONLY | DATA | SODP_HAS_RETH, RETH_LEN),       \
		ROW((base) + SODP_RC_WRITE_ONLY_IMM, text "WRITE_ONLY_IMM", \
		    A_WRITE | ONLY | DATA | SODP_HAS_RETH | SODP_HAS_IMM,   \
		    RETH_LEN + IMM_LEN)

static const struct sodp_opcode_info table[256] = {
	SEND_AND_WRITE(SODP_SERVICE_RC, ""),
	SEND_AND_WRITE(SODP_SERVICE_UC, "UC_"),
	ROW(SODP_SERVICE_UD + SODP_RC_SEND_ONLY, "UD_SEND_ONLY",
	    A_SEND | ONLY | DATA | SODP_HAS_DETH, DETH_LEN),
	ROW(SODP_SERVICE_UD + SODP_RC_SEND_ONLY_IMM, "UD_SEND_ONLY_IMM",
	    A_SEND | ONLY | DATA | SODP_HAS_DETH | SODP_HAS_IMM,
	    DETH_LEN + IMM_LEN),
	ROW(SODP_RC_SEND_LAST_INV, "SEND_LAST_INV",
	    A_SEND | LAST | DATA | SODP_HAS_IETH, IETH_LEN),
	ROW(SODP_RC_SEND_ONLY_INV, "SEND_ONLY_INV",
	    A_SEND | ONLY | DATA | SODP_HAS_IETH, IETH_LEN),
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
