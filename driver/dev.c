// SPDX-License-Identifier: GPL-2.0
/* The device: made by `rdma link add`, gone with its netdev or by link del. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/if_arp.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/rtnetlink.h>
#include <net/addrconf.h>

#include "dev.h"
#include "net/internal.h"
#include "net/net.h"
#include "verbs/verbs.h"

/*
 * Writers hold dev_lock, readers that or RCU. A device is listed from before
 * it is registered until dealloc_driver.
 */
static LIST_HEAD(devices);
static DEFINE_MUTEX(dev_lock);

/* Devices that still have something to free; sodp_dev_remove_all() waits. */
static atomic_t num_live = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(none_live);

struct sodp_dev *sodp_dev_by_netdev(struct net_device *ndev)
{
	struct sodp_dev *dev;

	list_for_each_entry_rcu (dev, &devices, link,
				 lockdep_is_held(&dev_lock))
		if (dev->ndev == ndev)
			return dev;
	return NULL;
}

static struct sodp_dev *below(struct net_device *upper)
{
	struct sodp_dev *dev;

	list_for_each_entry_rcu (dev, &devices, link)
		if (netdev_has_upper_dev_all_rcu(dev->ndev, upper))
			return dev;
	return NULL;
}

struct sodp_dev *sodp_dev_by_addr(struct net *net, struct net_device *in,
				  const struct in6_addr *daddr)
{
	struct net_device *owner = sodp_addr_owner(net, daddr);
	struct sodp_dev *dev = NULL;

	if (owner)
		dev = sodp_dev_by_netdev(owner) ?: below(owner);
	return dev ?: sodp_dev_by_netdev(in);
}

struct sodp_dev *sodp_dev_by_ingress(struct net_device *in)
{
	return sodp_dev_by_netdev(in) ?: below(in);
}

/* ib_core calls it when the last user of the device is gone, or we on failure. */
static void dealloc_driver(struct ib_device *ibdev)
{
	struct sodp_dev *dev = to_sodp_dev(ibdev);

	mutex_lock(&dev_lock);
	list_del_rcu(&dev->link);
	mutex_unlock(&dev_lock);
	/* Packet reception and netdev.c use what they found under RCU. */
	synchronize_rcu();

	if (dev->net)
		sodp_sock_put(dev->net);
	sodp_mcast_destroy(dev->mcast);
	if (dev->mem)
		sodp_mem_destroy(dev->mem);
	free_percpu(dev->counters);
	dev_put(dev->ndev);
	/* A device that is made meanwhile allocates new ones. */
	if (atomic_read(&num_live) == 1)
		sodp_spare_drop();

	/* See sodp_dev_remove_all(). */
	rcu_read_lock();
	if (atomic_dec_and_test(&num_live))
		wake_up_all(&none_live);
	rcu_read_unlock();
}

static const struct ib_device_ops lifetime_ops = {
	.dealloc_driver = dealloc_driver,
};

static void set_attributes(struct sodp_dev *dev)
{
	struct ib_device *ibdev = &dev->ibdev;

	strscpy(ibdev->node_desc, "softodp", sizeof(ibdev->node_desc));
	dev->fault_hold_ms = SODP_FAULT_HOLD_MS;
	dev->local_shortcut = true;
	ibdev->node_type = RDMA_NODE_IB_CA;
	ibdev->phys_port_cnt = 1;
	ibdev->num_comp_vectors = num_possible_cpus();
	addrconf_addr_eui48((u8 *)&ibdev->node_guid, dev->ndev->dev_addr);
	/* The stock provider drives the doorbell and arms CQs by these. */
	ibdev->uverbs_cmd_mask |= BIT_ULL(IB_USER_VERBS_CMD_POST_SEND) |
				  BIT_ULL(IB_USER_VERBS_CMD_REQ_NOTIFY_CQ);
	ibdev->driver_def = sodp_uapi_defs;
	ib_set_device_ops(ibdev, &sodp_dev_ops);
}

/*
 * In `rdma system netns exclusive` a device is seen in its own namespace
 * only, which is the initial one unless said otherwise: give it the one of its
 * netdev. In shared mode every namespace sees it and it stays where ib_core
 * puts it, for only from there it is shown everywhere.
 */
