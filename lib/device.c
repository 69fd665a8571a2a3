// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What a device can. What it does not tell is tried on a protection domain and
 * a region of its own, so that nothing of the program's is touched.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "caps.h"
#include "device.h"
#include "prefetch.h"

enum {
	FIRST_SIZE = sizeof(struct softodp_device_attr),
	REREG = SOFTODP_REREG_TRANSLATION | SOFTODP_REREG_PD |
		SOFTODP_REREG_ACCESS,
	TRIED = SOFTODP_PREFETCH | SOFTODP_STATS | SOFTODP_DMABUF | REREG,
	/* Without privileges the kernel tells regions apart by their length. */
	ODD_LENGTH = 3533,
};

bool device_is_softodp(const struct ibv_context *context)
{
	char path[IBV_SYSFS_PATH_MAX + 16], line[16] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/node_desc",
		 context->device->ibdev_path);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	return !strcmp(line, "softodp\n") || !strcmp(line, "softodp");
}

/* --- what is tried --------------------------------------------------------- */

/* Things of our own, to try it on. */
struct probe {
	struct ibv_pd *pd;
	struct ibv_pd *other_pd;
	struct ibv_mr *mr;
	void *page;
	size_t page_size;
	struct softodp_device_attr *attr;
};

static void found(struct probe *probe, uint32_t feature, bool has)
{
	probe->attr->unknown &= ~feature;
	if (has)
		probe->attr->features |= feature;
}

static void try_prefetch(struct probe *probe)
{
	probe->attr->prefetch_way = prefetch_way(probe->pd);
	found(probe, SOFTODP_PREFETCH,
	      probe->attr->prefetch_way != SOFTODP_WAY_NONE);
}

/* A descriptor that is none: who has DMA-BUF notices that. */
static void try_dmabuf(struct probe *probe)
{
	struct ibv_mr *mr = softodp_reg_dmabuf_mr(
		probe->pd, 0, probe->page_size, 0, -1, IBV_ACCESS_LOCAL_WRITE);

	if (mr)
		ibv_dereg_mr(mr);
	if (mr || errno == EBADF || errno == EOPNOTSUPP)
		found(probe, SOFTODP_DMABUF, mr || errno == EBADF);
}

static void try_stats(struct probe *probe)
{
	struct softodp_mr_stats stats;

	if (!softodp_query_mr_stats(probe->mr, &stats))
		found(probe, SOFTODP_STATS, true);
	else if (errno == EOPNOTSUPP)
		found(probe, SOFTODP_STATS, false);
}

static void try_rereg(struct probe *probe)
{
	static const struct {
		enum softodp_feature feature;
		int flag;
	} table[] = {
		{ SOFTODP_REREG_ACCESS, IBV_REREG_MR_CHANGE_ACCESS },
		{ SOFTODP_REREG_PD, IBV_REREG_MR_CHANGE_PD },
		{ SOFTODP_REREG_TRANSLATION, IBV_REREG_MR_CHANGE_TRANSLATION },
	};
	const unsigned int on_demand = probe->attr->features &
						       SOFTODP_ON_DEMAND ?
					       IBV_ACCESS_ON_DEMAND :
					       0;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const int flag = table[i].flag;
		const int access = flag == IBV_REREG_MR_CHANGE_ACCESS;
		enum softodp_rereg_state state;

		if (flag == IBV_REREG_MR_CHANGE_PD && !probe->other_pd)
			continue;
		if (!softodp_rereg_mr(
			    probe->mr, flag,
			    flag == IBV_REREG_MR_CHANGE_PD ? probe->other_pd :
							     NULL,
			    probe->page, ODD_LENGTH,
			    access ? IBV_ACCESS_LOCAL_WRITE | on_demand : 0,
			    &state))
			found(probe, table[i].feature, true);
		else if (errno == EOPNOTSUPP)
			found(probe, table[i].feature, false);
		if (state == SOFTODP_REREG_LOST)
			return;
	}
}

static struct ibv_mr *register_probe(struct probe *probe)
{
	struct softodp_reg reg = {
		.size = sizeof(reg),
		.addr = probe->page,
		.length = ODD_LENGTH,
		.access = IBV_ACCESS_LOCAL_WRITE,
	};

	return softodp_register(probe->pd, &reg);
}

/* A page of its own: fork() may leave out what is in a pinned region. */
static void try_all(struct probe *probe)
{
	try_prefetch(probe);
	try_dmabuf(probe);
	probe->page_size = (size_t)sysconf(_SC_PAGESIZE);
	probe->page = mmap(NULL, probe->page_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (probe->page == MAP_FAILED)
		return;
	probe->mr = register_probe(probe);
	if (probe->mr) {
		try_stats(probe);
		probe->other_pd = ibv_alloc_pd(probe->pd->context);
		try_rereg(probe);
		ibv_dereg_mr(probe->mr);
		if (probe->other_pd)
			ibv_dealloc_pd(probe->other_pd);
	}
	munmap(probe->page, probe->page_size);
}

/* --- what it tells --------------------------------------------------------- */

static void set_told(struct softodp_device_attr *attr,
		     const struct ibv_device_attr_ex *told)
{
	const struct ibv_odp_caps *odp = &told->odp_caps;

	attr->max_mr_size = told->orig_attr.max_mr_size;
	attr->features = SOFTODP_PINNED;
	if (!(odp->general_caps & IBV_ODP_SUPPORT))
		return;
	attr->features |= SOFTODP_ON_DEMAND;
	if (odp->general_caps & IBV_ODP_SUPPORT_IMPLICIT)
		attr->features |= SOFTODP_IMPLICIT;
	attr->rc_odp_caps = odp->per_transport_caps.rc_odp_caps;
	attr->uc_odp_caps = odp->per_transport_caps.uc_odp_caps;
	attr->ud_odp_caps = odp->per_transport_caps.ud_odp_caps;
	attr->xrc_odp_caps = told->xrc_odp_caps;
}

int softodp_query_device(struct ibv_context *context,
			 struct softodp_device_attr *result)
{
	struct softodp_device_attr attr = { .unknown = TRIED };
	struct probe probe = { .attr = &attr };
	struct ibv_device_attr_ex told;
	const size_t size = result->size;
	const int saved = errno;
	int ret;

	if (size < FIRST_SIZE) {
		errno = EINVAL;
		return -1;
	}
	ret = caps_query(context, &told);
	if (ret) {
		errno = ret;
		return -1;
	}
	set_told(&attr, &told);
	probe.pd = ibv_alloc_pd(context);
	if (probe.pd) {
		try_all(&probe);
		ibv_dealloc_pd(probe.pd);
	}
	memset(result, 0, size);
	attr.size = size;
	memcpy(result, &attr, size < sizeof(attr) ? size : sizeof(attr));
	errno = saved;
	return 0;
}
