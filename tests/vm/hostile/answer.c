// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What comes back from the victims, and what they get for it. */
#include "shot.h"

#include <string.h>

enum {
	MANY = 32,
	BIG = 4608,
	ICRC_LEN = 4,
	KIND_ACK = 0,
	KIND_RNR = 1,
	KIND_NAK = 3,
};

struct packet {
	uint8_t op;
	bool ack;
	uint32_t psn;
	const uint8_t *eth; /* behind the BTH */
	const uint8_t *payload;
	size_t len; /* with pad */
	unsigned int pad;
};

/* --- what a victim said --- */

static size_t eth_len(uint8_t op)
{
	static const uint8_t len[FETCH_ADD + 1] = {
		[SEND_LAST_IMM] = 4,
		[SEND_ONLY_IMM] = 4,
		[WRITE_FIRST] = 16,
		[WRITE_LAST_IMM] = 4,
		[WRITE_ONLY] = 16,
		[WRITE_ONLY_IMM] = 20,
		[READ_REQ] = 16,
		[READ_RESP_FIRST] = 4,
		[READ_RESP_LAST] = 4,
		[READ_RESP_ONLY] = 4,
		[ACK] = 4,
		[ATOMIC_ACK] = 12,
		[CMP_SWAP] = 28,
		[FETCH_ADD] = 28,
	};

	return len[op];
}

/* NULL: nothing that a device may send. */
static struct victim *parse(struct victims *all, const uint8_t *b, size_t len,
			    struct packet *p)
{
	uint32_t qpn = b[5] << 16 | b[6] << 8 | b[7];

	if (len < 16 || b[0] > FETCH_ADD || len < 16 + eth_len(b[0]) ||
	    qpn - VICTIM_QPN >= VICTIMS)
		return NULL;
	*p = (struct packet){
		.op = b[0],
		.ack = b[8] & 0x80,
		.psn = b[9] << 16 | b[10] << 8 | b[11],
		.eth = b + 12,
		.payload = b + 12 + eth_len(b[0]),
		.len = len - 16 - eth_len(b[0]),
		.pad = b[1] >> 4 & 3,
	};
	return p->pad <= p->len ? victim(all, qpn - VICTIM_QPN) : NULL;
}

/* Nobody's secrets, and no bytes that were never in any memory of the victims. */
static void judge(const struct victim *v, const struct packet *p)
{
	size_t data = p->len - p->pad;

	if (data > v->mtu)
		accuse("a victim sent %zu bytes in a packet", data);
	for (size_t i = 0; i < data; i++)
		if (p->payload[i] - 0x40u >= 32) {
			accuse("a victim sent the byte %#x (%zu of %zu, "
			       "opcode %#x)",
			       p->payload[i], i, data, p->op);
			return;
		}
	for (size_t i = data; i < p->len; i++)
		if (p->payload[i]) {
			accuse("a victim sent a pad byte %#x", p->payload[i]);
			return;
		}
}

static void hear_ack(struct victim *v, const struct packet *p)
{
	uint8_t syndrome = p->eth[0];

	switch (syndrome >> 5 & 3) {
	case KIND_ACK:
		if (psn_diff(psn_add(p->psn, 1), v->psn) > 0)
			v->psn = psn_add(p->psn, 1);
		break;
	case KIND_RNR:
		v->psn = p->psn;
		v->message = IDLE;
		break;
	case KIND_NAK:
		if (syndrome & 0x1f)
			v->dead = true;
		else
			v->psn = p->psn;
		break;
	default:
		accuse("a victim sent the syndrome %#x", syndrome);
	}
}

/* --- what it gets --- */

static void answer_read(struct range *r, struct victim *v,
			const struct asked *a)
{
	uint32_t n = a->len ? (a->len + v->mtu - 1) / v->mtu : 1;
	uint32_t odd = below(r->rng, 16);

	for (uint32_t i = 0; i < n; i++) {
		struct shot s;

		if (i == odd && one_in(r->rng, 4))
			continue; /* lost */
		shot_plain(&s, v);
		s.c.op = n == 1	    ? READ_RESP_ONLY :
			 !i	    ? READ_RESP_FIRST :
			 i == n - 1 ? READ_RESP_LAST :
				      READ_RESP_MIDDLE;
		s.c.psn = psn_add(a->psn, i);
		s.c.len = i == n - 1 ? a->len - i * v->mtu : v->mtu;
		count_kind(TWIST_ANSWER);
		shoot(r, v, &s, i == odd);
	}
}

