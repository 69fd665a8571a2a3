// SPDX-License-Identifier: GPL-2.0
/* The device follows its netdev: port state, MTU, and its end. */
#include <linux/netdevice.h>
#include <rdma/ib_verbs.h>

#include "dev.h"
#include "net/internal.h"
#include "net/net.h"

/* IPv6, UDP, BTH, RETH, ImmDt, ICRC: the most that a full payload can have. */
enum {
	WORST_HEADERS = 40 + 8 + SODP_BTH_LEN + 16 + 4 + SODP_ICRC_LEN,
};

enum ib_mtu sodp_netdev_mtu(const struct net_device *ndev)
{
	unsigned int mtu = READ_ONCE(ndev->mtu);
	enum ib_mtu fits = IB_MTU_4096;

	/*
	 * 256 is the least there is. Where not even that fits, tx.c refuses
	 * what is too long.
	 */
	while (fits > IB_MTU_256 &&
	       ib_mtu_enum_to_int(fits) + WORST_HEADERS > mtu)
		fits--;
	return fits;
}

enum ib_port_state sodp_netdev_state(const struct net_device *ndev)
{
	if (netif_running(ndev) && netif_carrier_ok(ndev))
		return IB_PORT_ACTIVE;
	return IB_PORT_DOWN;
}

void sodp_netdev_init_port(struct sodp_dev *dev)
{
	WRITE_ONCE(dev->mtu, sodp_netdev_mtu(dev->ndev));
	WRITE_ONCE(dev->port_state, sodp_netdev_state(dev->ndev));
}

/* @dev is registered and stays so: the caller holds it. */
static void announce(struct sodp_dev *dev, enum ib_port_state state)
{
	struct ib_event event = {
		.device = &dev->ibdev,
		.element.port_num = 1,
		.event = state == IB_PORT_ACTIVE ? IB_EVENT_PORT_ACTIVE :
						   IB_EVENT_PORT_ERR,
	};

	ASSERT_RTNL();
	if (dev->port_state == state)
		return;
	WRITE_ONCE(dev->port_state, state);
	ib_dispatch_event(&event);
}

static void update(struct sodp_dev *dev, enum ib_port_state state)
{
	WRITE_ONCE(dev->mtu, sodp_netdev_mtu(dev->ndev));
	/* Events of a device that is not registered would outlive it. */
	if (!ib_device_try_get(&dev->ibdev))
		return;
	announce(dev, state);
	ib_device_put(&dev->ibdev);
}

static void update_netdev(struct net_device *ndev, enum ib_port_state state)
{
	struct sodp_dev *dev;

	rcu_read_lock();
	dev = sodp_dev_by_netdev(ndev);
	if (dev)
		update(dev, state);
	rcu_read_unlock();
}

static int netdev_event(struct notifier_block *nb, unsigned long event,
			void *arg)
{
	struct net_device *ndev = netdev_notifier_info_to_dev(arg);

	switch (event) {
	case NETDEV_UNREGISTER: /* also when it moves to another namespace */
		sodp_dev_remove_netdev(ndev);
		break;
	case NETDEV_GOING_DOWN: /* still running, but not for long */
		update_netdev(ndev, IB_PORT_DOWN);
		break;
	case NETDEV_UP:
	case NETDEV_DOWN:
	case NETDEV_CHANGE:
	case NETDEV_CHANGEMTU:
		update_netdev(ndev, sodp_netdev_state(ndev));
		break;
	default:
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block netdev_notifier = {
	.notifier_call = netdev_event,
};

int sodp_netdev_init(void)
{
	return register_netdevice_notifier(&netdev_notifier);
}

void sodp_netdev_exit(void)
{
	unregister_netdevice_notifier(&netdev_notifier);
}
