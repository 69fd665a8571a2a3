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

#endif
