// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Twists, and how a shot becomes a datagram. */
#include "shot.h"

#include <string.h>

enum {
	MAX_PAYLOAD = 8000,
	PAD_BYTE = 0xbb,
};

void shot_plain(struct shot *s, const struct victim *v)
{
	*s = (struct shot){
		.c = { CRAFT_DEFAULTS, .qpn = v->q.qp->qp_num },
		.cut = -1,
	};
}

/* --- twists --- */

static uint32_t some_length(struct rng *r, uint32_t right)
{
	static const uint32_t odd[] = { 0,	    1,		7,
					8,	    4095,	4096,
					0x7fffffff, 0x80000000, 65536,
					0x80000001, 0xffffffff, 1 << 24 };

	switch (below(r, 4)) {
	case 0:
		return right + 1;
	case 1:
		return right - 1;
	case 2:
		return odd[below(r, ARRAY_SIZE(odd))];
	default:
		return right + below(r, 64);
	}
}

/* At, over and before the ends of the region that the key names. */
static void twist_edge(struct range *r, struct shot *s)
{
	static const int at[] = { -8,	    -1,		  0,
				  1,	    PLOT_LEN - 8, PLOT_LEN - 1,
				  PLOT_LEN, PLOT_LEN + 1 };
	uint32_t len = s->c.dma;

	for (int id = 0; id < PLOTS; id++) {
		const struct plot *p = &r->ground->plots[id];

		if (p->key != s->c.rkey)
			continue;
		s->c.va = (uintptr_t)p->mem;
		if (one_in(r->rng, 2)) /* one byte over the end */
			s->c.va += PLOT_LEN - len + 1;
		else
			s->c.va += at[below(r->rng, ARRAY_SIZE(at))];
		return;
	}
}

static uint64_t some_address(struct range *r)
{
	const struct plot *p = &r->ground->plots[below(r->rng, PLOTS)];

	switch (below(r->rng, 6)) {
	case 0:
		return rnd(r->rng);
	case 1:
		return UINT64_MAX - below(r->rng, 4096);
	case 2:
		return below(r->rng, 8192);
	case 3:
		return 0xffff888000000000 + rnd(r->rng) % (1ul << 32);
	case 4: /* right for another region */
		return (uintptr_t)p->mem + below(r->rng, PLOT_LEN);
	default:
		return (uintptr_t)p->map + below(r->rng, PLOT_PAGES * PAGE);
	}
}

static uint32_t some_qpn(struct range *r)
{
	struct honest_score *h = &board->honest[0];

	switch (below(r->rng, 6)) {
	case 0:
		return below(r->rng, 1 << 24);
	case 1:
		return below(r->rng, 2);
	case 2:
		return 0xffffff;
	default:
		return h->qpn[below(r->rng, HONEST_QPS)];
	}
}

/* In the peer's network, somewhere else, or the device's own. */
static uint32_t some_source(struct range *r)
{
	uint32_t peer = ntohl(r->peer->src);

	switch (below(r->rng, 8)) {
	case 0:
		return r->peer->dst;
	case 1:
		return htonl(0xac100000 + below(r->rng, 65536));
	default:
		return htonl((peer & ~0xff) + 3 + below(r->rng, 250));
	}
}

static void twist_bth(struct range *r, struct victim *v, struct shot *s,
		      enum twist t)
{
	struct rng *rng = r->rng;
	uint32_t flags = s->c.psn & 0xff000000;
	bool responds = s->c.op >= READ_RESP_FIRST && s->c.op <= ATOMIC_ACK;
	uint32_t psn = s->c.psn & 0xffffff;

	switch (t) {
	case TWIST_OPCODE:
		s->c.op = below(rng, FETCH_ADD + 1);
		break;
	case TWIST_OPCODE_ANY:
		s->c.op = rnd(rng);
		break;
	case TWIST_PSN_NEAR:
		s->c.psn = psn_add(psn, 1 + below(rng, 4)) | flags;
		break;
	case TWIST_PSN_OLD:
		s->c.psn = psn_add(psn, -1 - (int)below(rng, 24)) | flags;
		break;
	case TWIST_PSN_FAR:
		s->c.psn = flags | (one_in(rng, 4) ? psn_add(psn, 0x800000) :
						     below(rng, 1 << 24));
		break;
	case TWIST_ACK_REQ:
		s->c.psn ^= 0x80000000;
		s->spoiled |= responds;
		return; /* it may be taken all the same */
	case TWIST_FLAGS:
		s->c.flags ^= 0x40 << below(rng, 2);
		return;
	case TWIST_VERSION:
		s->c.flags |= 1 + below(rng, 15);
		break;
	case TWIST_PKEY:
		s->c.pkey ^= 1 << below(rng, 15);
		break;
	case TWIST_QPN:
		s->c.qpn = some_qpn(r);
		break;
	default:
		s->c.aeth = (uint32_t)rnd(rng);
		if (one_in(rng, 2)) /* NAKs, and how long to wait */
			s->c.aeth =
				(one_in(rng, 2) ? 0x60000001u : 0x20000001u) |
				below(rng, 8) << 24;
		break;
	}
	(void)v;
	s->spoiled = true;
}

