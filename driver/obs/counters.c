// SPDX-License-Identifier: GPL-2.0
/* Counters of a device, as sysfs and `rdma statistic show link` list them. */
#include <rdma/ib_verbs.h>

#include "dev.h"
#include "obs/counters.h"
#include "verbs/verbs.h"

const char *const sodp_counter_names[SODP_CNT_NUM] = {
#define C(id, counter_name) [SODP_CNT_##id] = counter_name,
	SODP_COUNTERS(C)
#undef C
};

static const struct rdma_stat_desc descs[SODP_CNT_NUM] = {
#define C(id, counter_name) [SODP_CNT_##id] = { .name = counter_name },
	SODP_COUNTERS(C)
#undef C
};

u64 sodp_counter_read(struct sodp_counters __percpu *c, enum sodp_counter id)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu (cpu)
		sum += READ_ONCE(per_cpu_ptr(c, cpu)->v[id]);
	return sum;
}

struct rdma_hw_stats *sodp_alloc_hw_port_stats(struct ib_device *ibdev,
					       u32 port)
{
	/* Always fresh: tests and people compare them with what they just did. */
	return rdma_alloc_hw_stats_struct(descs, SODP_CNT_NUM, 0);
}

int sodp_get_hw_stats(struct ib_device *ibdev, struct rdma_hw_stats *stats,
		      u32 port, int index)
{
	struct sodp_dev *dev = to_sodp_dev(ibdev);
	int id;

	if (port != 1 || !stats)
		return -EINVAL;
	for (id = 0; id < SODP_CNT_NUM; id++)
		stats->value[id] = sodp_counter_read(dev->counters, id);
	return SODP_CNT_NUM;
}
