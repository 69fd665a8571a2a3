/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What driver/xport knows of ib_core, on the host: the fields and the values
 * that it uses. The values that user space sees are those of the uapi.
 */
#ifndef RC_IB_H
#define RC_IB_H

#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>

struct uapi_definition { /* verbs.h names an array of them */
	int unused;
};

enum ib_qp_state {
	IB_QPS_RESET,
	IB_QPS_INIT,
	IB_QPS_RTR,
	IB_QPS_RTS,
	IB_QPS_SQD,
	IB_QPS_SQE,
	IB_QPS_ERR,
};

enum ib_qp_type {
	IB_QPT_GSI = 1,
	IB_QPT_RC = IB_UVERBS_QPT_RC,
	IB_QPT_UC = IB_UVERBS_QPT_UC,
	IB_QPT_UD = IB_UVERBS_QPT_UD,
};

enum ib_sig_type {
	IB_SIGNAL_ALL_WR,
	IB_SIGNAL_REQ_WR,
};

enum ib_wr_opcode {
	IB_WR_RDMA_WRITE = IB_UVERBS_WR_RDMA_WRITE,
	IB_WR_RDMA_WRITE_WITH_IMM = IB_UVERBS_WR_RDMA_WRITE_WITH_IMM,
	IB_WR_SEND = IB_UVERBS_WR_SEND,
	IB_WR_SEND_WITH_IMM = IB_UVERBS_WR_SEND_WITH_IMM,
	IB_WR_RDMA_READ = IB_UVERBS_WR_RDMA_READ,
	IB_WR_ATOMIC_CMP_AND_SWP = IB_UVERBS_WR_ATOMIC_CMP_AND_SWP,
	IB_WR_ATOMIC_FETCH_AND_ADD = IB_UVERBS_WR_ATOMIC_FETCH_AND_ADD,
	IB_WR_LOCAL_INV = IB_UVERBS_WR_LOCAL_INV,
	IB_WR_BIND_MW = IB_UVERBS_WR_BIND_MW,
	IB_WR_SEND_WITH_INV = IB_UVERBS_WR_SEND_WITH_INV,
	IB_WR_REG_MR = 0x20,
};

enum ib_send_flags {
	IB_SEND_FENCE = 1 << 0,
	IB_SEND_SIGNALED = 1 << 1,
	IB_SEND_SOLICITED = 1 << 2,
	IB_SEND_INLINE = 1 << 3,
};

enum ib_access_flags {
	IB_ACCESS_LOCAL_WRITE = IB_UVERBS_ACCESS_LOCAL_WRITE,
	IB_ACCESS_REMOTE_WRITE = IB_UVERBS_ACCESS_REMOTE_WRITE,
	IB_ACCESS_REMOTE_READ = IB_UVERBS_ACCESS_REMOTE_READ,
	IB_ACCESS_REMOTE_ATOMIC = IB_UVERBS_ACCESS_REMOTE_ATOMIC,
	IB_ZERO_BASED = IB_UVERBS_ACCESS_ZERO_BASED,
	IB_ACCESS_SUPPORTED = 0xff | IB_UVERBS_ACCESS_OPTIONAL_RANGE,
};

enum ib_wc_status {
	IB_WC_SUCCESS,
	IB_WC_LOC_LEN_ERR,
	IB_WC_LOC_QP_OP_ERR,
	IB_WC_LOC_EEC_OP_ERR,
	IB_WC_LOC_PROT_ERR,
	IB_WC_WR_FLUSH_ERR,
	IB_WC_MW_BIND_ERR,
	IB_WC_BAD_RESP_ERR,
	IB_WC_LOC_ACCESS_ERR,
	IB_WC_REM_INV_REQ_ERR,
	IB_WC_REM_ACCESS_ERR,
	IB_WC_REM_OP_ERR,
	IB_WC_RETRY_EXC_ERR,
	IB_WC_RNR_RETRY_EXC_ERR,
	RC_WC_STATUSES,
};

enum ib_wc_opcode {
	IB_WC_SEND = IB_UVERBS_WC_SEND,
	IB_WC_RDMA_WRITE = IB_UVERBS_WC_RDMA_WRITE,
	IB_WC_RDMA_READ = IB_UVERBS_WC_RDMA_READ,
	IB_WC_COMP_SWAP = IB_UVERBS_WC_COMP_SWAP,
	IB_WC_FETCH_ADD = IB_UVERBS_WC_FETCH_ADD,
	IB_WC_BIND_MW = IB_UVERBS_WC_BIND_MW,
	IB_WC_LOCAL_INV = IB_UVERBS_WC_LOCAL_INV,
	IB_WC_REG_MR = 9,
	IB_WC_RECV = 1 << 7,
	IB_WC_RECV_RDMA_WITH_IMM,
};

