// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Datagrams: whole, with a GRH in front, from whom they say; what does not fit
 * is dropped and stops nobody. Source and sink are on demand.
 *
 *   ud DEVICE [N]
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/verbs.h"

enum {
	GRH = 40,
	ROOM = 8192,
	SLOTS = 16,
	QKEY = 0x11111111,
	PATIENCE_MS = 100,
};

static struct rd_dev dev;
static struct ibv_cq *cq_a, *cq_b;
static struct ibv_qp *a, *b;
static struct ibv_ah *ah;
static uint8_t *from, *to;
static struct ibv_mr *from_mr, *to_mr;
static unsigned int most; /* bytes of a datagram */

static struct ibv_qp *make_qp(struct ibv_cq *cq, struct ibv_pd *pd)
{
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_UD,
		.send_cq = cq,
		.recv_cq = cq,
		.cap = { .max_send_wr = SLOTS,
			 .max_recv_wr = SLOTS,
			 .max_send_sge = 2,
			 .max_recv_sge = 2 },
	};
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_INIT,
				    .port_num = 1,
				    .qkey = QKEY };
	struct ibv_qp *qp = ibv_create_qp(pd, &init);

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

static struct ibv_ah *make_ah(struct ibv_pd *pd)
{
	struct ibv_ah_attr attr = {
		.is_global = 1,
		.port_num = 1,
		.grh = { .dgid = dev.gid,
			 .sgid_index = dev.gid_index,
			 .hop_limit = 64 },
	};
	struct ibv_ah *made = ibv_create_ah(pd, &attr);

	if (!made)
		die("create_ah: %s", strerror(errno));
	return made;
}

static uint8_t *slot(uint8_t *base, unsigned int i)
{
	return base + (size_t)(i % SLOTS) * ROOM;
}

static void post_receive(unsigned int i, uint32_t len)
{
	struct ibv_sge sge = { (uintptr_t)slot(to, i), len, to_mr->lkey };
	struct ibv_recv_wr wr = { .wr_id = i, .sg_list = &sge, .num_sge = 1 };
	struct ibv_recv_wr *bad;

	if (ibv_post_recv(b, &wr, &bad))
		die("post_recv");
}

/* The status of its completion. */
static int send_one(struct ibv_ah *to_ah, unsigned int i, uint32_t len,
		    uint32_t qkey)
{
	struct ibv_sge sge = { (uintptr_t)slot(from, i), len, from_mr->lkey };
	struct ibv_send_wr wr = {
		.wr_id = i,
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = IBV_WR_SEND_WITH_IMM,
		.imm_data = i,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.ud = { .ah = to_ah,
			   .remote_qpn = b->qp_num,
			   .remote_qkey = qkey },
	};
	struct ibv_send_wr *bad;
	struct ibv_wc wc;

	if (ibv_post_send(a, &wr, &bad))
		die("post_send");
	return rd_wait(cq_a, &wc, 10000);
}

/* A GRH is IPv6's header, or 20 bytes of anything and IPv4's. */
static bool good_grh(const uint8_t *grh, uint32_t len)
{
	const uint8_t *gid = dev.gid.raw;
	bool v4 = gid[10] == 0xff && gid[11] == 0xff && !gid[0];

	(void)len;
	if (v4)
		return grh[20] == 0x45 && !memcmp(grh + 32, gid + 12, 4) &&
		       !memcmp(grh + 36, gid + 12, 4);
	return grh[0] >> 4 == 6 && !memcmp(grh + 8, gid, 16) &&
	       !memcmp(grh + 24, gid, 16);
}

static bool exchange(unsigned int i, uint32_t len)
{
	struct ibv_wc wc;
	bool ok;

	if (i % 3 == 0 && (madvise(slot(from, i), ROOM, MADV_DONTNEED) ||
			   madvise(slot(to, i), ROOM, MADV_DONTNEED)))
		die("madvise: %s", strerror(errno));
	fill(slot(from, i), len, i);
	post_receive(i, GRH + len);
	ok = !send_one(ah, i, len, QKEY) && !rd_wait(cq_b, &wc, 10000) &&
	     wc.byte_len == GRH + len && wc.src_qp == a->qp_num &&
	     wc.wc_flags == (IBV_WC_GRH | IBV_WC_WITH_IMM) && wc.wr_id == i &&
	     wc.imm_data == i && good_grh(slot(to, i), len) &&
	     first_difference(slot(from, i), slot(to, i) + GRH, len) < 0;
	if (!ok)
		tap_note("datagram %u of %u bytes", i, len);
	return ok;
}

