/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SOFTODP_DEVICE_H
#define SOFTODP_DEVICE_H

#include <stdbool.h>

#include <softodp/softodp.h>

/* Is it the driver of this project, whose regions cost nothing until used? */
bool device_is_softodp(const struct ibv_context *context);

#endif
