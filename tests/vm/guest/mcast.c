// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Multicast: who is in a group gets a copy, nobody else does; the sender need
 * not be in it. Receives are on demand.
 *
 *   mcast DEVICE [N]
 *   mcast DEVICE receive N      the two ends of a wire: datagrams 0 .. N - 1
 *   mcast DEVICE send N
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/case.h"
#include "common/verbs.h"

enum {
	GRH = 40,
	SLOTS = 64, /* receives of a queue pair */
	ROOM = 2048,
	MEMBERS = 4,
	FEW_GROUPS = 10, /* all that these cases use, but for run_groups() */
	QKEY = 0x2222,
	GROUP_QPN = 0xffffff,
	PATIENCE_MS = 10000,
	QUIET_MS = 60,
};

struct end {
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	uint8_t *mem; /* SLOTS receives, then what it sends */
	struct ibv_mr *mr;
	unsigned int posted;
};

static struct rd_dev dev;
static struct end sender, member[MEMBERS];
static unsigned int rounds = 200;

/* --- groups --------------------------------------------------------- */

/* Of the kind of address that the device is used by. */
static union ibv_gid group(unsigned int i)
{
	union ibv_gid gid = {};

	if (dev.gid.raw[10] == 0xff && !dev.gid.raw[0]) {
		gid.raw[10] = gid.raw[11] = 0xff;
		gid.raw[12] = 239;
		gid.raw[13] = 7;
	} else {
		gid.raw[0] = 0xff;
		gid.raw[1] = 0x0e;
		gid.raw[13] = 7;
	}
	gid.raw[14] = i >> 8;
	gid.raw[15] = i;
	return gid;
}

static int attach(struct ibv_qp *qp, unsigned int i)
{
	union ibv_gid gid = group(i);

	return ibv_attach_mcast(qp, &gid, 0);
}

static int detach(struct ibv_qp *qp, unsigned int i)
{
	union ibv_gid gid = group(i);

	return ibv_detach_mcast(qp, &gid, 0);
}

static struct ibv_ah *address(unsigned int i)
{
	struct ibv_ah_attr attr = {
		.is_global = 1,
		.port_num = 1,
		.grh = { .dgid = group(i),
			 .sgid_index = dev.gid_index,
			 .hop_limit = 1 },
	};
	struct ibv_ah *ah = ibv_create_ah(dev.pd, &attr);

	if (!ah)
		die("create_ah of a group: %s", strerror(errno));
	return ah;
}

/* --- ends ------------------------------------------------------------ */

static struct ibv_qp *make_qp(struct ibv_cq *cq, uint32_t qkey)
{
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_UD,
		.send_cq = cq,
		.recv_cq = cq,
		.cap = { .max_send_wr = SLOTS,
			 .max_recv_wr = SLOTS,
			 .max_send_sge = 1,
			 .max_recv_sge = 1 },
	};
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_INIT,
				    .port_num = 1,
				    .qkey = qkey };
	struct ibv_qp *qp = ibv_create_qp(dev.pd, &init);

	if (!qp || ibv_modify_qp(qp, &attr,
				 IBV_QP_STATE | IBV_QP_PKEY_INDEX |
					 IBV_QP_PORT | IBV_QP_QKEY))
		die("a UD queue pair: %s", strerror(errno));
	attr.qp_state = IBV_QPS_RTR;
	if (ibv_modify_qp(qp, &attr, IBV_QP_STATE))
		die("to RTR: %s", strerror(errno));
	attr.qp_state = IBV_QPS_RTS;
	if (ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_SQ_PSN))
		die("to RTS: %s", strerror(errno));
	return qp;
}

static void post(struct end *e)
{
	unsigned int i = e->posted++ % SLOTS;
	struct ibv_sge sge = { (uintptr_t)e->mem + i * ROOM, ROOM,
			       e->mr->lkey };
	struct ibv_recv_wr *bad, wr = {
		.wr_id = i,
		.sg_list = &sge,
		.num_sge = 1,
	};

	if (ibv_post_recv(e->qp, &wr, &bad))
		die("post_recv");
}

