/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One RoCEv2 packet's transport headers in host order, as parse.c fills it
 * and build.c reads it. IBTA volume 1, chapter 9; annex A17 for RoCEv2.
 *
 * wire/ is pure functions on bytes: it includes no skb, no verbs, and compiles
 * on the host as it is.
 */
#ifndef SODP_WIRE_PKT_H
#define SODP_WIRE_PKT_H

#include <linux/types.h>

#define SODP_UDP_PORT	  4791
#define SODP_BTH_LEN	  12
#define SODP_ICRC_LEN	  4
#define SODP_MAX_HDR_LEN  (12 + 28 + 4) /* BTH + AtomicETH + spare word */
#define SODP_MAX_MTU	  4096
#define SODP_PSN_MASK	  0xffffffU
#define SODP_QPN_MASK	  0xffffffU
#define SODP_DEFAULT_PKEY 0xffff
#define SODP_GSI_QPN	  1 /* management datagrams */
#define SODP_MCAST_QPN	  0xffffffU /* the members of a group */

/* AETH syndrome (IBTA 9.7.5.2): kind in bits 6:5, value in bits 4:0 */
#define SODP_AETH_KIND(s)	   ((s)&0x60)
#define SODP_AETH_VALUE(s)	   ((s)&0x1f)
#define SODP_AETH_ACK		   0x00
#define SODP_AETH_RNR		   0x20
#define SODP_AETH_NAK		   0x60
#define SODP_AETH_UNLIMITED_CREDIT 0x1f

enum sodp_nak {
	SODP_NAK_SEQ = 0,
	SODP_NAK_INVALID_REQ = 1,
	SODP_NAK_REM_ACCESS = 2,
	SODP_NAK_REM_OP = 3,
};

/*
 * 48 bytes, so that it fits into skb->cb: fields that no opcode has together
 * share their place.
 */
struct sodp_pkt {
	/* BTH */
	u8 opcode;
	u8 syndrome; /* AETH */
	u8 solicited : 1;
	u8 ack_req : 1;
	u8 migreq : 1;
	u8 pad : 2; /* bytes after the payload */
	u8 hdr_len; /* from the start of the BTH; set by parse */
	u16 pkey;
	u16 payload_len; /* without pad; set by parse */
	u32 qpn; /* destination */
	u32 psn;
	union {
		u64 va; /* RETH, AtomicETH */
		struct { /* DETH: room for UD */
			u32 qkey;
			u32 src_qpn;
		};
	};
	union {
		u32 rkey; /* RETH, AtomicETH */
		u32 msn; /* AETH */
	};
	u32 dma_len; /* RETH */
	union {
		u64 swap_add; /* AtomicETH */
		u64 orig; /* AtomicAckETH */
	};
	union {
		u64 compare; /* AtomicETH */
		struct {
			__be32 imm; /* ImmDt, as on the wire */
			u32 inv_rkey; /* IETH */
		};
	};
};

/* What parse found wrong: each has a drop counter of its own. */
enum sodp_parse_result {
	SODP_PARSE_OK,
	SODP_PARSE_SHORT, /* too short for what its headers say */
	SODP_PARSE_HEADER, /* transport version, pad that lies */
	SODP_PARSE_OPCODE, /* none that is known */
};

/*
 * @bytes: BTH up to and with the ICRC, @len bytes long (as UDP says). Checks
 * every length before it reads. Does not check the ICRC.
 */
enum sodp_parse_result sodp_parse(const u8 *bytes, size_t len,
				  struct sodp_pkt *pkt);

/*
 * Write the headers of @pkt (BTH and what its opcode has) to @bytes, which has
 * room for SODP_MAX_HDR_LEN. Returns their length; pkt->pad must be set.
 * hdr_len and payload_len are not read.
 */
size_t sodp_build(const struct sodp_pkt *pkt, u8 *bytes);

/* Length of the headers of an opcode, BTH included. */
size_t sodp_hdr_len(u8 opcode);

/*
 * ICRC of a RoCEv2 packet over IPv4 (A17.3.3.. variant fields as ones).
 * @ip: IPv4 header of 20 bytes, followed in memory by nothing in particular;
 * @udp: 8 bytes; @bth: BTH up to but without the ICRC, @len bytes.
 * The value is to be stored little endian behind the pad.
 */
u32 sodp_icrc_ipv4(const u8 *ip, const u8 *udp, const u8 *bth, size_t len);
/* The same over IPv6: @ip is a header of 40 bytes. */
u32 sodp_icrc_ipv6(const u8 *ip, const u8 *udp, const u8 *bth, size_t len);

#endif