enum ib_mr_type {
	IB_MR_TYPE_MEM_REG,
};

enum ib_wc_flags {
	IB_WC_GRH = 1,
	IB_WC_WITH_IMM = 1 << 1,
	IB_WC_WITH_INVALIDATE = 1 << 2,
};

enum ib_event_type {
	IB_EVENT_CQ_ERR,
	IB_EVENT_QP_FATAL,
	IB_EVENT_QP_REQ_ERR,
	IB_EVENT_QP_ACCESS_ERR,
	IB_EVENT_COMM_EST,
	IB_EVENT_SQ_DRAINED,
	IB_EVENT_SRQ_LIMIT_REACHED,
	IB_EVENT_QP_LAST_WQE_REACHED,
};

enum ib_mtu {
	IB_MTU_256 = 1,
	IB_MTU_512,
	IB_MTU_1024,
	IB_MTU_2048,
	IB_MTU_4096,
};

#define ib_mtu_enum_to_int(mtu) (128 << (mtu))

enum ib_qp_attr_mask {
	IB_QP_STATE = 1,
	IB_QP_CUR_STATE = 1 << 1,
	IB_QP_EN_SQD_ASYNC_NOTIFY = 1 << 2,
	IB_QP_ACCESS_FLAGS = 1 << 3,
	IB_QP_PKEY_INDEX = 1 << 4,
	IB_QP_PORT = 1 << 5,
	IB_QP_QKEY = 1 << 6,
	IB_QP_AV = 1 << 7,
	IB_QP_PATH_MTU = 1 << 8,
	IB_QP_TIMEOUT = 1 << 9,
	IB_QP_RETRY_CNT = 1 << 10,
	IB_QP_RNR_RETRY = 1 << 11,
	IB_QP_RQ_PSN = 1 << 12,
	IB_QP_MAX_QP_RD_ATOMIC = 1 << 13,
	IB_QP_ALT_PATH = 1 << 14,
	IB_QP_MIN_RNR_TIMER = 1 << 15,
	IB_QP_SQ_PSN = 1 << 16,
	IB_QP_MAX_DEST_RD_ATOMIC = 1 << 17,
	IB_QP_PATH_MIG_STATE = 1 << 18,
	IB_QP_DEST_QPN = 1 << 20,
};

enum ib_mig_state {
	IB_MIG_MIGRATED,
};

enum ib_port_state {
	IB_PORT_ACTIVE = 4,
};

enum rdma_link_layer {
	IB_LINK_LAYER_ETHERNET = 2,
};

enum ib_gid_type {
	IB_GID_TYPE_ROCE_UDP_ENCAP = 2,
};

enum rdma_ah_attr_type {
	RDMA_AH_ATTR_TYPE_ROCE = 2,
};

enum {
	IB_AH_GRH = 1
};

enum ib_cq_notify_flags {
	IB_CQ_SOLICITED = 1,
	IB_CQ_NEXT_COMP = 2,
	IB_CQ_SOLICITED_MASK = 3,
	IB_CQ_REPORT_MISSED_EVENTS = 4,
};

struct ib_device {
	int unused;
};

struct ib_udata {
	size_t inlen, outlen;
};

struct ib_ucontext {
	int unused;
};

struct ib_pd {
	struct ib_device *device;
};

struct ib_mr {
	struct ib_device *device;
};

struct ib_mw {
	struct ib_device *device;
};

struct ib_ah {
	struct ib_device *device;
	struct ib_pd *pd;
};

struct ib_event;

struct ib_cq {
	struct ib_device *device;
	void (*comp_handler)(struct ib_cq *cq, void *context);
	void (*event_handler)(struct ib_event *event, void *context);
	void *cq_context;
	int cqe;
};

struct ib_qp {
	struct ib_device *device;
	struct ib_pd *pd;
	void (*event_handler)(struct ib_event *event, void *context);
	void *qp_context;
	u32 qp_num;
};

struct ib_srq {
	struct ib_device *device;
	struct ib_pd *pd;
	void (*event_handler)(struct ib_event *event, void *context);
	void *srq_context;
};

