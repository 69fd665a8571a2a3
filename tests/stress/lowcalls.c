// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * More calls whose allocations fail. Some go past libibverbs, straight through
 * the kernel's interface, so that nothing but the kernel allocates. post_recv
 * is none of them: it writes to the mapped ring and calls nobody.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_netlink.h>
#include <rdma/rdma_user_rxe.h>
#include <softodp/softodp.h>

#include "lowmem.h"

#define SPARE_NETDEV "lowmem0"
#define SPARE_DEVICE "sodplow"

/* --- by libibverbs ------------------------------------------------ */

static int open_device(struct low *l)
{
	struct ibv_context *ctx;
	int err;

	errno = 0;
	ctx = ibv_open_device(l->run->dev.ctx->device);
	err = ctx ? 0 : errno ?: ENOMEM;
	called(l);
	if (ctx && ibv_close_device(ctx))
		fail(l->run, "close_device: %s", strerror(errno));
	return err;
}

static int alloc_pd(struct low *l)
{
	struct ibv_pd *pd = ibv_alloc_pd(l->run->dev.ctx);
	int err = pd ? 0 : errno;

	called(l);
	if (pd && ibv_dealloc_pd(pd))
		fail(l->run, "dealloc_pd: %s", strerror(errno));
	return err;
}

static struct ibv_srq *new_srq(struct low *l)
{
	struct ibv_srq_init_attr init = { .attr = { 64, 2, 0 } };

	return ibv_create_srq(l->run->dev.pd, &init);
}

static void end_srq(struct low *l, struct ibv_srq *srq)
{
	if (srq && ibv_destroy_srq(srq))
		fail(l->run, "destroy_srq: %s", strerror(errno));
}

static int create_srq(struct low *l)
{
	struct ibv_srq *srq = new_srq(l);
	int err = srq ? 0 : errno;

	called(l);
	end_srq(l, srq);
	return err;
}

static void before_modify_srq(struct low *l)
{
	l->srq = new_srq(l);
	if (!l->srq)
		fail(l->run, "create_srq: %s", strerror(errno));
}

static int modify_srq(struct low *l)
{
	struct ibv_srq_attr attr = { .max_wr = 512 };
	int err = ibv_modify_srq(l->srq, &attr, IBV_SRQ_MAX_WR);

	called(l);
	end_srq(l, l->srq);
	return err;
}

static void before_resize_cq(struct low *l)
{
	l->cq = ibv_create_cq(l->run->dev.ctx, 64, NULL, NULL, 0);
	if (!l->cq)
		fail(l->run, "create_cq: %s", strerror(errno));
}

static int resize_cq(struct low *l)
{
	int err = ibv_resize_cq(l->cq, 512);

	called(l);
	if (ibv_destroy_cq(l->cq))
		fail(l->run, "destroy_cq: %s", strerror(errno));
	return err;
}

static int reg_implicit(struct low *l)
{
	struct ibv_mr *mr;
	int err;

	mr = (ibv_reg_mr)(l->run->dev.pd, NULL, SIZE_MAX,
			  RD_ALL | IBV_ACCESS_ON_DEMAND);
	err = mr ? 0 : errno;
	called(l);
	if (mr && ibv_dereg_mr(mr))
		fail(l->run, "dereg_mr: %s", strerror(errno));
	return err;
}

static void before_rereg(struct low *l)
{
	l->mr = rd_reg(&l->run->dev, l->at, 4 * PAGE,
		       RD_ALL | IBV_ACCESS_ON_DEMAND);
}

/*
 * If it fails it is what it was, by the same key. But for EFAULT: then the
 * answer with the new key may be what was lost.
 */
