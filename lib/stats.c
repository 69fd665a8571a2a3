// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Counters of regions and devices, over RDMA netlink. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <rdma/softodp-abi.h>
#include <softodp/softodp.h>

#include "nl.h"
#include "stats.h"

bool stats_for_each(const struct nlattr *table, stats_fn fn, void *arg)
{
	const struct nlattr *entry;

	if (!table)
		return false;
	mnl_attr_for_each_nested(entry, table)
	{
		const struct nlattr *name = nl_find_nested(
			entry, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_NAME);
		const struct nlattr *value = nl_find_nested(
			entry, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_VALUE);

		if (name && value)
			fn(arg, mnl_attr_get_str(name), nl_value(value));
	}
	return true;
}

/* --- which region of the kernel's list is this ibv_mr? -------------------- */

struct search {
	const struct ibv_mr *mr;
	uint32_t mrn; /* the kernel's number of the region */
	unsigned int candidates;
	bool by_key; /* found by its key: certain */
};

static void consider(struct search *search, const struct nlattr *entry)
{
	const struct nlattr *mrn =
		nl_find_nested(entry, RDMA_NLDEV_ATTR_RES_MRN);
	const struct nlattr *lkey =
		nl_find_nested(entry, RDMA_NLDEV_ATTR_RES_LKEY);
	const struct nlattr *pid =
		nl_find_nested(entry, RDMA_NLDEV_ATTR_RES_PID);
	const struct nlattr *length =
		nl_find_nested(entry, RDMA_NLDEV_ATTR_RES_MRLEN);

	if (!mrn || search->by_key)
		return;
	if (lkey) { /* shown to CAP_NET_ADMIN only */
		if (nl_value(lkey) != search->mr->lkey)
			return;
		search->by_key = true;
		search->candidates = 0;
	} else if (nl_value(pid) != (uint64_t)getpid() ||
		   nl_value(length) != search->mr->length) {
		return;
	}
	search->mrn = mnl_attr_get_u32(mrn);
	search->candidates++;
}

static int match_region(const struct nlmsghdr *message, void *arg)
{
	const struct nlattr *table = nl_find(message, RDMA_NLDEV_ATTR_RES_MR);
	const struct nlattr *entry;

	if (table)
		mnl_attr_for_each_nested(entry, table) consider(arg, entry);
	return MNL_CB_OK;
}

static int find_region(struct nl_request *request, uint32_t device,
		       const struct ibv_mr *mr, uint32_t *mrn)
{
	struct search search = { .mr = mr };

	nl_begin(request, RDMA_NLDEV_CMD_RES_MR_GET, true);
	mnl_attr_put_u32(request->hdr, RDMA_NLDEV_ATTR_DEV_INDEX, device);
	if (nl_run(request, match_region, &search))
		return -1;
	if (search.candidates != 1) {
		errno = search.candidates ? ENOTUNIQ : ENOENT;
		return -1;
	}
	*mrn = search.mrn;
	return 0;
}

/* --- a region's counters -------------------------------------------------- */

struct region_answer {
	struct softodp_mr_stats *stats;
	bool counts;
};

static void set_region_counter(void *arg, const char *name, uint64_t value)
{
	struct softodp_mr_stats *stats = arg;
	const struct {
		const char *name;
		uint64_t *where;
	} table[] = {
		{ SOFTODP_STAT_PAGE_FAULTS, &stats->page_faults },
		{ SOFTODP_STAT_PAGE_FAULTS_HANDLED,
		  &stats->page_faults_handled },
		{ SOFTODP_STAT_PAGE_INVALIDATIONS, &stats->page_invalidations },
		{ SOFTODP_STAT_PAGE_INVALIDATIONS_HANDLED,
		  &stats->page_invalidations_handled },
		{ SOFTODP_STAT_PAGE_PREFETCH, &stats->page_prefetch },
		{ SOFTODP_STAT_RESIDENT_PAGES, &stats->resident_pages },
		{ SOFTODP_STAT_TABLE_BYTES, &stats->table_bytes },
		{ SOFTODP_STAT_PAGE_FAULTS_MAJOR, &stats->page_faults_major },
		{ SOFTODP_STAT_PAGE_FAULTS_RETRIED,
		  &stats->page_faults_retried },
		{ SOFTODP_STAT_FENCE_WAITS, &stats->fence_waits },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(name, table[i].name))
			*table[i].where = value;
}

