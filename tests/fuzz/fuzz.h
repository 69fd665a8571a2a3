/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What a target gives to libFuzzer and to replay.c. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A good input to start from; 0: there are no more than @i of them. */
size_t fuzz_seed(unsigned int i, uint8_t *out, size_t max);

#endif
