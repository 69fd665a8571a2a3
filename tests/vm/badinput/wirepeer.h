/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A RoCE peer that is no device at all: a raw socket in a network namespace.
 * Nothing of the driver's is trusted to test the driver: headers and CRC are
 * its own.
 */
#ifndef WIREPEER_H
#define WIREPEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peer {
	int raw; /* IP_HDRINCL, in the peer's namespace */
	int udp; /* bound to 4791 there: what the device answers */
	uint32_t src, dst; /* network order */
};

struct answer {
	uint8_t opcode;
	uint8_t syndrome;
	uint32_t psn;
};

void peer_open(struct peer *p, const char *ns, const char *src,
	       const char *dst);
/* Send BTH..payload (@len without ICRC); @flip is xored into the ICRC. */
void peer_send(struct peer *p, const uint8_t *bth, size_t len, uint32_t flip,
	       uint32_t src_override);
/* Cut a datagram down to @len bytes of UDP payload, no ICRC put in. */
void peer_send_raw(struct peer *p, const uint8_t *bytes, size_t len);
/* True: something came within @ms. */
bool peer_recv(struct peer *p, struct answer *a, int ms);
void peer_drain(struct peer *p);
/*
 * The bytes of an answer from the BTH on, if one is there: its length, or 0.
 * Does not wait.
 */
size_t peer_recv_bytes(struct peer *p, uint8_t *bytes, size_t room);

#endif