static void open_end(struct end *e, uint32_t qkey)
{
	size_t len = (SLOTS + 1) * ROOM;
	int access = IBV_ACCESS_LOCAL_WRITE |
		     (dev.odp ? IBV_ACCESS_ON_DEMAND : 0);

	memset(e, 0, sizeof(*e));
	e->mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (e->mem == MAP_FAILED)
		die("mmap");
	e->mr = rd_reg(&dev, e->mem, len, access);
	e->cq = ibv_create_cq(dev.ctx, 2 * SLOTS, NULL, NULL, 0);
	if (!e->cq)
		die("create_cq");
	e->qp = make_qp(e->cq, qkey);
	while (e->posted < SLOTS - 1)
		post(e);
}

/* A member cannot be destroyed: out of the first @groups groups before that. */
static int drop_qp(struct ibv_qp *qp, unsigned int groups)
{
	for (unsigned int i = 0; i < groups; i++)
		detach(qp, i);
	return ibv_destroy_qp(qp);
}

static void close_end(struct end *e)
{
	if (drop_qp(e->qp, FEW_GROUPS) || ibv_destroy_cq(e->cq) ||
	    ibv_dereg_mr(e->mr))
		die("destroy: %s", strerror(errno));
	munmap(e->mem, (SLOTS + 1) * ROOM);
}

static void setup(void)
{
	open_end(&sender, QKEY);
	for (int i = 0; i < MEMBERS; i++)
		open_end(&member[i], QKEY);
}

static void teardown(void)
{
	for (int i = 0; i < MEMBERS; i++)
		close_end(&member[i]);
	close_end(&sender);
}

static uint32_t length_of(uint32_t seq)
{
	uint32_t most = 128U << dev.port.active_mtu;

	return mix64(seq) % ((most < ROOM - GRH ? most : ROOM - GRH) + 1);
}

static void send_to(struct end *from, struct ibv_ah *ah, uint32_t seq,
		    uint32_t qkey)
{
	uint8_t *out = from->mem + SLOTS * ROOM;
	struct ibv_sge sge = { (uintptr_t)out, length_of(seq), from->mr->lkey };
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = IBV_WR_SEND_WITH_IMM,
		.imm_data = htonl(seq),
		.send_flags = IBV_SEND_SIGNALED,
		.wr.ud = { .ah = ah,
			   .remote_qpn = GROUP_QPN,
			   .remote_qkey = qkey },
	};
	struct ibv_wc wc;

	fill(out, length_of(seq), seq);
	if (ibv_post_send(from->qp, &wr, &bad))
		die("post_send");
	do {
		if (rd_wait(from->cq, &wc, PATIENCE_MS))
			die("send: %s", rd_status(wc.status));
	} while (wc.opcode & IBV_WC_RECV);
}

/* The next that came is @seq, whole, to group @i. */
static bool has_got(struct end *e, uint32_t seq, unsigned int i,
		    unsigned int ms)
{
	union ibv_gid to = group(i);
	const uint8_t *at;
	struct ibv_wc wc;
	bool good;

	if (rd_wait(e->cq, &wc, ms))
		return false;
	at = e->mem + wc.wr_id * ROOM;
	/* The GRH ends with the address that it was sent to. */
	good = to.raw[0] ? !memcmp(at + 24, &to, 16) :
			   !memcmp(at + 36, to.raw + 12, 4);
	fill(e->mem + SLOTS * ROOM, length_of(seq), seq);
	good = good && wc.opcode == IBV_WC_RECV &&
	       wc.byte_len == GRH + length_of(seq) &&
	       wc.imm_data == htonl(seq) &&
	       first_difference(at + GRH, e->mem + SLOTS * ROOM,
				length_of(seq)) < 0;
	if (!good)
		tap_note("%u bytes, number %u, not %u", wc.byte_len,
			 ntohl(wc.imm_data), seq);
	post(e);
	return good;
}

static bool has_nothing(struct end *e)
{
	return rd_wait(e->cq, NULL, 0) == -1;
}

/* --- cases ----------------------------------------------------------- */