bool stats_of_region(const struct nlattr *table, struct softodp_mr_stats *stats)
{
	return stats_for_each(table, set_region_counter, stats);
}

static int read_region(const struct nlmsghdr *message, void *arg)
{
	struct region_answer *answer = arg;

	answer->counts |= stats_of_region(
		nl_find(message, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS),
		answer->stats);
	return MNL_CB_OK;
}

static int ask_region(struct nl_request *request, const struct ibv_mr *mr,
		      struct softodp_mr_stats *stats)
{
	struct region_answer answer = { .stats = stats };
	uint32_t device, mrn;

	if (nl_open(request) ||
	    nl_device_index(request, mr->context->device->name, &device) ||
	    find_region(request, device, mr, &mrn))
		return -1;
	nl_begin(request, RDMA_NLDEV_CMD_STAT_GET, false);
	mnl_attr_put_u32(request->hdr, RDMA_NLDEV_ATTR_DEV_INDEX, device);
	mnl_attr_put_u32(request->hdr, RDMA_NLDEV_ATTR_STAT_RES,
			 RDMA_NLDEV_ATTR_RES_MR);
	mnl_attr_put_u32(request->hdr, RDMA_NLDEV_ATTR_RES_MRN, mrn);
	if (nl_run(request, read_region, &answer))
		return -1;
	if (!answer.counts) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return 0;
}

int softodp_query_mr_stats(struct ibv_mr *mr, struct softodp_mr_stats *stats)
{
	const int saved = errno;
	struct nl_request request;
	int ret;

	memset(stats, 0, sizeof(*stats));
	ret = ask_region(&request, mr, stats);
	nl_close(&request);
	if (!ret)
		errno = saved;
	return ret;
}

/* --- a device's counters -------------------------------------------------- */

struct device_answer {
	const char *name;
	uint64_t value;
	bool found;
};

static void match_counter(void *arg, const char *name, uint64_t value)
{
	struct device_answer *answer = arg;

	if (strcmp(name, answer->name))
		return;
	answer->value = value;
	answer->found = true;
}

static int read_device(const struct nlmsghdr *message, void *arg)
{
	stats_for_each(nl_find(message, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS),
		       match_counter, arg);
	return MNL_CB_OK;
}

static int ask_device(struct nl_request *request, const char *device_name,
		      struct device_answer *answer)
{
	uint32_t device;

	if (nl_open(request) || nl_device_index(request, device_name, &device))
		return -1;
	nl_begin(request, RDMA_NLDEV_CMD_STAT_GET, false);
	mnl_attr_put_u32(request->hdr, RDMA_NLDEV_ATTR_DEV_INDEX, device);
	mnl_attr_put_u32(request->hdr, RDMA_NLDEV_ATTR_PORT_INDEX, 1);
	if (nl_run(request, read_device, answer)) {
		/* How the kernel says that the driver has no counters. */
		if (errno == EINVAL)
			errno = EOPNOTSUPP;
		return -1;
	}
	if (!answer->found) {
		errno = ENOENT;
		return -1;
	}
	return 0;
}

int softodp_query_dev_counter(struct ibv_context *context, const char *name,
			      uint64_t *value)
{
	struct device_answer answer = { .name = name };
	const int saved = errno;
	struct nl_request request;
	int ret;

	ret = ask_device(&request, context->device->name, &answer);
	nl_close(&request);
	if (!ret) {
		*value = answer.value;
		errno = saved;
	}
	return ret;
}
