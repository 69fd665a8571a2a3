// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * parse.c against bytes written down by hand, every truncation of every
 * opcode in memory of exactly that size, and build.c as its mirror.
 */
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "wire/opcode.h"
#include "wire/pkt.h"

#define BTH(opcode, byte1)                                                 \
	(opcode), (byte1), 0xff, 0xff, 0x00, 0x12, 0x34, 0x56, 0x80, 0xab, \
		0xcd, 0xef
#define ICRC 0xde, 0xad, 0xbe, 0xef

/* In memory of exactly @len bytes, so that ASan sees one byte too many. */
static enum sodp_parse_result parse(const u8 *bytes, size_t len,
				    struct sodp_pkt *pkt)
{
	enum sodp_parse_result result;
	u8 *exact = malloc(len ?: 1);

	memcpy(exact, bytes, len);
	memset(pkt, 0xa5, sizeof(*pkt));
	result = sodp_parse(exact, len, pkt);
	free(exact);
	return result;
}

static void test_bth(void **state)
{
	static const u8 bytes[] = {
		BTH(SODP_RC_SEND_ONLY, 0xb0), 'a', 0, 0, 0, ICRC
	};
	struct sodp_pkt pkt;

	(void)state;
	assert_int_equal(parse(bytes, sizeof(bytes), &pkt), SODP_PARSE_OK);
	assert_int_equal(pkt.opcode, SODP_RC_SEND_ONLY);
	assert_int_equal(pkt.solicited, 1);
	assert_int_equal(pkt.migreq, 0);
	assert_int_equal(pkt.pad, 3);
	assert_int_equal(pkt.pkey, 0xffff);
	assert_int_equal(pkt.qpn, 0x123456);
	assert_int_equal(pkt.ack_req, 1);
	assert_int_equal(pkt.psn, 0xabcdef);
	assert_int_equal(pkt.hdr_len, 12);
	assert_int_equal(pkt.payload_len, 1);
}

static void test_reth_imm(void **state)
{
	static const u8 bytes[] = {
		BTH(SODP_RC_WRITE_ONLY_IMM, 0x40),
		0x01,
		0x23,
		0x45,
		0x67,
		0x89,
		0xab,
		0xcd,
		0xef, /* va */
		0xfe,
		0xdc,
		0xba,
		0x98, /* rkey */
		0x80,
		0x00,
		0x00,
		0x01, /* length */
		0x11,
		0x22,
		0x33,
		0x44, /* immediate */
		1,
		2,
		3,
		4,
		ICRC,
	};
	static const u8 imm[] = { 0x11, 0x22, 0x33, 0x44 };
	struct sodp_pkt pkt;

	(void)state;
	assert_int_equal(parse(bytes, sizeof(bytes), &pkt), SODP_PARSE_OK);
	assert_int_equal(pkt.migreq, 1);
	assert_int_equal(pkt.solicited, 0);
	assert_true(pkt.va == 0x0123456789abcdefULL);
	assert_int_equal(pkt.rkey, 0xfedcba98);
	assert_int_equal(pkt.dma_len, 0x80000001);
	assert_memory_equal(&pkt.imm, imm, 4);
	assert_int_equal(pkt.hdr_len, 32);
	assert_int_equal(pkt.payload_len, 4);
}

static void test_atomic(void **state)
{
	static const u8 bytes[] = {
		BTH(SODP_RC_CMP_SWAP, 0),
		0xff,
		0xee,
		0xdd,
		0xcc,
		0xbb,
		0xaa,
		0x99,
		0x88, /* va */
		0x00,
		0x01,
		0x02,
		0x03, /* rkey */
		0x10,
		0x11,
		0x12,
		0x13,
		0x14,
		0x15,
		0x16,
		0x17, /* swap */
		0x20,
		0x21,
		0x22,
		0x23,
		0x24,
		0x25,
		0x26,
		0x27, /* compare */
		ICRC,
	};
	struct sodp_pkt pkt;

	(void)state;
	assert_int_equal(parse(bytes, sizeof(bytes), &pkt), SODP_PARSE_OK);
	assert_true(pkt.va == 0xffeeddccbbaa9988ULL);
	assert_int_equal(pkt.rkey, 0x00010203);
	assert_true(pkt.swap_add == 0x1011121314151617ULL);
	assert_true(pkt.compare == 0x2021222324252627ULL);
	assert_int_equal(pkt.hdr_len, 40);
	assert_int_equal(pkt.payload_len, 0);
}

