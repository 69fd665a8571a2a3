// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Bytes between two hosts: each operation of RC, UC and UD, between pinned and
 * cold on-demand memory, at many lengths and offsets. Both sides know by the
 * request what every byte of theirs must be afterwards. UC and UD may lose a
 * message: then the case is tried again.
 *
 *   wire --dev D --server PORT
 *   wire --dev D --client ADDRESS:PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

struct wire me;

static const char *const op_names[NUM_OPS] = {
	[SEND] = "SEND",	  [SEND_IMM] = "SEND_IMM",
	[WRITE] = "WRITE",	  [WRITE_IMM] = "WRITE_IMM",
	[READ] = "READ",	  [CMP_SWAP] = "CMP_SWAP",
	[FETCH_ADD] = "FETCH_ADD"
};
static const char *const transport_names[] = { "RC 1024", "RC 4096", "UC",
					       "UD" };

static struct {
	unsigned int cases, wrong, lost;
} sum[NUM_TRANSPORTS];

/* --- the client ------------------------------------------------------------ */

static int post(const struct request *r, const struct reply *there)
{
	static const enum ibv_wr_opcode codes[NUM_OPS] = {
		[SEND] = IBV_WR_SEND,
		[SEND_IMM] = IBV_WR_SEND_WITH_IMM,
		[WRITE] = IBV_WR_RDMA_WRITE,
		[WRITE_IMM] = IBV_WR_RDMA_WRITE_WITH_IMM,
		[READ] = IBV_WR_RDMA_READ,
		[CMP_SWAP] = IBV_WR_ATOMIC_CMP_AND_SWP,
		[FETCH_ADD] = IBV_WR_ATOMIC_FETCH_AND_ADD,
	};
	struct memory *m = &me.memory[r->odp[CLIENT]];
	struct rd_op op = {
		.opcode = codes[r->op],
		.addr = (uintptr_t)m->map + r->off[CLIENT],
		.len = r->len,
		.lkey = m->mr->lkey,
		.raddr = there->addr,
		.rkey = there->rkey,
		.imm = htobe32(r->imm),
		.compare_add = r->compare_add,
		.swap = r->swap,
	};

	if (r->transport == UD)
		return ud_send(r->op == SEND_IMM, op.addr, op.len, op.lkey,
			       op.imm);
	return rd_do(&me.qp[r->transport], &op, WAIT_MS);
}

/* 0, or what went wrong; LOST is a message that did not come. */
static int try_case(struct request *r, char *text, size_t room)
{
	struct reply there;
	int status;

	sock_send(me.sock, r, sizeof(*r));
	memory_prepare(r, CLIENT);
	if (!sock_recv(me.sock, &there, sizeof(there), WAIT_MS))
		die("the server has gone");
	status = post(r, &there);
	sock_send(me.sock, &status, sizeof(status));
	if (!sock_recv(me.sock, &there, sizeof(there), 2 * WAIT_MS))
		die("the server has gone");
	if (status) {
		snprintf(text, room, "%s", rd_status(status));
		return WRONG;
	}
	if (there.verdict) {
		snprintf(text, room, "%s", there.text);
		return there.verdict;
	}
	return memory_check(r, CLIENT, text, room);
}

static void run_case(struct request *r)
{
	char text[160] = "";
	int verdict, tries = 0;

	do {
		r->seed = ++me.seed;
		r->imm = (uint32_t)mix64(r->seed);
		r->swap = mix64(r->seed + 7);
		r->compare_add = mix64(r->seed + 11);
		if (r->op == CMP_SWAP && r->seed % 2)
			r->compare_add = memory_word(r);
		verdict = try_case(r, text, sizeof(text));
		sum[r->transport].lost += verdict == LOST;
	} while (verdict == LOST && r->transport >= UC && ++tries < 4);
	sum[r->transport].cases++;
	if (!verdict)
		return;
	sum[r->transport].wrong++;
	tap_note("WRONG %s %s, %u bytes, %s+%u -> %s+%u: %s",
		 transport_names[r->transport], op_names[r->op], r->len,
		 r->odp[CLIENT] ? "cold" : "pinned", r->off[CLIENT],
		 r->odp[SERVER] ? "cold" : "pinned", r->off[SERVER], text);
	if (r->transport < UC || verdict == LOST)
		die("the queue pair is of no more use");
}

static void run_lengths(struct request *r)
{
	static const uint32_t lengths[] = { 0,	  1,	 511,	 4096,
					    4097, 65539, 300001, 0 };
	static const uint32_t offsets[] = { 0, 1, 100, 4095 };
	static unsigned int turn;
	unsigned int i, k;

	for (i = 0; i == 0 || lengths[i]; i++) {
		r->len = lengths[i];
		if (r->transport == UD && r->len > me.most)
			r->len = me.most;
		for (k = 0, turn++; k < 2; k++) {
			r->off[CLIENT] = offsets[(turn + k) % 4];
			r->off[SERVER] = offsets[(turn * 3 + k) % 4];
			run_case(r);
		}
		if (r->transport == UD && lengths[i] > me.most)
			break;
	}
}

static void run_atomics(struct request *r)
{
	static const uint32_t aligned[] = { 0, 8, 104, 4088 };
	unsigned int i;

	r->len = 8;
	for (i = 0; i < ARRAY_SIZE(aligned); i++) {
		r->off[CLIENT] = aligned[(i + 1) % 4];
		r->off[SERVER] = aligned[i];
		run_case(r);
	}
}

static bool can(enum transport transport, enum op op)
{
	switch (transport) {
	case UD:
		return op == SEND || op == SEND_IMM;
	case UC:
		return op < READ;
	default:
		return true;
	}
}

