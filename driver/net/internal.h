/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of net/ share among themselves. */
#ifndef SODP_NET_INTERNAL_H
#define SODP_NET_INTERNAL_H

#include <linux/in6.h>
#include <linux/netdevice.h>

/* Where neither the program nor the namespace says how far a packet may go. */
#define SODP_HOP_LIMIT 64

/* flow.c: the interface that owns an address, or NULL. Under RCU. */
struct net_device *sodp_addr_owner(struct net *net,
				   const struct in6_addr *addr);

/* rx.c: leave behind what the stack attached and what is only good under RCU. */
void sodp_rx_detach(struct sk_buff *skb);

/* netdev.c: the netdevice notifier */
int sodp_netdev_init(void);
void sodp_netdev_exit(void);

#endif
