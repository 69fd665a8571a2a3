// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Nonsense in the arguments of verbs, and the errno that each must get. */
#include "badinput.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- registration
 * ---------------------------------------------------------------- */

#define NOWHERE 1

static struct {
	const char *name;
	uint64_t addr; /* 0: a good buffer; NOWHERE: NULL */
	size_t length;
	uint64_t iova; /* 0: as addr */
	unsigned access;
	int want;
} mr_rows[] = {
	{ "REMOTE_WRITE without LOCAL_WRITE", 0, 4096, 0,
	  IBV_ACCESS_REMOTE_WRITE, EINVAL },
	{ "REMOTE_ATOMIC without LOCAL_WRITE", 0, 4096, 0,
	  IBV_ACCESS_REMOTE_ATOMIC, EINVAL },
	{ "access bit of nobody", 0, 4096, 0, 1 << 15, EINVAL },
	{ "huge pages on demand, of which it has none", 0, 4096, 0,
	  IBV_ACCESS_ON_DEMAND | IBV_ACCESS_HUGETLB, EINVAL },
	{ "the whole address space, pinned", NOWHERE, SIZE_MAX, 0, 0, EINVAL },
	{ "the whole address space, moved", NOWHERE, SIZE_MAX, 4096,
	  IBV_ACCESS_ON_DEMAND, EINVAL },
	{ "on demand, wraps at 2^64", 0xfffffffffffff000, 8192, 0,
	  IBV_ACCESS_ON_DEMAND, EINVAL },
	{ "pinned, wraps at 2^64", 0xfffffffffffff000, 8192, 0, 0, EINVAL },
	{ "pinned, nothing mapped", 0x10000, 8192, 0, 0, EFAULT },
	{ "pinned, kernel addresses", 0xffff888000000000, 8192, 0, 0, EFAULT },
	{ "iova with another page offset", 0, 4096, 0x10000123,
	  IBV_ACCESS_ON_DEMAND, EINVAL },
	{ "iova wraps at 2^64", 0, 8192, 0xfffffffffffff000,
	  IBV_ACCESS_ON_DEMAND, EINVAL },
};

static void run_mr(struct dut *dut)
{
	uint64_t good = (uintptr_t)dut->good_region.buf;

	for (size_t i = 0; i < ARRAY_SIZE(mr_rows); i++) {
		uint64_t addr = mr_rows[i].addr ? mr_rows[i].addr : good;
		struct ibv_mr *mr;
		uint64_t iova;
		int got;

		if (addr == NOWHERE)
			addr = 0;
		iova = mr_rows[i].iova ? mr_rows[i].iova : addr;
		errno = 0;
		mr = ibv_reg_mr_iova2(dut->pd, (void *)(uintptr_t)addr,
				      mr_rows[i].length, iova,
				      mr_rows[i].access);
		got = mr ? 0 : errno;
		if (mr)
			ibv_dereg_mr(mr);
		report_f(got == mr_rows[i].want, "register", mr_rows[i].name,
			 "errno %d (%s), not %d", got, strerror(got),
			 mr_rows[i].want);
	}
}

/* --- creation
 * ----------------------------------------------------------------------- */

static struct {
	const char *name;
	enum ibv_qp_type type;
	unsigned wr, sge, inl;
	int want;
} qp_rows[] = {
	{ "2^20 send WRs", IBV_QPT_RC, 1 << 20, 1, 0, EINVAL },
	{ "2^32-1 send WRs", IBV_QPT_RC, 0xffffffff, 1, 0, EINVAL },
	{ "33 SGEs", IBV_QPT_RC, 16, 33, 0, EINVAL },
	{ "2^32-1 SGEs", IBV_QPT_RC, 16, 0xffffffff, 0, EINVAL },
	{ "1 MiB inline", IBV_QPT_RC, 16, 1, 1 << 20, EINVAL },
	{ "2^32-1 inline", IBV_QPT_RC, 16, 1, 0xffffffff, EINVAL },
	{ "raw packets", IBV_QPT_RAW_PACKET, 16, 1, 0, EOPNOTSUPP },
};

