// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Registration: choose between on demand and pinned, and say why. */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "caps.h"
#include "device.h"

enum {
	CHOICES = SOFTODP_REG_NO_PIN | SOFTODP_REG_NO_ODP |
		  SOFTODP_REG_PIN_FIRST,
	ALL_FLAGS = CHOICES | SOFTODP_REG_IOVA | CAPS_TRANSPORTS,

	KINDS = SOFTODP_ON_DEMAND | SOFTODP_PINNED,
	/* What only a region on demand can have. */
	DEMAND_FEATURES = SOFTODP_IMPLICIT | SOFTODP_PREFETCH,
	/* What the device is asked for. */
	DEVICE_FEATURES = SOFTODP_PREFETCH | SOFTODP_STATS | SOFTODP_DMABUF |
			  SOFTODP_REREG_TRANSLATION | SOFTODP_REREG_PD |
			  SOFTODP_REREG_ACCESS,
	ALL_FEATURES = KINDS | SOFTODP_IMPLICIT | DEVICE_FEATURES,

	FIRST_SIZE = sizeof(struct softodp_reg),
};

/*
 * All addresses that a program can have on 64 bits: no kernel gives out more
 * than 57 bits of them, one of which is its own.
 */
#define EVERY_ADDRESS ((size_t)1 << 56)

/* A registration on its way. */
struct request {
	struct ibv_pd *pd;
	void *addr;
	size_t length;
	uint64_t iova;
	unsigned int access; /* without IBV_ACCESS_ON_DEMAND */
	unsigned int transports;
	bool whole; /* the address space */
	/* Which of the two comes first, and whether the other may follow. */
	bool pin_first;
	bool only;
	bool need_implicit;
	bool implicit; /* became so */
};

struct answer {
	enum softodp_kind kind;
	enum softodp_reason reason;
	int error;
};

typedef struct ibv_mr *reg_fn(struct ibv_pd *pd, void *addr, size_t length,
			      uint64_t iova, unsigned int access);

/*
 * Past the shim if that is preloaded: who comes this way chooses for himself.
 * Looked up once and early: a child of fork() might find the loader locked.
 */
static reg_fn *untouched;

__attribute__((constructor)) static void find_untouched(void)
{
	untouched = (reg_fn *)dlsym(RTLD_DEFAULT, "softodp_odp_untouched");
	if (!untouched)
		untouched = ibv_reg_mr_iova2;
}

static struct ibv_mr *register_as(const struct request *rq, unsigned int access)
{
	return untouched(rq->pd, rq->addr, rq->length, rq->iova, access);
}

/* --- on demand ------------------------------------------------------------- */

/*
 * The address space, where the driver has no such regions. FIRST_CHOICE: it
 * has; NO_IMPLICIT with *error 0: an ordinary region will do.
 */
static enum softodp_reason check_whole(struct request *rq, uint64_t general,
				       int *error)
{
	*error = 0;
	rq->implicit = general & IBV_ODP_SUPPORT_IMPLICIT;
	if (rq->implicit)
		return SOFTODP_REASON_FIRST_CHOICE;
	if (rq->need_implicit || !device_is_softodp(rq->pd->context))
		*error = EOPNOTSUPP;
	else
		rq->length = EVERY_ADDRESS;
	return SOFTODP_REASON_NO_IMPLICIT;
}

static enum softodp_reason check(struct request *rq, int *error)
{
	struct ibv_device_attr_ex attr;
	enum softodp_reason reason;

	*error = caps_query(rq->pd->context, &attr);
	if (*error)
		return SOFTODP_REASON_QUERY;
	reason = caps_check(&attr, rq->access, rq->transports);
	if (reason != SOFTODP_REASON_FIRST_CHOICE) {
		*error = EOPNOTSUPP;
		return reason;
	}
	if (!rq->whole)
		return reason;
	return check_whole(rq, attr.odp_caps.general_caps, error);
}

static struct ibv_mr *try_on_demand(struct request *rq, struct answer *answer)
{
	struct ibv_mr *mr;