static void test_atomic_ack(void **state)
{
	static const u8 bytes[] = {
		BTH(SODP_RC_ATOMIC_ACK, 0),
		0x1f,
		0x00,
		0xff,
		0x01, /* AETH */
		0x81,
		0x82,
		0x83,
		0x84,
		0x85,
		0x86,
		0x87,
		0x88,
		ICRC,
	};
	struct sodp_pkt pkt;

	(void)state;
	assert_int_equal(parse(bytes, sizeof(bytes), &pkt), SODP_PARSE_OK);
	assert_int_equal(pkt.syndrome, 0x1f);
	assert_int_equal(pkt.msn, 0x00ff01);
	assert_true(pkt.orig == 0x8182838485868788ULL);
	assert_int_equal(pkt.hdr_len, 24);
}

/* Every opcode with every number of bytes behind its headers, 0 to 12. */
static void test_lengths(void **state)
{
	u8 bytes[64];

	(void)state;
	for (u32 op = 0; op < 256; op++) {
		const struct sodp_opcode_info *info = sodp_opcode((u8)op);
		const size_t need = info->hdr_len + 4;
		const size_t end = (info->flags ? need : 16) + 12;
		struct sodp_pkt pkt;

		memset(bytes, 0, sizeof(bytes));
		bytes[0] = (u8)op;
		for (size_t len = 0; len <= end; len++) {
			enum sodp_parse_result want = SODP_PARSE_OK;

			if (len < 16)
				want = SODP_PARSE_SHORT;
			else if (!info->flags)
				want = SODP_PARSE_OPCODE;
			else if (len < need)
				want = SODP_PARSE_SHORT;
			else if ((len - need) % 4)
				want = SODP_PARSE_HEADER;
			else if (len > need &&
				 !(info->flags & SODP_HAS_PAYLOAD))
				want = SODP_PARSE_HEADER;
			assert_int_equal(parse(bytes, len, &pkt), want);
			if (want == SODP_PARSE_OK)
				assert_int_equal(pkt.payload_len, len - need);
		}
	}
}

static void test_version(void **state)
{
	u8 bytes[] = { BTH(SODP_RC_SEND_ONLY, 0), ICRC };
	struct sodp_pkt pkt;

	(void)state;
	for (u8 version = 0; version < 16; version++) {
		bytes[1] = 0xc0 | version;
		assert_int_equal(parse(bytes, sizeof(bytes), &pkt),
				 version ? SODP_PARSE_HEADER : SODP_PARSE_OK);
	}
}

/* A pad of more bytes than there are. */
static void test_pad(void **state)
{
	static const u8 ops[] = { SODP_RC_SEND_ONLY, SODP_RC_WRITE_FIRST,
				  SODP_RC_READ_RESP_LAST };
	u8 bytes[64] = { 0 };
	struct sodp_pkt pkt;

	(void)state;
	for (size_t i = 0; i < sizeof(ops); i++) {
		const size_t need = sodp_hdr_len(ops[i]) + 4;

		bytes[0] = ops[i];
		for (u8 pad = 0; pad < 4; pad++) {
			bytes[1] = (u8)(pad << 4);
			assert_int_equal(parse(bytes, need, &pkt),
					 pad ? SODP_PARSE_HEADER :
					       SODP_PARSE_OK);
			assert_int_equal(parse(bytes, need + 4, &pkt),
					 SODP_PARSE_OK);
			assert_int_equal(pkt.payload_len, 4 - pad);
		}
	}
	/* and where there is no payload to pad */
	bytes[0] = SODP_RC_ACK;
	bytes[1] = 0x10;
	assert_int_equal(parse(bytes, 20, &pkt), SODP_PARSE_HEADER);
}

/* More than a UDP datagram holds: payload_len must not wrap. */
static void test_too_long(void **state)
{
	static u8 bytes[0x20000];
	struct sodp_pkt pkt;

	(void)state;
	bytes[0] = SODP_RC_SEND_ONLY;
	assert_int_equal(parse(bytes, 16 + 0xfffc, &pkt), SODP_PARSE_OK);
	assert_int_equal(pkt.payload_len, 0xfffc);
	assert_int_equal(parse(bytes, 16 + 0x10000, &pkt), SODP_PARSE_HEADER);
	assert_int_equal(parse(bytes, sizeof(bytes), &pkt), SODP_PARSE_HEADER);
}