static int rereg(struct low *l)
{
	enum softodp_rereg_state state = SOFTODP_REREG_LOST;
	uint8_t *to = l->at + 8 * PAGE;
	int err;

	err = softodp_rereg_mr(l->mr,
			       IBV_REREG_MR_CHANGE_TRANSLATION |
				       IBV_REREG_MR_CHANGE_ACCESS,
			       NULL, to, 8 * PAGE,
			       RD_ALL | IBV_ACCESS_ON_DEMAND, &state) ?
		      errno :
		      0;
	called(l);
	if ((state == SOFTODP_REREG_CHANGED) != !err)
		fail(l->run, "rereg_mr gave error %d and state %d", err, state);
	if (err != EFAULT)
		probe_works(&l->p, l->mr, err ? l->at : to, true,
			    "after rereg_mr");
	if (ibv_dereg_mr(l->mr))
		fail(l->run, "dereg_mr: %s", strerror(errno));
	return err;
}

/* --- by the kernel's interface ------------------------------------ */

/* A command with room for @out bytes of answer; 0 or an errno. */
static int command(struct low *l, void *cmd, uint32_t what, size_t in,
		   size_t out)
{
	struct ib_uverbs_cmd_hdr *hdr = cmd; /* all begin with it */

	hdr->command = what;
	hdr->in_words = in / 4;
	hdr->out_words = out / 4;
	if (write(l->run->dev.ctx->cmd_fd, cmd, in) == (ssize_t)in)
		return 0;
	return errno;
}

static void destroy_ah(struct low *l, uint32_t handle)
{
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_destroy_ah in;
	} cmd = { .in = { .ah_handle = handle } };
	int err =
		command(l, &cmd, IB_USER_VERBS_CMD_DESTROY_AH, sizeof(cmd), 0);

	if (err)
		fail(l->run, "destroy_ah: %s", strerror(err));
}

static int create_ah(struct low *l)
{
	struct rd_dev *dev = &l->run->dev;
	struct {
		struct ib_uverbs_create_ah_resp out;
		struct rxe_create_ah_resp driver;
	} resp;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_create_ah in;
	} cmd = { .in = {
			  .response = (uintptr_t)&resp,
			  .pd_handle = dev->pd->handle,
			  .attr = {
				  .grh.sgid_index = dev->gid_index,
				  .grh.hop_limit = 64,
				  .is_global = 1,
				  .port_num = 1,
			  },
		  } };
	int err;

	memcpy(cmd.in.attr.grh.dgid, dev->gid.raw, 16);
	err = command(l, &cmd, IB_USER_VERBS_CMD_CREATE_AH, sizeof(cmd),
		      sizeof(resp));
	called(l);
	if (!err)
		destroy_ah(l, resp.out.ah_handle);
	return err;
}

/* A ring that nobody has mapped yet. */
static void before_mmap(struct low *l)
{
	struct {
		struct ib_uverbs_create_cq_resp out;
		struct rxe_create_cq_resp driver;
	} resp;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_create_cq in;
	} cmd = { .in = { .response = (uintptr_t)&resp,
			  .cqe = 64,
			  .comp_channel = -1 } };
	int err = command(l, &cmd, IB_USER_VERBS_CMD_CREATE_CQ, sizeof(cmd),
			  sizeof(resp));

	if (err)
		fail(l->run, "create_cq by write(): %s", strerror(err));
	l->handle = resp.out.cq_handle;
	l->offset = resp.driver.mi.offset;
	l->length = resp.driver.mi.size;
}

static int map_ring(struct low *l)
{
	struct ib_uverbs_destroy_cq_resp resp;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_destroy_cq in;
	} cmd = { .in = { .response = (uintptr_t)&resp,
			  .cq_handle = l->handle } };
	void *ring = mmap(NULL, l->length, PROT_READ | PROT_WRITE, MAP_SHARED,
			  l->run->dev.ctx->cmd_fd, l->offset);
	int err = ring == MAP_FAILED ? errno : 0, gone;

	called(l);
	if (!err)
		munmap(ring, l->length);
	gone = command(l, &cmd, IB_USER_VERBS_CMD_DESTROY_CQ, sizeof(cmd),
		       sizeof(resp));
	if (gone)
		fail(l->run, "destroy_cq by write(): %s", strerror(gone));
	return err;
}

/* --- rdma link add ------------------------------------------------ */

static bool there(const char *path)
{
	struct stat st;

	return !stat(path, &st);
}

static void shell(struct low *l, const char *text)
{
	int status = system(text);

	if (status)
		fail(l->run, "%s: status %d", text, status);
}