static void run_qp(struct dut *dut)
{
	for (size_t i = 0; i < ARRAY_SIZE(qp_rows); i++) {
		struct ibv_qp_init_attr init = {
			.send_cq = dut->good_cq,
			.recv_cq = dut->good_cq,
			.cap = { .max_send_wr = qp_rows[i].wr,
				 .max_recv_wr = 1,
				 .max_send_sge = qp_rows[i].sge,
				 .max_recv_sge = 1,
				 .max_inline_data = qp_rows[i].inl },
			.qp_type = qp_rows[i].type,
		};
		struct ibv_qp *qp;
		int got;

		errno = 0;
		qp = ibv_create_qp(dut->pd, &init);
		got = qp ? 0 : errno;
		if (qp)
			ibv_destroy_qp(qp);
		report_f(got == qp_rows[i].want, "create QP", qp_rows[i].name,
			 "errno %d (%s), not %d", got, strerror(got),
			 qp_rows[i].want);
	}
}

static void run_cq(struct dut *dut)
{
	static const int cqes[] = { 32768, 1 << 24, 0x7fffffff };

	for (size_t i = 0; i < ARRAY_SIZE(cqes); i++) {
		struct ibv_cq *cq =
			ibv_create_cq(dut->ctx, cqes[i], NULL, NULL, 0);
		int got = cq ? 0 : errno;
		char name[32];

		snprintf(name, sizeof(name), "%d entries", cqes[i]);
		if (cq)
			ibv_destroy_cq(cq);
		report_f(got == EINVAL, "create CQ", name, "errno %d", got);
	}
}

/* --- modify
 * ---------------------------------------------------------------------------- */

enum field {
	F_NONE,
	F_PORT,
	F_PKEY,
	F_MTU,
	F_DEST,
	F_RNR_TIMER,
	F_DEST_RD,
	F_NO_GRH,
	F_SGID,
	F_SGID_V6,
	F_TIMEOUT,
	F_RETRY,
	F_RNR_RETRY,
	F_RD,
};

static struct {
	const char *name;
	enum field field;
	uint32_t value;
	int step; /* the transition that must fail: 0 INIT, 1 RTR, 2 RTS */
} modify_rows[] = {
	{ "port 0", F_PORT, 0, 0 },
	{ "port 2", F_PORT, 2, 0 },
	{ "P_Key index 1", F_PKEY, 1, 0 },
	{ "path MTU 0", F_MTU, 0, 1 },
	{ "path MTU of nobody", F_MTU, 6, 1 },
	{ "destination QPN over 24 bits", F_DEST, 0x1000000, 1 },
	{ "min_rnr_timer 32", F_RNR_TIMER, 32, 1 },
	{ "max_dest_rd_atomic 129", F_DEST_RD, 129, 1 },
	{ "address without a GRH", F_NO_GRH, 0, 1 },
	{ "source GID index 200", F_SGID, 200, 1 },
	{ "timeout 32", F_TIMEOUT, 32, 2 },
	{ "retry_cnt 8", F_RETRY, 8, 2 },
	{ "rnr_retry 8", F_RNR_RETRY, 8, 2 },
	{ "max_rd_atomic 129", F_RD, 129, 2 },
};

static int to_init(struct ibv_qp *qp, enum field f, uint32_t v)
{
	struct ibv_qp_attr a = { .qp_state = IBV_QPS_INIT,
				 .port_num = f == F_PORT ? v : 1,
				 .pkey_index = f == F_PKEY ? v : 0 };

	return ibv_modify_qp(qp, &a,
			     IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
				     IBV_QP_ACCESS_FLAGS);
}

