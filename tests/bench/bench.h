/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Figures of one device, or of two that talk, by libibverbs alone. Each part
 * prints lines "bench NAME CONFIG VALUE UNIT". Meant for a guest whose clock
 * counts instructions; see docs/performance.md.
 */
#ifndef BENCH_H
#define BENCH_H

#include <infiniband/verbs.h>

#include "verbs.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)
#define TIB ((size_t)1 << 40)

struct bench {
	struct rd_dev asks; /* the side that posts */
	struct rd_dev other;
	struct rd_dev *asked; /* &asks on one device, else &other */
	const char *config;
	bool on_demand; /* register so */
	size_t most; /* bytes, the largest region to register */
};

extern struct bench bench;

/* --- parts, a file each ------------------------------------------ */

void part_latency(void);
void part_rate(void);
void part_bandwidth(void);
void part_qps(void);
void part_registration(void);
void part_touch(void);
void part_notifier(void);
void part_fork(void);
void part_memory(void);
void part_storm(void);

/* --- what they share: common.c ----------------------------------- */

uint64_t bench_ns(void);
void result(double value, const char *unit, const char *name, ...)
	__attribute__((format(printf, 3, 4)));
/* The median of @n, which are sorted. */
double median(double *values, unsigned int n);

/* Anonymous memory of small pages that nobody has touched. */
uint8_t *fresh(size_t len);
/* The CPU writes to each page. */
void touch(uint8_t *at, size_t len);
/* A region of the asked side in the way that is measured. */
struct ibv_mr *reg_asked(void *at, size_t len);
void dereg(struct ibv_mr *mr);
/* Into the device's table, for writing, and wait for it. */
void prefetch(struct ibv_mr *mr, uint8_t *at, size_t len);

/* --- messages: stream.c ------------------------------------------ */

#define LANES_MOST 16

/* Pairs of connected queue pairs with one completion queue for each side. */
struct lanes {
	unsigned int n;
	struct ibv_cq *scq, *rcq;
	struct rd_qp a[LANES_MOST], b[LANES_MOST];
};

void lanes_open(struct lanes *l, unsigned int n, unsigned int mtu);
void lanes_close(struct lanes *l);

/* How messages run: the i-th goes to target + i * step % span. */
struct stream {
	struct lanes *lanes;
	enum ibv_wr_opcode opcode;
	uint32_t len;
	unsigned int depth; /* in flight, of each pair */
	unsigned int count;
	const uint8_t *source;
	const struct ibv_mr *source_mr;
	const uint8_t *target;
	const struct ibv_mr *target_mr;
	size_t step, span; /* multiples of len; step 0: all to one place */
};

/* Runs it; nanoseconds a message. */
double stream_run(const struct stream *s);

/* Messages of one length between buffers that are warm. */
struct traffic {
	struct lanes *lanes;
	struct stream stream;
	uint8_t *source, *target;
	size_t room;
	struct ibv_mr *source_mr, *target_mr;
};

extern const char *const op_names[3];

void traffic_open(struct traffic *t, struct lanes *lanes, uint32_t len,
		  unsigned int depth);
void traffic_close(struct traffic *t);
/*
 * Nanoseconds a message of op_names[op]. What arrived is looked at; wrong bytes
 * are said in a line "wrong NAME CONFIG", which report.py judges.
 */
double traffic_run(struct traffic *t, unsigned int op, unsigned int count,
		   const char *name);

#endif
