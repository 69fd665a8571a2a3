// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* softodp_query_device(): what it finds out, row by row, leaving nothing. */
#include <errno.h>

#include "fake.h"

#define HAS(f) SOFTODP_##f

enum {
	REREG = SOFTODP_REREG_TRANSLATION | SOFTODP_REREG_PD |
		SOFTODP_REREG_ACCESS,
	TRIED = SOFTODP_PREFETCH | SOFTODP_STATS | SOFTODP_DMABUF | REREG,
	/* What a made-up device of fake_reset() has. */
	ALL = SOFTODP_ON_DEMAND | SOFTODP_PINNED | SOFTODP_PREFETCH |
	      SOFTODP_STATS | SOFTODP_DMABUF | REREG,
};

static const struct row {
	const char *name;
	uint64_t no_general; /* bits that it has not */
	uint64_t general; /* and some more that it has */
	int query_error, pd_error, reg_error, dmabuf_error;
	int provider_advise, kernel_advise; /* 0: as fake_reset() has it */
	bool foreign_abi, provider;
	int rereg_code, rereg_errno, kernel_rereg;
	int stats_errno;
	uint32_t features, unknown;
	enum softodp_way way;
	int err;
} rows[] = {
	{ .name = "everything", .features = ALL, .way = SOFTODP_WAY_KERNEL },
	{ .name = "implicit",
	  .general = IBV_ODP_SUPPORT_IMPLICIT,
	  .features = ALL | HAS(IMPLICIT),
	  .way = SOFTODP_WAY_KERNEL },
	{ .name = "no ODP",
	  .no_general = IBV_ODP_SUPPORT,
	  .features = ALL & ~HAS(ON_DEMAND),
	  .way = SOFTODP_WAY_KERNEL },
	{ .name = "by the provider",
	  .provider = true,
	  .features = ALL,
	  .way = SOFTODP_WAY_PROVIDER },
	{ .name = "another ABI",
	  .foreign_abi = true,
	  .features = ALL & ~HAS(PREFETCH) },
	{ .name = "another ABI, by the provider",
	  .foreign_abi = true,
	  .provider = true,
	  .features = ALL,
	  .way = SOFTODP_WAY_PROVIDER },
	{ .name = "no prefetch",
	  .kernel_advise = EOPNOTSUPP,
	  .features = ALL & ~HAS(PREFETCH) },
	{ .name = "provider without, by its word",
	  .provider_advise = ENOSYS,
	  .features = ALL,
	  .way = SOFTODP_WAY_KERNEL },
	{ .name = "no counters",
	  .stats_errno = EOPNOTSUPP,
	  .features = ALL & ~HAS(STATS),
	  .way = SOFTODP_WAY_KERNEL },
	{ .name = "counters out of sight",
	  .stats_errno = ENOTUNIQ,
	  .features = ALL & ~HAS(STATS),
	  .unknown = HAS(STATS),
	  .way = SOFTODP_WAY_KERNEL },
	{ .name = "no DMA-BUF",
	  .dmabuf_error = EOPNOTSUPP,
	  .features = ALL & ~HAS(DMABUF),
	  .way = SOFTODP_WAY_KERNEL },
	{ .name = "DMA-BUF: no idea",
	  .dmabuf_error = EPERM,
	  .features = ALL & ~HAS(DMABUF),
	  .unknown = HAS(DMABUF),
	  .way = SOFTODP_WAY_KERNEL },
	{ .name = "rereg by the kernel",
	  .rereg_code = IBV_REREG_MR_ERR_CMD,
	  .rereg_errno = EOPNOTSUPP,
	  .features = ALL,
	  .way = SOFTODP_WAY_KERNEL },
	{ .name = "no rereg",
	  .rereg_code = IBV_REREG_MR_ERR_CMD,
	  .rereg_errno = EOPNOTSUPP,
	  .kernel_rereg = EOPNOTSUPP,
	  .features = ALL & ~REREG,
	  .way = SOFTODP_WAY_KERNEL },
	{ .name = "rereg: no idea",
	  .rereg_code = IBV_REREG_MR_ERR_CMD,
	  .rereg_errno = ENOMEM,
	  .features = ALL & ~REREG,
	  .unknown = REREG,
	  .way = SOFTODP_WAY_KERNEL },
	{ .name = "no region to try on",
	  .reg_error = ENOMEM,
	  .features = ALL & ~(REREG | HAS(STATS)),
	  .unknown = REREG | HAS(STATS),
	  .way = SOFTODP_WAY_KERNEL },
	{ .name = "no domain to try in",
	  .pd_error = ENOMEM,
	  .features = HAS(ON_DEMAND) | HAS(PINNED),
	  .unknown = TRIED },
	{ .name = "does not tell", .query_error = EIO, .err = EIO },
};

static void set(const struct row *row)
{
	fake_reset();
	fake.general = (fake.general & ~row->no_general) | row->general;
	fake.query_error = row->query_error;
	fake.pd_error = row->pd_error;
	fake.odp_error = fake.pin_error = row->reg_error;
	fake.dmabuf_error = row->dmabuf_error;
	fake.provider_advise = row->provider	    ? 0 :
			       row->provider_advise ? row->provider_advise :
						      EOPNOTSUPP;
	fake.kernel_advise = row->kernel_advise;
	fake.foreign_abi = row->foreign_abi;
	fake.rereg_code = row->rereg_code;
	fake.rereg_errno = row->rereg_errno;
	fake.kernel_rereg = row->kernel_rereg;
	fake.stats_errno = row->stats_errno;
}

static int check(const struct row *row)
{
	struct softodp_device_attr attr = { .size = sizeof(attr) };
	int ret;

	set(row);
	errno = UNTOUCHED;
	ret = softodp_query_device(&fake.verbs.context, &attr);
	if (ret == (row->err ? -1 : 0) &&
	    errno == (row->err ? row->err : UNTOUCHED) && !fake.pds &&
	    !fake.mrs && attr.features == row->features &&
	    attr.unknown == row->unknown && attr.prefetch_way == row->way &&
	    attr.size == sizeof(attr) &&
	    (ret || (attr.max_mr_size == 1ULL << 40 &&
		     attr.rc_odp_caps ==
			     (row->no_general ? 0U : (unsigned int)RC_ALL))))
		return covers("softodp_query_device", row->err);
	printf("FAIL %s: %d, errno %d, features %#x unknown %#x way %d; %d domains, %d regions left\n",
	       row->name, ret, errno, attr.features, attr.unknown,
	       attr.prefetch_way, fake.pds, fake.mrs);
	return 1;
}

/* A caller of another time. */
static int check_sizes(void)
{
	struct {
		struct softodp_device_attr attr;
		char newer[8];
	} both = { .attr.size = sizeof(both), .newer = "xxxxxxx" };
	struct softodp_device_attr attr = { .size = sizeof(attr) - 1 };

	fake_reset();
	return CHECK(softodp_query_device(&fake.verbs.context, &attr) == -1 &&
		     errno == EINVAL) ||
	       covers("softodp_query_device", EINVAL) ||
	       CHECK(!softodp_query_device(&fake.verbs.context, &both.attr)) ||
	       CHECK(both.attr.size == sizeof(both) && !both.newer[0] &&
		     !both.newer[6]);
}

int main(void)
{
	int failed = check_sizes();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		failed += check(&rows[i]);
	printf("%d failed\n", failed);
	return failed != 0;
}
