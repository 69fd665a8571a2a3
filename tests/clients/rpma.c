// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A user of librpma: the client writes, flushes, reads back, writes eight bytes
 * atomically and sends; the server finds all of it in its memory.
 *
 *   rpma server|client ADDRESS PORT
 */
#include <librpma.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ROUNDS 20
#define PIECE  (64UL << 10)
#define MARK   (ROUNDS * PIECE) /* eight bytes, written atomically */
#define MAIL   (MARK + 64) /* where the message goes */
#define SIZE   (MARK + 4096)

static const char mark[8] = "atomic!";
static const char mail[] = "all of it is there";

static uint8_t *memory;
static struct rpma_peer *peer;
static struct rpma_mr_local *region;

__attribute__((noreturn)) static void fail(const char *what, const char *why)
{
	fprintf(stderr, "FAIL: %s: %s\n", what, why);
	exit(1);
}

static void must(int ret, const char *what)
{
	if (ret)
		fail(what, rpma_err_2str(ret));
}

#define MUST(call) must(call, #call)

static uint8_t byte_at(size_t at)
{
	return (uint8_t)((at * 2654435761UL) >> 13);
}

static void fill(void)
{
	size_t i;

	for (i = 0; i < MARK; i++)
		memory[i] = byte_at(i);
}

static void compare(const uint8_t *at, size_t from, size_t len,
		    const char *where)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (at[i] != byte_at(from + i))
			fail(where, "not what was written");
}

static void set_up(const char *address, enum rpma_util_ibv_context_type type,
		   int usage)
{
	struct ibv_context *ctx;
	int odp = 0;

	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		fail("mmap", "no memory");
	MUST(rpma_utils_get_ibv_context(address, type, &ctx));
	MUST(rpma_utils_ibv_context_is_odp_capable(ctx, &odp));
	printf("odp_capable %d\n", odp);
	MUST(rpma_peer_new(ctx, &peer));
	MUST(rpma_mr_reg(peer, memory, SIZE, usage, &region));
}

static void tear_down(void)
{
	MUST(rpma_mr_dereg(&region));
	MUST(rpma_peer_delete(&peer));
	munmap(memory, SIZE);
}

static void expect(struct rpma_conn *conn, enum rpma_conn_event want)
{
	enum rpma_conn_event event;

	MUST(rpma_conn_next_event(conn, &event));
	if (event != want)
		fail(rpma_utils_conn_event_2str(want),
		     rpma_utils_conn_event_2str(event));
}

static void completion(struct rpma_conn *conn, struct ibv_wc *wc)
{
	struct rpma_cq *cq;
	int ret;

	MUST(rpma_conn_get_cq(conn, &cq));
	for (;;) {
		ret = rpma_cq_get_wc(cq, 1, wc, NULL);
		if (ret != RPMA_E_NO_COMPLETION)
			break;
		ret = rpma_cq_wait(cq);
		if (ret && ret != RPMA_E_NO_COMPLETION)
			must(ret, "rpma_cq_wait");
	}
	must(ret, "rpma_cq_get_wc");
	if (wc->status != IBV_WC_SUCCESS)
		fail("completion", ibv_wc_status_str(wc->status));
}

/* The one operation that asked for a completion, @id. */
static void done(struct rpma_conn *conn, uintptr_t id)
{
	struct ibv_wc wc;

	completion(conn, &wc);
	if (wc.wr_id != id)
		fail("completion", "of something else");
}

static void hang_up(struct rpma_conn *conn)
{
	expect(conn, RPMA_CONN_CLOSED);
	MUST(rpma_conn_disconnect(conn));
	MUST(rpma_conn_delete(&conn));
}

/* --- the server: its region is described in what it says when it connects --- */

static struct rpma_conn *let_in(struct rpma_ep *ep)
{
	struct rpma_conn_private_data data;
	struct rpma_conn_req *req;
	struct rpma_conn *conn;
	size_t size;
	void *text;

	MUST(rpma_mr_get_descriptor_size(region, &size));
	text = calloc(1, size);
	if (!text)
		fail("calloc", "no memory");
	MUST(rpma_mr_get_descriptor(region, text));
	data.ptr = text;
	data.len = (uint8_t)size;
	MUST(rpma_ep_next_conn_req(ep, NULL, &req));
	MUST(rpma_conn_req_recv(req, region, MAIL, sizeof(mail), &memory));
	MUST(rpma_conn_req_connect(&req, &data, &conn));
	expect(conn, RPMA_CONN_ESTABLISHED);
	free(text);
	return conn;
}

