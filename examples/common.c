// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

void ex_start(struct ex_end *end, int argc, char **argv)
{
	int pair[2];

	if (argc < 2)
		errx(2, "usage: %s DEVICE [listen | HOST]", argv[0]);
	memset(end, 0, sizeof(*end));
	if (argc == 2) {
		/* Before any verbs call: each end has a context of its own. */
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			err(1, "socketpair");
		end->role = fork() ? EX_OWNER : EX_PEER;
		end->sock = pair[end->role];
		close(pair[!end->role]);
	} else if (!strcmp(argv[2], "listen")) {
		end->role = EX_OWNER;
		end->sock = ex_await();
	} else {
		end->role = EX_PEER;
		end->sock = ex_dial(argv[2]);
	}
	ex_open(end, argv[1]);
	ex_connect(end);
}

void ex_add_qp(struct ex_end *end, struct ex_end *more)
{
	*more = *end;
	ex_connect(more);
}

void ex_stop(struct ex_end *end)
{
	ibv_destroy_qp(end->qp);
	ibv_destroy_cq(end->cq);
	ibv_dealloc_pd(end->pd);
	ibv_close_device(end->context);
	close(end->sock);
}

enum ibv_wc_status ex_rdma(struct ex_end *end, enum ibv_wr_opcode opcode,
			   struct ibv_mr *local, void *buffer, uint32_t length,
			   uint64_t remote, uint32_t rkey)
{
	struct ibv_sge sge = { .addr = (uintptr_t)buffer,
			       .length = length,
			       .lkey = local->lkey };
	struct ibv_send_wr wr = { .sg_list = &sge,
				  .num_sge = 1,
				  .opcode = opcode,
				  .send_flags = IBV_SEND_SIGNALED,
				  .wr.rdma = { .remote_addr = remote,
					       .rkey = rkey } };
	struct ibv_send_wr *bad;
	struct ibv_wc wc;
	int n;

	if (ibv_post_send(end->qp, &wr, &bad))
		err(1, "ibv_post_send");
	do
		n = ibv_poll_cq(end->cq, 1, &wc);
	while (n == 0);
	if (n < 0)
		errx(1, "ibv_poll_cq");
	return wc.status;
}

int ex_main(int argc, char **argv, int (*owner)(struct ex_end *),
	    int (*peer)(struct ex_end *))
{
	struct ex_end end;
	int ret;

	ex_start(&end, argc, argv);
	ret = end.role == EX_OWNER ? owner(&end) : peer(&end);
	ex_stop(&end);
	return ret;
}
