/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The kernel's names of types, on the host. */
#ifndef SHIM_LINUX_TYPES_H
#define SHIM_LINUX_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include_next <linux/types.h> /* the host's own: __u8, __be32 ... */

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;

#endif