static void answer(struct range *r, struct victim *v, const struct asked *a)
{
	struct rng *rng = r->rng;
	bool atomic = a->op == CMP_SWAP || a->op == FETCH_ADD;
	struct shot s;

	shot_plain(&s, v);
	s.c.op = atomic ? ATOMIC_ACK : ACK;
	s.c.psn = a->psn;
	s.c.orig = 0x4142434445464748;
	switch (below(rng, 10)) {
	case 0: /* of all kinds, also of those that do not exist */
		s.c.op = ACK;
		s.c.aeth = 0x60000001 | below(rng, 8) << 24;
		break;
	case 1:
		s.c.op = ACK;
		s.c.aeth = 0x20000001 | below(rng, 32) << 24;
		break;
	case 2:
		return; /* lost */
	case 3:
		s.c.op = READ_RESP_FIRST + below(rng, 6);
		break;
	default:
		if (a->op == READ_REQ) {
			answer_read(r, v, a);
			return;
		}
		if (!a->ack)
			return;
	}
	count_kind(TWIST_ANSWER);
	shoot(r, v, &s, one_in(rng, 4));
}

static void hear_request(struct range *r, struct victim *v,
			 const struct packet *p)
{
	struct asked *a = &v->asked[v->num_asked++ % ASKED];

	*a = (struct asked){ .op = p->op, .ack = p->ack, .psn = p->psn };
	if (p->op == READ_REQ)
		a->len = (uint32_t)p->eth[12] << 24 | p->eth[13] << 16 |
			 p->eth[14] << 8 | p->eth[15];
	if (a->len > PLOT_LEN)
		accuse("a victim asked for %u bytes, more than it wants",
		       a->len);
	else
		answer(r, v, a);
}

void answer_all(struct range *r)
{
	static uint8_t bytes[MANY][BIG];
	struct mmsghdr msgs[MANY] = {};
	struct iovec iov[MANY];
	int n, left = 8; /* more come while these are answered */

	for (int i = 0; i < MANY; i++) {
		iov[i] = (struct iovec){ bytes[i], BIG };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	do {
		n = recvmmsg(r->peer->udp, msgs, MANY, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++) {
			struct packet p;
			struct victim *v = parse(r->victims, bytes[i],
						 msgs[i].msg_len, &p);

			if (!v) {
				accuse("a packet that no device may send");
				continue;
			}
			judge(v, &p);
			if (p.op == ACK)
				hear_ack(v, &p);
			else if (p.op <= READ_REQ || p.op >= CMP_SWAP)
				hear_request(r, v, &p);
		}
	} while (n == MANY && --left);
}

/* --- answers to nothing --- */

static uint32_t some_psn(struct range *r, const struct victim *v)
{
	unsigned int n = v->num_asked < ASKED ? v->num_asked : ASKED;

	if (n && !one_in(r->rng, 3))
		return v->asked[below(r->rng, n)].psn;
	return psn_add(v->sq_psn, (int)below(r->rng, 12) - 2);
}

void shoot_response(struct range *r, struct victim *v)
{
	struct rng *rng = r->rng;
	struct shot s;

	shot_plain(&s, v);
	s.c.op = one_in(rng, 2) ? ACK : READ_RESP_FIRST + below(rng, 6);
	s.c.psn = some_psn(r, v);
	s.c.orig = 0x4040404040404040 | (rnd(rng) & 0x1f1f1f1f1f1f1f1f);
	if (s.c.op != ACK && s.c.op != ATOMIC_ACK)
		s.c.len = one_in(rng, 2) ? v->mtu : below(rng, 300);
	if (one_in(rng, 3))
		s.c.aeth = 0x60000001 | below(rng, 8) << 24;
	count_kind(TWIST_RESPONSE);
	shoot(r, v, &s, some_twists(rng));
}
