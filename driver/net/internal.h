/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of net/ share among themselves. */
#ifndef SODP_NET_INTERNAL_H
#define SODP_NET_INTERNAL_H

/* netdev.c: the netdevice notifier */
int sodp_netdev_init(void);
void sodp_netdev_exit(void);

#endif
