// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Registration: choose between on demand and pinned, and say why. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <softodp/softodp.h>

enum {
	TRANSPORTS = SOFTODP_REG_FOR_RC | SOFTODP_REG_FOR_UC |
		     SOFTODP_REG_FOR_UD,
	ALL_FLAGS = SOFTODP_REG_NO_PIN | SOFTODP_REG_NO_ODP |
		    SOFTODP_REG_PIN_FIRST | TRANSPORTS,
};

struct request {
	struct ibv_pd *pd;
	void *addr;
	size_t length;
	uint64_t iova;
	unsigned int access;
	unsigned int flags;
};

/* What on-demand paging a transport must be capable of for this access. */
static uint32_t needed_caps(unsigned int access, unsigned int transport)
{
	uint32_t caps = IBV_ODP_SUPPORT_SEND;

	if (access & IBV_ACCESS_LOCAL_WRITE)
		caps |= IBV_ODP_SUPPORT_RECV;
	if (transport == SOFTODP_REG_FOR_UD)
		return caps;
	if (access & IBV_ACCESS_REMOTE_WRITE)
		caps |= IBV_ODP_SUPPORT_WRITE;
	if (transport == SOFTODP_REG_FOR_UC)
		return caps;
	if (access & IBV_ACCESS_REMOTE_READ)
		caps |= IBV_ODP_SUPPORT_READ;
	if (access & IBV_ACCESS_REMOTE_ATOMIC)
		caps |= IBV_ODP_SUPPORT_ATOMIC;
	return caps;
}

/* Can the device do this on demand? FIRST_CHOICE: yes. */
static enum softodp_reason check_odp(const struct request *rq, int *error)
{
	struct ibv_device_attr_ex attr;
	unsigned int transports = rq->flags & TRANSPORTS;
	int ret;

	memset(&attr, 0, sizeof(attr));
	ret = ibv_query_device_ex(rq->pd->context, NULL, &attr);
	if (ret) {
		*error = ret < 0 ? errno : ret;
		return SOFTODP_REASON_QUERY;
	}

	*error = EOPNOTSUPP;
	if (!(attr.odp_caps.general_caps & IBV_ODP_SUPPORT))
		return SOFTODP_REASON_NO_ODP;

	const struct {
		unsigned int flag;
		uint32_t have;
	} table[] = {
		{ SOFTODP_REG_FOR_RC,
		  attr.odp_caps.per_transport_caps.rc_odp_caps },
		{ SOFTODP_REG_FOR_UC,
		  attr.odp_caps.per_transport_caps.uc_odp_caps },
		{ SOFTODP_REG_FOR_UD,
		  attr.odp_caps.per_transport_caps.ud_odp_caps },
	};

	if (!transports)
		transports = SOFTODP_REG_FOR_RC;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!(transports & table[i].flag))
			continue;
		if (!table[i].have)
			return SOFTODP_REASON_TRANSPORT;
		if (needed_caps(rq->access, table[i].flag) & ~table[i].have)
			return SOFTODP_REASON_OPERATION;
	}
	*error = 0;
	return SOFTODP_REASON_FIRST_CHOICE;
}

static struct ibv_mr *register_as(const struct request *rq, unsigned int access)
{
	return ibv_reg_mr_iova2(rq->pd, rq->addr, rq->length, rq->iova, access);
}

/* On demand. On failure NULL, with *reason and *error (an errno value). */
static struct ibv_mr *try_on_demand(const struct request *rq,
				    enum softodp_reason *reason, int *error)
{
	struct ibv_mr *mr;

	*reason = check_odp(rq, error);
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

const char *softodp_reason_str(enum softodp_reason reason)
{
	switch (reason) {
	case SOFTODP_REASON_FIRST_CHOICE:
		return "as asked for";
	case SOFTODP_REASON_NO_ODP:
		return "the device has no on-demand paging (see ODP in ibv_devinfo -v)";
	case SOFTODP_REASON_TRANSPORT:
		return "the device has no on-demand paging for that transport (see ODP in ibv_devinfo -v)";
	case SOFTODP_REASON_OPERATION:
		return "the device has no on-demand paging for an operation that the access flags allow; ask for fewer";
	case SOFTODP_REASON_ODP_REFUSED:
		return "the device has on-demand paging but refused this range or these access flags";
	case SOFTODP_REASON_MEMLOCK:
		return "not so much memory can be pinned: raise RLIMIT_MEMLOCK (ulimit -l), or register on demand";
	case SOFTODP_REASON_PIN_REFUSED:
		return "the range cannot be pinned: is all of it mapped, with these rights, and not file-system DAX?";
	case SOFTODP_REASON_QUERY:
		return "the device did not tell what it can (ibv_query_device_ex failed)";
	case SOFTODP_REASON_ARGUMENT:
		return "unknown flags, or flags that exclude each other";
	}
	return "unknown reason";
}
