// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Headers are written by hand and the ICRC is that of IBTA annex A17: IPv4 and
 * UDP with their variant fields as ones.
 */
#include "wirepeer.h"

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	PORT = 4791,
	SRC_PORT = 50000,
	MAX_DATAGRAM = 8192
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

static void send_datagram(struct peer *p, uint8_t *packet, size_t payload,
			  uint32_t flip, bool with_icrc, uint32_t src)
{
	struct iphdr *ip = (struct iphdr *)packet;
	struct udphdr *udp = (struct udphdr *)(packet + 20);
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = p->dst };
	static uint16_t id = 1;
	size_t len = 28 + payload + (with_icrc ? 4 : 0);

	*ip = (struct iphdr){ .version = 4,
			      .ihl = 5,
			      .tot_len = htons(len),
			      .id = htons(id++ | 1),
			      .frag_off = htons(0x4000),
			      .ttl = 64,
			      .protocol = IPPROTO_UDP,
			      .saddr = src ? src : p->src,
			      .daddr = p->dst };
	*udp = (struct udphdr){ .source = htons(SRC_PORT),
				.dest = htons(PORT),
				.len = htons(len - 20) };
	if (with_icrc) {
		uint32_t crc = icrc(packet, len - 4) ^ flip;

		memcpy(packet + len - 4, &crc, 4); /* little endian */
	}
	if (sendto(p->raw, packet, len, 0, (struct sockaddr *)&to,
		   sizeof(to)) != (ssize_t)len)
		err(2, "sendto");
}

void peer_send(struct peer *p, const uint8_t *bth, size_t len, uint32_t flip,
	       uint32_t src_override)
{
	uint8_t packet[MAX_DATAGRAM];

	memcpy(packet + 28, bth, len);
	send_datagram(p, packet, len, flip, true, src_override);
}

void peer_send_raw(struct peer *p, const uint8_t *bytes, size_t len)
{
	uint8_t packet[MAX_DATAGRAM];

	memcpy(packet + 28, bytes, len);
	send_datagram(p, packet, len, 0, false, 0);
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