static int to_rtr(struct dut *dut, struct ibv_qp *qp, enum field f, uint32_t v)
{
	struct ibv_qp_attr a = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = f == F_MTU ? v : IBV_MTU_1024,
		.dest_qp_num = f == F_DEST ? v : PEER_QPN,
		.max_dest_rd_atomic = f == F_DEST_RD ? v : 1,
		.min_rnr_timer = f == F_RNR_TIMER ? v : 12,
		.ah_attr = { .is_global = f != F_NO_GRH,
			     .port_num = 1,
			     .grh = { .dgid = dut->peer_gid,
				      .sgid_index = f == F_SGID ?
							    (int)v :
							    dut->gid_index,
				      .hop_limit = 64 } },
	};

	return ibv_modify_qp(qp, &a,
			     IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
				     IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
				     IBV_QP_MAX_DEST_RD_ATOMIC |
				     IBV_QP_MIN_RNR_TIMER);
}

static int to_rts(struct ibv_qp *qp, enum field f, uint32_t v)
{
	struct ibv_qp_attr a = { .qp_state = IBV_QPS_RTS,
				 .timeout = f == F_TIMEOUT ? v : 14,
				 .retry_cnt = f == F_RETRY ? v : 7,
				 .rnr_retry = f == F_RNR_RETRY ? v : 7,
				 .max_rd_atomic = f == F_RD ? v : 1 };

	return ibv_modify_qp(qp, &a,
			     IBV_QP_STATE | IBV_QP_SQ_PSN | IBV_QP_TIMEOUT |
				     IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
				     IBV_QP_MAX_QP_RD_ATOMIC);
}

static int walk(struct dut *dut, struct ibv_qp *qp, enum field f, uint32_t v,
		int upto)
{
	int err = to_init(qp, f, v);

	if (err || upto == 0)
		return err;
	err = to_rtr(dut, qp, f, v);
	if (err || upto == 1)
		return err;
	return to_rts(qp, f, v);
}

static void run_modify(struct dut *dut)
{
	for (size_t i = 0; i < ARRAY_SIZE(modify_rows); i++) {
		struct ibv_qp *qp = rc_qp(dut->pd, dut->good_cq, 4, 1, 0);
		int step = modify_rows[i].step;
		int before = step ? walk(dut, qp, F_NONE, 0, step - 1) : 0;
		int got = step == 0 ? to_init(qp, modify_rows[i].field,
					      modify_rows[i].value) :
			  step == 1 ? to_rtr(dut, qp, modify_rows[i].field,
					     modify_rows[i].value) :
				      to_rts(qp, modify_rows[i].field,
					     modify_rows[i].value);
		/* and it lost nothing: the right value is taken afterwards */
		int after = step == 0 ? to_init(qp, F_NONE, 0) :
			    step == 1 ? to_rtr(dut, qp, F_NONE, 0) :
					to_rts(qp, F_NONE, 0);

		ibv_destroy_qp(qp);
		/* ib_core's own word for a GID index that is not there */
		int want = modify_rows[i].field == F_SGID ? ENODATA : EINVAL;

		report_f(!before && got == want && !after, "modify QP",
			 modify_rows[i].name,
			 "errno %d, not %d (before %d, after %d)", got, want,
			 before, after);
	}
}

static void run_order(struct dut *dut)
{
	struct ibv_qp *qp = rc_qp(dut->pd, dut->good_cq, 4, 1, 0);
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND }, *bad;
	struct ibv_qp_attr err = { .qp_state = IBV_QPS_ERR };

	report_f(to_rts(qp, F_NONE, 0) == EINVAL, "modify QP", "RESET to RTS",
		 "was taken");
	report_f(to_rtr(dut, qp, F_NONE, 0) == EINVAL, "modify QP",
		 "RESET to RTR", "was taken");
	report_f(ibv_post_send(qp, &wr, &bad) == EINVAL, "post",
		 "send in RESET", "was taken");
	ibv_modify_qp(qp, &err, IBV_QP_STATE);
	report_f(to_rtr(dut, qp, F_NONE, 0) == EINVAL, "modify QP",
		 "ERR to RTR", "was taken");
	ibv_destroy_qp(qp);
}

void run_verbs(struct dut *dut)
{
	run_mr(dut);
	run_qp(dut);
	run_cq(dut);
	run_modify(dut);
	run_order(dut);
	report(dut_healthy(dut), "verbs", "the healthy pair is unharmed", "");
}