static void serve(const char *address, const char *port)
{
	struct rpma_conn *conn;
	struct rpma_ep *ep;
	struct ibv_wc wc;

	set_up(address, RPMA_UTIL_IBV_CONTEXT_LOCAL,
	       RPMA_MR_USAGE_WRITE_DST | RPMA_MR_USAGE_READ_SRC |
		       RPMA_MR_USAGE_RECV |
		       RPMA_MR_USAGE_FLUSH_TYPE_VISIBILITY);
	MUST(rpma_ep_listen(peer, address, port, &ep));
	conn = let_in(ep);
	completion(conn, &wc);
	if (wc.opcode != IBV_WC_RECV || wc.byte_len != sizeof(mail) ||
	    memcmp(memory + MAIL, mail, sizeof(mail)))
		fail("message", "not what was sent");
	compare(memory, 0, MARK, "server's memory");
	if (memcmp(memory + MARK, mark, sizeof(mark)))
		fail("atomic write", "not there");
	MUST(rpma_conn_disconnect(conn));
	expect(conn, RPMA_CONN_CLOSED);
	MUST(rpma_conn_delete(&conn));
	MUST(rpma_ep_shutdown(&ep));
	tear_down();
}

/* --- the client ------------------------------------------------------------ */

static struct rpma_conn *enter(const char *address, const char *port,
			       struct rpma_mr_remote **there)
{
	struct rpma_conn_private_data data;
	struct rpma_conn_req *req;
	struct rpma_conn *conn;

	MUST(rpma_conn_req_new(peer, address, port, NULL, &req));
	MUST(rpma_conn_req_connect(&req, NULL, &conn));
	expect(conn, RPMA_CONN_ESTABLISHED);
	MUST(rpma_conn_get_private_data(conn, &data));
	if (!data.ptr)
		fail("connection", "the server does not describe its region");
	MUST(rpma_mr_remote_from_descriptor(data.ptr, data.len, there));
	return conn;
}

static void ask(const char *address, const char *port)
{
	struct rpma_mr_remote *there;
	struct rpma_conn *conn;
	uintptr_t id = 0;
	size_t at;

	set_up(address, RPMA_UTIL_IBV_CONTEXT_REMOTE,
	       RPMA_MR_USAGE_WRITE_SRC | RPMA_MR_USAGE_READ_DST |
		       RPMA_MR_USAGE_SEND);
	fill();
	conn = enter(address, port, &there);
	for (at = 0; at < MARK; at += PIECE) {
		MUST(rpma_write(conn, there, at, region, at, PIECE,
				RPMA_F_COMPLETION_ON_ERROR, NULL));
		MUST(rpma_flush(conn, there, at, PIECE,
				RPMA_FLUSH_TYPE_VISIBILITY,
				RPMA_F_COMPLETION_ALWAYS, (void *)++id));
		done(conn, id);
	}
	memset(memory, 0, MARK);
	for (at = 0; at < MARK; at += PIECE) {
		MUST(rpma_read(conn, region, at, there, at, PIECE,
			       RPMA_F_COMPLETION_ALWAYS, (void *)++id));
		done(conn, id);
	}
	compare(memory, 0, MARK, "what was read back");
	MUST(rpma_atomic_write(conn, there, MARK, mark,
			       RPMA_F_COMPLETION_ALWAYS, (void *)++id));
	done(conn, id);
	memcpy(memory + MAIL, mail, sizeof(mail));
	MUST(rpma_send(conn, region, MAIL, sizeof(mail),
		       RPMA_F_COMPLETION_ALWAYS, (void *)++id));
	done(conn, id);
	MUST(rpma_mr_remote_delete(&there));
	hang_up(conn);
	tear_down();
}

int main(int argc, char **argv)
{
	if (argc != 4)
		fail("usage", "rpma server|client ADDRESS PORT");
	if (!strcmp(argv[1], "server"))
		serve(argv[2], argv[3]);
	else
		ask(argv[2], argv[3]);
	printf("%s: all as it should be\n", argv[1]);
	return 0;
}
