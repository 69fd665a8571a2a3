// SPDX-License-Identifier: GPL-2.0
/*
 * Address handles: where a datagram goes. A work request names one by number,
 * so what user space wrote there decides neither the route nor the source
 * address. A packet on its way keeps the address, not the handle: destroying
 * it waits for nobody. Kernel users make and destroy them with interrupts off.
 */
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/xarray.h>
#include <rdma/rdma_user_rxe.h>

#include "dev.h"
#include "verbs/verbs.h"
#include "xport/xport.h"

/* Numbers are unique in the module; 0 is none, as the provider has it. */
static DEFINE_XARRAY_FLAGS(table, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_IRQ);
static u32 next_number = 1; /* under the table's lock */

struct sodp_dest *sodp_dest_get(u32 number, u32 domain)
{
	struct sodp_dest *dest;

	rcu_read_lock();
	dest = xa_load(&table, number);
	if (dest &&
	    (dest->domain != domain || !refcount_inc_not_zero(&dest->refs)))
		dest = NULL;
	rcu_read_unlock();
	return dest;
}

static void free_dest(struct rcu_head *head)
{
	struct sodp_dest *dest = container_of(head, struct sodp_dest, rcu);

	sodp_flow_destroy(&dest->flow);
	kfree(dest);
}

/* Interrupts may be off: what is left to do, the callback does. */
void sodp_dest_put(struct sodp_dest *dest)
{
	if (refcount_dec_and_test(&dest->refs))
		call_rcu(&dest->rcu, free_dest);
}

static void set_flow(struct sodp_dest *dest, struct sodp_dev *dev,
		     const struct rdma_ah_attr *attr)
{
	sodp_flow_init(&dest->flow);
	sodp_flow_set(&dest->flow, dev->net, attr,
		      sodp_gid_addr(&attr->grh.sgid_attr->gid), dest->number,
		      0);
}

/* The entry stays empty until all of it is made. */
static int alloc_number(struct sodp_dest *dest, gfp_t gfp)
{
	unsigned long irq;
	int err;

	xa_lock_irqsave(&table, irq);
	err = __xa_alloc_cyclic(&table, &dest->number, NULL, xa_limit_32b,
				&next_number, gfp);
	xa_unlock_irqrestore(&table, irq);
	return err;
}

static int make_dest(struct sodp_ah *ah, const struct rdma_ah_init_attr *init,
		     gfp_t gfp)
{
	struct sodp_dev *dev = to_sodp_dev(ah->ibah.device);
	struct sodp_dest *dest;
	int err;

	dest = kzalloc(sizeof(*dest), gfp);
	if (!dest)
		return -ENOMEM;
	refcount_set(&dest->refs, 1);
	dest->domain = to_sodp_pd(ah->ibah.pd)->domain;
	err = alloc_number(dest, gfp);
	if (err < 0) {
		kfree(dest);
		return err;
	}
	set_flow(dest, dev, init->ah_attr);
	ah->dest = dest;
	ah->attr = *init->ah_attr;
	ah->attr.grh.sgid_attr = NULL; /* ib_core holds it */
	return 0;
}

static void drop_dest(struct sodp_ah *ah)
{
	unsigned long irq;

	xa_lock_irqsave(&table, irq);
	__xa_erase(&table, ah->dest->number);
	xa_unlock_irqrestore(&table, irq);
	sodp_dest_put(ah->dest);
	atomic_dec(&to_sodp_dev(ah->ibah.device)->num_ah);
}

int sodp_create_ah(struct ib_ah *ibah, struct rdma_ah_init_attr *init,
		   struct ib_udata *udata)
{
	bool sleep = init->flags & RDMA_CREATE_AH_SLEEPABLE;
	gfp_t gfp = sleep ? GFP_KERNEL_ACCOUNT : GFP_ATOMIC;
	struct sodp_dev *dev = to_sodp_dev(ibah->device);
	struct rxe_create_ah_resp resp = {};
	struct sodp_ah *ah = to_sodp_ah(ibah);
	unsigned long irq;
	int err;

	err = sodp_check_address(init->ah_attr, true);
	if (err)
		return err;
	if (udata && (udata->inlen || udata->outlen < sizeof(resp)))
		return -EINVAL;
	if (!atomic_add_unless(&dev->num_ah, 1, SODP_MAX_AH))
		return -ENOMEM;
	err = make_dest(ah, init, gfp);
	if (err) {
		atomic_dec(&dev->num_ah);
		return err;
	}
	resp.ah_num = ah->dest->number;
	err = udata ? ib_copy_to_udata(udata, &resp, sizeof(resp)) : 0;
	if (err) {
		drop_dest(ah);
		return err;
	}
	/* Replaces the reserved entry. */
	xa_lock_irqsave(&table, irq);
	__xa_store(&table, ah->dest->number, ah->dest, gfp);
	xa_unlock_irqrestore(&table, irq);
	return 0;
}

int sodp_destroy_ah(struct ib_ah *ibah, u32 flags)
{
	drop_dest(to_sodp_ah(ibah));
	return 0;
}

int sodp_query_ah(struct ib_ah *ibah, struct rdma_ah_attr *attr)
{
	*attr = to_sodp_ah(ibah)->attr;
	return 0;
}

void sodp_ah_exit(void)
{
	rcu_barrier(); /* free_dest() */
	WARN_ON(!xa_empty(&table));
	xa_destroy(&table);
}
