// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Every RC operation with every length, offset, kind of memory and path MTU;
 * every byte of the buffers on both sides is compared with a model, and the
 * devices' fault counters with what cold and warm memory must cost.
 *
 *   matrix --dev D                         both sides, in two processes
 *   matrix --dev D --server SOCKET         one side each, for two devices in
 *   matrix --dev D --client SOCKET         two network namespaces
 *   --half                                 each memory with every other MTU
 *   --short                                of those a small selection
 *   --pinned                               no on-demand memory on this side
 */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "matrix/matrix.h"

static void mismatch(const struct request *r, const char *text)
{
	run.mismatches++;
	tap_note("MISMATCH %s %u bytes %s+%u -> %s+%u mtu %u: %s",
		 ops[r->op].name, total(r->local, r->nlocal),
		 arena_names[r->local[0].kind], r->local[0].off,
		 arena_names[r->remote[0].kind], r->remote[0].off, mtus[r->qp],
		 text);
}

static void run_case(struct request *r)
{
	struct ibv_sge sge[MAX_SEGS];
	char text[120];
	struct rd_op op = { .opcode = ops[r->op].opcode, .sge = sge };
	struct reply rep;
	int status;

	r->what = CASE;
	r->seed = ++run.seed << 8;
	r->imm = mix64(r->seed);
	run.cases++;
	prepare(r->local, r->nlocal, ~r->seed);
	if (ops[r->op].to_peer)
		gather(r->local, r->nlocal);
	sock_send(me.sock, r, sizeof(*r));
	if (!sock_recv(me.sock, &rep, sizeof(rep), WAIT_MS))
		die("the server has gone");

	if (r->match)
		r->compare_add = rep.old;
	op.flags = ops[r->op].inline_data ? IBV_SEND_INLINE : 0;
	op.num_sge = make_sge(sge, r->local, r->nlocal, ops[r->op].inline_data);
	op.raddr = rep.addr;
	op.rkey = rep.rkey;
	op.imm = htobe32(r->imm);
	op.compare_add = r->compare_add;
	op.swap = r->swap;
	status = rd_do(&me.qp[r->qp], &op, WAIT_MS);
	sock_send(me.sock, &status, sizeof(status));
	if (!sock_recv(me.sock, &rep, sizeof(rep), 2 * WAIT_MS))
		die("the server has gone");
	if (status) {
		mismatch(r, rd_status(status));
		die("the QP is of no more use");
	}
	if (rep.wrong)
		mismatch(r, rep.text);
	if (!ops[r->op].to_peer)
		scatter(r->local, r->nlocal);
	if (!verify(r->local, r->nlocal, text, sizeof(text)))
		mismatch(r, text);
}

static struct reply ask(enum message what, const struct request *with)
{
	struct request r = {};
	struct reply rep = {};

	if (with)
		r = *with;
	r.what = what;
	sock_send(me.sock, &r, sizeof(r));
	if (what == GROUP_BEGIN) {
		if (!sock_recv(me.sock, &r.what, sizeof(r.what), WAIT_MS))
			die("the server has gone");
	} else if (!sock_recv(me.sock, &rep, sizeof(rep), WAIT_MS)) {
		die("the server has gone");
	}
	return rep;
}

/* Cases of the group that is running which touch cold memory. */
static unsigned int cold_local, cold_remote;

static bool touches_cold(const struct seg *seg, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (seg[i].len && arena_cold(seg[i].kind))
			return true;
	return false;
}

static void group_begin(void)
{
	cold_local = cold_remote = 0;
	ask(GROUP_BEGIN, NULL);
	begin_group();
	run.groups++;
}

static void group_case(struct request *r)
{
	run_case(r);
	cold_local += !ops[r->op].inline_data &&
		      touches_cold(r->local, r->nlocal);
	cold_remote += touches_cold(r->remote, r->nremote);
}

static void group_end(const struct request *last)
{
	struct request r = *last;
	struct reply theirs, mine;

	r.must_fault = cold_remote;
	r.must_not = !cold_remote && !(run.same_device && cold_local);
	theirs = ask(GROUP_END, &r);
	r.must_fault = cold_local;
	r.must_not = !cold_local && !(run.same_device && cold_remote);
	judge_group(&r, &mine);
	run.faults += mine.faults + (run.same_device ? 0 : theirs.faults);
	run.cold += cold_local + cold_remote;
	if (theirs.wrong)
		mismatch(last, theirs.text);
	if (mine.wrong)
		mismatch(last, mine.text);
}

static bool have(enum arena_kind local, enum arena_kind remote)
{
	return (me.odp || !arena_on_demand(local)) &&
	       (run.odp || !arena_on_demand(remote));
}

static const uint32_t offsets[] = { 0, 1, 100, 4095 };
static const uint32_t sizes[] = { 0,	    1,	      511,
				  PAGE,	    PAGE + 1, 64 * 1024 + 3,
				  MAX_BYTES };