/* 0, 1 and 2 in group 1, 2 and 3 in group 2. */
static void run_copies(void)
{
	struct ibv_ah *to_1, *to_2, *to_3;
	unsigned int i;

	setup();
	to_1 = address(1);
	to_2 = address(2);
	to_3 = address(3);
	for (i = 0; i < MEMBERS; i++)
		check((i == 3 || !attach(member[i].qp, 1)) &&
			      (i < 2 || !attach(member[i].qp, 2)),
		      "attach %u: %s", i, strerror(errno));
	for (i = 0; i < rounds; i++) {
		if (i % 4 == 0 && madvise(member[i / 4 % MEMBERS].mem,
					  SLOTS * ROOM, MADV_DONTNEED))
			die("madvise");
		send_to(&sender, to_1, 2 * i, QKEY);
		for (int m = 0; m < 3; m++)
			check(has_got(&member[m], 2 * i, 1, PATIENCE_MS),
			      "%u to group 1, member %d", i, m);
		send_to(&sender, to_2, 2 * i + 1, QKEY);
		for (int m = 2; m < 4; m++)
			check(has_got(&member[m], 2 * i + 1, 2, PATIENCE_MS),
			      "%u to group 2, member %d", i, m);
	}
	send_to(&sender, to_3, 0, QKEY);
	sleep_ms(QUIET_MS);
	for (i = 0; i < MEMBERS; i++)
		check(has_nothing(&member[i]), "%u got more", i);
	check(has_nothing(&sender), "the sender got something");
	ibv_destroy_ah(to_1);
	ibv_destroy_ah(to_2);
	ibv_destroy_ah(to_3);
	teardown();
}

static void run_qkey(void)
{
	uint64_t drops = counter(dev.name, "drop_bad_qkey");
	struct ibv_ah *to;
	struct end odd;

	setup();
	to = address(1);
	open_end(&odd, QKEY + 1);
	check(!attach(member[0].qp, 1) && !attach(odd.qp, 1), "attach");
	send_to(&sender, to, 5, QKEY);
	check(has_got(&member[0], 5, 1, PATIENCE_MS), "the right Q_Key");
	send_to(&sender, to, 6, QKEY + 1);
	check(has_got(&odd, 6, 1, PATIENCE_MS), "the other's");
	sleep_ms(QUIET_MS);
	check(has_nothing(&odd) && has_nothing(&member[0]), "both got more");
	check(counter(dev.name, "drop_bad_qkey") == drops + 2, "counted");
	ibv_destroy_ah(to);
	close_end(&odd);
	teardown();
}

/* Joined when the sender has sent there already; and left. */
static void run_come_and_go(void)
{
	struct ibv_ah *to;
	unsigned int i;

	setup();
	to = address(1);
	send_to(&sender, to, 0, QKEY);
	for (i = 1; i < 1 + rounds / 4; i++) {
		check(!attach(member[0].qp, 1), "attach: %s", strerror(errno));
		send_to(&sender, to, i, QKEY);
		check(has_got(&member[0], i, 1, PATIENCE_MS), "attached");
		check(!detach(member[0].qp, 1), "detach: %s", strerror(errno));
		send_to(&sender, to, i + 1000, QKEY);
	}
	sleep_ms(QUIET_MS);
	check(has_nothing(&member[0]), "detached");
	ibv_destroy_ah(to);
	teardown();
}

static void run_self(void)
{
	struct ibv_wc wc[2] = {};
	struct ibv_sge sge;
	struct ibv_ah *to;
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = IBV_WR_SEND,
		.send_flags = IBV_SEND_SIGNALED,
	};

	setup();
	to = address(1);
	sge = (struct ibv_sge){ (uintptr_t)sender.mem + SLOTS * ROOM, 100,
				sender.mr->lkey };
	wr.wr.ud.ah = to;
	wr.wr.ud.remote_qpn = GROUP_QPN;
	wr.wr.ud.remote_qkey = QKEY;
	check(!attach(sender.qp, 1), "attach: %s", strerror(errno));
	check(!ibv_post_send(sender.qp, &wr, &bad), "post_send");
	check(!rd_wait(sender.cq, &wc[0], PATIENCE_MS) &&
		      !rd_wait(sender.cq, &wc[1], PATIENCE_MS),
	      "two completions");
	check((wc[0].opcode == IBV_WC_RECV) != (wc[1].opcode == IBV_WC_RECV),
	      "one of them is the receive's");
	ibv_destroy_ah(to);
	teardown();
}

