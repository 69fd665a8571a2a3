/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What both hosts of the matrix share. */
#ifndef CLIENTS_WIRE_H
#define CLIENTS_WIRE_H

#include "verbs.h"

enum transport {
	RC_1024,
	RC_4096,
	UC,
	UD,
	NUM_TRANSPORTS
};

enum op {
	SEND,
	SEND_IMM,
	WRITE,
	WRITE_IMM,
	READ,
	CMP_SWAP,
	FETCH_ADD,
	NUM_OPS
};

enum side {
	CLIENT,
	SERVER
};

enum message {
	CASE,
	BYE
};

enum verdict {
	GOOD,
	WRONG,
	LOST
};

#define ROOM	(512UL << 10)
#define GRH	40
#define WAIT_MS 20000

struct request {
	enum message what;
	enum transport transport;
	enum op op;
	uint32_t len, imm;
	uint32_t off[2]; /* by side */
	uint32_t odp[2]; /* by side: cold memory on demand, or pinned */
	uint64_t seed, compare_add, swap;
};

struct reply {
	uint64_t addr;
	uint32_t rkey;
	int verdict;
	char text[160];
};

struct memory {
	uint8_t *map;
	uint8_t *alias; /* of on-demand memory, to fill it by */
	struct ibv_mr *mr;
};

struct wire {
	struct rd_dev dev;
	bool odp, odp_there;
	struct memory memory[2]; /* pinned, on demand */
	struct rd_qp qp[UD]; /* RC and UC */
	struct ibv_qp *ud;
	struct ibv_cq *ud_scq, *ud_rcq;
	struct ibv_ah *ah;
	uint32_t ud_qpn; /* there */
	uint32_t most; /* bytes of a datagram */
	int sock;
	uint64_t seed;
};

extern struct wire me;

static inline bool has_imm(enum op op)
{
	return op == SEND_IMM || op == WRITE_IMM;
}

static inline bool takes_receive(enum op op)
{
	return op == SEND || has_imm(op);
}

/* wiremem.c */

/* As the request wants this side's memory before it. */
void memory_prepare(const struct request *r, enum side side);
/* ... and after it: GOOD, or WRONG with a text. */
int memory_check(const struct request *r, enum side side, char *text,
		 size_t room);
/* Until that is so, or the time is over. */
void memory_settle(const struct request *r, unsigned int ms);
/* Is each byte of the server's what it was, or what it is to be? */
bool memory_partly(const struct request *r);
/* What an atomic will find. */
uint64_t memory_word(const struct request *r);

/* wireqp.c */

void wire_set_up(const char *dev);
void wire_tear_down(void);
int ud_send(bool imm, uint64_t addr, uint32_t len, uint32_t lkey,
	    uint32_t imm_data);
void post_receive(const struct request *r);

#endif