	answer->kind = SOFTODP_KIND_ON_DEMAND;
	answer->reason = check(rq, &answer->error);
	if (answer->error)
		return NULL;
	mr = register_as(rq, rq->access | IBV_ACCESS_ON_DEMAND);
	if (!mr) {
		answer->error = errno;
		answer->reason = SOFTODP_REASON_ODP_REFUSED;
	}
	return mr;
}

/* --- pinned ---------------------------------------------------------------- */

static struct ibv_mr *try_pinned(struct request *rq, struct answer *answer)
{
	struct ibv_mr *mr = register_as(rq, rq->access);

	answer->kind = SOFTODP_KIND_PINNED;
	answer->error = mr ? 0 : errno;
	if (mr)
		answer->reason = SOFTODP_REASON_FIRST_CHOICE;
	else
		answer->reason = answer->error == ENOMEM ?
					 SOFTODP_REASON_MEMLOCK :
					 SOFTODP_REASON_PIN_REFUSED;
	return mr;
}

/* --- the choice ------------------------------------------------------------ */

static struct ibv_mr *try_in_order(struct request *rq, struct answer *answer)
{
	struct answer second;
	struct ibv_mr *mr;

	mr = (rq->pin_first ? try_pinned : try_on_demand)(rq, answer);
	if (mr || rq->only)
		return mr;
	mr = (rq->pin_first ? try_on_demand : try_pinned)(rq, &second);
	if (!mr)
		*answer = second;
	/* The reason stays that of the first choice while the second works. */
	answer->kind = second.kind;
	return mr;
}

/* The flags in terms of features. */
static void spell_out(struct softodp_reg *reg)
{
	if (reg->flags & SOFTODP_REG_NO_PIN ||
	    reg->access & IBV_ACCESS_ON_DEMAND)
		reg->need |= SOFTODP_ON_DEMAND;
	if (reg->flags & SOFTODP_REG_NO_ODP)
		reg->need |= SOFTODP_PINNED;
	if (reg->flags & SOFTODP_REG_PIN_FIRST)
		reg->want |= SOFTODP_PINNED;
	if (reg->need & DEMAND_FEATURES)
		reg->need |= SOFTODP_ON_DEMAND;
}

static bool contradicts(const struct softodp_reg *reg, bool whole)
{
	const uint32_t kinds = reg->need & KINDS;
	const uint32_t all = reg->need | reg->want;

	return (reg->flags & ~ALL_FLAGS) || (all & ~ALL_FEATURES) ||
	       kinds == KINDS || (reg->want & KINDS) == KINDS ||
	       /* to need one and want the other */
	       (kinds && (reg->want & KINDS & ~kinds)) ||
	       (!whole && (all & SOFTODP_IMPLICIT)) ||
	       (whole && (all & SOFTODP_PINNED)) ||
	       (whole && (reg->flags & SOFTODP_REG_IOVA) && reg->iova);
}

/* Which of the device's features that are asked for it has. 0 or an errno
 * value. */
static int ask_device(struct ibv_pd *pd, struct softodp_reg *reg)
{
	struct softodp_device_attr attr = { .size = sizeof(attr) };

	if (!((reg->need | reg->want) & DEVICE_FEATURES))
		return 0;
	if (softodp_query_device(pd->context, &attr))
		return errno;
	reg->got = attr.features & DEVICE_FEATURES & (reg->need | reg->want);
	return 0;
}

static struct ibv_mr *negotiate(struct ibv_pd *pd, struct softodp_reg *reg,
				struct answer *answer)
{
	struct request rq = {
		.pd = pd,
		.addr = reg->addr,
		.length = reg->length,
		.iova = reg->flags & SOFTODP_REG_IOVA ? reg->iova :
							(uintptr_t)reg->addr,
		.access = reg->access & ~(unsigned int)IBV_ACCESS_ON_DEMAND,
		.transports = reg->flags & CAPS_TRANSPORTS,
		.whole = !reg->addr && reg->length == SIZE_MAX,
		.pin_first = (reg->need | reg->want) & SOFTODP_PINNED,
		.need_implicit = reg->need & SOFTODP_IMPLICIT,
	};
	struct ibv_mr *mr;

