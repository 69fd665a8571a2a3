/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the examples share: two processes that have a connected RC queue pair
 * and a socket to tell each other things over. Errors end the program.
 */
#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include <stdbool.h>
#include <stdint.h>
#include <infiniband/verbs.h>

enum ex_role {
	EX_OWNER, /* registers memory and tells the peer where it is */
	EX_PEER, /* reads and writes it from afar */
};

struct ex_end {
	enum ex_role role;
	int sock;
	struct ibv_context *context;
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	int gid_index;
	enum ibv_mtu mtu;
};

/* Memory of the owner, as the peer needs to know it. */
struct ex_memory {
	uint64_t address;
	uint64_t length;
	uint32_t rkey;
};

/*
 * PROGRAM DEVICE         both ends on this machine (forks the peer)
 * PROGRAM DEVICE listen  the owner, waits for the peer
 * PROGRAM DEVICE HOST    the peer of the owner on HOST
 *
 * Returns with a queue pair that is ready to send.
 */
void ex_start(struct ex_end *end, int argc, char **argv);
/* One more queue pair, on the same device and protection domain as @end. */
void ex_add_qp(struct ex_end *end, struct ex_end *more);
void ex_stop(struct ex_end *end);
/* The whole of main(): start, this end's part, stop; returns what it returns. */
int ex_main(int argc, char **argv, int (*owner)(struct ex_end *),
	    int (*peer)(struct ex_end *));

/* connect.c: the device by name, and a new queue pair; ex_start() calls both. */
void ex_open(struct ex_end *end, const char *name);
void ex_connect(struct ex_end *end);

/* sock.c: to and from the other process. */
int ex_dial(const char *host);
int ex_await(void);
/* Tell the other end, and hear the same from it. */
void ex_swap(int sock, const void *mine, void *theirs, size_t size);
void ex_send(int sock, const void *data, size_t size);
void ex_recv(int sock, void *data, size_t size);
bool ex_has_come(int sock); /* something can be received */
void ex_sync(const struct ex_end *end); /* both ends have come here */

/* One RDMA operation, waited for. */
enum ibv_wc_status ex_rdma(struct ex_end *end, enum ibv_wr_opcode opcode,
			   struct ibv_mr *local, void *buffer, uint32_t length,
			   uint64_t remote, uint32_t rkey);

#endif
