/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What a device says that it pages on demand. */
#ifndef SOFTODP_CAPS_H
#define SOFTODP_CAPS_H

#include <softodp/softodp.h>

enum {
	CAPS_TRANSPORTS = SOFTODP_REG_FOR_RC | SOFTODP_REG_FOR_UC |
			  SOFTODP_REG_FOR_UD,
};

/*
 * ibv_query_device_ex(), but by no function of libibverbs: the preloaded shim
 * is in every process, most of which have no libibverbs. 0 or an errno value;
 * a device of before this call has nothing of what it tells, and that is no
 * error.
 */
int caps_query(struct ibv_context *context, struct ibv_device_attr_ex *attr);

/*
 * Can the device page on demand for these access flags and transports (an OR of
 * SOFTODP_REG_FOR_*; 0 is RC)? FIRST_CHOICE: yes; else *error says more.
 */
enum softodp_reason caps_check(const struct ibv_device_attr_ex *attr,
			       unsigned int access, unsigned int transports);
enum softodp_reason caps_ask(struct ibv_context *context, unsigned int access,
			     unsigned int transports, int *error);

#endif
