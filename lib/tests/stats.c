// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Counters, against a kernel that is made up: what it is asked over netlink and
 * what becomes of its answers, errors among them.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <rdma/rdma_netlink.h>
#include <softodp/softodp.h>

#include "covers.h"

enum {
	UNTOUCHED = ESTALE,
	INDEX = 7, /* of fake0 */
	NUMBER = 42, /* of its region that is looked for */
	LKEY = 0x1234,
	LENGTH = 65536,
	REGIONS = 3,
};

/* A region as the kernel lists it; length 0: none. */
struct region {
	uint32_t number;
	uint32_t lkey; /* 0: not shown */
	bool ours; /* of this process */
	uint64_t length;
};

static const struct row {
	const char *name;
	int open_error, list_error, stat_error; /* of the kernel */
	bool no_device, no_counters;
	struct region regions[REGIONS];
	int err; /* of softodp_query_mr_stats() */
} rows[] = {
	{ .name = "by key",
	  .regions = { { 41, 1, true, LENGTH },
		       { NUMBER, LKEY, true, LENGTH },
		       { 43, 2, true, LENGTH } } },
	{ .name = "by length",
	  .regions = { { 41, 0, true, LENGTH - 1 },
		       { NUMBER, 0, true, LENGTH },
		       { 43, 0, false, LENGTH } } },
	{ .name = "two of that length",
	  .regions = { { NUMBER, 0, true, LENGTH }, { 43, 0, true, LENGTH } },
	  .err = ENOTUNIQ },
	{ .name = "none of that length",
	  .regions = { { 41, 0, true, 1 } },
	  .err = ENOENT },
	{ .name = "none of that key",
	  .regions = { { 41, 1, true, LENGTH } },
	  .err = ENOENT },
	{ .name = "none at all", .err = ENOENT },
	{ .name = "no device", .no_device = true, .err = ENODEV },
	{ .name = "no socket", .open_error = EMFILE, .err = EMFILE },
	{ .name = "no list", .list_error = EPERM, .err = EPERM },
	{ .name = "the region goes in between",
	  .regions = { { NUMBER, LKEY, true, LENGTH } },
	  .stat_error = ENOENT,
	  .err = ENOENT },
	{ .name = "no counters of regions",
	  .regions = { { NUMBER, LKEY, true, LENGTH } },
	  .no_counters = true,
	  .err = EOPNOTSUPP },
};

/* --- the kernel ------------------------------------------------------------ */

static const struct row *now;
static struct nlmsghdr *request;
static int sockets; /* that are open */
static int asked_region;

struct mnl_socket *mnl_socket_open2(int bus, int flags)
{
	(void)flags;
	if (bus != NETLINK_RDMA)
		abort();
	errno = now->open_error;
	if (errno)
		return NULL;
	sockets++;
	return (struct mnl_socket *)&sockets;
}

int mnl_socket_bind(struct mnl_socket *socket, unsigned int groups, pid_t pid)
{
	(void)socket, (void)groups, (void)pid;
	return 0;
}

unsigned int mnl_socket_get_portid(const struct mnl_socket *socket)
{
	(void)socket;
	return 99;
}

int mnl_socket_close(struct mnl_socket *socket)
{
	(void)socket;
	sockets--;
	errno = EBADF; /* must not be seen */
	return 0;
}

ssize_t mnl_socket_sendto(const struct mnl_socket *socket, const void *data,
			  size_t size)
{
	(void)socket;
	free(request);
	request = malloc(size);
	if (!request)
		abort();
	memcpy(request, data, size);
	return size;
}

static struct nlmsghdr *begin(void *at, uint16_t flags)
{
	struct nlmsghdr *hdr = mnl_nlmsg_put_header(at);

	hdr->nlmsg_type = request->nlmsg_type;
	hdr->nlmsg_flags = flags;
	hdr->nlmsg_seq = request->nlmsg_seq;
	hdr->nlmsg_pid = 99;
	return hdr;
}

static size_t end_of_dump(void *at)
{
	struct nlmsghdr *hdr = begin(at, NLM_F_MULTI);
	int *status = mnl_nlmsg_put_extra_header(hdr, sizeof(int));

	hdr->nlmsg_type = NLMSG_DONE;
	*status = 0;
	return hdr->nlmsg_len;
}

static size_t refuse(void *at, int error)
{
	struct nlmsghdr *hdr = begin(at, 0);
	struct nlmsgerr *status =
		mnl_nlmsg_put_extra_header(hdr, sizeof(*status));

	hdr->nlmsg_type = NLMSG_ERROR;
	status->error = -error;
	status->msg = *request;
	return hdr->nlmsg_len;
}

static size_t list_devices(char *at)
{
	struct nlmsghdr *hdr = begin(at, NLM_F_MULTI);
	size_t n;

	mnl_attr_put_u32(hdr, RDMA_NLDEV_ATTR_DEV_INDEX, INDEX - 1);
	mnl_attr_put_strz(hdr, RDMA_NLDEV_ATTR_DEV_NAME, "fake");
	n = hdr->nlmsg_len;
	if (!now->no_device) {
		hdr = begin(at + n, NLM_F_MULTI);
		mnl_attr_put_u32(hdr, RDMA_NLDEV_ATTR_DEV_INDEX, INDEX);
		mnl_attr_put_strz(hdr, RDMA_NLDEV_ATTR_DEV_NAME, "fake0");
		n += hdr->nlmsg_len;
	}
	return n + end_of_dump(at + n);
}

