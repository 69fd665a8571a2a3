// SPDX-License-Identifier: GPL-2.0
/*
 * Which pages of a region are resident: to its owner page by page, by an ioctl
 * on the descriptor that registered it; to CAP_NET_ADMIN in parts, by
 * `rdma resource show mr` in its raw form. <rdma/softodp-abi.h> has both.
 */
#include <linux/slab.h>
#include <rdma/rdma_netlink.h>
#include <rdma/softodp-abi.h>
#include <rdma/uverbs_std_types.h>

#include "dev.h"
#include "verbs/verbs.h"

#define UVERBS_MODULE_NAME softodp
#include <rdma/uverbs_named_ioctl.h>

static_assert((int)SOFTODP_PAGE_PRESENT == SODP_PAGE_PRESENT);
static_assert((int)SOFTODP_PAGE_WRITE == SODP_PAGE_WRITE);
static_assert((int)SOFTODP_PAGE_ACCESSED == SODP_PAGE_ACCESSED);

enum {
	PAGES_AT_ONCE = 1 << 16,
};

static int copy_states(struct uverbs_attr_bundle *attrs,
		       struct sodp_region *region, u64 first, u64 count)
{
	u8 *state;
	int err;

	state = kvmalloc(count, GFP_KERNEL_ACCOUNT);
	if (!state)
		return -ENOMEM;
	err = sodp_region_residency(region, first, count, state);
	if (!err)
		err = uverbs_copy_to(attrs, SOFTODP_ATTR_MR_RESIDENCY_STATES,
				     state, count);
	kvfree(state);
	return err;
}

static int
UVERBS_HANDLER(SOFTODP_METHOD_MR_RESIDENCY)(struct uverbs_attr_bundle *attrs)
{
	struct ib_mr *ibmr =
		uverbs_attr_get_obj(attrs, SOFTODP_ATTR_MR_RESIDENCY_HANDLE);
	struct sodp_region *region = sodp_mr_region(to_sodp_mr(ibmr));
	u64 first, total = sodp_region_pages(region), count;
	int err, room;

	err = uverbs_copy_from(&first, attrs, SOFTODP_ATTR_MR_RESIDENCY_FIRST);
	if (err)
		return err;
	err = uverbs_copy_to(attrs, SOFTODP_ATTR_MR_RESIDENCY_TOTAL, &total,
			     sizeof(total));
	if (err)
		return err;
	room = uverbs_attr_get_len(attrs, SOFTODP_ATTR_MR_RESIDENCY_STATES);
	if (room <= 0)
		return room == -ENOENT ? 0 : room;
	if (first >= total)
		return -EINVAL;
	count = min3((u64)room, total - first, (u64)PAGES_AT_ONCE);
	return copy_states(attrs, region, first, count);
}

DECLARE_UVERBS_NAMED_METHOD(
	SOFTODP_METHOD_MR_RESIDENCY,
	UVERBS_ATTR_IDR(SOFTODP_ATTR_MR_RESIDENCY_HANDLE, UVERBS_OBJECT_MR,
			UVERBS_ACCESS_READ, UA_MANDATORY),
	UVERBS_ATTR_PTR_IN(SOFTODP_ATTR_MR_RESIDENCY_FIRST,
			   UVERBS_ATTR_TYPE(u64), UA_MANDATORY),
	UVERBS_ATTR_PTR_OUT(SOFTODP_ATTR_MR_RESIDENCY_TOTAL,
			    UVERBS_ATTR_TYPE(u64), UA_MANDATORY),
	UVERBS_ATTR_PTR_OUT(SOFTODP_ATTR_MR_RESIDENCY_STATES,
			    UVERBS_ATTR_MIN_SIZE(0), UA_OPTIONAL));

ADD_UVERBS_METHODS(sodp_mr_methods, UVERBS_OBJECT_MR,
		   &UVERBS_METHOD(SOFTODP_METHOD_MR_RESIDENCY));

const struct uapi_definition sodp_uapi_defs[] = {
	UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_MR, &sodp_mr_methods),
	{}
};

/* The caller holds the MR; rereg may change its region. */
int sodp_fill_res_mr_entry_raw(struct sk_buff *msg, struct ib_mr *ibmr)
{
	struct softodp_mr_summary *summary;
	struct sodp_region *region;
	int err = -EMSGSIZE;

	region = sodp_mr_hold_region(to_sodp_mr(ibmr));
	if (!region)
		return 0;
	summary = kzalloc(sizeof(*summary), GFP_KERNEL);
	if (!summary) {
		sodp_region_put(region);
		return -ENOMEM;
	}
	summary->version = SOFTODP_MR_SUMMARY_VERSION;
	summary->parts = SOFTODP_MR_SUMMARY_PARTS;
	summary->pages = sodp_region_pages(region);
	summary->pages_per_part = sodp_region_summary(region, summary->resident,
						      SOFTODP_MR_SUMMARY_PARTS);
	if (!nla_put(msg, RDMA_NLDEV_ATTR_RES_RAW, sizeof(*summary), summary))
		err = 0;
	kfree(summary);
	sodp_region_put(region);
	return err;
}
