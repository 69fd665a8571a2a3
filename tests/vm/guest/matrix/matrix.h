/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the two sides of the byte matrix share. */
#ifndef GUEST_MATRIX_H
#define GUEST_MATRIX_H

#include "arena.h"

enum op {
	SEND,
	SEND_IMM,
	SEND_INLINE,
	WRITE,
	WRITE_IMM,
	WRITE_INLINE,
	READ,
	CMP_SWAP,
	FETCH_ADD,
	NUM_OPS
};

struct op_info {
	const char *name;
	enum ibv_wr_opcode opcode;
	bool to_peer; /* data goes to the peer */
	bool recv; /* uses a receive */
	bool imm;
	bool inline_data;
};

extern const struct op_info ops[NUM_OPS];

static inline bool is_atomic(enum op op)
{
	return op == CMP_SWAP || op == FETCH_ADD;
}

#define MAX_SEGS  3 /* pieces of a message on one side */
#define MAX_BYTES ((1U << 20) + 5)
#define ROOM	  (MAX_BYTES + 2 * PAGE)
#define WAIT_MS	  20000

#define NUM_MTUS 2
extern const unsigned int mtus[NUM_MTUS];

struct seg {
	uint32_t kind, off, len;
};

enum message {
	CASE,
	GROUP_BEGIN,
	GROUP_END,
	WARM_UP,
	BYE
};

struct request {
	enum message what;
	enum op op;
	unsigned int qp; /* index of its MTU */
	unsigned int nlocal, nremote;
	struct seg local[MAX_SEGS], remote[MAX_SEGS];
	uint64_t seed, compare_add, swap;
	bool match; /* CMP_SWAP: compare with what is there */
	uint32_t imm;
	/* GROUP_END: how many cases must have faulted at this side; others */
	unsigned int must_fault;
	bool must_not;
};

struct reply {
	uint64_t addr;
	uint32_t rkey;
	uint64_t old; /* what an atomic will find */
	int status; /* of the receive */
	int wrong; /* 0, or a line of text follows */
	char text[120];
	uint64_t faults;
};

struct side {
	struct rd_dev dev;
	bool odp;
	struct arena arena[ARENA_KINDS];
	struct rd_qp qp[NUM_MTUS];
	int sock;
	uint8_t *board; /* shared by both: the bytes that are on their way */
	bool counts; /* the device has a counter of faults */
	uint64_t faults;
};

struct run {
	bool odp; /* the peer's memory */
	bool same_device;
	bool half, short_form;
	unsigned int cases, mismatches, groups, cold;
	uint64_t faults;
	uint64_t seed;
};

extern struct side me;
extern struct run run;

/* side.c: what both sides do */
unsigned int total(const struct seg *seg, unsigned int n);
void prepare(const struct seg *seg, unsigned int n, uint64_t seed);
/* Between the shadows of the pieces and the board. */
void gather(const struct seg *seg, unsigned int n);
void scatter(const struct seg *seg, unsigned int n);
unsigned int make_sge(struct ibv_sge *sge, const struct seg *seg,
		      unsigned int n, bool inline_data);
bool verify(const struct seg *seg, unsigned int n, char *text, size_t room);
void begin_group(void);
void judge_group(const struct request *r, struct reply *rep);
void set_up(const char *dev, bool pinned);
void tear_down(void);

/* server.c */
void serve(void);

#endif
