/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A RoCE peer that is no device at all: a raw socket in a network namespace.
 * Nothing of the driver's is trusted to test the driver: headers and CRC are
 * its own.
 */
#ifndef WIREPEER_H
#define WIREPEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
	PEER_DATAGRAM = 8704, /* bytes, with the IP header */
	PEER_BATCH = 64,
};

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

/* How a datagram differs from one that an honest peer sends. */
struct datagram {
	uint32_t src; /* 0: the peer's own address */
	uint32_t flip; /* xored into the ICRC */
	bool no_icrc; /* what is there ends with the payload */
	bool options; /* in the IP header */
	bool split; /* into two fragments; only in a batch */
	int udp_more; /* by how much the length in the UDP header lies */
};

/* Datagrams that leave with one system call. */
struct peer_batch {
	struct peer *peer;
	struct sockaddr_in to;
	unsigned int n;
	unsigned long unsent; /* that the sender's own kernel refused */
	struct mmsghdr msgs[PEER_BATCH];
	struct iovec iov[PEER_BATCH];
	uint8_t bytes[PEER_BATCH][PEER_DATAGRAM];
};

void peer_open(struct peer *p, const char *ns, const char *src,
	       const char *dst);
/* Send BTH..payload (@len without ICRC); @flip is xored into the ICRC. */
void peer_send(struct peer *p, const uint8_t *bth, size_t len, uint32_t flip,
	       uint32_t src_override);
/* Cut a datagram down to @len bytes of UDP payload, no ICRC put in. */
void peer_send_raw(struct peer *p, const uint8_t *bytes, size_t len);
void peer_send_as(struct peer *p, const uint8_t *bth, size_t len,
		  const struct datagram *d);

struct peer_batch *peer_batch_new(struct peer *p);
/* Sends those that are there when it is full. */
void peer_queue(struct peer_batch *b, const uint8_t *bth, size_t len,
		const struct datagram *d);
void peer_flush(struct peer_batch *b);

/* True: something came within @ms. */
bool peer_recv(struct peer *p, struct answer *a, int ms);
void peer_drain(struct peer *p);
/*
 * The bytes of an answer from the BTH on, if one is there: its length, or 0.
 * Does not wait.
 */
size_t peer_recv_bytes(struct peer *p, uint8_t *bytes, size_t room);

#endif