/* Bits that are reserved or the network's may be anything. */
static void test_reserved(void **state)
{
	u8 bytes[] = { BTH(SODP_RC_ACK, 0), 0x00, 0, 0, 7, ICRC };
	struct sodp_pkt a, b;

	(void)state;
	assert_int_equal(parse(bytes, sizeof(bytes), &a), SODP_PARSE_OK);
	bytes[4] = 0xff; /* FECN, BECN */
	bytes[8] = 0xff;
	assert_int_equal(parse(bytes, sizeof(bytes), &b), SODP_PARSE_OK);
	assert_memory_equal(&a, &b, sizeof(a));
}

static void fill_random(struct sodp_pkt *pkt, u8 opcode)
{
	const u32 flags = sodp_opcode(opcode)->flags;

	memset(pkt, 0, sizeof(*pkt));
	pkt->opcode = opcode;
	pkt->solicited = random() & 1;
	pkt->ack_req = random() & 1;
	pkt->migreq = random() & 1;
	pkt->pkey = (u16)random();
	pkt->qpn = random() & SODP_QPN_MASK;
	pkt->psn = random() & SODP_PSN_MASK;
	if (flags & (SODP_HAS_RETH | SODP_HAS_ATOMIC)) {
		pkt->va = (u64)random() << 33 ^ (u64)random();
		pkt->rkey = (u32)random() * 2654435761U;
	}
	if (flags & SODP_HAS_RETH)
		pkt->dma_len = (u32)random() * 2654435761U;
	if (flags & SODP_HAS_ATOMIC) {
		pkt->swap_add = (u64)random() << 33 ^ (u64)random();
		pkt->compare = (u64)random() << 33 ^ (u64)random();
	}
	if (flags & SODP_HAS_AETH) {
		pkt->syndrome = (u8)random();
		pkt->msn = random() & SODP_PSN_MASK;
	}
	if (flags & SODP_HAS_ATOMIC_ACK)
		pkt->orig = (u64)random() << 33 ^ (u64)random();
	if (flags & SODP_HAS_IMM)
		pkt->imm = (u32)random();
	if (flags & SODP_HAS_PAYLOAD) {
		pkt->payload_len = random() % 4097;
		pkt->pad = -pkt->payload_len & 3;
	}
	pkt->hdr_len = sodp_opcode(opcode)->hdr_len;
}

static void test_round_trip(void **state)
{
	static u8 bytes[SODP_MAX_HDR_LEN + 4096 + 4];

	(void)state;
	srandom(3);
	for (int i = 0; i < 20000; i++) {
		struct sodp_pkt in, out;
		size_t len;

		fill_random(&in, (u8)(random() % 0x15));
		len = sodp_build(&in, bytes);
		assert_int_equal(len, in.hdr_len);
		len += in.payload_len + in.pad + 4;
		assert_int_equal(parse(bytes, len, &out), SODP_PARSE_OK);
		assert_memory_equal(&in, &out, sizeof(in));
	}
}

/* What build.c writes, byte for byte. */
static void test_build(void **state)
{
	static const u8 want[] = {
		0x0c, 0xc0, 0xff, 0xff, 0x00, 0x00, 0x00, 0x11, 0x80, 0x00,
		0x00, 0x05, 0x00, 0x00, 0x7f, 0xff, 0x12, 0x34, 0x50, 0x00,
		0x00, 0x00, 0x02, 0xa7, 0x00, 0x01, 0x00, 0x00,
	};
	const struct sodp_pkt pkt = {
		.opcode = SODP_RC_READ_REQUEST,
		.solicited = 1,
		.migreq = 1,
		.ack_req = 1,
		.pkey = 0xffff,
		.qpn = 0x11,
		.psn = 5,
		.va = 0x7fff12345000,
		.rkey = 0x2a7,
		.dma_len = 0x10000,
	};
	u8 bytes[SODP_MAX_HDR_LEN];

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(sodp_build(&pkt, bytes), sizeof(want));
	assert_memory_equal(bytes, want, sizeof(want));
	assert_int_equal(bytes[sizeof(want)], 0xff); /* and no further */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bth),
		cmocka_unit_test(test_reth_imm),
		cmocka_unit_test(test_atomic),
		cmocka_unit_test(test_atomic_ack),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_pad),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_reserved),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_build),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
