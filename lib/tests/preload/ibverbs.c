// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Takes the place of libibverbs: the calls that the shim stands before, with
 * the versions of the real one, of which ibv_reg_mr calls ibv_reg_mr_iova2 as
 * the real one does.
 */
#include <errno.h>
#include <string.h>

#include "fake.h"

#undef ibv_reg_mr
#undef ibv_reg_mr_iova

int fake = 1;

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length,
				uint64_t iova, unsigned int access)
{
	struct fake *dev =
		(struct fake *)((char *)pd - offsetof(struct fake, pd));
	const int odp = access & IBV_ACCESS_ON_DEMAND;
	const size_t n = strlen(dev->attempts);

	(void)addr, (void)length;
	dev->iova = iova;
	if (n < sizeof(dev->attempts) - 1)
		dev->attempts[n] = odp ? 'o' : 'p';
	if (odp ? !dev->odp_error : !dev->pin_error)
		return &dev->mr;
	errno = odp ? dev->odp_error : dev->pin_error;
	return NULL;
}

struct ibv_mr *ibv_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t length,
			       uint64_t iova, int access)
{
	return ibv_reg_mr_iova2(pd, addr, length, iova, access);
}

struct ibv_mr *reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access);
struct ibv_mr *reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	return ibv_reg_mr_iova2(pd, addr, length, (uintptr_t)addr, access);
}
__asm__(".symver reg_mr, ibv_reg_mr@@IBVERBS_1.1");

/* --- what a provider may lack ---------------------------------------------- */

static int no_advise(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
		     uint32_t flags, struct ibv_sge *sg_list, uint32_t num_sge)
{
	(void)pd, (void)advice, (void)flags, (void)sg_list, (void)num_sge;
	return EOPNOTSUPP;
}

/* With what stands in for an operation that the provider has not. */
struct ibv_context *ibv_open_device(struct ibv_device *device)
{
	struct fake *dev =
		(struct fake *)((char *)device - offsetof(struct fake, device));

	if (dev->open_error) {
		errno = dev->open_error;
		return NULL;
	}
	if (!dev->verbs.advise_mr)
		dev->verbs.advise_mr = no_advise;
	return &dev->verbs.context;
}

/* As if the descriptor came from another process: there is one device. */
struct ibv_device *fake_device;

struct ibv_context *ibv_import_device(int cmd_fd)
{
	struct ibv_context *context = ibv_open_device(fake_device);

	context->cmd_fd = cmd_fd;
	return context;
}

int ibv_rereg_mr(struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr,
		 size_t length, int access)
{
	struct fake *dev =
		(struct fake *)((char *)mr - offsetof(struct fake, mr));

	(void)flags, (void)pd, (void)addr, (void)length, (void)access;
	dev->reregs++;
	errno = dev->rereg_errno;
	return dev->rereg_code;
}

/* Of how many bytes a child shall not have. */
long fake_dontfork;

int ibv_dontfork_range(void *base, size_t size);
int ibv_dontfork_range(void *base, size_t size)
{
	(void)base;
	fake_dontfork += size;
	return 0;
}

int ibv_dofork_range(void *base, size_t size);
int ibv_dofork_range(void *base, size_t size)
{
	(void)base;
	fake_dontfork -= size;
	return 0;
}

/* --- of another time, with other structures: nobody may come here ---------- */

struct ibv_mr *reg_mr_1_0(struct ibv_pd *pd, void *addr, size_t length,
			  int access);
struct ibv_mr *reg_mr_1_0(struct ibv_pd *pd, void *addr, size_t length,
			  int access)
{
	(void)pd, (void)length, (void)access;
	return addr;
}
__asm__(".symver reg_mr_1_0, ibv_reg_mr@IBVERBS_1.0");
