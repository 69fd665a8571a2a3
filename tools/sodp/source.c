// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Devices and regions, by RDMA netlink: what `rdma` sees, in one go. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nl.h"
#include "sodp.h"
#include "stats.h"

static void *grow(void *array, size_t n, size_t size)
{
	/* Powers of two; n is what is in it. */
	if (n && (n & (n - 1)))
		return array;
	array = reallocarray(array, n ? 2 * n : 1, size);
	if (!array)
		fail("out of memory");
	return array;
}

static void copy_text(char to[NAME_LEN], const struct nlattr *attr)
{
	snprintf(to, NAME_LEN, "%s", attr ? mnl_attr_get_str(attr) : "");
}

/* One line of a file below /sys/class/infiniband/DEVICE or of another one. */
static bool read_line(char to[NAME_LEN], const char *fmt, const char *name)
{
	char path[256];
	FILE *file;
	bool ok;

	snprintf(path, sizeof(path), fmt, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	ok = fgets(to, NAME_LEN, file);
	fclose(file);
	to[ok ? strcspn(to, "\n") : 0] = '\0';
	return ok;
}

/* "[requested] always": the word in brackets. */
static void read_mode(struct device *d)
{
	char line[NAME_LEN], *from, *to;

	d->mode[0] = '\0';
	if (!read_line(line, "/sys/class/infiniband/%s/odp_mode", d->name))
		return;
	from = strchr(line, '[');
	to = from ? strchr(from, ']') : NULL;
	if (to)
		snprintf(d->mode, sizeof(d->mode), "%.*s", (int)(to - from - 1),
			 from + 1);
}

void region_command(struct region *r)
{
	char path[NAME_LEN], *c;

	if (r->pid) {
		snprintf(path, sizeof(path), "%u", r->pid);
		read_line(r->command, "/proc/%s/comm", path);
	}
	for (c = r->command; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

struct want {
	struct snapshot *s;
	const char *device; /* NULL: all */
	const struct device *of; /* whose regions come */
};

static int add_device(const struct nlmsghdr *message, void *arg)
{
	const struct nlattr *name = nl_find(message, RDMA_NLDEV_ATTR_DEV_NAME);
	struct want *want = arg;
	struct snapshot *s = want->s;
	struct device *d;

	if (!name ||
	    (want->device && strcmp(mnl_attr_get_str(name), want->device)))
		return MNL_CB_OK;
	s->devices = grow(s->devices, s->n_devices, sizeof(*d));
	d = &s->devices[s->n_devices++];
	memset(d, 0, sizeof(*d));
	copy_text(d->name, name);
	d->index = nl_value(nl_find(message, RDMA_NLDEV_ATTR_DEV_INDEX));
	read_line(d->netdev,
		  "/sys/class/infiniband/%s/ports/1/gid_attrs/ndevs/0",
		  d->name);
	read_mode(d);
	return MNL_CB_OK;
}

/* The driver's own attributes are names and values in turn. */
static enum region_kind kind_of(const struct nlattr *driver)
{
	const struct nlattr *entry;
	bool odp = false;

	if (!driver)
		return KIND_UNKNOWN;
	mnl_attr_for_each_nested(entry, driver)
	{
		const char *text;

		if (mnl_attr_get_type(entry) != RDMA_NLDEV_ATTR_DRIVER_STRING)
			continue;
		text = mnl_attr_get_str(entry);
		if (odp)
			return strcmp(text, "implicit") ? KIND_ON_DEMAND :
							  KIND_IMPLICIT;
		odp = !strcmp(text, "odp");
	}
	return KIND_UNKNOWN;
}

static void add_region(struct want *want, const struct nlattr *entry)
{
	const struct nlattr *mrn =
		nl_find_nested(entry, RDMA_NLDEV_ATTR_RES_MRN);
	const struct nlattr *lkey =
		nl_find_nested(entry, RDMA_NLDEV_ATTR_RES_LKEY);
	const struct nlattr *pid =
		nl_find_nested(entry, RDMA_NLDEV_ATTR_RES_PID);
	struct snapshot *s = want->s;
	struct region *r;

	if (!mrn)
		return;
	s->regions = grow(s->regions, s->n_regions, sizeof(*r));
	r = &s->regions[s->n_regions++];
	memset(r, 0, sizeof(*r));
	memcpy(r->device, want->of->name, sizeof(r->device));
	r->mrn = nl_value(mrn);
	r->pid = nl_value(pid);
	r->pdn = nl_value(nl_find_nested(entry, RDMA_NLDEV_ATTR_RES_PDN));
	r->length = nl_value(nl_find_nested(entry, RDMA_NLDEV_ATTR_RES_MRLEN));
	r->has_keys = lkey;
	r->lkey = nl_value(lkey);
	r->rkey = nl_value(nl_find_nested(entry, RDMA_NLDEV_ATTR_RES_RKEY));
	r->kind = kind_of(nl_find_nested(entry, RDMA_NLDEV_ATTR_DRIVER));
	/* A kernel's user has a name in place of a number. */
	copy_text(r->command,
		  nl_find_nested(entry, RDMA_NLDEV_ATTR_RES_KERN_NAME));
	region_command(r);
}

static int add_regions(const struct nlmsghdr *message, void *arg)
{
	const struct nlattr *table = nl_find(message, RDMA_NLDEV_ATTR_RES_MR);
	const struct nlattr *entry;

	if (table)
		mnl_attr_for_each_nested(entry, table) add_region(arg, entry);
	return MNL_CB_OK;
}

static void add_stats(struct want *want, const struct nlattr *entry)
{
	const struct nlattr *table =
		nl_find_nested(entry, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS);
	uint32_t mrn = nl_value(nl_find_nested(entry, RDMA_NLDEV_ATTR_RES_MRN));
	struct region *r;
	size_t i;

	for (i = 0; i < want->s->n_regions; i++) {
		r = &want->s->regions[i];
		if (r->mrn != mrn || strcmp(r->device, want->of->name))
			continue;
		r->has_stats = stats_of_region(table, &r->stats);
		/* It would have told of a region on demand. */
		if (r->has_stats && r->kind == KIND_UNKNOWN)
			r->kind = KIND_PINNED;
	}
}

static int add_all_stats(const struct nlmsghdr *message, void *arg)
{
	const struct nlattr *table = nl_find(message, RDMA_NLDEV_ATTR_RES_MR);
	const struct nlattr *entry;

	if (table)
		mnl_attr_for_each_nested(entry, table) add_stats(arg, entry);
	return MNL_CB_OK;
}

static void regions_of(struct nl_request *nl, struct want *want)
{
	nl_begin(nl, RDMA_NLDEV_CMD_RES_MR_GET, true);
	mnl_attr_put_u32(nl->hdr, RDMA_NLDEV_ATTR_DEV_INDEX, want->of->index);
	if (nl_run(nl, add_regions, want))
		fail("%s: its regions: %s", want->of->name, strerror(errno));
	nl_begin(nl, RDMA_NLDEV_CMD_STAT_GET, true);
	mnl_attr_put_u32(nl->hdr, RDMA_NLDEV_ATTR_DEV_INDEX, want->of->index);
	mnl_attr_put_u32(nl->hdr, RDMA_NLDEV_ATTR_STAT_RES,
			 RDMA_NLDEV_ATTR_RES_MR);
	/* A device without counters has none to show. */
	nl_run(nl, add_all_stats, want);
}

static int by_name(const void *a, const void *b)
{
	const struct region *x = a, *y = b;
	int order = strcmp(x->device, y->device);

	return order ? order : (x->mrn > y->mrn) - (x->mrn < y->mrn);
}

void snapshot_take(struct snapshot *s, const char *device)
{
	struct want want = { .s = s, .device = device };
	struct nl_request nl;
	size_t i;

	memset(s, 0, sizeof(*s));
	if (nl_open(&nl))
		fail("RDMA netlink: %s; is ib_core loaded (modprobe ib_core)?",
		     strerror(errno));
	nl_begin(&nl, RDMA_NLDEV_CMD_GET, true);
	if (nl_run(&nl, add_device, &want))
		fail("RDMA netlink: %s; is ib_core loaded (modprobe ib_core)?",
		     strerror(errno));
	if (device && !s->n_devices)
		fail("there is no device %s here (rdma link shows which)",
		     device);
	for (i = 0; i < s->n_devices; i++) {
		size_t before = s->n_regions;

		want.of = &s->devices[i];
		regions_of(&nl, &want);
		s->devices[i].regions = s->n_regions - before;
	}
	nl_close(&nl);
	if (s->n_regions)
		qsort(s->regions, s->n_regions, sizeof(*s->regions), by_name);
}

void snapshot_free(struct snapshot *s)
{
	free(s->devices);
	free(s->regions);
	memset(s, 0, sizeof(*s));
}

const char *kind_name(enum region_kind kind)
{
	static const char *const names[] = {
		[KIND_UNKNOWN] = "unknown",
		[KIND_PINNED] = "pinned",
		[KIND_ON_DEMAND] = "on-demand",
		[KIND_IMPLICIT] = "implicit",
	};

	return names[kind];
}

bool region_parse(const char *text, char device[NAME_LEN], uint32_t *mrn)
{
	const char *slash = strchr(text, '/');
	unsigned long number;
	char *end;

	if (!slash || slash == text || slash - text >= NAME_LEN ||
	    slash[1] < '0' || slash[1] > '9')
		return false;
	errno = 0;
	number = strtoul(slash + 1, &end, 10);
	if (*end || errno || number > UINT32_MAX)
		return false;
	snprintf(device, NAME_LEN, "%.*s", (int)(slash - text), text);
	*mrn = number;
	return true;
}

const struct region *region_find(const struct snapshot *s, const char *name)
{
	char device[NAME_LEN];
	uint32_t mrn;
	size_t i;

	if (!region_parse(name, device, &mrn))
		fail_usage(
			"%s: a region is named DEVICE/NUMBER, as in the list of `sodp list`",
			name);
	for (i = 0; i < s->n_regions; i++)
		if (s->regions[i].mrn == mrn &&
		    !strcmp(s->regions[i].device, device))
			return &s->regions[i];
	if (!s->n_regions)
		fail("there is no region %s: %s has none", name, device);
	fail("there is no region %s: %s has %zu, from %u to %u (sodp list)",
	     name, device, s->n_regions, s->regions[0].mrn,
	     s->regions[s->n_regions - 1].mrn);
}

static int read_summary(const struct nlmsghdr *message, void *arg)
{
	const struct nlattr *raw = nl_find(message, RDMA_NLDEV_ATTR_RES_RAW);
	struct softodp_mr_summary *m = arg;

	if (raw && mnl_attr_get_payload_len(raw) == sizeof(*m))
		memcpy(m, mnl_attr_get_payload(raw), sizeof(*m));
	return MNL_CB_OK;
}

int region_summary(const struct snapshot *s, const struct region *region,
		   struct softodp_mr_summary *summary)
{
	struct nl_request nl;
	int err = 0;
	size_t i;

	for (i = 0; strcmp(s->devices[i].name, region->device); i++)
		;
	memset(summary, 0, sizeof(*summary));
	if (nl_open(&nl))
		return errno;
	nl_begin(&nl, RDMA_NLDEV_CMD_RES_MR_GET_RAW, false);
	mnl_attr_put_u32(nl.hdr, RDMA_NLDEV_ATTR_DEV_INDEX,
			 s->devices[i].index);
	mnl_attr_put_u32(nl.hdr, RDMA_NLDEV_ATTR_RES_MRN, region->mrn);
	if (nl_run(&nl, read_summary, summary))
		err = errno;
	nl_close(&nl);
	if (!err && summary->version != SOFTODP_MR_SUMMARY_VERSION)
		err = EOPNOTSUPP;
	return err;
}