static void run_transport(enum transport transport)
{
	struct request r = { .what = CASE, .transport = transport };
	uint64_t start = now_ms();
	unsigned int pair;

	for (pair = 0; pair < 4; pair++) {
		r.odp[CLIENT] = pair & 1;
		r.odp[SERVER] = pair >> 1;
		if ((r.odp[CLIENT] && !me.odp) ||
		    (r.odp[SERVER] && !me.odp_there))
			continue;
		for (r.op = 0; r.op < NUM_OPS; r.op++) {
			if (!can(transport, r.op))
				continue;
			if (r.op < CMP_SWAP)
				run_lengths(&r);
			else
				run_atomics(&r);
		}
	}
	tap_result(!sum[transport].wrong &&
			   sum[transport].lost * 20 <= sum[transport].cases,
		   "%s: %u cases, %u wrong, %u tried again, %.1f s",
		   transport_names[transport], sum[transport].cases,
		   sum[transport].wrong, sum[transport].lost,
		   (now_ms() - start) / 1000.0);
}

static int ask(void)
{
	struct request bye = { .what = BYE };
	enum transport t;

	for (t = 0; t < NUM_TRANSPORTS; t++)
		run_transport(t);
	sock_send(me.sock, &bye, sizeof(bye));
	tap_note("on demand: here %s, there %s", me.odp ? "yes" : "no",
		 me.odp_there ? "yes" : "no");
	return tap_done();
}

/* --- the server ------------------------------------------------------------ */

static int check_receive(const struct request *r, struct reply *rep)
{
	struct ibv_cq *cq = r->transport == UD ? me.ud_rcq :
						 me.qp[r->transport].rcq;
	uint32_t grh = r->transport == UD ? GRH : 0;
	struct ibv_wc wc = {};
	int status = rd_wait(cq, &wc, r->transport < UC ? WAIT_MS : 2000);

	if (status == -1) {
		snprintf(rep->text, sizeof(rep->text), "nothing came");
		return LOST;
	}
	if (status) {
		snprintf(rep->text, sizeof(rep->text), "receive: %s",
			 rd_status(status));
		return WRONG;
	}
	if (wc.byte_len == r->len + grh &&
	    (!has_imm(r->op) || ((wc.wc_flags & IBV_WC_WITH_IMM) &&
				 wc.imm_data == htobe32(r->imm))))
		return 0;
	snprintf(rep->text, sizeof(rep->text),
		 "receive of %u bytes, immediate %08x", wc.byte_len,
		 be32toh(wc.imm_data));
	return WRONG;
}

static void serve_case(const struct request *r)
{
	/* A message that did not come leaves its receive to the next try. */
	static bool waiting;
	struct memory *m = &me.memory[r->odp[SERVER]];
	struct reply rep = {
		.addr = (uintptr_t)m->map + r->off[SERVER],
		.rkey = m->mr->rkey,
	};
	int status;

	memory_prepare(r, SERVER);
	if (takes_receive(r->op) && !waiting)
		post_receive(r);
	sock_send(me.sock, &rep, sizeof(rep));
	if (!sock_recv(me.sock, &status, sizeof(status), 2 * WAIT_MS))
		die("the client has gone");
	if (!status && takes_receive(r->op))
		rep.verdict = check_receive(r, &rep);
	waiting = rep.verdict == LOST;
	/* Of a WRITE over UC nobody is told when it is there, or if. */
	if (!status && r->transport == UC && r->op == WRITE)
		memory_settle(r, 1000);
	if (!status && !rep.verdict)
		rep.verdict =
			memory_check(r, SERVER, rep.text, sizeof(rep.text));
	if (rep.verdict == WRONG && r->transport == UC && r->op == WRITE &&
	    memory_partly(r))
		rep.verdict = LOST;
	sock_send(me.sock, &rep, sizeof(rep));
}

static int serve(void)
{
	struct request r;

	for (;;) {
		if (!sock_recv(me.sock, &r, sizeof(r), 60000))
			die("the client has gone");
		if (r.what == BYE)
			return 0;
		serve_case(&r);
	}
}

/* --- who is who ------------------------------------------------------------ */

static int tcp_accept(unsigned int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, got;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 1))
		die("port %u: %s", port, strerror(errno));
	got = accept(fd, NULL, NULL);
	close(fd);
	if (got < 0)
		die("accept: %s", strerror(errno));
	return got;
}

static int tcp_connect(const char *where, unsigned int ms)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	const char *colon = strchr(where, ':');
	uint64_t end = now_ms() + ms;
	char address[40];
	int fd;

	if (!colon || colon - where >= (int)sizeof(address))
		die("not ADDRESS:PORT: %s", where);
	snprintf(address, sizeof(address), "%.*s", (int)(colon - where), where);
	to.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		die("not an address: %s", address);
	for (;;) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (!connect(fd, (struct sockaddr *)&to, sizeof(to)))
			return fd;
		close(fd);
		if (now_ms() > end)
			die("%s: %s", where, strerror(errno));
		sleep_ms(200);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dev", required_argument, NULL, 'd' },
		{ "server", required_argument, NULL, 's' },
		{ "client", required_argument, NULL, 'c' },
		{}
	};
	const char *dev = NULL, *client = NULL;
	unsigned int port = 0;
	int c, rc;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			dev = optarg;
			break;
		case 's':
			port = (unsigned int)atoi(optarg);
			break;
		case 'c':
			client = optarg;
			break;
		default:
			return 2;
		}
	}
	if (!dev || !port == !client)
		die("usage: wire --dev D --server PORT | --client ADDRESS:PORT");
	me.sock = port ? tcp_accept(port) : tcp_connect(client, 120000);
	wire_set_up(dev);
	rc = port ? serve() : ask();
	wire_tear_down();
	return rc;
}
