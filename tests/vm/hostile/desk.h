/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A desk is an open uverbs file and what its objects are called. Several
 * callers, one a thread, work at several desks, each also at those of others.
 */
#ifndef HOSTILE_DESK_H
#define HOSTILE_DESK_H

#include "ground.h"

enum object {
	A_PD,
	A_MR,
	A_CQ,
	A_QP,
	A_CHANNEL, /* a file descriptor */
	OBJECTS,
	NO_OBJECT = OBJECTS,
};

enum {
	CALLERS = 4,
	DESKS = CALLERS + 1, /* the first belongs to all, and stays */
	SLOTS = 12, /* of each kind; older ones are destroyed */
	LARGE = 3, /* queues of the largest size, at most */
};

struct desk {
	_Atomic int fd;
	_Atomic uint32_t slots[OBJECTS][SLOTS]; /* handle + 1, or 0 */
	/* of the regions */
	_Atomic uint32_t lkeys[SLOTS], pds[SLOTS];
	_Atomic uint64_t starts[SLOTS], lengths[SLOTS];
	_Atomic uint64_t offsets[SLOTS]; /* of rings to be mapped */
	_Atomic uint32_t sizes[SLOTS];
	_Atomic uint32_t qpns[SLOTS];
	_Atomic uint8_t states[SLOTS]; /* that the queue pairs are in */
};

struct uverbs {
	struct rd_dev *dev;
	struct ground *ground;
	char path[128];
	struct desk desks[DESKS];
	uint8_t *wide; /* much address space, readable, with no page of its own */
	uint8_t *none; /* much address space, nothing is allowed */
	_Atomic unsigned int large;
	uint64_t limit; /* of all calls */
};

enum {
	WIDE_SIZE = 256 << 20,
	PAPER = 8192, /* bytes of a caller's in and out; behind is nothing */
	CANARY = 0xa5,
};

struct caller {
	struct uverbs *u;
	struct rng rng;
	struct desk *own, *desk; /* the one worked at just now */
	uint8_t *in, *out;
	unsigned int slot; /* of the region or queue pair in this call */
	pthread_t thread;
};

/* --- desk.c --- */

bool desk_open(struct desk *d, struct uverbs *u, struct rng *r);
void desk_close(struct desk *d);
/* Mostly one that exists; or of another kind, of another desk, of nobody. */
uint32_t some_handle(struct caller *c, enum object kind);
/* A new one is there; what it replaces is told, 0 if nothing. */
uint32_t remember(struct caller *c, enum object kind, uint32_t handle,
		  unsigned int *slot);
/* Addresses, lengths and so on: mostly of use. */
uint64_t some_start(struct caller *c, uint64_t *length);
uint32_t some_access(struct rng *r);
uint32_t some_count(struct rng *r, uint32_t usual, uint32_t most);

/* --- command.c: write commands, by write() or by ioctl() --- */

extern const char *const command_names[];
extern const unsigned int num_commands;
/* True: it was carried out. */
bool call_command(struct caller *c);
/* One that is right. */
bool call_by_name(struct caller *c, const char *name);
void call_destroy(struct caller *c, enum object kind, uint32_t handle);

/* --- fill.c: what is in the commands --- */

void fill_reg_mr(struct caller *c, void *in);
void fill_rereg_mr(struct caller *c, void *in);
void fill_create_cq(struct caller *c, void *in);
void fill_ex_create_cq(struct caller *c, void *in);
void fill_create_qp(struct caller *c, void *in);
void fill_ex_create_qp(struct caller *c, void *in);
void fill_modify_qp(struct caller *c, void *in);
void fill_post(struct caller *c, void *in);
void fill_create_ah(struct caller *c, void *in);

/* --- method.c: ioctl methods --- */

bool call_method(struct caller *c);
extern const char *const method_names[];
extern const unsigned int num_methods;

#endif
