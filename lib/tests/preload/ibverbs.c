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

/* Of another time, with other structures: nobody may come here. */
struct ibv_mr *reg_mr_1_0(struct ibv_pd *pd, void *addr, size_t length,
			  int access);
struct ibv_mr *reg_mr_1_0(struct ibv_pd *pd, void *addr, size_t length,
			  int access)
{
	(void)pd, (void)length, (void)access;
	return addr;
}
__asm__(".symver reg_mr_1_0, ibv_reg_mr@IBVERBS_1.0");