/* One operation between two kinds of memory, through one QP. */
static void run_group(enum op op, unsigned int qp, enum arena_kind local,
		      enum arena_kind remote)
{
	static unsigned int turn;
	struct request r = { .op = op, .qp = qp, .nlocal = 1, .nremote = 1 };
	unsigned int i, k, rounds = run.short_form ? 1 : ARRAY_SIZE(offsets);

	if (!have(local, remote))
		return;
	group_begin();
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (ops[op].inline_data && sizes[i] > 511)
			break;
		if (run.short_form && (sizes[i] == 511 || sizes[i] == PAGE ||
				       sizes[i] == MAX_BYTES))
			continue;
		/* In turn, so that all pairs of offsets meet. */
		for (k = 0, turn++; k < rounds; k++) {
			r.local[0] =
				(struct seg){ local, offsets[k], sizes[i] };
			r.remote[0] = (struct seg){ remote,
						    offsets[(k + turn) % 4],
						    sizes[i] };
			group_case(&r);
		}
	}
	group_end(&r);
}

static void run_atomics(enum op op, unsigned int qp, enum arena_kind local,
			enum arena_kind remote)
{
	static const uint32_t aligned[] = { 0, 8, 104, 4088 };
	struct request r = { .op = op, .qp = qp, .nlocal = 1, .nremote = 1 };
	unsigned int k;

	if (!have(local, remote))
		return;
	group_begin();
	for (k = 0; k < ARRAY_SIZE(aligned); k++) {
		r.local[0] = (struct seg){ local, offsets[k], 8 };
		r.remote[0] = (struct seg){ remote, aligned[k], 8 };
		r.compare_add = mix64(run.seed);
		r.swap = mix64(run.seed + 1);
		r.match = false;
		group_case(&r);
		r.match = op == CMP_SWAP;
		group_case(&r);
	}
	group_end(&r);
}

/* Three pieces of odd lengths, over page borders, in two regions a side. */
static void run_gather(enum op op, unsigned int qp, enum arena_kind a,
		       enum arena_kind b, uint32_t len)
{
	struct request r = { .op = op, .qp = qp, .nlocal = 3, .nremote = 3 };
	const uint32_t piece[] = { len / 3 | 1, len / 5 | 1,
				   len - (len / 3 | 1) - (len / 5 | 1) };
	uint32_t over = PAGE - 7;

	if (!have(a, b) || !have(b, a))
		return;
	r.local[0] = (struct seg){ a, over, piece[0] };
	r.local[1] = (struct seg){ b, 4095, piece[1] };
	r.local[2] = (struct seg){ a, over + piece[0] + 13, piece[2] };
	r.remote[0] = (struct seg){ b, 101, piece[2] };
	r.remote[1] = (struct seg){ a, over, piece[0] };
	r.remote[2] = (struct seg){ b, 101 + piece[2] + 1, piece[1] };
	if (!ops[op].recv || op == WRITE_IMM) {
		r.nremote = 1;
		r.remote[0].len = len;
	}
	group_begin();
	group_case(&r);
	group_end(&r);
}

/* Every page that the device is to know, known to it. */
static void warm_up(void)
{
	struct request r = { .nremote = 1 };
	struct reply rep;
	int status;

	if (run.odp) {
		r.remote[0].kind = ARENA_WARM;
		rep = ask(WARM_UP, &r);
		status = rd_write(&me.qp[0],
				  arena_iova(&me.arena[ARENA_PINNED], 0),
				  me.arena[ARENA_PINNED].mr->lkey, ROOM,
				  rep.addr, rep.rkey, WAIT_MS);
		if (status)
			die("warming up the peer: %s", rd_status(status));
	}
	if (me.odp) {
		r.remote[0].kind = ARENA_PINNED;
		rep = ask(WARM_UP, &r);
		status = rd_read(&me.qp[0],
				 arena_iova(&me.arena[ARENA_WARM], 0),
				 me.arena[ARENA_WARM].mr->lkey, ROOM, rep.addr,
				 rep.rkey, WAIT_MS);
		if (status)
			die("warming up: %s", rd_status(status));
	}
}

static void run_pair(unsigned int qp, enum arena_kind local,
		     enum arena_kind remote)
{
	unsigned int before = run.cases;
	uint64_t start = now_ms();
	enum op op;

	for (op = 0; op < NUM_OPS; op++) {
		if (is_atomic(op))
			run_atomics(op, qp, local, remote);
		else
			run_group(op, qp, local, remote);
	}
	if (run.cases > before)
		tap_note("mtu %u, %s -> %s: %u cases, %.1f s", mtus[qp],
			 arena_names[local], arena_names[remote],
			 run.cases - before, (now_ms() - start) / 1000.0);
}

static bool is_chosen(unsigned int qp, unsigned int pair)
{
	return !run.half || (qp + pair) % 2 == 0;
}