static void before_link_add(struct low *l)
{
	if (!there("/sys/class/net/" SPARE_NETDEV))
		shell(l, "ip link add " SPARE_NETDEV " type dummy && "
			 "ip link set " SPARE_NETDEV " up");
	if (l->netlink < 0)
		l->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
				    NETLINK_RDMA);
	if (l->netlink < 0)
		fail(l->run, "netlink: %s", strerror(errno));
}

struct ask {
	struct nlmsghdr hdr;
	uint8_t attrs[200];
};

static void put_string(struct ask *ask, uint16_t type, const char *text)
{
	struct nlattr *attr =
		(void *)((uint8_t *)ask + NLMSG_ALIGN(ask->hdr.nlmsg_len));

	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + strlen(text) + 1;
	strcpy((char *)attr + NLA_HDRLEN, text);
	ask->hdr.nlmsg_len =
		NLMSG_ALIGN(ask->hdr.nlmsg_len) + NLA_ALIGN(attr->nla_len);
}

/* The errno of the answer, or that of its not coming. */
static int answer(int fd)
{
	struct {
		struct nlmsghdr hdr;
		struct nlmsgerr err;
		uint8_t rest[400];
	} got;
	ssize_t n = recv(fd, &got, sizeof(got), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN ? ENOBUFS : errno;
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(int)) ||
	    got.hdr.nlmsg_type != NLMSG_ERROR)
		return EPROTO;
	return -got.err.error;
}

/*
 * The kernel does it within send(). When only its answer has no memory the
 * device is there, and the caller hears ENOBUFS.
 */
static int link_add(struct low *l)
{
	struct ask ask = { .hdr = {
				   .nlmsg_len = NLMSG_HDRLEN,
				   .nlmsg_type = RDMA_NL_GET_TYPE(
					   RDMA_NL_NLDEV,
					   RDMA_NLDEV_CMD_NEWLINK),
				   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
			   } };
	bool made;
	int err;

	put_string(&ask, RDMA_NLDEV_ATTR_DEV_NAME, SPARE_DEVICE);
	put_string(&ask, RDMA_NLDEV_ATTR_LINK_TYPE, "softodp");
	put_string(&ask, RDMA_NLDEV_ATTR_NDEV_NAME, SPARE_NETDEV);
	err = send(l->netlink, &ask, ask.hdr.nlmsg_len, 0) < 0 ? errno : 0;
	called(l);
	if (!err)
		err = answer(l->netlink);
	made = there("/sys/class/infiniband/" SPARE_DEVICE);
	if (made)
		shell(l, "rdma link del " SPARE_DEVICE);
	if (made != !err && !(made && err == ENOBUFS))
		fail(l->run, "link add: error %d, and the device is %s", err,
		     made ? "there" : "not there");
	return err == ENOBUFS ? ENOMEM : err;
}

void calls_end(struct low *l)
{
	if (l->netlink >= 0)
		close(l->netlink);
	if (there("/sys/class/net/" SPARE_NETDEV))
		shell(l, "ip link del " SPARE_NETDEV);
}

const struct call more_calls[] = {
	/* libibverbs looks for the device by other ways when one fails. */
	{ .name = "open_device", .fn = open_device, .library = true },
	{ .name = "alloc_pd", .fn = alloc_pd },
	{ .name = "create_srq", .fn = create_srq },
	{ .name = "modify_srq", .before = before_modify_srq, .fn = modify_srq },
	{ .name = "resize_cq", .before = before_resize_cq, .fn = resize_cq },
	/* A route that cannot be had is an unreachable peer. */
	{ .name = "create_ah", .fn = create_ah, .library = true },
	{ .name = "reg_mr of all", .fn = reg_implicit },
	{ .name = "rereg_mr", .before = before_rereg, .fn = rereg },
	{ .name = "mmap of a ring", .before = before_mmap, .fn = map_ring },
	/* Hundreds of files in sysfs: every ninth, others in the next pass. */
	{ .name = "rdma link add",
	  .before = before_link_add,
	  .fn = link_add,
	  .most = 4000,
	  .stride = 9 },
	{}
};
