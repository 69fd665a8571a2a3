// SPDX-License-Identifier: GPL-2.0
/*
 * Memory windows as ib_core sees them. They are bound by work requests:
 * xport/local.c.
 */
#include "dev.h"
#include "verbs/verbs.h"

static int window_type(enum ib_mw_type type, enum sodp_window_type *to)
{
	switch (type) {
	case IB_MW_TYPE_1:
		*to = SODP_WINDOW_1;
		return 0;
	case IB_MW_TYPE_2:
		*to = SODP_WINDOW_2;
		return 0;
	default: /* uverbs hands on what the program says */
		return -EINVAL;
	}
}

int sodp_alloc_mw(struct ib_mw *ibmw, struct ib_udata *udata)
{
	struct sodp_dev *dev = to_sodp_dev(ibmw->device);
	enum sodp_window_type type;
	struct sodp_window *window;
	int err;

	err = window_type(ibmw->type, &type);
	if (err)
		return err;
	if (!atomic_add_unless(&dev->num_mw, 1, SODP_MAX_MW))
		return -ENOMEM;
	window =
		sodp_window_alloc(dev->mem, to_sodp_pd(ibmw->pd)->domain, type);
	if (IS_ERR(window)) {
		atomic_dec(&dev->num_mw);
		return PTR_ERR(window);
	}
	to_sodp_mw(ibmw)->window = window;
	ibmw->rkey = sodp_window_key(window);
	return 0;
}

int sodp_dealloc_mw(struct ib_mw *ibmw)
{
	sodp_window_free(to_sodp_mw(ibmw)->window);
	atomic_dec(&to_sodp_dev(ibmw->device)->num_mw);
	return 0;
}
