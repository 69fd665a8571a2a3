/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only file with kernel-version conditions. Included before everything
 * else in every object of the module (see Kbuild).
 */
#ifndef SODP_COMPAT_COMPAT_H
#define SODP_COMPAT_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "softodp needs Linux 6.1 or newer"
#endif

#include "mutant.h"

/* UDP tunnel sockets: 7.x takes struct sock where 6.x takes struct socket. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
#define sodp_tunnel_sock(sock) (sock)
#else
#define sodp_tunnel_sock(sock) ((sock)->sk)
#endif

#endif
