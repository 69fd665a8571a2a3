// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "nl.h"

int nl_open(struct nl_request *request)
{
	memset(request, 0, sizeof(*request));
	request->size = 32768; /* the kernel fills up to so much in a dump */
	request->buffer = malloc(request->size);
	if (!request->buffer) {
		errno = ENOMEM;
		return -1;
	}
	request->socket = mnl_socket_open2(NETLINK_RDMA, SOCK_CLOEXEC);
	if (!request->socket)
		return -1;
	return mnl_socket_bind(request->socket, 0, MNL_SOCKET_AUTOPID);
}

void nl_close(struct nl_request *request)
{
	const int saved = errno;

	if (request->socket)
		mnl_socket_close(request->socket);
	free(request->buffer);
	errno = saved;
}

void nl_begin(struct nl_request *request, uint16_t command, bool dump)
{
	struct nlmsghdr *hdr = mnl_nlmsg_put_header(request->buffer);

	hdr->nlmsg_type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, command);
	hdr->nlmsg_flags = NLM_F_REQUEST | (dump ? NLM_F_DUMP : 0);
	hdr->nlmsg_seq = 1;
	request->hdr = hdr;
}

int nl_run(struct nl_request *request, mnl_cb_t message, void *arg)
{
	const unsigned int port = mnl_socket_get_portid(request->socket);
	const bool dump = (request->hdr->nlmsg_flags & NLM_F_DUMP) ==
			  NLM_F_DUMP;
	int ret;

	if (mnl_socket_sendto(request->socket, request->hdr,
			      request->hdr->nlmsg_len) < 0)
		return -1;
	do {
		ssize_t n = mnl_socket_recvfrom(request->socket,
						request->buffer, request->size);

		if (n < 0)
			return -1;
		ret = mnl_cb_run(request->buffer, n, 1, port, message, arg);
		/* A query is answered by one message: no end to wait for. */
		if (!dump && ret == MNL_CB_OK)
			break;
	} while (ret > MNL_CB_STOP);
	return ret < 0 ? -1 : 0;
}

const struct nlattr *nl_find(const struct nlmsghdr *message, uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message,
			  0) if (mnl_attr_get_type(attr) == type) return attr;
	return NULL;
}

const struct nlattr *nl_find_nested(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) if (mnl_attr_get_type(attr) ==
						 type) return attr;
	return NULL;
}

uint64_t nl_value(const struct nlattr *attr)
{
	if (!attr)
		return 0;
	switch (mnl_attr_get_payload_len(attr)) {
	case sizeof(uint32_t):
		return mnl_attr_get_u32(attr);
	case sizeof(uint64_t):
		return mnl_attr_get_u64(attr);
	default:
		return 0;
	}
}

struct by_name {
	const char *name;
	uint32_t index;
	bool found;
};

static int match_name(const struct nlmsghdr *message, void *arg)
{
	const struct nlattr *name = nl_find(message, RDMA_NLDEV_ATTR_DEV_NAME);
	const struct nlattr *index =
		nl_find(message, RDMA_NLDEV_ATTR_DEV_INDEX);
	struct by_name *by = arg;

	if (name && index && !strcmp(mnl_attr_get_str(name), by->name)) {
		by->index = mnl_attr_get_u32(index);
		by->found = true;
	}
	return MNL_CB_OK;
}

int nl_device_index(struct nl_request *request, const char *name,
		    uint32_t *index)
{
	struct by_name by = { .name = name };

	nl_begin(request, RDMA_NLDEV_CMD_GET, true);
	if (nl_run(request, match_name, &by))
		return -1;
	if (!by.found) {
		errno = ENODEV;
		return -1;
	}
	*index = by.index;
	return 0;
}
