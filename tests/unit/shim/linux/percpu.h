/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Per-CPU data on the host: one copy, added to atomically. */
#ifndef SHIM_LINUX_PERCPU_H
#define SHIM_LINUX_PERCPU_H

#define __percpu
#define this_cpu_add(lvalue, n) \
	((void)__atomic_fetch_add(&(lvalue), (n), __ATOMIC_RELAXED))

#endif
