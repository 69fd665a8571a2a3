// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Registration: choose between on demand and pinned, and say why. */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "caps.h"

enum {
	ALL_FLAGS = SOFTODP_REG_NO_PIN | SOFTODP_REG_NO_ODP |
		    SOFTODP_REG_PIN_FIRST | CAPS_TRANSPORTS,
};

struct request {
	struct ibv_pd *pd;
	void *addr;
	size_t length;
	uint64_t iova;
	unsigned int access;
	unsigned int flags;
};

typedef struct ibv_mr *reg_fn(struct ibv_pd *pd, void *addr, size_t length,
			      uint64_t iova, unsigned int access);

static struct ibv_mr *register_as(const struct request *rq, unsigned int access)
{
	/* Past the preloaded shim: who comes this way chooses for himself. */
	reg_fn *reg = (reg_fn *)dlsym(RTLD_DEFAULT, "softodp_odp_untouched");

	if (!reg)
		reg = ibv_reg_mr_iova2;
	return reg(rq->pd, rq->addr, rq->length, rq->iova, access);
}

/* On demand. On failure NULL, with *reason and *error (an errno value). */
static struct ibv_mr *try_on_demand(const struct request *rq,
				    enum softodp_reason *reason, int *error)
{
	struct ibv_mr *mr;

	*reason = caps_ask(rq->pd->context, rq->access,
			   rq->flags & CAPS_TRANSPORTS, error);
	if (*reason != SOFTODP_REASON_FIRST_CHOICE)
		return NULL;
	mr = register_as(rq, rq->access | IBV_ACCESS_ON_DEMAND);
	if (!mr) {
		*error = errno;
		*reason = SOFTODP_REASON_ODP_REFUSED;
	}
	return mr;
}

static struct ibv_mr *try_pinned(const struct request *rq,
				 enum softodp_reason *reason, int *error)
{
	struct ibv_mr *mr = register_as(rq, rq->access);

	*error = mr ? 0 : errno;
	if (mr)
		*reason = SOFTODP_REASON_FIRST_CHOICE;
	else
		*reason = *error == ENOMEM ? SOFTODP_REASON_MEMLOCK :
					     SOFTODP_REASON_PIN_REFUSED;
	return mr;
}

static bool flags_contradict(unsigned int flags)
{
	return (flags & ~ALL_FLAGS) ||
	       ((flags & SOFTODP_REG_NO_PIN) &&
		(flags & (SOFTODP_REG_NO_ODP | SOFTODP_REG_PIN_FIRST)));
}

static struct ibv_mr *try_in_order(const struct request *rq,
				   struct softodp_reg_result *why)
{
	const bool pin_first = rq->flags &
			       (SOFTODP_REG_PIN_FIRST | SOFTODP_REG_NO_ODP);
	const bool only = rq->flags & (SOFTODP_REG_NO_PIN | SOFTODP_REG_NO_ODP);
	enum softodp_reason second_reason;
	int second_error;
	struct ibv_mr *mr;

	mr = (pin_first ? try_pinned : try_on_demand)(rq, &why->reason,
						      &why->error);
	if (mr || only) {
		why->kind = pin_first ? SOFTODP_KIND_PINNED :
					SOFTODP_KIND_ON_DEMAND;
		return mr;
	}
	/* The reason stays that of the first choice while the second works. */
	mr = (pin_first ? try_on_demand : try_pinned)(rq, &second_reason,
						      &second_error);
	why->kind = pin_first ? SOFTODP_KIND_ON_DEMAND : SOFTODP_KIND_PINNED;
	if (!mr) {
		why->reason = second_reason;
		why->error = second_error;
	}
	return mr;
}

struct ibv_mr *softodp_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t length,
				   uint64_t iova, unsigned int access,
				   unsigned int flags,
				   struct softodp_reg_result *why)
{
	struct softodp_reg_result unused, *result = why ? why : &unused;
	const int saved = errno;
	struct ibv_mr *mr = NULL;
	struct request rq = {
		.pd = pd,
		.addr = addr,
		.length = length,
		.iova = iova,
		.access = access & ~(unsigned int)IBV_ACCESS_ON_DEMAND,
		.flags = flags,
	};

	if (access & IBV_ACCESS_ON_DEMAND)
		rq.flags |= SOFTODP_REG_NO_PIN;
	memset(result, 0, sizeof(*result));
	if (flags_contradict(rq.flags)) {
		result->reason = SOFTODP_REASON_ARGUMENT;
		result->error = EINVAL;
	} else {
		mr = try_in_order(&rq, result);
	}
	if (!mr)
		result->kind = SOFTODP_KIND_NONE;
	errno = mr ? saved : result->error;
	return mr;
}

struct ibv_mr *softodp_reg_mr(struct ibv_pd *pd, void *addr, size_t length,
			      unsigned int access, unsigned int flags,
			      struct softodp_reg_result *why)
{
	return softodp_reg_mr_iova(pd, addr, length, (uintptr_t)addr, access,
				   flags, why);
}
