/* SPDX-License-Identifier: GPL-2.0 */
/* The verbs objects that are not queue pairs, and the ops that ib_core calls. */
#ifndef SODP_VERBS_VERBS_H
#define SODP_VERBS_VERBS_H

#include <linux/refcount.h>
#include <linux/workqueue.h>
#include <rdma/ib_verbs.h>
#include <rdma/uverbs_ioctl.h>

#include "dev.h"
#include "mem/mem.h"
#include "net/net.h"
#include "verbs/ring.h"

struct sodp_uctx {
	struct ib_ucontext ibuc; /* first */
	struct sodp_mem_ctx *mem; /* keeps the owner's notifier alive */
};

struct sodp_pd {
	struct ib_pd ibpd; /* first */
	u32 domain; /* unique number; what regions and accesses compare */
};

struct sodp_mr {
	struct ib_mr ibmr; /* first */
	struct sodp_region __rcu *region; /* rereg puts another one there */
	u64 start; /* as registered */
	int access;
};

struct sodp_mw {
	struct ib_mw ibmw; /* first */
	struct sodp_window *window;
};

/* An address by number: ah.c. */
struct sodp_dest {
	refcount_t refs; /* of the handle and of who sends there */
	u32 number;
	u32 domain; /* of the handle's PD */
	struct sodp_flow flow;
	struct rcu_head rcu;
};

struct sodp_ah {
	struct ib_ah ibah; /* first */
	struct sodp_dest *dest;
	struct rdma_ah_attr attr; /* as created; without the GID entry */
};

/* A slot of a kernel user's completion queue; user space has the wc alone. */
struct sodp_cqe {
	struct ib_uverbs_wc wc; /* first */
	struct ib_qp *qp;
};

struct sodp_srq {
	struct ib_srq ibsrq; /* first */
	struct mutex mutex; /* serialises modify */
	spinlock_t lock; /* bh; protects ring (as consumer) and limit */
	struct sodp_ring ring;
	u32 limit; /* armed: tell when there are fewer; 0: not */
	u32 max_sge;
	u32 domain; /* of its PD, which may be another than a QP's */
};

struct sodp_cq {
	struct ib_cq ibcq; /* first */
	spinlock_t lock; /* irq; protects ring to due, ibcq.cqe */
	struct sodp_ring ring;
	bool user; /* whose consumer polls without the lock */
	u8 notify; /* enum ib_cq_notify_flags armed, 0: not */
	bool overflow; /* IB_EVENT_CQ_ERR was raised; nothing more is put */
	struct mutex resize_mutex; /* one at a time */
	unsigned int due; /* handler calls that notify_work still owes */
	struct work_struct notify_work; /* completion handlers run from here */
	struct work_struct error_work; /* IB_EVENT_CQ_ERR, QPs to error */
};

static inline struct sodp_uctx *to_sodp_uctx(struct ib_ucontext *uc)
{
	return container_of(uc, struct sodp_uctx, ibuc);
}

static inline struct sodp_pd *to_sodp_pd(struct ib_pd *pd)
{
	return container_of(pd, struct sodp_pd, ibpd);
}

static inline struct sodp_mr *to_sodp_mr(struct ib_mr *mr)
{
	return container_of(mr, struct sodp_mr, ibmr);
}

static inline struct sodp_mw *to_sodp_mw(struct ib_mw *mw)
{
	return container_of(mw, struct sodp_mw, ibmw);
}

static inline struct sodp_ah *to_sodp_ah(struct ib_ah *ah)
{
	return container_of(ah, struct sodp_ah, ibah);
}

static inline struct sodp_srq *to_sodp_srq(struct ib_srq *srq)
{
	return container_of(srq, struct sodp_srq, ibsrq);
}

static inline struct sodp_cq *to_sodp_cq(struct ib_cq *cq)
{
	return container_of(cq, struct sodp_cq, ibcq);
}

/* --- ah.c: for the transport ------------------------------------------------ */

/* With a reference, or NULL: none of that number and domain. Up to softirq. */
struct sodp_dest *sodp_dest_get(u32 number, u32 domain);
void sodp_dest_put(struct sodp_dest *dest);
void sodp_ah_exit(void); /* module exit */

/* --- srq.c: for the transport ----------------------------------------------- */

/* All that is read of a receive WQE's slot, in one go. */
struct sodp_recv_image {
	struct rxe_recv_wqe hdr;
	struct rxe_sge sge[SODP_MAX_SGE];
};

/* The oldest, out of the ring. False: there is none. Any context to softirq. */
bool sodp_srq_take(struct sodp_srq *srq, struct sodp_recv_image *image);

/* --- cq.c: for the transport ------------------------------------------------ */

/*
 * Put one completion and, if armed for it (@solicited: it counts as solicited;
 * errors always do), notify from a work item. Any context up to softirq.
 * False: the CQ has overflowed; the CQ error event was raised and the caller
 * must move its QP to the error state.
 */
bool sodp_cq_put(struct sodp_cq *cq, struct ib_qp *qp,
		 const struct ib_uverbs_wc *wc, bool solicited);

/* Module load and exit: the workqueue of completion handlers. */
int sodp_cq_init(void);
void sodp_cq_exit(void);

/* --- ops.c -------------------------------------------------------------------
 */

extern const struct ib_device_ops sodp_dev_ops;

/* query.c */
int sodp_query_device(struct ib_device *ibdev, struct ib_device_attr *attr,
		      struct ib_udata *udata);
int sodp_query_port(struct ib_device *ibdev, u32 port,
		    struct ib_port_attr *attr);
int sodp_query_pkey(struct ib_device *ibdev, u32 port, u16 index, u16 *pkey);
int sodp_get_port_immutable(struct ib_device *ibdev, u32 port,
			    struct ib_port_immutable *immutable);