static void run_matrix(void)
{
	static const enum arena_kind pairs[][2] = {
		{ ARENA_PINNED, ARENA_PINNED },
		{ ARENA_PINNED, ARENA_WARM },
		{ ARENA_PINNED, ARENA_COLD },
		{ ARENA_PINNED, ARENA_COLD_FILE },
		{ ARENA_WARM, ARENA_PINNED },
		{ ARENA_COLD, ARENA_PINNED },
		{ ARENA_COLD_FILE, ARENA_PINNED },
		{ ARENA_COLD_FILE, ARENA_COLD },
		{ ARENA_PINNED_IOVA, ARENA_PINNED_IOVA },
		{ ARENA_COLD_IOVA, ARENA_COLD_IOVA },
	};
	static const enum op gathered[] = { SEND, SEND_IMM, WRITE, WRITE_IMM,
					    READ };
	static const uint32_t lengths[] = { 97, 3 * PAGE + 5, 70001 };
	unsigned int qp, i, l, p;

	warm_up();
	for (qp = 0; qp < NUM_MTUS; qp++) {
		for (p = 0; p < ARRAY_SIZE(pairs); p++)
			if (is_chosen(qp, p))
				run_pair(qp, pairs[p][0], pairs[p][1]);
		for (p = 0; p < ARRAY_SIZE(pairs); p++)
			for (i = 0;
			     is_chosen(qp, p) && i < ARRAY_SIZE(gathered); i++)
				for (l = 0; l < ARRAY_SIZE(lengths); l++)
					run_gather(gathered[i], qp, pairs[p][0],
						   pairs[p][1], lengths[l]);
	}
}

static int serve_all(const char *dev, bool pinned)
{
	set_up(dev, pinned);
	serve();
	tear_down();
	return run.mismatches ? 1 : 0;
}

static int ask_all(const char *dev, bool pinned)
{
	struct request bye = { .what = BYE };
	uint64_t start = now_ms();

	set_up(dev, pinned);
	run_matrix();
	sock_send(me.sock, &bye, sizeof(bye));
	tear_down();
	tap_note(
		"%u cases in %u groups, %u with cold memory, %llu page faults, %.1f s",
		run.cases, run.groups, run.cold, (unsigned long long)run.faults,
		(now_ms() - start) / 1000.0);
	tap_result(!run.mismatches, "%s: %u cases, %u mismatches", dev,
		   run.cases, run.mismatches);
	return tap_done();
}

static void share_board(const char *path)
{
	int fd = path ? open(path, O_RDWR | O_CREAT, 0600) : -1;

	if (path && (fd < 0 || ftruncate(fd, ROOM)))
		die("%s: %s", path, strerror(errno));
	me.board = mmap(NULL, ROOM, PROT_READ | PROT_WRITE,
			MAP_SHARED | (path ? 0 : MAP_ANONYMOUS), fd, 0);
	if (me.board == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	if (path)
		close(fd);
}

static int both_sides(const char *dev, bool pinned)
{
	int pair[2], status = 0;
	pid_t child;

	share_board(NULL);
	run.same_device = true;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		die("socketpair: %s", strerror(errno));
	child = fork();
	if (child < 0)
		die("fork: %s", strerror(errno));
	me.sock = pair[!child];
	close(pair[!!child]);
	if (!child)
		exit(serve_all(dev, pinned));
	status = ask_all(dev, pinned);
	if (waitpid(child, &pair[0], 0) != child || pair[0]) {
		tap_note("the server's end: status %#x", pair[0]);
		return 1;
	}
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dev", required_argument, NULL, 'd' },
		{ "server", required_argument, NULL, 's' },
		{ "client", required_argument, NULL, 'c' },
		{ "half", no_argument, NULL, 'h' },
		{ "short", no_argument, NULL, 'S' },
		{ "pinned", no_argument, NULL, 'p' },
		{}
	};
	const char *dev = NULL, *server = NULL, *client = NULL;
	char board[120];
	bool pinned = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			dev = optarg;
			break;
		case 's':
			server = optarg;
			break;
		case 'c':
			client = optarg;
			break;
		case 'h':
			run.half = true;
			break;
		case 'S':
			run.half = run.short_form = true;
			break;
		case 'p':
			pinned = true;
			break;
		default:
			return 2;
		}
	}
	if (!dev)
		die("usage: matrix --dev DEVICE [--server|--client SOCKET] [--half|--short] [--pinned]");
	if (!server && !client)
		return both_sides(dev, pinned);
	snprintf(board, sizeof(board), "%s.board", server ?: client);
	share_board(board);
	if (server) {
		me.sock = sock_listen(server, WAIT_MS);
		return serve_all(dev, pinned);
	}
	me.sock = sock_connect(client, WAIT_MS);
	return ask_all(dev, pinned);
}