static void twist_eth(struct range *r, struct victim *v, struct shot *s,
		      enum twist t)
{
	struct rng *rng = r->rng;

	switch (t) {
	case TWIST_KEY:
		s->c.rkey = r->ground->plots[below(rng, PLOTS)].key;
		break;
	case TWIST_KEY_ENDED: /* it would be right otherwise */
		s->c.rkey = r->ground->plots[PLOT_STALE].key;
		s->c.va = (uintptr_t)r->ground->plots[PLOT_STALE].mem;
		break;
	case TWIST_KEY_WRONG:
		s->c.rkey = one_in(rng, 2) ? (uint32_t)rnd(rng) :
					     s->c.rkey ^ 1u << below(rng, 32);
		break;
	case TWIST_VA_EDGE:
		twist_edge(r, s);
		break;
	case TWIST_VA_WRONG:
		s->c.va = some_address(r);
		break;
	case TWIST_LENGTH:
		s->c.dma = some_length(rng, s->c.dma);
		break;
	case TWIST_PAYLOAD:
		s->c.len = some_length(rng, s->c.len) % (v->mtu + 1);
		break;
	case TWIST_OVERSIZE:
		s->c.len = v->mtu + 1 + below(rng, 8000 - v->mtu);
		break;
	default:
		break;
	}
	s->spoiled = true;
}

static void twist_datagram(struct range *r, struct shot *s, enum twist t)
{
	struct rng *rng = r->rng;

	switch (t) {
	case TWIST_ADDRESS:
		s->d.src = some_source(r);
		break;
	case TWIST_ICRC:
		s->d.flip = 1u << below(rng, 32);
		break;
	case TWIST_CUT:
		s->cut = below(rng, 64);
		break;
	case TWIST_UDP_LENGTH:
		s->d.udp_more = (int)below(rng, 80) - 40;
		break;
	case TWIST_OPTIONS:
		s->d.options = true;
		break;
	case TWIST_SPLIT:
		s->d.split = true;
		return; /* it is put together again */
	default: /* the payload is longer or shorter than it says */
		s->c.flags ^= (1 + below(rng, 3)) << 4;
		s->pad_lies = true;
		break;
	}
	s->spoiled = true;
}

static void twist(struct range *r, struct victim *v, struct shot *s)
{
	enum twist t = below(r->rng, TWIST_MANY);

	/* most of them are to reach the queue pair */
	if (t >= TWIST_VERSION && t <= TWIST_OPTIONS && !one_in(r->rng, 3))
		t = below(r->rng, TWIST_PAD);
	count_kind(t);
	switch (t) {
	case TWIST_KEY:
	case TWIST_KEY_ENDED:
	case TWIST_KEY_WRONG:
	case TWIST_VA_EDGE:
	case TWIST_VA_WRONG:
	case TWIST_LENGTH:
	case TWIST_PAYLOAD:
	case TWIST_OVERSIZE:
		twist_eth(r, v, s, t);
		break;
	case TWIST_PAD:
	case TWIST_ADDRESS:
	case TWIST_ICRC:
	case TWIST_CUT:
	case TWIST_UDP_LENGTH:
	case TWIST_OPTIONS:
	case TWIST_SPLIT:
		twist_datagram(r, s, t);
		break;
	default:
		twist_bth(r, v, s, t);
		break;
	}
}

/* --- to the wire --- */

static void put(struct range *r, struct shot *s)
{
	uint8_t fill = 0x40 + below(r->rng, 32);
	uint8_t bytes[CRAFT_MAX + 128];
	unsigned int pad;
	size_t len;

	if (s->c.len > MAX_PAYLOAD)
		s->c.len = MAX_PAYLOAD;
	pad = -s->c.len & 3;
	s->c.flags ^= pad << 4; /* twisted or not */
	len = craft_headers(bytes, &s->c);
	memset(bytes + len, fill, s->c.len);
	len += s->c.len;
	/* It must never be seen in anybody's memory, if it is a pad. */
	memset(bytes + len, s->pad_lies ? fill : PAD_BYTE, pad);
	len += pad;
	if (s->cut >= 0 && (size_t)s->cut < len) {
		len = s->cut;
		s->d.no_icrc = one_in(r->rng, 2);
	}
	peer_queue(r->batch, bytes, len, &s->d);
	board->done++;
}

unsigned int some_twists(struct rng *r)
{
	static const uint8_t often[] = { 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 3 };

	return often[below(r, ARRAY_SIZE(often))];
}

void shoot(struct range *r, struct victim *v, struct shot *s,
	   unsigned int twists)
{
	if (!twists)
		count_kind(TWIST_NONE);
	else if (twists > 1)
		count_kind(TWIST_MANY);
	while (twists--)
		twist(r, v, s);
	put(r, s);
}