	if (contradicts(reg, rq.whole)) {
		*answer = (struct answer){ .reason = SOFTODP_REASON_ARGUMENT,
					   .error = EINVAL };
		return NULL;
	}
	answer->reason = SOFTODP_REASON_QUERY;
	answer->error = ask_device(pd, reg);
	if (answer->error)
		return NULL;
	if (reg->need & DEVICE_FEATURES & ~reg->got) {
		*answer = (struct answer){ .reason = SOFTODP_REASON_NO_FEATURE,
					   .error = EOPNOTSUPP };
		return NULL;
	}
	rq.only = (reg->need & KINDS) || rq.whole;
	mr = try_in_order(&rq, answer);
	if (mr && rq.implicit)
		reg->got |= SOFTODP_IMPLICIT;
	return mr;
}

/* What was got and what not: of a failure, what would have been needed. */
static void settle(struct softodp_reg *reg, struct answer *answer,
		   const struct ibv_mr *mr)
{
	if (!mr) {
		reg->missing = reg->need &
			       (answer->reason == SOFTODP_REASON_NO_FEATURE ?
					DEVICE_FEATURES & ~reg->got :
					KINDS | SOFTODP_IMPLICIT);
		reg->got = 0;
		answer->kind = SOFTODP_KIND_NONE;
		return;
	}
	if (answer->kind == SOFTODP_KIND_PINNED)
		reg->got = (reg->got & ~DEMAND_FEATURES) | SOFTODP_PINNED;
	else
		reg->got |= SOFTODP_ON_DEMAND;
	reg->missing = (reg->need | reg->want) & ~reg->got;
}

struct ibv_mr *softodp_register(struct ibv_pd *pd, struct softodp_reg *reg)
{
	struct answer answer = { 0 };
	const int saved = errno;
	struct softodp_reg r;
	struct ibv_mr *mr;

	if (reg->size < FIRST_SIZE) {
		errno = EINVAL;
		return NULL;
	}
	r = *reg;
	r.got = 0;
	spell_out(&r);
	mr = negotiate(pd, &r, &answer);
	settle(&r, &answer, mr);
	reg->kind = answer.kind;
	reg->reason = answer.reason;
	reg->error = answer.error;
	reg->got = r.got;
	reg->missing = r.missing;
	reg->text = softodp_reason_str(answer.reason);
	errno = mr ? saved : answer.error;
	return mr;
}

/* --- the short forms ------------------------------------------------------- */

struct ibv_mr *softodp_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t length,
				   uint64_t iova, unsigned int access,
				   unsigned int flags,
				   struct softodp_reg_result *why)
{
	struct softodp_reg reg = {
		.size = sizeof(reg),
		.addr = addr,
		.length = length,
		.iova = iova,
		.access = access,
		.flags = flags | SOFTODP_REG_IOVA,
	};
	struct ibv_mr *mr = softodp_register(pd, &reg);

	if (why)
		*why = (struct softodp_reg_result){ .kind = reg.kind,
						    .reason = reg.reason,
						    .error = reg.error };
	return mr;
}

struct ibv_mr *softodp_reg_mr(struct ibv_pd *pd, void *addr, size_t length,
			      unsigned int access, unsigned int flags,
			      struct softodp_reg_result *why)
{
	return softodp_reg_mr_iova(pd, addr, length, (uintptr_t)addr, access,
				   flags, why);
}

struct ibv_mr *softodp_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset,
				     size_t length, uint64_t iova, int fd,
				     unsigned int access)
{
	const int saved = errno;
	struct ibv_mr *mr =
		ibv_reg_dmabuf_mr(pd, offset, length, iova, fd, (int)access);

	if (mr)
		errno = saved;
	else if (errno == ENOSYS || errno == EPROTONOSUPPORT)
		errno = EOPNOTSUPP;
	return mr;
}
