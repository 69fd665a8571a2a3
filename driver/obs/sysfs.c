// SPDX-License-Identifier: GPL-2.0
/*
 * What an administrator may set, in /sys/class/infiniband/DEV/:
 *
 * odp_mode: "requested" (default): a user registration is pinned unless its
 *	access flags ask for on demand; "always": each is served on demand, so
 *	programs that know nothing of it need no RLIMIT_MEMLOCK. Holds for
 *	registrations from then on.
 * fault_hold_ms: how long a responder holds a request that met a fault before
 *	it tells the peer to come again later (RNR NAK); 0 to 1000, default 4.
 * local_shortcut: 1 (default): packets of connected queue pairs to one of this
 *	machine and network namespace are handed over without the IP stack; 0,
 *	at either end: they take the way through the loopback device, where
 *	tcpdump and filters see them. Holds for packets from then on.
 *
 * ... and may look at:
 *
 * live_regions, live_notifiers: what the device has in memory. A region that
 *	was deregistered counts until nobody can be in it any more; a notifier
 *	is a process's, and goes with its last region or its end.
 * live_table_pages: pages that translation tables consist of, here for all
 *	devices: a page that a table gave up counts until its grace period is
 *	over, when the device may be gone.
 */
#include <linux/device.h>
#include <linux/sysfs.h>

#include "dev.h"
#include "verbs/verbs.h"

enum {
	HOLD_MS_MOST = 1000,
};

static struct sodp_dev *dev_of(struct device *device)
{
	return rdma_device_to_drv_device(device, struct sodp_dev, ibdev);
}

static ssize_t odp_mode_show(struct device *device,
			     struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, READ_ONCE(dev_of(device)->odp_always) ?
				       "requested [always]\n" :
				       "[requested] always\n");
}

static ssize_t odp_mode_store(struct device *device,
			      struct device_attribute *attr, const char *buf,
			      size_t count)
{
	if (sysfs_streq(buf, "always"))
		WRITE_ONCE(dev_of(device)->odp_always, true);
	else if (sysfs_streq(buf, "requested"))
		WRITE_ONCE(dev_of(device)->odp_always, false);
	else
		return -EINVAL;
	return count;
}
static DEVICE_ATTR_RW(odp_mode);

static ssize_t fault_hold_ms_show(struct device *device,
				  struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  READ_ONCE(dev_of(device)->fault_hold_ms));
}

static ssize_t fault_hold_ms_store(struct device *device,
				   struct device_attribute *attr,
				   const char *buf, size_t count)
{
	unsigned int ms;
	int err;

	err = kstrtouint(buf, 0, &ms);
	if (err)
		return err;
	if (ms > HOLD_MS_MOST)
		return -ERANGE;
	WRITE_ONCE(dev_of(device)->fault_hold_ms, ms);
	return count;
}
static DEVICE_ATTR_RW(fault_hold_ms);

static ssize_t local_shortcut_show(struct device *device,
				   struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n",
			  READ_ONCE(dev_of(device)->local_shortcut));
}

static ssize_t local_shortcut_store(struct device *device,
				    struct device_attribute *attr,
				    const char *buf, size_t count)
{
	bool on;
	int err;

	err = kstrtobool(buf, &on);
	if (err)
		return err;
	WRITE_ONCE(dev_of(device)->local_shortcut, on);
	return count;
}
static DEVICE_ATTR_RW(local_shortcut);

static ssize_t live_regions_show(struct device *device,
				 struct device_attribute *attr, char *buf)
{
	struct sodp_mem_live live;

	sodp_mem_live(dev_of(device)->mem, &live);
	return sysfs_emit(buf, "%u\n", live.regions);
}
static DEVICE_ATTR_RO(live_regions);

static ssize_t live_notifiers_show(struct device *device,
				   struct device_attribute *attr, char *buf)
{
	struct sodp_mem_live live;

	sodp_mem_live(dev_of(device)->mem, &live);
	return sysfs_emit(buf, "%u\n", live.notifiers);
}
static DEVICE_ATTR_RO(live_notifiers);

static ssize_t live_table_pages_show(struct device *device,
				     struct device_attribute *attr, char *buf)
{
	struct sodp_mem_live live;

	sodp_mem_live(dev_of(device)->mem, &live);
	return sysfs_emit(buf, "%u\n", live.table_pages);
}
static DEVICE_ATTR_RO(live_table_pages);

static struct attribute *attrs[] = {
	&dev_attr_odp_mode.attr,
	&dev_attr_fault_hold_ms.attr,
	&dev_attr_local_shortcut.attr,
	&dev_attr_live_regions.attr,
	&dev_attr_live_notifiers.attr,
	&dev_attr_live_table_pages.attr,
	NULL,
};

const struct attribute_group sodp_sysfs_group = {
	.attrs = attrs,
};
