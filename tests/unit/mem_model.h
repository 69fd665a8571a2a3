/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Any sequence of what owner, device and kernel may do, against a trivially
 * right model: a flat array of bytes and the rights of each VMA. t_random.c
 * chooses by a generator, tests/fuzz/fuzz_mem.c by a fuzzer's bytes.
 */
#ifndef MEM_MODEL_H
#define MEM_MODEL_H

#include "mem_test.h"

/* Where choices come from: 0 .. n - 1, n > 0. */
typedef unsigned int (*mem_model_pick)(unsigned int n);

/* Regions and open fences are made by steps; a first region is there. */
void mem_model_start(struct bed *bed, mem_model_pick pick);
/* One thing happens, and all that must hold afterwards is checked. */
void mem_model_step(void);
/* Everything ends, in one of the ways in which it may. */
void mem_model_end(void);

#endif
