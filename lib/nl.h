/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* RDMA netlink, as much of it as counters need. */
#ifndef SOFTODP_NL_H
#define SOFTODP_NL_H

#include <stdbool.h>
#include <stdint.h>

#include <libmnl/libmnl.h>
#include <rdma/rdma_netlink.h>

/* A request under construction and room for one answer. */
struct nl_request {
	struct mnl_socket *socket;
	struct nlmsghdr *hdr;
	char *buffer;
	size_t size;
};

/*
 * nl_open() then nl_begin(), mnl_attr_put_*(request.hdr, ...), nl_run(), as
 * often as wanted; nl_close() in any case. 0, or -1 with errno.
 */
int nl_open(struct nl_request *request);
void nl_begin(struct nl_request *request, uint16_t command, bool dump);
/* @message is called for each message; MNL_CB_OK goes on, MNL_CB_ERROR ends. */
int nl_run(struct nl_request *request, mnl_cb_t message, void *arg);
void nl_close(struct nl_request *request); /* keeps errno */

/* Attribute of a message or nest, or NULL. */
const struct nlattr *nl_find(const struct nlmsghdr *message, uint16_t type);
const struct nlattr *nl_find_nested(const struct nlattr *nest, uint16_t type);
/* An integer of 4 or 8 bytes; 0 if there is none. */
uint64_t nl_value(const struct nlattr *attr);

/* The netlink index of a device by name: -1 with ENODEV if there is none. */
int nl_device_index(struct nl_request *request, const char *name,
		    uint32_t *index);

#endif
