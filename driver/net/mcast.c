// SPDX-License-Identifier: GPL-2.0
/*
 * Multicast: which queue pairs of a device are in which group.
 *
 * A group is joined as the IP stack joins one (IGMP or MLD, and the netdevice's
 * filter with it), for the stack drops what is for a group that its interface
 * is not in. By the same membership it hands our own datagrams back to us, so
 * there is no loopback of ours. Who only sends joins nothing.
 *
 * Changes are made under a mutex, outside of RTNL; packets find groups and
 * members under RCU. Members are numbers: a queue pair that is on its way out
 * is not found by its number any more.
 */
#include <linux/hashtable.h>
#include <linux/igmp.h>
#include <linux/inetdevice.h>
#include <linux/jhash.h>
#include <linux/rculist.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/ipv6.h>

#include "dev.h"
#include "net/internal.h"
#include "net/net.h"
#include "xport/xport.h"

enum {
	HASH_BITS_OF_GROUPS = 8,
};

struct sodp_mcast {
	struct mutex lock; /* all changes */
	unsigned int count; /* groups */
	DECLARE_HASHTABLE(groups, HASH_BITS_OF_GROUPS);
};

struct group {
	struct hlist_node node;
	struct in6_addr addr;
	unsigned int count; /* members */
	struct hlist_head members;
	struct rcu_head rcu;
};

struct member {
	struct hlist_node node;
	u32 qpn;
	unsigned int times; /* attached; it gets one copy all the same */
	struct rcu_head rcu;
};

struct sodp_mcast *sodp_mcast_create(void)
{
	struct sodp_mcast *mcast = kzalloc(sizeof(*mcast), GFP_KERNEL);

	if (!mcast)
		return NULL;
	mutex_init(&mcast->lock);
	hash_init(mcast->groups);
	return mcast;
}

void sodp_mcast_destroy(struct sodp_mcast *mcast)
{
	if (!mcast)
		return;
	WARN_ON(mcast->count);
	mutex_destroy(&mcast->lock);
	kfree(mcast);
}

/* --- what the interface is in ------------------------------------ */

/* Memberships end with the interface, and when it leaves its namespace. */
static bool is_there(const struct sodp_dev *dev)
{
	ASSERT_RTNL();
	return dev->ndev->reg_state == NETREG_REGISTERED &&
	       net_eq(dev_net(dev->ndev), dev->net);
}

static int join_ipv4(struct net_device *ndev, __be32 addr)
{
	struct in_device *in = __in_dev_get_rtnl(ndev);

	if (!in)
		return -ENODEV;
	ip_mc_inc_group(in, addr);
	return 0;
}

static int join_ipv6(struct net_device *ndev, const struct in6_addr *addr)
{
	if (!IS_ENABLED(CONFIG_IPV6))
		return -EAFNOSUPPORT;
	return ipv6_dev_mc_inc(ndev, addr);
}

static int join(struct sodp_dev *dev, const struct in6_addr *addr)
{
	int err = -ENODEV;

	rtnl_lock();
	if (is_there(dev))
		err = ipv6_addr_v4mapped(addr) ?
			      join_ipv4(dev->ndev, addr->s6_addr32[3]) :
			      join_ipv6(dev->ndev, addr);
	rtnl_unlock();
	return err;
}

static void leave(struct sodp_dev *dev, const struct in6_addr *addr)
{
	struct in_device *in;

	rtnl_lock();
	if (!is_there(dev)) {
		/* nothing left to leave */
	} else if (ipv6_addr_v4mapped(addr)) {
		in = __in_dev_get_rtnl(dev->ndev);
		if (in)
			ip_mc_dec_group(in, addr->s6_addr32[3]);
	} else if (IS_ENABLED(CONFIG_IPV6)) {
		ipv6_dev_mc_dec(dev->ndev, addr);
	}
	rtnl_unlock();
}

/* --- groups and members ------------------------------------------ */

static struct hlist_head *bucket(struct sodp_mcast *mcast,
				 const struct in6_addr *addr)
{
	u32 hash = jhash(addr->s6_addr, sizeof(addr->s6_addr), 0);

	return &mcast->groups[hash_32(hash, HASH_BITS_OF_GROUPS)];
}

/* Under RCU or the lock. */
static struct group *find(struct sodp_mcast *mcast, const struct in6_addr *addr)
{
	struct group *group;

	hlist_for_each_entry_rcu (group, bucket(mcast, addr), node,
				  lockdep_is_held(&mcast->lock))
		if (ipv6_addr_equal(&group->addr, addr))
			return group;
	return NULL;
}

/* For MCAST_ANY_GROUP only. */
static struct group *find_any(struct sodp_mcast *mcast)
{
	struct group *group;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mcast->groups); i++)
		hlist_for_each_entry_rcu (group, &mcast->groups[i], node)
			return group;
	return NULL;
}

