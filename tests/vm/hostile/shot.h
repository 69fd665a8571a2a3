/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One packet at a victim: first all of it as an honest peer would have it, then
 * perhaps twisted, once or more.
 */
#ifndef HOSTILE_SHOT_H
#define HOSTILE_SHOT_H

#include "craft.h"
#include "victim.h"
#include "wirepeer.h"

/* T(enum suffix, what is wrong) */
#define TWISTS(T)                                                 \
	T(OPCODE, "an opcode that may not come now")              \
	T(OPCODE_ANY, "any opcode, also of UC, UD and of nobody") \
	T(PSN_NEAR, "a PSN a little ahead")                       \
	T(PSN_OLD, "a PSN that was there before")                 \
	T(PSN_FAR, "a PSN from anywhere")                         \
	T(KEY, "the key of another region")                       \
	T(KEY_ENDED, "a key that has just come to its end")       \
	T(KEY_WRONG, "a key of nobody")                           \
	T(VA_EDGE, "an address at an edge of the region")         \
	T(VA_WRONG, "an address from anywhere")                   \
	T(LENGTH, "another length in the header")                 \
	T(PAYLOAD, "another length of the payload")               \
	T(OVERSIZE, "a payload over the path MTU")                \
	T(PAD, "pad bits that lie")                               \
	T(ACK_REQ, "asks for an ACK, or does not")                \
	T(FLAGS, "solicited, migration")                          \
	T(VERSION, "another transport version")                   \
	T(PKEY, "another P_Key")                                  \
	T(QPN, "another queue pair")                              \
	T(ADDRESS, "from another address")                        \
	T(ICRC, "a wrong ICRC")                                   \
	T(CUT, "cut off")                                         \
	T(UDP_LENGTH, "a UDP length that lies")                   \
	T(OPTIONS, "an IP header with options")                   \
	T(SPLIT, "two fragments")                                 \
	T(SYNDROME, "a syndrome of any kind")                     \
	T(MANY, "(of these, several at once)")                    \
	T(NONE, "(nothing is wrong)")                             \
	T(REQUEST, "(requests)")                                  \
	T(RESPONSE, "(responses that nobody waits for)")          \
	T(ANSWER, "(answers to what was asked)")

enum twist {
#define T(id, text) TWIST_##id,
	TWISTS(T)
#undef T
	TWISTS_NUM
};

struct shot {
	struct craft c;
	struct datagram d;
	bool pad_lies;
	int cut; /* bytes from the BTH on, or -1 */
	bool spoiled; /* the victim will not take it for what it should be */
};

/* Who shoots, and at what. */
struct range {
	struct rng *rng;
	struct ground *ground;
	struct victims *victims;
	struct peer *peer;
	struct peer_batch *batch;
};

/* A request that may come now; moves what the peer knows of @v. */
void shoot_request(struct range *r, struct victim *v);
/* A response or an ACK, right or not, to nothing in particular. */
void shoot_response(struct range *r, struct victim *v);
/* What has come from the victims: judged, remembered, and some of it answered. */
void answer_all(struct range *r);

/* --- shot.c --- */

/* Twisted @twists times; then it goes into the batch. */
void shoot(struct range *r, struct victim *v, struct shot *s,
	   unsigned int twists);
/* How often: none is as likely as one, more are not. */
unsigned int some_twists(struct rng *r);
void shot_plain(struct shot *s, const struct victim *v);

#endif