static size_t list_regions(char *at)
{
	struct nlmsghdr *hdr = begin(at, NLM_F_MULTI);
	struct nlattr *table, *entry;

	if (now->list_error)
		return refuse(at, now->list_error);
	table = mnl_attr_nest_start(hdr, RDMA_NLDEV_ATTR_RES_MR);
	for (int i = 0; i < REGIONS && now->regions[i].length; i++) {
		const struct region *region = &now->regions[i];

		entry = mnl_attr_nest_start(hdr, RDMA_NLDEV_ATTR_RES_MR_ENTRY);
		mnl_attr_put_u32(hdr, RDMA_NLDEV_ATTR_RES_MRN, region->number);
		mnl_attr_put_u64(hdr, RDMA_NLDEV_ATTR_RES_MRLEN,
				 region->length);
		if (region->lkey)
			mnl_attr_put_u32(hdr, RDMA_NLDEV_ATTR_RES_LKEY,
					 region->lkey);
		mnl_attr_put_u32(hdr, RDMA_NLDEV_ATTR_RES_PID,
				 region->ours ? getpid() : getpid() + 1);
		mnl_attr_nest_end(hdr, entry);
	}
	mnl_attr_nest_end(hdr, table);
	return hdr->nlmsg_len + end_of_dump(at + hdr->nlmsg_len);
}

static void put_counter(struct nlmsghdr *hdr, const char *name, uint64_t value)
{
	struct nlattr *entry =
		mnl_attr_nest_start(hdr, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY);

	mnl_attr_put_strz(hdr, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_NAME, name);
	mnl_attr_put_u64(hdr, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_VALUE,
			 value);
	mnl_attr_nest_end(hdr, entry);
}

static size_t list_counters(char *at)
{
	struct nlmsghdr *hdr = begin(at, 0);
	const struct nlattr *attr;
	struct nlattr *table;

	if (now->stat_error)
		return refuse(at, now->stat_error);
	mnl_attr_for_each(attr, request, 0)
	{
		if (mnl_attr_get_type(attr) == RDMA_NLDEV_ATTR_RES_MRN)
			asked_region = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == RDMA_NLDEV_ATTR_DEV_INDEX &&
		    mnl_attr_get_u32(attr) != INDEX)
			abort();
	}
	if (now->no_counters)
		return hdr->nlmsg_len;
	table = mnl_attr_nest_start(hdr, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS);
	put_counter(hdr, "page_faults", 1ULL << 40);
	put_counter(hdr, "page_faults_handled", 2);
	put_counter(hdr, "page_invalidations", 3);
	put_counter(hdr, "page_invalidations_handled", 4);
	put_counter(hdr, "page_prefetch", 5);
	put_counter(hdr, "resident_pages", 6);
	put_counter(hdr, "table_bytes", 7);
	put_counter(hdr, "of_another_time", 8);
	mnl_attr_nest_end(hdr, table);
	return hdr->nlmsg_len;
}

ssize_t mnl_socket_recvfrom(const struct mnl_socket *socket, void *data,
			    size_t size)
{
	(void)socket, (void)size;
	switch (request->nlmsg_type & 0x3ff) {
	case RDMA_NLDEV_CMD_GET:
		return list_devices(data);
	case RDMA_NLDEV_CMD_RES_MR_GET:
		return list_regions(data);
	case RDMA_NLDEV_CMD_STAT_GET:
		return list_counters(data);
	default:
		abort();
	}
}

/* --- the questions --------------------------------------------------------- */

static struct ibv_device device = { .name = "fake0" };
static struct ibv_context context = { .device = &device };

static bool right(const struct softodp_mr_stats *s)
{
	return s->page_faults == 1ULL << 40 && s->page_faults_handled == 2 &&
	       s->page_invalidations == 3 &&
	       s->page_invalidations_handled == 4 && s->page_prefetch == 5 &&
	       s->resident_pages == 6 && s->table_bytes == 7 &&
	       !s->reserved[0] && asked_region == NUMBER;
}

static int check(const struct row *row)
{
	struct ibv_mr mr = { .context = &context,
			     .length = LENGTH,
			     .lkey = LKEY };
	struct softodp_mr_stats stats;
	int ret;

	now = row;
	asked_region = 0;
	errno = UNTOUCHED;
	ret = softodp_query_mr_stats(&mr, &stats);
	if (ret == (row->err ? -1 : 0) && !sockets &&
	    errno == (row->err ? row->err : UNTOUCHED) &&
	    (row->err || right(&stats)))
		return covers("softodp_query_mr_stats", row->err);
	printf("FAIL %s: %d, errno %d, region %d, %d sockets left\n", row->name,
	       ret, errno, asked_region, sockets);
	return 1;
}

static int check_device(const struct row *row, const char *name, int err)
{
	uint64_t value = 0;
	int ret;

	now = row;
	errno = UNTOUCHED;
	ret = softodp_query_dev_counter(&context, name, &value);
	if (ret == (err ? -1 : 0) && errno == (err ? err : UNTOUCHED) &&
	    !sockets && value == (err ? 0 : 3))
		return covers("softodp_query_dev_counter", err);
	printf("FAIL device, %s: %d, errno %d\n", name, ret, errno);
	return 1;
}

int main(void)
{
	static const struct row good = { .name = "" },
				none = { .stat_error = EINVAL },
				gone = { .no_device = true };
	int failed = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		failed += check(&rows[i]);
	failed += check_device(&good, "page_invalidations", 0);
	failed += check_device(&good, "no_such", ENOENT);
	failed += check_device(&none, "page_faults", EOPNOTSUPP);
	failed += check_device(&gone, "page_faults", ENODEV);
	free(request);
	printf("%d failed\n", failed);
	return failed != 0;
}
