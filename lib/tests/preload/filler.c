// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A program that uses what its provider may lack, ibv_advise_mr() and
 * ibv_rereg_mr(), over a kernel that is here: filler {bare|filled}. "bare" is
 * how it goes without the shim.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "fake.h"

enum {
	MANY = 10000, /* ranges, more than go into one command */
	FD = 4711,
	PD = 5,
	MR = 6,
};

/* What the kernel answers, and what it was asked. */
static struct {
	int error;
	bool foreign_abi;
	unsigned int advices, ranges, reregs;
	uint64_t advice, bytes;
	uint32_t flags;
	bool wrong; /* something that nobody asked for */
} kernel;

#define CHECK(what)                                                    \
	((what) ? 0 :                                                  \
		  (fprintf(stderr, "line %d: not so: %s (errno %d)\n", \
			   __LINE__, #what, errno),                    \
		   1))

struct command {
	struct ib_uverbs_ioctl_hdr hdr;
	struct ib_uverbs_attr attrs[4];
};

static const struct ib_uverbs_attr *find(const struct command *cmd, uint16_t id)
{
	for (int i = 0; i < cmd->hdr.num_attrs; i++)
		if (cmd->attrs[i].attr_id == id)
			return &cmd->attrs[i];
	abort();
}

static void kernel_advise(const struct command *cmd)
{
	const struct ib_uverbs_attr *list =
		find(cmd, UVERBS_ATTR_ADVISE_MR_SGE_LIST);
	const struct ibv_sge *sge = (struct ibv_sge *)(uintptr_t)list->data;
	const unsigned int n = list->len / sizeof(*sge);

	kernel.wrong |= find(cmd, UVERBS_ATTR_ADVISE_MR_PD_HANDLE)->data != PD;
	kernel.advice = find(cmd, UVERBS_ATTR_ADVISE_MR_ADVICE)->data;
	kernel.flags = find(cmd, UVERBS_ATTR_ADVISE_MR_FLAGS)->data;
	kernel.advices++;
	kernel.ranges += n;
	for (unsigned int i = 0; i < n; i++)
		kernel.bytes += sge[i].length;
}

static void kernel_rereg(const struct command *cmd)
{
	const struct ib_uverbs_rereg_mr *request =
		(void *)(uintptr_t)find(cmd, UVERBS_ATTR_CORE_IN)->data;
	struct ib_uverbs_rereg_mr_resp *response =
		(void *)(uintptr_t)find(cmd, UVERBS_ATTR_CORE_OUT)->data;

	kernel.wrong |= request->mr_handle != MR;
	kernel.reregs++;
	response->lkey = 0x111;
	response->rkey = 0x222;
}

/* Before that of libc: it is the program's. */
int ioctl(int fd, unsigned long number, ...);
int ioctl(int fd, unsigned long number, ...)
{
	const struct command *cmd;
	va_list args;

	va_start(args, number);
	cmd = va_arg(args, const struct command *);
	va_end(args);
	kernel.wrong |= fd != FD || cmd->hdr.driver_id != RDMA_DRIVER_RXE;
	errno = kernel.foreign_abi ? EINVAL : kernel.error;
	if (errno)
		return -1;
	if (cmd->hdr.object_id == UVERBS_OBJECT_MR)
		kernel_advise(cmd);
	else
		kernel_rereg(cmd);
	return 0;
}

static int own_advise(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
		      uint32_t flags, struct ibv_sge *sg_list, uint32_t num_sge)
{
	(void)pd, (void)advice, (void)flags, (void)sg_list, (void)num_sge;
	return EXDEV;
}

/* Opened, with or without a provider that can. */
static struct ibv_context *open_fake(struct fake *fake, bool can, bool import)
{
	struct ibv_context *context;

	memset(&kernel, 0, sizeof(kernel));
	memset(fake, 0, sizeof(*fake));
	fake->verbs.sz = sizeof(fake->verbs);
	fake->verbs.context.abi_compat = __VERBS_ABI_IS_EXTENDED;
	fake->verbs.context.device = &fake->device;
	if (can)
		fake->verbs.advise_mr = own_advise;
	else
		fake->rereg_code = IBV_REREG_MR_ERR_CMD;
	fake->rereg_errno = EOPNOTSUPP;
	fake->pd.context = &fake->verbs.context;
	fake->pd.handle = PD;
	fake->mr.context = &fake->verbs.context;
	fake->mr.pd = &fake->pd;
	fake->mr.handle = MR;
	fake_device = &fake->device;
	context = import ? ibv_import_device(FD) :
			   ibv_open_device(&fake->device);
	if (context)
		context->cmd_fd = FD;
	return context;
}

/* --- ibv_advise_mr --------------------------------------------------------- */

static int advise(struct fake *fake, struct ibv_sge *list, uint32_t n)
{
	return ibv_advise_mr(&fake->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			     IBV_ADVISE_MR_FLAG_FLUSH, list, n);
}

static int check_advise(bool filled, bool import)
{
	static struct ibv_sge list[MANY];
	struct fake fake;
	int bad;

	for (int i = 0; i < MANY; i++)
		list[i] = (struct ibv_sge){ i * 4096ULL, 4096, 1 };
	if (!open_fake(&fake, false, import))
		return CHECK(!"opened");
	if (!filled)
		return CHECK(advise(&fake, list, 1) == EOPNOTSUPP &&
			     !kernel.advices);
	errno = ESTALE;
	bad = CHECK(!advise(&fake, list, 1) && errno == ESTALE) +
	      CHECK(kernel.advices == 1 && kernel.ranges == 1) +
	      CHECK(kernel.advice == IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE &&
		    kernel.flags == IBV_ADVISE_MR_FLAG_FLUSH);
	bad += CHECK(!advise(&fake, list, MANY)) +
	       CHECK(kernel.ranges == MANY + 1 &&
		     kernel.bytes == (MANY + 1) * 4096ULL && !kernel.wrong);
	bad += CHECK(advise(&fake, list, 0) == EINVAL);
	kernel.error = ENOENT;
	bad += CHECK(advise(&fake, list, 1) == ENOENT);
	kernel.foreign_abi = true;
	return bad + CHECK(advise(&fake, list, 1) == EOPNOTSUPP);
}

/* Who has one keeps it. */
static int check_provider(void)
{
	struct ibv_sge sge = { 0, 1, 1 };
	struct fake fake;

	if (!open_fake(&fake, true, false))
		return CHECK(!"opened");
	return CHECK(advise(&fake, &sge, 1) == EXDEV && !kernel.advices);
}

static int check_closed(void)
{
	struct fake fake = { .open_error = EACCES };

	return CHECK(!ibv_open_device(&fake.device) && errno == EACCES);
}

/* --- ibv_rereg_mr ---------------------------------------------------------- */

static int check_rereg(bool filled)
{
	char memory[64];
	struct fake fake;
	int bad, ret;

	if (!open_fake(&fake, false, false))
		return CHECK(!"opened");
	fake.mr.addr = &fake;
	fake.mr.length = 16;
	fake_dontfork = 16;
	errno = ESTALE;
	ret = ibv_rereg_mr(&fake.mr, IBV_REREG_MR_CHANGE_TRANSLATION, NULL,
			   memory, sizeof(memory), 0);
	bad = CHECK(fake.reregs == 1);
	if (!filled)
		return bad + CHECK(ret == IBV_REREG_MR_ERR_CMD &&
				   errno == EOPNOTSUPP && !kernel.reregs);
	bad += CHECK(!ret && errno == ESTALE && kernel.reregs == 1) +
	       CHECK(fake.mr.lkey == 0x111 && fake.mr.rkey == 0x222) +
	       CHECK(fake.mr.addr == memory &&
		     fake.mr.length == sizeof(memory)) +
	       CHECK(fake_dontfork == sizeof(memory) && !kernel.wrong);
	kernel.error = EPERM;
	bad += CHECK(ibv_rereg_mr(&fake.mr, IBV_REREG_MR_CHANGE_ACCESS, NULL,
				  NULL, 0, 1) == IBV_REREG_MR_ERR_CMD &&
		     errno == EPERM);
	/* The provider's own failure is the program's. */
	fake.rereg_errno = ENOMEM;
	kernel.error = 0;
	bad += CHECK(ibv_rereg_mr(&fake.mr, IBV_REREG_MR_CHANGE_ACCESS, NULL,
				  NULL, 0, 1) == IBV_REREG_MR_ERR_CMD &&
		     errno == ENOMEM && kernel.reregs == 1);
	return bad;
}

static int check_provider_rereg(void)
{
	struct fake fake;

	if (!open_fake(&fake, true, false))
		return CHECK(!"opened");
	return CHECK(!ibv_rereg_mr(&fake.mr, IBV_REREG_MR_CHANGE_ACCESS, NULL,
				   NULL, 0, 1) &&
		     fake.reregs == 1 && !kernel.reregs && !fake.mr.lkey);
}

int main(int argc, char **argv)
{
	const bool filled = argc == 2 && !strcmp(argv[1], "filled");
	int failed;

	if (argc != 2 || (!filled && strcmp(argv[1], "bare") != 0))
		return 2;
	failed = check_advise(filled, false) + check_advise(filled, true) +
		 check_provider() + check_closed() + check_rereg(filled) +
		 check_provider_rereg();
	fprintf(stderr, "%s", failed ? "failed\n" : "");
	return failed != 0;
}