static void test_lengths(unsigned int n)
{
	unsigned int i, bad = 0;

	for (i = 0; i < n; i++)
		bad += !exchange(i, i < 2 ? i * most : mix64(i) % (most + 1));
	tap_result(!bad, "%u datagrams of 0 to %u bytes, %u bad", n, most, bad);
}

/* Nothing comes, and the next one does. */
static void test_dropped(const char *name, uint32_t room, uint32_t qkey)
{
	uint64_t drops = counter(dev.name, "drop_bad_qkey") +
			 counter(dev.name, "drop_message");
	bool ok;

	if (room)
		post_receive(0, room);
	ok = !send_one(ah, 0, 100, qkey) &&
	     rd_wait(cq_b, NULL, PATIENCE_MS) == -1;
	ok = ok && counter(dev.name, "drop_bad_qkey") +
				   counter(dev.name, "drop_message") ==
			   drops + 1;
	if (room) {
		/* The receive that was too small serves a smaller one. */
		ok = ok && !send_one(ah, 1, room - GRH, QKEY) &&
		     !rd_wait(cq_b, NULL, 10000);
	}
	ok = ok && exchange(3, 500);
	tap_result(ok, "dropped: %s", name);
}

static void test_refused(void)
{
	struct ibv_pd *other = ibv_alloc_pd(dev.ctx);
	struct ibv_ah *alien = make_ah(other);

	tap_result(send_one(alien, 0, 100, QKEY) == IBV_WC_LOC_QP_OP_ERR,
		   "an address of another protection domain");
	ibv_destroy_ah(alien);
	ibv_dealloc_pd(other);
	ibv_destroy_qp(a);
	a = make_qp(cq_a, dev.pd);
	tap_result(send_one(ah, 0, most + 1, QKEY) == IBV_WC_LOC_LEN_ERR,
		   "longer than the port allows");
	ibv_destroy_qp(a);
	a = make_qp(cq_a, dev.pd);
}

int main(int argc, char **argv)
{
	unsigned int n = argc > 2 ? atoi(argv[2]) : 300;
	int access = IBV_ACCESS_LOCAL_WRITE;

	if (argc < 2)
		die("usage: ud DEVICE [N]");
	rd_open(&dev, argv[1]);
	most = 128U << dev.port.active_mtu;
	access |= dev.odp ? IBV_ACCESS_ON_DEMAND : 0;
	from = mmap(NULL, 2UL * SLOTS * ROOM, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (from == MAP_FAILED)
		die("mmap");
	to = from + SLOTS * ROOM;
	from_mr = rd_reg(&dev, from, SLOTS * ROOM, access);
	to_mr = rd_reg(&dev, to, SLOTS * ROOM, access);
	cq_a = ibv_create_cq(dev.ctx, 2 * SLOTS, NULL, NULL, 0);
	cq_b = ibv_create_cq(dev.ctx, 2 * SLOTS, NULL, NULL, 0);
	a = make_qp(cq_a, dev.pd);
	b = make_qp(cq_b, dev.pd);
	ah = make_ah(dev.pd);

	test_lengths(n);
	test_dropped("a wrong Q_Key", 0, QKEY + 1);
	test_dropped("no receive", 0, QKEY);
	test_dropped("a receive that is too small", GRH + 50, QKEY);
	test_refused();
	tap_result(exchange(1, 1000), "after all that: a datagram");

	ibv_destroy_ah(ah);
	ibv_destroy_qp(a);
	ibv_destroy_qp(b);
	ibv_destroy_cq(cq_a);
	ibv_destroy_cq(cq_b);
	ibv_dereg_mr(from_mr);
	ibv_dereg_mr(to_mr);
	rd_close(&dev);
	return tap_done();
}