static void run_limits(void)
{
	unsigned int most = dev.attr.orig_attr.max_mcast_qp_attach;
	struct ibv_cq *cq = ibv_create_cq(dev.ctx, 16, NULL, NULL, 0);
	struct ibv_qp **qps = calloc(most + 1, sizeof(struct ibv_qp *));
	unsigned int i;

	check(most >= 2, "%u members", most);
	for (i = 0; i <= most; i++)
		qps[i] = make_qp(cq, QKEY);
	for (i = 0; i < most; i++)
		check(!attach(qps[i], 1), "member %u: %s", i, strerror(errno));
	for (i = 0; i < 3; i++)
		check(attach(qps[most], 1) == ENOMEM, "one too many");
	check(detach(qps[most], 1) == EINVAL, "who is none");
	check(!detach(qps[1], 1) && !attach(qps[most], 1), "in place of one");
	check(detach(qps[0], 2) == EINVAL, "a group that is none");
	for (i = 0; i <= most; i++)
		check(!drop_qp(qps[i], FEW_GROUPS), "destroy_qp");
	check(!ibv_destroy_cq(cq), "destroy_cq");
	free(qps);
}

/* As many as the device says, more than once. */
static void run_groups(void)
{
	unsigned int most = dev.attr.orig_attr.max_mcast_grp;
	struct ibv_cq *cq = ibv_create_cq(dev.ctx, 16, NULL, NULL, 0);
	struct ibv_qp *qp, *other;
	unsigned int i, turn;

	if (rounds < 200)
		most = 0; /* slow: RTNL for each of them */
	for (turn = 0; turn < 2 && most; turn++) {
		qp = make_qp(cq, QKEY);
		other = make_qp(cq, QKEY);
		for (i = 0; i < most; i++)
			if (attach(qp, i))
				break;
		check(i == most, "turn %u: %u of %u: %s", turn, i, most,
		      strerror(errno));
		check(attach(other, most) == ENOMEM, "one too many");
		check(!attach(other, 0), "one that is there");
		check(!detach(qp, 1) && !attach(other, most), "in its place");
		check(!drop_qp(other, most + 1) && !drop_qp(qp, most + 1),
		      "destroy_qp");
	}
	check(!ibv_destroy_cq(cq), "destroy_cq");
	if (!most)
		skip("slow");
}

static void run_refused(void)
{
	union ibv_gid alone = dev.gid;
	struct rd_qp rc;

	setup();
	rd_qp_create(&rc, &dev, NULL);
	check(attach(rc.qp, 1) == EINVAL, "a reliable connection");
	check(ibv_attach_mcast(sender.qp, &alone, 0) == EINVAL,
	      "an address of one");
	check(!attach(sender.qp, 1), "attach: %s", strerror(errno));
	check(ibv_destroy_qp(sender.qp) == EBUSY, "destroyed as a member");
	rd_qp_destroy(&rc);
	teardown();
}

static const struct test tests[] = {
	{ "copies", run_copies, "one for each member of that group" },
	{ "qkey", run_qkey, "who has another Q_Key gets none" },
	{ "come-and-go", run_come_and_go, "attached, detached, again" },
	{ "self", run_self, "a sender that is a member" },
	{ "limits", run_limits, "members of a group" },
	{ "groups", run_groups, "of a device" },
	{ "refused", run_refused, "what is no group, who cannot be in one" },
};

/* --- over a wire ------------------------------------------------------ */

static int receive(unsigned int n)
{
	unsigned int i, good = 0;

	open_end(&member[0], QKEY);
	if (attach(member[0].qp, 9))
		die("attach: %s", strerror(errno));
	puts("ready");
	fflush(stdout);
	for (i = 0; i < n; i++)
		good += has_got(&member[0], i, 9, PATIENCE_MS);
	tap_result(good == n, "%u of %u datagrams", good, n);
	if (detach(member[0].qp, 9))
		die("detach: %s", strerror(errno));
	close_end(&member[0]);
	return tap_done();
}

static int send_all(unsigned int n)
{
	struct ibv_ah *to = address(9);

	open_end(&sender, QKEY);
	/* No faster than the other can, for nobody holds us back. */
	for (unsigned int i = 0; i < n; i++) {
		send_to(&sender, to, i, QKEY);
		sleep_ms(i % 16 ? 0 : 5);
	}
	ibv_destroy_ah(to);
	close_end(&sender);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		die("usage: mcast DEVICE [N | receive N | send N]");
	rd_open(&dev, argv[1]);
	if (argc > 3 && !strcmp(argv[2], "receive"))
		return receive(atoi(argv[3]));
	if (argc > 3 && !strcmp(argv[2], "send"))
		return send_all(atoi(argv[3]));
	if (argc > 2)
		rounds = atoi(argv[2]);
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		case_run(&tests[i]);
	rd_close(&dev);
	return tap_done();
}
