// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Headers are written by hand and the ICRC is that of IBTA annex A17: IPv4 and
 * UDP with their variant fields as ones.
 */
#include "wirepeer.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PORT = 4791,
	SRC_PORT = 50000,
	MAX_DATAGRAM = PEER_DATAGRAM,
};

void peer_open(struct peer *p, const char *ns, const char *src, const char *dst)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_port = htons(PORT) };
	char path[128];
	int here = open("/proc/self/ns/net", O_RDONLY), there, one = 1;

	snprintf(path, sizeof(path), "/var/run/netns/%s", ns);
	there = open(path, O_RDONLY);
	if (there < 0 || setns(there, CLONE_NEWNET))
		err(2, "%s", path);
	p->raw = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	p->udp = socket(AF_INET, SOCK_DGRAM, 0);
	if (p->raw < 0 || p->udp < 0)
		err(2, "socket");
	if (setsockopt(p->raw, IPPROTO_IP, IP_HDRINCL, &one, sizeof(one)))
		err(2, "IP_HDRINCL");
	if (bind(p->udp, (struct sockaddr *)&any, sizeof(any)))
		err(2, "bind to port 4791");
	if (setns(here, CLONE_NEWNET))
		err(2, "setns back");
	close(here);
	close(there);
	inet_pton(AF_INET, src, &p->src);
	inet_pton(AF_INET, dst, &p->dst);
}

static uint32_t table[256];

static __attribute__((constructor)) void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
		table[i] = crc;
	}
}

static uint32_t crc_bytes(uint32_t crc, const uint8_t *bytes, size_t n)
{
	while (n--)
		crc = crc >> 8 ^ table[(crc ^ *bytes++) & 0xff];
	return crc;
}

static uint32_t icrc(const uint8_t *packet, size_t len)
{
	uint8_t masked[MAX_DATAGRAM], lrh[8];

	memset(lrh, 0xff, sizeof(lrh));
	memcpy(masked, packet, len);
	masked[1] = 0xff; /* TOS */
	masked[8] = 0xff; /* TTL */
	masked[10] = masked[11] = 0xff; /* IP checksum */
	masked[26] = masked[27] = 0xff; /* UDP checksum */
	if (len > 32)
		masked[32] = 0xff; /* BTH: FECN, BECN, reserved */
	return ~crc_bytes(crc_bytes(0xffffffff, lrh, 8), masked, len);
}

/* What is between the IP header's start and the BTH. */
static size_t header_len(const struct datagram *d)
{
	return 28 + (d->options ? 4 : 0);
}

/* Fills in everything around the @payload bytes from the BTH on. */
static size_t build(const struct peer *p, uint8_t *packet, size_t payload,
		    const struct datagram *d)
{
	static const uint8_t no_operation[4] = { 1, 1, 1, 0 };
	size_t ip_len = header_len(d) - 8;
	size_t len = header_len(d) + payload + (d->no_icrc ? 0 : 4);
	struct iphdr *ip = (struct iphdr *)packet;
	struct udphdr *udp = (struct udphdr *)(packet + ip_len);
	static uint16_t id = 1;

	*ip = (struct iphdr){ .version = 4,
			      .ihl = ip_len / 4,
			      .tot_len = htons(len),
			      .id = htons(id++ | 1),
			      .frag_off = htons(d->split ? 0 : 0x4000),
			      .ttl = 64,
			      .protocol = IPPROTO_UDP,
			      .saddr = d->src ? d->src : p->src,
			      .daddr = p->dst };
	if (d->options)
		memcpy(ip + 1, no_operation, 4);
	*udp = (struct udphdr){ .source = htons(SRC_PORT),
				.dest = htons(PORT),
				.len = htons(len - ip_len + d->udp_more) };
	if (!d->no_icrc) {
		uint32_t crc = icrc(packet, len - 4) ^ d->flip;

		memcpy(packet + len - 4, &crc, 4); /* little endian */
	}
	return len;
}