enum rdma_link_layer sodp_get_link_layer(struct ib_device *ibdev, u32 port);
struct net_device *sodp_get_netdev(struct ib_device *ibdev, u32 port);

/* uctx.c */
int sodp_alloc_ucontext(struct ib_ucontext *ibuc, struct ib_udata *udata);
void sodp_dealloc_ucontext(struct ib_ucontext *ibuc);
void sodp_disassociate_ucontext(struct ib_ucontext *ibuc);
int sodp_mmap(struct ib_ucontext *ibuc, struct vm_area_struct *vma);
int sodp_alloc_pd(struct ib_pd *ibpd, struct ib_udata *udata);
int sodp_dealloc_pd(struct ib_pd *ibpd, struct ib_udata *udata);

/* mr.c */
struct ib_mr *sodp_reg_user_mr(struct ib_pd *ibpd, u64 start, u64 length,
			       u64 iova, int access, SODP_REG_MR_ARGS(udata));
struct ib_mr *sodp_rereg_user_mr(struct ib_mr *ibmr, int flags, u64 start,
				 u64 length, u64 iova, int access,
				 struct ib_pd *new_pd, struct ib_udata *udata);
int sodp_dereg_mr(struct ib_mr *ibmr, struct ib_udata *udata);
int sodp_advise_mr(struct ib_pd *ibpd, enum ib_uverbs_advise_mr_advice advice,
		   u32 flags, struct ib_sge *sg_list, u32 num_sge,
		   struct uverbs_attr_bundle *attrs);
int sodp_fill_stat_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr);
int sodp_fill_res_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr);
/* While uverbs keeps rereg and dereg out. */
struct sodp_region *sodp_mr_region(struct sodp_mr *mr);
/* Any time that the MR is there: with a reference, or NULL. */
struct sodp_region *sodp_mr_hold_region(struct sodp_mr *mr);

/* mw.c */
int sodp_alloc_mw(struct ib_mw *ibmw, struct ib_udata *udata);
int sodp_dealloc_mw(struct ib_mw *ibmw);

/* ah.c */
int sodp_create_ah(struct ib_ah *ibah, struct rdma_ah_init_attr *init,
		   struct ib_udata *udata);
int sodp_destroy_ah(struct ib_ah *ibah, u32 flags);
int sodp_query_ah(struct ib_ah *ibah, struct rdma_ah_attr *attr);

/* residency.c */
extern const struct uapi_definition sodp_uapi_defs[];
int sodp_fill_res_mr_entry_raw(struct sk_buff *msg, struct ib_mr *ibmr);

/* cq.c */
int sodp_create_cq(struct ib_cq *ibcq, const struct ib_cq_init_attr *attr,
		   SODP_CREATE_CQ_ARG);
int sodp_destroy_cq(struct ib_cq *ibcq, struct ib_udata *udata);
int sodp_resize_cq(struct ib_cq *ibcq, SODP_RESIZE_CQE cqe,
		   struct ib_udata *udata); /* cq_resize.c */
int sodp_req_notify_cq(struct ib_cq *ibcq, enum ib_cq_notify_flags flags);

/* srq.c */
int sodp_create_srq(struct ib_srq *ibsrq, struct ib_srq_init_attr *init,
		    struct ib_udata *udata);
int sodp_modify_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr,
		    enum ib_srq_attr_mask mask, struct ib_udata *udata);
int sodp_query_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr);
int sodp_destroy_srq(struct ib_srq *ibsrq, struct ib_udata *udata);
int sodp_post_srq_recv(struct ib_srq *ibsrq, const struct ib_recv_wr *wr,
		       const struct ib_recv_wr **bad);

/* qp.c */
int sodp_create_qp(struct ib_qp *ibqp, struct ib_qp_init_attr *init,
		   struct ib_udata *udata);
int sodp_modify_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		   struct ib_udata *udata);
int sodp_query_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		  struct ib_qp_init_attr *init);
int sodp_destroy_qp(struct ib_qp *ibqp, struct ib_udata *udata);
int sodp_attach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid);
int sodp_detach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid);
int sodp_post_send(struct ib_qp *ibqp, const struct ib_send_wr *wr,
		   const struct ib_send_wr **bad);
int sodp_post_recv(struct ib_qp *ibqp, const struct ib_recv_wr *wr,
		   const struct ib_recv_wr **bad);

/* kernel.c: what the provider does for programs */
int sodp_kernel_post_send(struct ib_qp *ibqp, const struct ib_send_wr *wr,
			  const struct ib_send_wr **bad);
int sodp_kernel_post_recv(struct ib_qp *ibqp, const struct ib_recv_wr *wr,
			  const struct ib_recv_wr **bad);
int sodp_poll_cq(struct ib_cq *ibcq, int n, struct ib_wc *wc);

/* kernel_mr.c */
struct ib_mr *sodp_get_dma_mr(struct ib_pd *ibpd, int access);
struct ib_mr *sodp_alloc_mr(struct ib_pd *ibpd, enum ib_mr_type type,
			    u32 max_num_sg);
int sodp_map_mr_sg(struct ib_mr *ibmr, struct scatterlist *sg, int sg_nents,
		   unsigned int *sg_offset);
/* mr.c, for it */
u32 sodp_mr_rights(int access);
void sodp_mr_set_region(struct sodp_mr *mr, struct sodp_region *region);

/* obs/sysfs.c */
extern const struct attribute_group sodp_sysfs_group;

/* obs/counters.c */
struct rdma_hw_stats *sodp_alloc_hw_port_stats(struct ib_device *ibdev,
					       u32 port);
int sodp_get_hw_stats(struct ib_device *ibdev, struct rdma_hw_stats *stats,
		      u32 port, int index);

#endif