struct ib_event {
	struct ib_device *device;
	union {
		struct ib_srq *srq;
		struct ib_cq *cq;
		struct ib_qp *qp;
	} element;
	enum ib_event_type event;
};

struct ib_cq_init_attr {
	unsigned int cqe;
	u32 flags;
};

enum ib_srq_type {
	IB_SRQT_BASIC,
};

enum ib_srq_attr_mask {
	IB_SRQ_MAX_WR = 1,
	IB_SRQ_LIMIT = 2,
};

struct ib_srq_attr {
	u32 max_wr, max_sge, srq_limit;
};

struct ib_srq_init_attr {
	struct ib_srq_attr attr;
	enum ib_srq_type srq_type;
};

struct ib_recv_wr;

struct ib_qp_cap {
	u32 max_send_wr, max_recv_wr, max_send_sge, max_recv_sge;
	u32 max_inline_data;
};

struct ib_qp_init_attr {
	void (*event_handler)(struct ib_event *event, void *context);
	void *qp_context;
	struct ib_cq *send_cq, *recv_cq;
	struct ib_srq *srq;
	void *xrcd, *rwq_ind_tbl;
	struct ib_qp_cap cap;
	enum ib_sig_type sq_sig_type;
	enum ib_qp_type qp_type;
	u32 create_flags;
	u32 port_num;
};

union ib_gid {
	u8 raw[16];
};

struct ib_gid_attr {
	union ib_gid gid;
	enum ib_gid_type gid_type;
};

struct ib_global_route {
	const struct ib_gid_attr *sgid_attr;
	union ib_gid dgid;
	u32 flow_label;
	u8 hop_limit, traffic_class;
};

struct rdma_ah_attr {
	struct ib_global_route grh;
	u32 port_num;
	u8 ah_flags;
	enum rdma_ah_attr_type type;
};

struct rdma_ah_init_attr {
	struct rdma_ah_attr *ah_attr;
	u32 flags;
};

struct ib_qp_attr {
	enum ib_qp_state qp_state, cur_qp_state;
	enum ib_mtu path_mtu;
	enum ib_mig_state path_mig_state;
	u32 rq_psn, sq_psn, dest_qp_num, qkey;
	int qp_access_flags;
	struct ib_qp_cap cap;
	struct rdma_ah_attr ah_attr;
	u16 pkey_index;
	u8 en_sqd_async_notify, sq_draining, max_rd_atomic, max_dest_rd_atomic,
		min_rnr_timer;
	u32 port_num;
	u8 timeout, retry_cnt, rnr_retry;
};

/* The states alone: which attributes each step needs is ib_core's affair. */
bool ib_modify_qp_is_ok(enum ib_qp_state from, enum ib_qp_state to,
			enum ib_qp_type type, int mask);
#define rdma_get_udp_sport(label, a, b) ((u16)(0xc000 | ((label) ^ (a) ^ (b))))

struct rdma_user_mmap_entry {
	int unused;
};

/* Nobody maps it: the test looks at the ring directly. */
#define rdma_user_mmap_entry_insert(uctx, entry, size) ((void)(uctx), 0)
#define rdma_user_mmap_get_offset(entry)	       ((void)(entry), 0ULL)
#define rdma_user_mmap_entry_remove(entry)	       sodp_ring_mmap_free(entry)
#define remap_vmalloc_range(vma, buf, offset)	       0
#define rdma_udata_to_drv_context(udata, type, member) \
	((void)(udata), (type *)NULL)
#define swap(a, b)                     \
	do {                           \
		__typeof__(a) old = a; \
		a = b;                 \
		b = old;               \
	} while (0)
#define u64_to_user_ptr(addr)		    ((void *)(uintptr_t)(addr))
#define copy_to_user(to, from, size)	    (memcpy(to, from, size), 0)
#define ib_copy_from_udata(to, udata, size) ((void)(udata), (void)(to), 0)
#define ib_copy_to_udata(udata, from, size) ((void)(udata), (void)(from), 0)

struct vm_area_struct;
struct ib_device_attr;
struct ib_port_attr;
struct ib_port_immutable;
struct ib_device_ops;
struct ib_sge;
struct ib_wc;
struct ib_send_wr;
struct scatterlist;
struct ib_recv_wr;
struct uverbs_attr_bundle;
struct rdma_hw_stats;

#endif
