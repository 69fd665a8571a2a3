/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* All counters of a device: what they moved by, by name. */
#ifndef HOSTILE_CENSUS_H
#define HOSTILE_CENSUS_H

#include "util.h"

void census_begin(const char *dev);
/* Any number of times. */
void census_end(const char *dev);
/* From first to last; ends the program if there is no such counter. */
uint64_t census_delta(const char *name);
/* Those that moved, a line each. */
void census_print(void);

#endif
