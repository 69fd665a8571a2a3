/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * RC over libibverbs for tests. Set-up that fails ends the program; what a
 * test wants to judge is returned.
 */
#ifndef GUEST_VERBS_H
#define GUEST_VERBS_H

#include <infiniband/verbs.h>

#include "util.h"

struct rd_dev {
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	const char *name;
	int gid_index;
	union ibv_gid gid;
	struct ibv_device_attr_ex attr;
	struct ibv_port_attr port;
	bool odp; /* on-demand paging for RC */
};

/* The GID is the device's first RoCE v2 one that holds an IPv4 address. */
void rd_open(struct rd_dev *dev, const char *name);
/* A second context on the same device. */
void rd_close(struct rd_dev *dev);

struct rd_qp_opts {
	unsigned int mtu; /* bytes; 0: 1024 */
	unsigned int sq, rq, sge, inline_data; /* 0: 64, 64, 4, 0 */
	unsigned int rd_atomic; /* 0: 16, or what the device has */
	unsigned int timeout, retry, rnr_retry, rnr_timer; /* 0: 16, 7, 7, 1 */
	bool zero_retry, zero_rnr_retry; /* when 0 is meant */
	uint32_t psn;
	bool sq_sig_all;
	bool uc;
	struct ibv_comp_channel *channel;
	struct ibv_cq *scq, *rcq; /* NULL: own ones */
	struct ibv_srq *srq;
	unsigned int cqe; /* of the own ones; 0: 256 */
};

struct rd_addr {
	union ibv_gid gid;
	uint32_t qpn;
	uint32_t psn;
};

struct rd_qp {
	struct rd_dev *dev;
	struct ibv_qp *qp;
	struct ibv_cq *scq, *rcq;
	struct rd_qp_opts opts;
	unsigned int max_inline;
	bool own_cqs;
};

void rd_qp_create(struct rd_qp *q, struct rd_dev *dev,
		  const struct rd_qp_opts *opts);
void rd_qp_destroy(struct rd_qp *q);
struct rd_addr rd_qp_addr(const struct rd_qp *q);
/* Steps; 0 or an errno. */
int rd_to_init(struct rd_qp *q);
int rd_to_rtr(struct rd_qp *q, const struct rd_addr *peer);
int rd_to_rts(struct rd_qp *q);
int rd_to_state(struct rd_qp *q, enum ibv_qp_state state);
enum ibv_qp_state rd_state(struct rd_qp *q);
/* All of them; ends the program if one fails. */
void rd_connect(struct rd_qp *q, const struct rd_addr *peer);
/* Two QPs in this process, connected to each other. */
void rd_pair(struct rd_qp *a, struct rd_dev *dev_a, struct rd_qp *b,
	     struct rd_dev *dev_b, const struct rd_qp_opts *opts);
/* After an error both are of no use: connects them anew. */
void rd_reconnect(struct rd_qp *a, struct rd_qp *b);

struct rd_op {
	enum ibv_wr_opcode opcode;
	unsigned int flags; /* enum ibv_send_flags; signaled is added */
	bool unsignaled;
	uint64_t id;
	struct ibv_sge *sge; /* NULL: made of addr, len, lkey */
	int num_sge;
	uint64_t addr;
	uint32_t len, lkey;
	uint64_t raddr;
	uint32_t rkey;
	uint32_t imm;
	uint64_t compare_add, swap;
};

/* 0 or an errno. */
int rd_post(struct rd_qp *q, const struct rd_op *op);
int rd_post_recv(struct rd_qp *q, struct ibv_sge *sge, int num_sge,
		 uint64_t id);

/* One completion within @ms: its status, or -1 for silence. */
int rd_wait(struct ibv_cq *cq, struct ibv_wc *wc, unsigned int ms);
/* Post and wait for the completion: as rd_wait. */
int rd_do(struct rd_qp *q, const struct rd_op *op, unsigned int ms);
int rd_write(struct rd_qp *q, uint64_t addr, uint32_t lkey, uint32_t len,
	     uint64_t raddr, uint32_t rkey, unsigned int ms);
int rd_read(struct rd_qp *q, uint64_t addr, uint32_t lkey, uint32_t len,
	    uint64_t raddr, uint32_t rkey, unsigned int ms);

/* Did this event come, and no other before it? Waits up to @ms. */
bool rd_event(struct rd_dev *dev, enum ibv_event_type type, unsigned int ms);
/* Whatever came, goes. */
void rd_drop_events(struct rd_dev *dev);

#define RD_ALL                                              \
	(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | \
	 IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC)

/* ibv_reg_mr that ends the program when it fails. */
struct ibv_mr *rd_reg(struct rd_dev *dev, void *addr, size_t len, int access);

const char *rd_status(int status); /* also of -1 */

#endif
