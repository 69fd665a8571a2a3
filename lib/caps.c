// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "caps.h"

int caps_query(struct ibv_context *context, struct ibv_device_attr_ex *attr)
{
	struct verbs_context *verbs =
		verbs_get_ctx_op(context, query_device_ex);
	int ret;

	memset(attr, 0, sizeof(*attr));
	if (!verbs)
		return 0;
	ret = verbs->query_device_ex(context, NULL, attr, sizeof(*attr));
	if (!ret)
		return 0;
	memset(attr, 0, sizeof(*attr));
	if (ret < 0)
		ret = errno;
	return ret == EOPNOTSUPP || ret == ENOSYS ? 0 : ret;
}

/* What on-demand paging a transport must be capable of for this access. */
static uint32_t needed(unsigned int access, unsigned int transport)
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

enum softodp_reason caps_check(const struct ibv_device_attr_ex *attr,
			       unsigned int access, unsigned int transports)
{
	const struct ibv_odp_caps *odp = &attr->odp_caps;
	const struct {
		unsigned int flag;
		uint32_t have;
	} table[] = {
		{ SOFTODP_REG_FOR_RC, odp->per_transport_caps.rc_odp_caps },
		{ SOFTODP_REG_FOR_UC, odp->per_transport_caps.uc_odp_caps },
		{ SOFTODP_REG_FOR_UD, odp->per_transport_caps.ud_odp_caps },
	};

	if (!(odp->general_caps & IBV_ODP_SUPPORT))
		return SOFTODP_REASON_NO_ODP;
	if (!transports)
		transports = SOFTODP_REG_FOR_RC;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!(transports & table[i].flag))
			continue;
		if (!table[i].have)
			return SOFTODP_REASON_TRANSPORT;
		if (needed(access, table[i].flag) & ~table[i].have)
			return SOFTODP_REASON_OPERATION;
	}
	return SOFTODP_REASON_FIRST_CHOICE;
}

enum softodp_reason caps_ask(struct ibv_context *context, unsigned int access,
			     unsigned int transports, int *error)
{
	struct ibv_device_attr_ex attr;
	enum softodp_reason reason;

	*error = caps_query(context, &attr);
	if (*error)
		return SOFTODP_REASON_QUERY;
	reason = caps_check(&attr, access, transports);
	*error = reason == SOFTODP_REASON_FIRST_CHOICE ? 0 : EOPNOTSUPP;
	return reason;
}