void peer_send(struct peer *p, const uint8_t *bth, size_t len, uint32_t flip,
	       uint32_t src_override)
{
	struct datagram d = { .flip = flip, .src = src_override };

	peer_send_as(p, bth, len, &d);
}

void peer_send_raw(struct peer *p, const uint8_t *bytes, size_t len)
{
	struct datagram d = { .no_icrc = true };

	peer_send_as(p, bytes, len, &d);
}

void peer_send_as(struct peer *p, const uint8_t *bth, size_t len,
		  const struct datagram *d)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = p->dst };
	uint8_t packet[MAX_DATAGRAM];

	memcpy(packet + header_len(d), bth, len);
	len = build(p, packet, len, d);
	if (sendto(p->raw, packet, len, 0, (struct sockaddr *)&to,
		   sizeof(to)) != (ssize_t)len)
		err(2, "sendto");
}

/* --- many at once --- */

struct peer_batch *peer_batch_new(struct peer *p)
{
	struct peer_batch *b = calloc(1, sizeof(*b));

	if (!b)
		err(2, "batch");
	b->peer = p;
	b->to = (struct sockaddr_in){ .sin_family = AF_INET,
				      .sin_addr.s_addr = p->dst };
	for (int i = 0; i < PEER_BATCH; i++) {
		b->iov[i].iov_base = b->bytes[i];
		b->msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &b->to,
			.msg_namelen = sizeof(b->to),
			.msg_iov = &b->iov[i],
			.msg_iovlen = 1,
		};
	}
	return b;
}

/* The last one of the batch becomes two fragments. */
static void split(struct peer_batch *b)
{
	uint8_t *first = b->bytes[b->n - 1], *second = b->bytes[b->n];
	size_t len = b->iov[b->n - 1].iov_len - 20;
	size_t head = (len / 2) & ~7ul;
	struct iphdr *ip = (struct iphdr *)second;

	if (!head)
		return;
	memcpy(second, first, 20);
	memcpy(second + 20, first + 20 + head, len - head);
	ip->frag_off = htons(head / 8);
	b->iov[b->n++].iov_len = 20 + len - head;
	ip = (struct iphdr *)first;
	ip->frag_off = htons(0x2000); /* more of them */
	b->iov[b->n - 2].iov_len = 20 + head;
}

void peer_queue(struct peer_batch *b, const uint8_t *bth, size_t len,
		const struct datagram *d)
{
	if (len > MAX_DATAGRAM - header_len(d) - 4)
		len = MAX_DATAGRAM - header_len(d) - 4;
	if (b->n + 2 > PEER_BATCH)
		peer_flush(b);
	memcpy(b->bytes[b->n] + header_len(d), bth, len);
	b->iov[b->n].iov_len = build(b->peer, b->bytes[b->n], len, d);
	b->n++;
	if (d->split && !d->options)
		split(b);
}

void peer_flush(struct peer_batch *b)
{
	unsigned int i = 0;

	while (i < b->n) {
		int n = sendmmsg(b->peer->raw, b->msgs + i, b->n - i, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			b->unsent++; /* this one */
		i += n < 0 ? 1 : n;
	}
	b->n = 0;
}

bool peer_recv(struct peer *p, struct answer *a, int ms)
{
	struct pollfd fd = { .fd = p->udp, .events = POLLIN };
	uint8_t b[MAX_DATAGRAM];
	ssize_t n;

	if (poll(&fd, 1, ms) != 1)
		return false;
	n = recv(p->udp, b, sizeof(b), MSG_DONTWAIT);
	if (n < 16)
		return false;
	a->opcode = b[0];
	a->psn = b[9] << 16 | b[10] << 8 | b[11];
	a->syndrome = b[12]; /* of an AETH, if the opcode has one */
	return true;
}

void peer_drain(struct peer *p)
{
	struct answer a;

	while (peer_recv(p, &a, 0))
		;
}

size_t peer_recv_bytes(struct peer *p, uint8_t *bytes, size_t room)
{
	ssize_t n = recv(p->udp, bytes, room, MSG_DONTWAIT);

	return n > 0 ? (size_t)n : 0;
}
