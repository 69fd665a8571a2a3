/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The demo's acts, in order. Each ends in one claim or two. */
#ifndef DEMO_CLAIMS_H
#define DEMO_CLAIMS_H

#include "region.h"

bool act_register(struct region *region); /* false: no use going on */
void act_traffic(struct region *region);
void act_fork(struct region *region);
void act_remap(struct region *region);
void act_discard(struct region *region);
void act_swap(struct region *region);
void act_unmap(struct region *region);

#endif
