/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only file with kernel-version conditions. Included before everything
 * else in every object of the module (see Kbuild).
 */
#ifndef SODP_COMPAT_COMPAT_H
#define SODP_COMPAT_COMPAT_H

#include <linux/version.h>

/*
 * The kernels between the first and the last that all suites pass on. What we
 * rest on may change in others without a word of the compiler. debian/ has the
 * same range (tests/style/check_kernels.sh), so that DKMS leaves them out.
 */
#define SODP_KERNEL_FIRST  KERNEL_VERSION(6, 1, 0)
#define SODP_KERNEL_BEYOND KERNEL_VERSION(7, 4, 0)

#if LINUX_VERSION_CODE < SODP_KERNEL_FIRST
#error "softodp is tested with Linux 6.1 to 7.3: this kernel is older"
#endif
#if LINUX_VERSION_CODE >= SODP_KERNEL_BEYOND && !defined(SODP_UNTESTED_KERNEL)
#error "softodp is tested with Linux 6.1 to 7.3: this kernel is newer. To try it all the same: make KCFLAGS=-DSODP_UNTESTED_KERNEL"
#endif

#include "mutant.h"

/* create_cq: from 6.11 on the udata comes inside of the attribute bundle. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
#define SODP_CREATE_CQ_ARG   struct ib_udata *arg
#define SODP_CREATE_CQ_UDATA (arg)
#else
#define SODP_CREATE_CQ_ARG   struct uverbs_attr_bundle *arg
#define SODP_CREATE_CQ_UDATA ((arg) ? &(arg)->driver_udata : NULL)
#endif

/* resize_cq: 7.x says what it is for. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
#define SODP_RESIZE_CQ_OP resize_cq
#define SODP_RESIZE_CQE	  int
#else
#define SODP_RESIZE_CQ_OP resize_user_cq
#define SODP_RESIZE_CQE	  unsigned int
#endif

/* reg_user_mr: 6.17 put a DMA handle, which we have no use for, before udata. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define SODP_REG_MR_ARGS(udata) struct ib_udata *udata
#define SODP_REG_MR_DMAH	NULL
#else
#define SODP_REG_MR_ARGS(udata) struct ib_dmah *dmah, struct ib_udata *udata
#define SODP_REG_MR_DMAH	dmah
#endif

/* 6.16 renamed it. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define from_timer(var, timer, field) timer_container_of(var, timer, field)
#endif

/* 6.18 gave the absence of WQ_UNBOUND a name. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define WQ_PERCPU 0
#endif

/* UDP tunnel sockets: 7.x takes struct sock where 6.x takes struct socket. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
#define sodp_tunnel_sock(sock) (sock)
#else
#define sodp_tunnel_sock(sock) ((sock)->sk)
#endif

/*
 * IPv6 may be a module, or be switched off: through the table of stubs, which
 * refuses then. 7.x has no table, for there IPv6 is no module.
 */
#ifdef __has_include /* sparse has not */
#if __has_include(<net/ipv6_stubs.h>)
#define SODP_IPV6_HEADER <net/ipv6_stubs.h>
#endif
#endif
#ifdef SODP_IPV6_HEADER
#define sodp_ipv6_lookup(net, fl6) \
	ipv6_stub->ipv6_dst_lookup_flow(net, NULL, fl6, NULL)
#define sodp_ipv6_dev_find(net, addr) ipv6_stub->ipv6_dev_find(net, addr, NULL)
#else
#define SODP_IPV6_HEADER	      <net/addrconf.h>
#define sodp_ipv6_lookup(net, fl6)    ip6_dst_lookup_flow(net, NULL, fl6, NULL)
#define sodp_ipv6_dev_find(net, addr) ipv6_dev_find(net, addr, NULL)
#endif

/* 6.5 took the vmas argument away. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define sodp_get_user_pages_remote(mm, start, nr, flags, pages, locked) \
	get_user_pages_remote(mm, start, nr, flags, pages, NULL, locked)
#else
#define sodp_get_user_pages_remote(mm, start, nr, flags, pages, locked) \
	get_user_pages_remote(mm, start, nr, flags, pages, locked)
#endif

#endif