static void set_namespace(struct sodp_dev *dev)
{
	struct net *net = dev_net(dev->ndev);

	if (!rdma_dev_access_netns(&dev->ibdev, net))
		write_pnet(&dev->ibdev.coredev.rdma_net, net);
}

/* A second device on the netdev could not be told apart by its packets. */
static int enlist(struct sodp_dev *dev)
{
	int err = 0;

	mutex_lock(&dev_lock);
	if (sodp_dev_by_netdev(dev->ndev))
		err = -EEXIST;
	else
		list_add_tail_rcu(&dev->link, &devices);
	mutex_unlock(&dev_lock);
	return err;
}

static int acquire(struct sodp_dev *dev)
{
	int err;

	dev->counters = alloc_percpu(struct sodp_counters);
	if (!dev->counters)
		return -ENOMEM;
	dev->mem = sodp_mem_create(dev->counters);
	if (!dev->mem)
		return -ENOMEM;
	dev->mcast = sodp_mcast_create();
	if (!dev->mcast)
		return -ENOMEM;
	err = sodp_sock_get(dev_net(dev->ndev));
	if (err)
		return err;
	dev->net = dev_net(dev->ndev);
	return 0;
}

/*
 * The notifier may have run before the device could be found registered: then
 * nobody else would ever take it away.
 */
static void recheck_netdev(struct sodp_dev *dev, struct net_device *ndev)
{
	rtnl_lock();
	if (ndev->reg_state != NETREG_REGISTERED)
		sodp_dev_remove_netdev(ndev);
	rtnl_unlock();
}

int sodp_dev_create(const char *name, struct net_device *ndev)
{
	struct sodp_dev *dev;
	int err;

	if (ndev->type != ARPHRD_ETHER) {
		pr_warn("%s is no Ethernet device\n", netdev_name(ndev));
		return -EINVAL;
	}
	dev = ib_alloc_device(sodp_dev, ibdev);
	if (!dev)
		return -ENOMEM;
	INIT_LIST_HEAD(&dev->link);
	dev->ndev = ndev;
	dev_hold(ndev);
	atomic_inc(&num_live);
	ib_set_device_ops(&dev->ibdev, &lifetime_ops);

	err = enlist(dev);
	if (err)
		goto free;
	err = acquire(dev);
	if (err)
		goto free;
	set_attributes(dev);
	set_namespace(dev);
	sodp_netdev_init_port(dev);
	err = ib_register_device(&dev->ibdev, name, NULL);
	if (err)
		goto free;
	recheck_netdev(dev, ndev);
	return 0;

free:
	ib_dealloc_device(&dev->ibdev); /* calls dealloc_driver */
	return err;
}

/*
 * Queued, because the notifier runs under the rtnl lock, and clients that are
 * told of the removal may want it.
 */
void sodp_dev_remove_netdev(struct net_device *ndev)
{
	struct sodp_dev *dev;

	rcu_read_lock();
	list_for_each_entry_rcu (dev, &devices, link) {
		if (ndev && dev->ndev != ndev)
			continue;
		if (!ib_device_try_get(&dev->ibdev))
			continue;
		ib_unregister_device_queued(&dev->ibdev);
		ib_device_put(&dev->ibdev);
	}
	rcu_read_unlock();
}

static struct sodp_dev *get_any(void)
{
	struct sodp_dev *dev;

	rcu_read_lock();
	list_for_each_entry_rcu (dev, &devices, link) {
		if (ib_device_try_get(&dev->ibdev)) {
			rcu_read_unlock();
			return dev;
		}
	}
	rcu_read_unlock();
	return NULL;
}

void sodp_dev_remove_all(void)
{
	struct sodp_dev *dev;

	while ((dev = get_any()))
		ib_unregister_device_and_put(&dev->ibdev);
	/*
	 * Others may be on their way out by link del or with their netdev. The
	 * grace period lets the last of them leave our text.
	 */
	wait_event(none_live, !atomic_read(&num_live));
	synchronize_rcu();
}