static struct member *find_member(const struct sodp_mcast *mcast,
				  const struct group *group, u32 qpn)
{
	struct member *member;

	lockdep_assert_held(&mcast->lock);
	hlist_for_each_entry (member, &group->members, node)
		if (member->qpn == qpn)
			return member;
	return NULL;
}

static struct group *add_group(struct sodp_dev *dev,
			       const struct in6_addr *addr)
{
	struct sodp_mcast *mcast = dev->mcast;
	struct group *group;
	int err;

	lockdep_assert_held(&mcast->lock);
	if (mcast->count == SODP_MAX_MCAST_GRP)
		return ERR_PTR(-ENOMEM);
	group = kzalloc(sizeof(*group), GFP_KERNEL_ACCOUNT);
	if (!group)
		return ERR_PTR(-ENOMEM);
	group->addr = *addr;
	err = join(dev, addr);
	if (err) {
		kfree(group);
		return ERR_PTR(err);
	}
	hlist_add_head_rcu(&group->node, bucket(mcast, addr));
	mcast->count++;
	return group;
}

static void drop_if_empty(struct sodp_dev *dev, struct group *group)
{
	lockdep_assert_held(&dev->mcast->lock);
	if (group->count)
		return;
	hlist_del_rcu(&group->node);
	dev->mcast->count--;
	leave(dev, &group->addr);
	kfree_rcu(group, rcu);
}

static int add_member(const struct sodp_mcast *mcast, struct group *group,
		      u32 qpn)
{
	struct member *member;

	lockdep_assert_held(&mcast->lock);
	member = find_member(mcast, group, qpn);
	if (member) { /* ib_core counts each: by another LID, or in the kernel */
		member->times++;
		return 0;
	}
	if (group->count == SODP_MAX_MCAST_QP_ATTACH)
		return -ENOMEM;
	member = kzalloc(sizeof(*member), GFP_KERNEL_ACCOUNT);
	if (!member)
		return -ENOMEM;
	member->qpn = qpn;
	member->times = 1;
	hlist_add_head_rcu(&member->node, &group->members);
	group->count++;
	return 0;
}

int sodp_mcast_attach(struct sodp_dev *dev, const struct in6_addr *addr,
		      u32 qpn)
{
	struct sodp_mcast *mcast = dev->mcast;
	struct group *group;
	int err;

	mutex_lock(&mcast->lock);
	group = find(mcast, addr);
	if (!group)
		group = add_group(dev, addr);
	if (IS_ERR(group)) {
		err = PTR_ERR(group);
	} else {
		err = add_member(mcast, group, qpn);
		drop_if_empty(dev, group); /* one made in vain */
	}
	mutex_unlock(&mcast->lock);
	return err;
}

static void drop_member(struct sodp_dev *dev, struct group *group,
			struct member *member)
{
	lockdep_assert_held(&dev->mcast->lock);
	if (--member->times)
		return;
	hlist_del_rcu(&member->node);
	group->count--;
	kfree_rcu(member, rcu);
	drop_if_empty(dev, group);
}

int sodp_mcast_detach(struct sodp_dev *dev, const struct in6_addr *addr,
		      u32 qpn)
{
	struct sodp_mcast *mcast = dev->mcast;
	struct member *member = NULL;
	struct group *group;

	mutex_lock(&mcast->lock);
	group = find(mcast, addr);
	if (group)
		member = find_member(mcast, group, qpn);
	if (member)
		drop_member(dev, group, member);
	mutex_unlock(&mcast->lock);
	return member ? 0 : -EINVAL;
}

/* --- packets ----------------------------------------------------- */

/* All read the same bytes: nobody writes to a packet that was received. */
static void give_copy(struct sodp_dev *dev, u32 qpn, const struct sk_buff *skb)
{
	struct sodp_qp *qp = sodp_qp_get(qpn);
	struct sk_buff *copy = NULL;

	if (!qp)
		return;
	if (qp->dev == dev)
		copy = skb_clone((struct sk_buff *)skb, GFP_ATOMIC);
	if (copy) { /* else it is as if lost on the wire */
		sodp_rx_detach(copy);
		sodp_xport_rx(qp, copy);
	}
	sodp_qp_put(qp);
}

bool sodp_mcast_rx(struct sodp_dev *dev, const struct in6_addr *addr,
		   const struct sk_buff *skb)
{
	struct member *member;
	struct group *group;

	RCU_LOCKDEP_WARN(!rcu_read_lock_held(), "sodp_mcast_rx without RCU");

	group = SODP_MUTANT(MCAST_ANY_GROUP) ? find_any(dev->mcast) :
					       find(dev->mcast, addr);
	if (!group)
		return false;
	hlist_for_each_entry_rcu (member, &group->members, node)
		give_copy(dev, member->qpn, skb);
	return true;
}
